# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The U-Net that sees the pixels under the sources.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from compact_removal.nn.layers import check_size

__all__ = ['SeparationUNet']

# Channels per level in units of the width, and residual blocks per level.
_LEVELS = (5, 9, 12)
_N_BLOCKS = 2

# The first level works on blocks of this many pixels a side.
_BLOCK = 2

# Hidden units of the head for the errors of fluxes.
_N_HIDDEN = 64


class _ResidualBlock(nn.Module):
    """
    Two convolutions and a shortcut; the identity at first.
    """

    def __init__(self, n_channels):
        super().__init__()
        self.first = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        self.second = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features):
        """
        Return the new features.
        """
        return features + self.second(functional.silu(self.first(features)))


def _make_blocks(n_channels):
    return nn.Sequential(*[_ResidualBlock(n_channels)
                           for _ in range(_N_BLOCKS)])


class SeparationUNet(nn.Module):
    """
    Residual U-Net with maps and a few numbers per cutout as output.

    Three levels; the first one works on blocks of 2 x 2 pixels, each of
    which becomes channels. There is no normalisation: the brightness of
    one part of a cutout has no influence on another.

    Parameters
    ----------
    width : int, optional
        The levels have 5, 9 and 12 times as many channels.
    n_inputs, n_maps, n_values : int, optional
        Channels of the input, maps and numbers in the output.

    Raises
    ------
    ValueError
        If ``width`` is not a positive whole number.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.networks import SeparationUNet
    >>> network = SeparationUNet(width=1).eval()
    >>> with torch.no_grad():
    ...     maps, values = network(torch.zeros(2, 9, 32, 32),
    ...                            torch.tensor([3.0, 3.0]))
    >>> maps.shape, values.shape
    (torch.Size([2, 4, 32, 32]), torch.Size([2, 4]))
    """

    model_class = 'SeparationModel'
    loss_class = 'SeparationLoss'
    default_width = 8
    size_step = 8
    min_size = 32
    usual_size = 64
    separates = True

    def __init__(self, width=8, *, n_inputs=9, n_maps=4, n_values=4):
        super().__init__()
        if int(width) != width or width < 1:
            msg = f'width must be a positive integer, got {width!r}'
            raise ValueError(msg)
        self.width = int(width)
        channels = [factor * self.width for factor in _LEVELS]
        self.first = nn.Conv2d(n_inputs * _BLOCK ** 2, channels[0], 3,
                               padding=1)
        self.encoder = nn.ModuleList(_make_blocks(n) for n in channels)
        self.decoder = nn.ModuleList(_make_blocks(n) for n in channels[:-1])
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(nn.Conv2d(n, m, 2, stride=2)
                                  for n, m in pairs)
        self.up = nn.ModuleList(nn.Conv2d(m, n, 1) for n, m in pairs)
        self.last = nn.Conv2d(channels[0], n_maps * _BLOCK ** 2, 3,
                              padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.head = nn.Sequential(
            nn.Linear(2 * channels[0] + 1, _N_HIDDEN), nn.SiLU(),
            nn.Linear(_N_HIDDEN, n_values))

    def forward(self, image, fwhm):
        """
        Run the network.

        Parameters
        ----------
        image : `torch.Tensor`, (n, n_inputs, ny, nx)
            The input, finite.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels), which says how far around the
            central pixel the features are averaged for the numbers.

        Returns
        -------
        maps : `torch.Tensor`, (n, n_maps, ny, nx)
            Maps of the size of the input.
        values : `torch.Tensor`, (n, n_values)
            Numbers for the source in the centre.

        Raises
        ------
        ValueError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
        features = self.first(functional.pixel_unshuffle(image, _BLOCK))
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=False):
            features = blocks(features)
            skips.append(features)
            features = down(features)
        features = self.encoder[-1](features)
        for blocks, up in zip(reversed(self.decoder), reversed(self.up),
                              strict=True):
            features = functional.interpolate(up(features), scale_factor=2)
            features = blocks(features + skips.pop())
        maps = functional.pixel_shuffle(self.last(features), _BLOCK)
        pooled = [_pool(features, scale * fwhm / _BLOCK)
                  for scale in (0.75, 3.0)]
        pooled.append(torch.log2(fwhm / 3.5)[:, None])
        return maps, self.head(torch.cat(pooled, dim=1))


def _pool(features, sigma):
    """
    Average features around the centre with a Gaussian window.
    """
    ny, nx = features.shape[-2:]
    y = torch.arange(ny, device=features.device) - (ny // 2 - 0.25)
    x = torch.arange(nx, device=features.device) - (nx // 2 - 0.25)
    scale = -0.5 / sigma[:, None] ** 2
    wy, wx = torch.exp(scale * y ** 2), torch.exp(scale * x ** 2)
    wy = wy / wy.sum(1, keepdim=True)
    wx = wx / wx.sum(1, keepdim=True)
    return torch.einsum('ncyx,ny,nx->nc', features, wy, wx)
