# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Networks that find tracking errors: a small one, and that of MaxiTrack.
"""

from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from compact_removal.contaminants.loss_tracking import TrackingLoss
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.unet import ChannelNorm
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['MaxiTrackModel', 'SmallTrackingModel', 'TrackingModel']

# Channels of the levels of the small network in units of the width, and
# hidden units behind them.
_LEVELS = (3, 4, 6, 8)
_N_HIDDEN = 32

# Channels of MaxiTrack in units of the width, and units of its layers that
# are fully connected (Table 6).
_CHANNELS = (2, 4, 8, 16, 16)
_UNITS = 64


class TrackingModel(Model):
    """
    Base class of models that classify exposures.

    Examples
    --------
    >>> from compact_removal.contaminants.network_tracking import (
    ...     TrackingModel)
    >>> list(TrackingModel.outputs)
    ['logit']
    """

    task = 'tracking'
    inputs = MappingProxyType({'image': Field('plane')})
    targets = MappingProxyType({'truth': Field('value')})
    outputs = MappingProxyType({'logit': Field('value')})
    loss_class = TrackingLoss

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
        return loss(self(batch['image'])['logit'], batch['truth'])


class SmallTrackingModel(TrackingModel):
    """
    Find tracking errors by the shapes of sources.

    Convolutions look at each source; features are averaged over the
    exposure with weights that the network gives to places, so that the
    sky between the sources does not count.

    Parameters
    ----------
    width : int, optional
        The levels have 3, 4, 6 and 8 times as many channels.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.networks import find_tracking_class
    >>> model = find_tracking_class('small')(width=1).eval()
    >>> with torch.no_grad():
    ...     model(torch.zeros(2, 64, 64))['logit'].shape
    torch.Size([2])
    """

    name = 'small'
    size_step = 16
    min_size = 32
    usual_size = 256

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        channels = [factor * width for factor in _LEVELS]
        layers, before = [], 4
        for level, n in enumerate(channels):
            stride = 1 if level == 0 else 2
            layers += [nn.Conv2d(before, n, 3, stride=stride, padding=1),
                       ChannelNorm(n), nn.SiLU(),
                       nn.Conv2d(n, n, 3, padding=1), nn.SiLU()]
            before = n
        self.features = nn.Sequential(*layers)
        self.weight = nn.Conv2d(before, 1, 1)
        self.head = nn.Sequential(nn.Linear(2 * before, _N_HIDDEN), nn.SiLU(),
                                  nn.Linear(_N_HIDDEN, 1))

    def forward(self, image):
        """
        Predict whether there is a tracking error.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``logit``, (n,).
        """
        check_size(image, self)
        image = torch.asinh(image)[:, None]
        # bright places count from the start
        bright = functional.avg_pool2d(image.clip(min=0), 16)
        inputs = functional.pixel_unshuffle(image, 2)
        features = self.features(inputs.contiguous(
            memory_format=torch.channels_last)).flatten(2)
        weight = torch.softmax(self.weight(
            features[..., None])[..., 0] + bright.flatten(2), dim=-1)
        mean = (features * weight).sum(dim=-1)
        scatter = (features ** 2 * weight).sum(dim=-1) - mean ** 2
        pooled = torch.cat([mean, torch.sqrt(scatter.clip(min=0) + 1e-4)], 1)
        return {'logit': self.head(pooled)[:, 0]}


class MaxiTrackModel(TrackingModel):
    """
    Find tracking errors as MaxiTrack does (Table 6).

    Five convolutions of 9 x 9 pixels, each with a rectifier and pooling,
    and three layers that are fully connected. The released network
    differs from the paper, which this follows.

    Parameters
    ----------
    width : int, optional
        Half the channels of the first level; 8 is that of the paper.
    size : int, optional
        Side of the images (pixels).

    Raises
    ------
    ParameterError
        If a number is not a positive integer.

    Examples
    --------
    >>> from compact_removal.contaminants.networks import find_tracking_class
    >>> model = find_tracking_class('maxitrack')()
    >>> sum(one.numel() for one in model.parameters())
    3588482
    """

    name = 'maxitrack'
    usual_size = 400

    def __init__(self, width=8, size=400):
        width = check_positive_integer('width', width)
        size = check_positive_integer('size', size)
        super().__init__(width=width, size=size)
        self.size_step = self.min_size = self.usual_size = size
        layers, before = [], 1
        for factor in _CHANNELS:
            layers += [nn.Conv2d(before, factor * width, 9, padding=4),
                       nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
            before = factor * width
            size = -(-size // 2)
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(before * size ** 2, _UNITS), nn.ReLU(),
            nn.Linear(_UNITS, _UNITS), nn.ReLU(), nn.Linear(_UNITS, 2))

    def forward(self, image):
        """
        Predict whether there is a tracking error.

        Parameters
        ----------
        image : `torch.Tensor`, (n, size, size)
            Less its background, over its noise.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``logit``, (n,): that of the second class of the softmax.
        """
        check_size(image, self)
        scores = self.head(self.features(torch.asinh(image)[:, None]))
        return {'logit': scores[:, 1] - scores[:, 0]}
