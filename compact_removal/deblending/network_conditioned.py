# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The default network of the photometer: the light of the source that it is
pointed at.
"""

from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from compact_removal.deblending.loss_conditioned import ConditionedLoss
from compact_removal.deblending.stamps import STAMP_SIZE
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.symmetry import average_flips
from compact_removal.nn.unet import ResidualUNet
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['ConditionedModel']

# Channels of the levels in units of the width, and hidden units of the head.
_LEVELS = (2, 4, 6, 8, 8)
_N_HIDDEN = 64

# Fluxes are at least this, in units of the noise of a pixel.
_FAINTEST = 1.0

# Limits of the logarithm of the relative error of a flux.
_ERRORS = (-6.0, 2.0)


class ConditionedModel(Model):
    """
    Measure the source at a position of an image.

    A U-Net sees the image and two planes, with spots at the position and
    at those of all other sources. It predicts which share of the light
    of each pixel is that of the source, of others, and of none. The flux
    is the sum of the shared light, times a factor that a small network
    predicts together with the error from features where the source is.

    Parameters
    ----------
    width : int, optional
        The levels have 2, 4, 6, 8 and 8 times as many channels.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.networks import find_model_class
    >>> model = find_model_class('conditioned')(width=2).eval()
    >>> with torch.no_grad():
    ...     outputs = model(*torch.zeros(3, 2, 64, 64))
    >>> outputs['share'].shape, outputs['log_flux'].shape
    (torch.Size([2, 64, 64]), torch.Size([2]))
    """

    task = 'blends'
    name = 'conditioned'
    inputs = MappingProxyType({
        'image': Field('plane'), 'target': Field('plane', fill=0.0),
        'others': Field('plane', fill=0.0)})
    targets = MappingProxyType({
        'light': Field('target'), 'other_light': Field('target'),
        'truth': Field('value')})
    outputs = MappingProxyType({
        'share': Field('plane'), 'other_share': Field('plane'),
        'log_flux': Field('value'), 'log_error': Field('value')})
    loss_class = ConditionedLoss
    size_step = 32
    min_size = usual_size = STAMP_SIZE

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        channels = [factor * width for factor in _LEVELS]
        self.network = ResidualUNet(channels, n_inputs=4, n_maps=3,
                                    normalize=True)
        self.head = nn.Sequential(
            nn.Linear(2 * channels[0] + 3, _N_HIDDEN), nn.SiLU(),
            nn.Linear(_N_HIDDEN, _N_HIDDEN), nn.SiLU(),
            nn.Linear(_N_HIDDEN, 2))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def predict_logits(self, image, target, others):
        """
        Predict shares, fluxes and errors.

        Parameters
        ----------
        image, target, others : `torch.Tensor`, (n, 64, 64)
            From ``cut_stamps``.

        Returns
        -------
        logit : `torch.Tensor`, (n, 3, 64, 64)
            Of the shares of the source, of others and of none.
        log_flux, log_error : `torch.Tensor`, (n,)
            Natural logarithms of the flux, in units of the noise of a
            pixel, and of its relative error.
        """
        check_size(image, self)
        inputs = torch.stack([torch.asinh(image), torch.asinh(image / 30),
                              target, others], dim=1)
        features = self.network.make_features(inputs.contiguous(
            memory_format=torch.channels_last))
        logit = self.network.make_maps(features)
        share = torch.softmax(logit, dim=1)
        light = (share * image[:, None]).sum(dim=(2, 3)).clamp(min=_FAINTEST)
        area = share.sum(dim=(2, 3)).clamp(min=_FAINTEST)
        log_light, log_area = torch.log(light), torch.log(area)
        numbers = [log_light[:, 0] - 5, log_light[:, 1] - log_light[:, 0],
                   log_light[:, 0] - 0.5 * log_area[:, 0] - 3]
        pooled = [_pool(features, share[:, :1]), _pool(features,
                                                       target[:, None])]
        change, error = self.head(torch.cat(
            [torch.stack(numbers, dim=1), *pooled], dim=1)).unbind(dim=1)
        low, high = _ERRORS
        return (logit, log_light[:, 0] + change,
                low + (high - low) * torch.sigmoid(error))

    def forward(self, image, target, others):
        """
        Predict the share of a source, its flux and error.

        These are means over mirror images.

        Parameters
        ----------
        image, target, others : `torch.Tensor`, (n, 64, 64)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``share`` of the source and ``other_share`` of others, (n, 64,
            64); ``log_flux`` and ``log_error``, (n,).
        """
        def predict(axes, *planes):
            logit, log_flux, log_error = self.predict_logits(*planes)
            share, other_share, _ = torch.softmax(logit, dim=1).unbind(dim=1)
            return {'share': share, 'other_share': other_share,
                    'log_flux': log_flux, 'log_error': log_error}

        return average_flips(predict, image, target, others)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The inputs, ``light``, ``other_light`` and ``truth``.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(self.predict_logits(*(batch[name]
                                          for name in self.inputs)),
                    batch['light'], batch['other_light'], batch['truth'])


def _pool(features, weight):
    """
    Average features with a weight, which may be finer.
    """
    weight = functional.avg_pool2d(
        weight, weight.shape[-1] // features.shape[-1])
    total = weight.sum(dim=(2, 3)).clamp(min=1e-3)
    return (features * weight).sum(dim=(2, 3)) / total
