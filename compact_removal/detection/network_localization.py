# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network that finds the centres of sources, and its model.
"""

from types import MappingProxyType

import torch

from compact_removal.detection.kinds import KINDS
from compact_removal.detection.loss_localization import LocalizationLoss
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.unet import ResidualUNet
from compact_removal.utils.parameters import (check_boolean,
                                              check_positive_integer)

__all__ = ['LocalizationModel']

# Channels per level in units of the width.
_LEVELS = (3, 6, 12)

# Logits of a new network: nearly no pixel is a centre.
_FIRST_LOGIT = -5.0

# Planes of significance of each channel.
_N_PLANES = 3


class LocalizationModel(Model):
    """
    Predict where centres of sources are, by kind.

    A U-Net, as papers on localising have it (Stoppa et al. 2022), with
    residual blocks. It sees the significance of a source of the PSF at
    each pixel for three kinds of background, so that neither unit nor
    scale of a map has an influence, and the width of the PSF.

    Parameters
    ----------
    width : int, optional
        The three levels have 3, 6 and 12 times as many channels.
    n_channels : int, optional
        Maps that it sees together.
    counts : bool, optional
        Whether they are photons, whose significance is that of twice
        their square root.

    Raises
    ------
    ParameterError
        If a number is not a positive integer, or ``counts`` no bool.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.detection.networks import find_model_class
    >>> model = find_model_class('localization')(width=1).eval()
    >>> with torch.no_grad():
    ...     model(torch.zeros(2, 3, 32, 40), torch.tensor([3.0, 4.0]),
    ...           )['logit'].shape
    torch.Size([2, 3, 32, 40])
    """

    task = 'detection'
    name = 'localization'
    inputs = MappingProxyType({
        'significance': Field('plane'),
        'fwhm': Field('value', positive=True)})
    targets = MappingProxyType({'truth': Field('target')})
    outputs = MappingProxyType({'logit': Field('plane')})
    loss_class = LocalizationLoss
    size_step = 8
    min_size = 16
    usual_size = 128
    receptive_radius = 56

    def __init__(self, width=8, n_channels=1, counts=False):
        width = check_positive_integer('width', width)
        n_channels = check_positive_integer('n_channels', n_channels)
        check_boolean('counts', counts)
        super().__init__(width=width, n_channels=n_channels, counts=counts)
        self.network = ResidualUNet([factor * width for factor in _LEVELS],
                                    n_inputs=_N_PLANES * n_channels + 1,
                                    n_maps=len(KINDS))

    def forward(self, significance, fwhm):
        """
        Predict logits of centres.

        Parameters
        ----------
        significance : `torch.Tensor`, (n, 3 n_channels, ny, nx)
            From ``filter_map`` of ``detection.filters``.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``logit``, (n, n_kinds, ny, nx).

        Raises
        ------
        ParameterError
            If the size does not fit the network.
        """
        check_size(significance, self)
        width = torch.log2(fwhm / 3.5)[:, None, None, None].expand(
            -1, 1, *significance.shape[-2:])
        inputs = torch.cat((torch.asinh(significance / 2), width), dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        return {'logit': self.network(inputs) + _FIRST_LOGIT}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``significance``, ``fwhm``, and ``truth``, (n, n_kinds, ny,
            nx): 1 at centres, falling to 0 around them; NaN where it is
            not known.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        output = self(batch['significance'], batch['fwhm'])
        return loss(output['logit'], batch['truth'])
