# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks blend2flux and blend2mask2flux (Boucaud et al. 2020, Sect. 3).
"""

from itertools import pairwise
from types import MappingProxyType

import torch
from torch import nn

from compact_removal.deblending.loss_blend2flux import BlendLoss
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['Blend2FluxModel', 'Blend2Mask2FluxModel', 'FluxNetwork',
           'MaskNetwork']

# Side of the stamps, and the factors of the channels.
_SIZE = 128
_FACTORS = (1, 1, 2, 2, 4)

# Channels of the U-Net, and dropout.
_CHANNELS = (32, 64, 128, 256, 512)
_DROPOUT = 0.2

# Standard deviation of the noise in the images of the paper: inputs are
# brought to their unit.
_NOISE = 0.004


class FluxNetwork(nn.Sequential):
    """
    Fluxes of the central galaxy and its companion (Table 2).

    Parameters
    ----------
    width : int
        Channels of the first layers, and units of the last ones.
    n_inputs : int, optional
        Channels of the stamps.

    Examples
    --------
    >>> from compact_removal.deblending.network_blend2flux import FluxNetwork
    >>> sum(value.numel() for value in FluxNetwork(64).parameters())
    1607106
    """

    def __init__(self, width, n_inputs=1):
        layers = []
        channels = [n_inputs, *(factor * width for factor in _FACTORS)]
        for number, (n, m) in enumerate(pairwise(channels)):
            if number:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.Conv2d(n, m, 3, padding=1), nn.ReLU()]
        side = _SIZE // 2 ** (len(_FACTORS) - 1)
        super().__init__(
            *layers, nn.Flatten(),
            nn.Linear(side ** 2 * channels[-1], width), nn.SELU(),
            nn.Linear(width, width), nn.SELU(), nn.Linear(width, 2))


class _Level(nn.Sequential):
    """
    Two convolutions.
    """

    def __init__(self, n_inputs, n_outputs):
        super().__init__(
            nn.Conv2d(n_inputs, n_outputs, 3, padding=1), nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Conv2d(n_outputs, n_outputs, 3, padding=1), nn.ReLU())


class MaskNetwork(nn.Module):
    """
    The U-Net of depth 5 that draws the masks of two galaxies.

    Parameters
    ----------
    channels : tuple of int, optional
        Of the levels.

    Examples
    --------
    >>> from compact_removal.deblending.network_blend2flux import MaskNetwork
    >>> n = sum(value.numel() for value in MaskNetwork().parameters())
    >>> f'{n / 1e6:.2f}'
    '8.63'
    """

    def __init__(self, channels=_CHANNELS):
        super().__init__()
        self.encoder = nn.ModuleList(
            _Level(n, m) for n, m in pairwise((1, *channels)))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(m, n, 3, stride=2, padding=1, output_padding=1)
            for n, m in pairwise(channels))
        self.decoder = nn.ModuleList(_Level(2 * n, n) for n in channels[:-1])
        self.last = nn.Conv2d(channels[0], 2, 1)

    def forward(self, image):
        """
        Predict logits of the masks.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 1, ny, nx)
            The stamps.

        Returns
        -------
        logit : `torch.Tensor`, (n, 2, ny, nx)
            Of the central galaxy and of its companion.
        """
        features, skips = image, []
        for level in self.encoder[:-1]:
            features = level(features)
            skips.append(features)
            features = self.pool(features)
        features = self.encoder[-1](features)
        for up, level in zip(reversed(self.up), reversed(self.decoder),
                             strict=True):
            features = level(torch.cat([up(features), skips.pop()], dim=1))
        return self.last(features)


class Blend2FluxModel(Model):
    """
    Measure two galaxies, of which the first one is in the middle.

    Parameters
    ----------
    width : int, optional
        See `FluxNetwork`; that of the program of the paper is 512.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.networks import find_model_class
    >>> model = find_model_class('blend2flux')(width=2).eval()
    >>> with torch.no_grad():
    ...     model(torch.zeros(3, 128, 128))['flux'].shape
    torch.Size([3, 2])
    """

    task = 'blends'
    name = 'blend2flux'
    inputs = MappingProxyType({'image': Field('plane', fill=0.0)})
    targets = MappingProxyType({'truth': Field('value')})
    outputs = MappingProxyType({'flux': Field('value')})
    loss_class = BlendLoss
    size_step = min_size = usual_size = _SIZE

    def __init__(self, width=256):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = FluxNetwork(width)

    def predict_logits(self, image):
        """
        Predict fluxes, and logits of masks where there are any.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 128, 128)
            Less its background, over its noise.

        Returns
        -------
        flux : `torch.Tensor`, (n, 2)
            In units of the noise.
        logit : `torch.Tensor` or None
            Of the masks, (n, 2, 128, 128).
        """
        check_size(image, self)
        return self.network(_NOISE * image[:, None]) / _NOISE, None

    def forward(self, image):
        """
        Predict fluxes.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 128, 128)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``flux``, (n, 2): of the galaxy in the middle and the other.
        """
        return {'flux': self.predict_logits(image)[0]}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The image and the targets.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(*self.predict_logits(batch['image']), batch)


class Blend2Mask2FluxModel(Blend2FluxModel):
    """
    Draw the masks of two galaxies, then measure these.

    The U-Net is trained first, with ``loss={'fluxes': 0.0}``; then all
    of it, from those weights.

    Parameters
    ----------
    width : int, optional
        See `FluxNetwork`. The default comes nearest to the 18.5 million
        parameters of the paper.
    n_channels : int, optional
        Channels of the first level of the U-Net; each further one has
        twice as many.

    Raises
    ------
    ParameterError
        If one is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.networks import find_model_class
    >>> model = find_model_class('blend2mask2flux')(width=2, n_channels=1)
    >>> with torch.no_grad():
    ...     outputs = model.eval()(torch.zeros(3, 128, 128))
    >>> outputs['flux'].shape, outputs['masks'].shape
    (torch.Size([3, 2]), torch.Size([3, 2, 128, 128]))
    """

    name = 'blend2mask2flux'
    targets = MappingProxyType({'truth': Field('value'),
                                'masks': Field('target')})
    outputs = MappingProxyType({'flux': Field('value'),
                                'masks': Field('plane')})

    def __init__(self, width=160, n_channels=_CHANNELS[0]):
        n_channels = check_positive_integer('n_channels', n_channels)
        super().__init__(width=width)
        self.config['n_channels'] = n_channels
        self.network = FluxNetwork(width, n_inputs=3)
        self.masks = MaskNetwork(tuple(n_channels * 2 ** k for k in range(
            len(_CHANNELS))))

    def predict_logits(self, image):
        """
        Predict fluxes, and logits of masks.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 128, 128)
            Less its background, over its noise.

        Returns
        -------
        flux : `torch.Tensor`, (n, 2)
            In units of the noise.
        logit : `torch.Tensor`, (n, 2, 128, 128)
            Of the masks.
        """
        check_size(image, self)
        image = _NOISE * image[:, None]
        logit = self.masks(image)
        inputs = torch.cat([image, torch.sigmoid(logit)], dim=1)
        return self.network(inputs) / _NOISE, logit

    def forward(self, image):
        """
        Predict fluxes and masks.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 128, 128)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``flux``, (n, 2); ``masks``, (n, 2, 128, 128), between 0 and
            1.
        """
        flux, logit = self.predict_logits(image)
        return {'flux': flux, 'masks': torch.sigmoid(logit)}
