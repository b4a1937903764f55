# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A residual U-Net for maps in, maps out.
"""

from itertools import pairwise

from torch import nn
from torch.nn import functional

__all__ = ['ResidualUNet']

# The first level works on blocks of this many pixels a side.
_BLOCK = 2


class _ResidualBlock(nn.Module):
    """
    Two convolutions and a shortcut; the identity at first.

    Parameters
    ----------
    n_channels : int
        Number of channels.
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


class ResidualUNet(nn.Module):
    """
    Residual U-Net whose output is 0 at first.

    The first level works on blocks of 2 x 2 pixels, each of which becomes
    channels; each further one has half the resolution. There is no
    normalisation: the brightness of one part of an image has no influence
    on another.

    Parameters
    ----------
    channels : tuple of int
        Number of channels of each level.
    n_inputs, n_maps : int
        Channels of the input and of the output.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.unet import ResidualUNet
    >>> network = ResidualUNet((4, 8), n_inputs=3, n_maps=1)
    >>> network(torch.ones(2, 3, 16, 16)).shape
    torch.Size([2, 1, 16, 16])
    """

    def __init__(self, channels, *, n_inputs, n_maps):
        super().__init__()
        self.first = nn.Conv2d(n_inputs * _BLOCK ** 2, channels[0], 3,
                               padding=1)
        self.encoder = nn.ModuleList(_ResidualBlock(n) for n in channels)
        self.decoder = nn.ModuleList(_ResidualBlock(n)
                                     for n in channels[:-1])
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(nn.Conv2d(n, m, 2, stride=2)
                                  for n, m in pairs)
        self.up = nn.ModuleList(nn.Conv2d(m, n, 1) for n, m in pairs)
        self.last = nn.Conv2d(channels[0], n_maps * _BLOCK ** 2, 3,
                              padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def make_features(self, image):
        """
        Run all but the last layer.

        Parameters
        ----------
        image : `torch.Tensor`, (n, n_inputs, ny, nx)
            The input, finite; sides are multiples of 2 to the power of
            the number of levels.

        Returns
        -------
        features : `torch.Tensor`, (n, channels[0], ny / 2, nx / 2)
            The features of the first level.
        """
        if not len(image):
            # PyTorch leaves the shape of nothing as it is
            return image.new_zeros(0, self.first.out_channels,
                                   *(n // _BLOCK for n in image.shape[2:]))
        features = self.first(functional.pixel_unshuffle(image, _BLOCK))
        skips = []
        for block, down in zip(self.encoder, self.down, strict=False):
            features = block(features)
            skips.append(features)
            features = down(features)
        features = self.encoder[-1](features)
        for block, up in zip(reversed(self.decoder), reversed(self.up),
                             strict=True):
            features = functional.interpolate(up(features), scale_factor=2)
            features = block(features + skips.pop())
        return features

    def make_maps(self, features):
        """
        Run the last layer.

        Parameters
        ----------
        features : `torch.Tensor`
            From `make_features`.

        Returns
        -------
        maps : `torch.Tensor`, (n, n_maps, ny, nx)
            Maps of the size of the input.
        """
        if not len(features):
            return features.new_zeros(
                0, self.last.out_channels // _BLOCK ** 2,
                *(n * _BLOCK for n in features.shape[2:]))
        return functional.pixel_shuffle(self.last(features), _BLOCK)

    def forward(self, image):
        """
        Run the network.

        Parameters
        ----------
        image : `torch.Tensor`, (n, n_inputs, ny, nx)
            See `make_features`.

        Returns
        -------
        maps : `torch.Tensor`, (n, n_maps, ny, nx)
            Maps of the size of the input.
        """
        return self.make_maps(self.make_features(image))
