# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network that finds contaminants, and its model.
"""

from types import MappingProxyType

import torch

from compact_removal.contaminants.classes import CLASS_NAMES
from compact_removal.contaminants.loss_segmentation import (CORE_SHARE, SHARES,
                                                            SegmentationLoss)
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.unet import ResidualUNet
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['SegmentationModel']

# Channels per level in units of the width. The first level has all pixels:
# hits and hot pixels are single ones.
_LEVELS = (2, 4, 6, 9, 12, 12)

# Weight of P(dilated truth) in the output of cosmic rays, beside P(core).
_HALO = 0.1


class SegmentationModel(Model):
    """
    Predict which pixels belong to which class.

    A U-Net with residual blocks. Beside the classes it predicts the cores
    of cosmic rays, where they have more than three standard deviations.
    ``CR`` is 0.1 of the probability of the truth of the paper, which is
    dilated, and 0.9 of that of a core: one output serves both.

    Parameters
    ----------
    width : int, optional
        The six levels have 2, 4, 6, 9, 12 and 12 times as many channels.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.networks import find_model_class
    >>> model = find_model_class('segmentation')(width=1).eval()
    >>> with torch.no_grad():
    ...     model(torch.zeros(2, 32, 64))['probability'].shape
    torch.Size([2, 14, 32, 64])
    """

    task = 'contaminants'
    name = 'segmentation'
    inputs = MappingProxyType({'image': Field('plane')})
    targets = MappingProxyType({'truth': Field('target', dtype='int32')})
    outputs = MappingProxyType({'probability': Field('plane')})
    loss_class = SegmentationLoss
    size_step = 32
    min_size = 32
    usual_size = 256
    receptive_radius = 224
    surrounded = False
    structure = False

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = ResidualUNet([factor * width for factor in _LEVELS],
                                    n_inputs=1, n_maps=len(CLASS_NAMES) + 1,
                                    block=1, normalize=True)
        # at first it sees nothing
        logit = torch.logit(torch.tensor([*SHARES, CORE_SHARE * SHARES[0]]))
        with torch.no_grad():
            self.network.last.bias.copy_(logit)

    def predict_logits(self, image):
        """
        Predict logits of the classes and of the cores.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise.

        Returns
        -------
        logit : `torch.Tensor`, (n, n_classes + 1, ny, nx)
            The logits.
        """
        check_size(image, self)
        inputs = torch.asinh(image)[:, None]
        return self.network(inputs.contiguous(
            memory_format=torch.channels_last))

    def forward(self, image):
        """
        Predict probabilities.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``probability``, (n, n_classes, ny, nx).
        """
        probability = self.predict_logits(image).sigmoid_()
        classes, core = probability[:, :-1], probability[:, -1]
        classes[:, 0] = _HALO * classes[:, 0] + (1 - _HALO) * core
        return {'probability': classes}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``image`` and ``truth``.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(self.predict_logits(batch['image']), batch['truth'])

