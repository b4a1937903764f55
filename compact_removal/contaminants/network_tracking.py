# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Networks that find tracking errors: a small one, and that of MaxiTrack.
"""

from types import MappingProxyType

import torch
from torch import nn

from compact_removal.contaminants.loss_tracking import TrackingLoss
from compact_removal.contaminants.stacks import STACK_SIZE
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['MaxiTrackModel', 'SmallTrackingModel', 'TrackingModel']

# Channels of the levels of the small network in units of the width, and
# hidden units behind them.
_LEVELS = (3, 4, 6, 8)
_N_HIDDEN = 32

# Planes of a stack of sources.
_N_PLANES = 3

# Channels of MaxiTrack in units of the width, and units of its layers that
# are fully connected (Table 6).
_CHANNELS = (2, 4, 8, 16, 16)
_UNITS = 64


class TrackingModel(Model):
    """
    Base class of models that classify exposures.

    Attributes
    ----------
    sees : {'stack', 'image'}
        Its input: stacks of sources, or parts of exposures.

    Examples
    --------
    >>> from compact_removal.contaminants.network_tracking import (
    ...     TrackingModel)
    >>> list(TrackingModel.outputs)
    ['logit']
    """

    task = 'tracking'
    sees = 'image'
    targets = MappingProxyType({'truth': Field('value')})
    outputs = MappingProxyType({'logit': Field('value')})
    loss_class = TrackingLoss

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The input and ``truth``.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(self(batch[self.sees])['logit'], batch['truth'])


class SmallTrackingModel(TrackingModel):
    """
    Find tracking errors by the common shape of the sources.

    A few convolutions look at a stack of the sources of an exposure
    (``stacks.py``), instead of the exposure: what counts is what all
    sources have in common.

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
    ...     model(torch.zeros(2, 3, 41, 41))['logit'].shape
    torch.Size([2])
    """

    name = 'small'
    sees = 'stack'
    inputs = MappingProxyType({'stack': Field('plane')})
    min_size = usual_size = STACK_SIZE

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        layers, before, side = [], _N_PLANES, STACK_SIZE
        for level, factor in enumerate(_LEVELS):
            n = factor * width
            layers += [nn.Conv2d(before, n, 3, stride=1 + (level > 0),
                                 padding=1),
                       nn.SiLU(), nn.Conv2d(n, n, 3, padding=1), nn.SiLU()]
            before = n
            side = -(-side // (1 + (level > 0)))
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(before * side ** 2, _N_HIDDEN), nn.SiLU(),
            nn.Linear(_N_HIDDEN, 1))
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                # otherwise nothing arrives behind so many layers
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
                nn.init.zeros_(layer.bias)

    def forward(self, stack):
        """
        Predict whether there is a tracking error.

        Parameters
        ----------
        stack : `torch.Tensor`, (n, 3, 41, 41)
            From ``stack_sources``.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``logit``, (n,).
        """
        features = self.features(torch.asinh(stack).contiguous(
            memory_format=torch.channels_last))
        return {'logit': self.head(features)[:, 0]}


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
    inputs = MappingProxyType({'image': Field('plane')})
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
