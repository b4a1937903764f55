# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Residual U-Nets: maps in, maps out, and numbers for the centre.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

__all__ = ['CenteredUNet', 'ChannelNorm', 'ResidualUNet']

# Hidden units of the head for numbers, and the windows (standard
# deviations in units of the width) in which it sees features.
_N_HIDDEN = 64
_WINDOWS = (0.75, 3.0)


class ChannelNorm(nn.LayerNorm):
    """
    Normalise the channels of each pixel for itself.

    Unlike other normalisations it does not connect pixels, so that the
    result for one part of an image does not depend on another.

    Parameters
    ----------
    n_channels : int
        Number of channels.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.unet import ChannelNorm
    >>> float(ChannelNorm(4)(torch.rand(1, 4, 2, 2)).mean().detach().abs()
    ...       < 1e-6)
    1.0
    """

    def __init__(self, n_channels):
        super().__init__(n_channels, eps=1e-3)

    def forward(self, features):
        """
        Normalise features.

        Parameters
        ----------
        features : `torch.Tensor`, (n, n_channels, ny, nx)
            The features.

        Returns
        -------
        features : `torch.Tensor`, (n, n_channels, ny, nx)
            The new ones.
        """
        return super().forward(features.permute(0, 2, 3, 1)).permute(
            0, 3, 1, 2)


class _ResidualBlock(nn.Module):
    """
    Two convolutions and a shortcut; the identity at first.

    Parameters
    ----------
    n_channels : int
        Number of channels.
    normalize : bool
        Whether to begin with `ChannelNorm`.
    """

    def __init__(self, n_channels, normalize):
        super().__init__()
        self.norm = ChannelNorm(n_channels) if normalize else nn.Identity()
        self.first = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        self.second = nn.Conv2d(n_channels, n_channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features):
        """
        Return the new features.
        """
        change = functional.silu(self.first(self.norm(features)), inplace=True)
        return self.second(change).add_(features)


class ResidualUNet(nn.Module):
    """
    Residual U-Net whose output is 0 at first.

    The first level works on blocks of pixels, each of which becomes
    channels; each further one has half the resolution. No normalisation
    connects pixels: the brightness of one part of an image has no
    influence on another.

    Parameters
    ----------
    channels : tuple of int
        Number of channels of each level.
    n_inputs, n_maps : int
        Channels of the input and of the output.
    block : int, optional
        Side of the blocks of the first level (pixels).
    normalize : bool, optional
        Whether residual blocks begin with `ChannelNorm`, which makes the
        training faster.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.unet import ResidualUNet
    >>> network = ResidualUNet((4, 8), n_inputs=3, n_maps=1)
    >>> network(torch.ones(2, 3, 16, 16)).shape
    torch.Size([2, 1, 16, 16])
    """

    def __init__(self, channels, *, n_inputs, n_maps, block=2,
                 normalize=False):
        super().__init__()
        self._block = block
        self.first = nn.Conv2d(n_inputs * block ** 2, channels[0], 3,
                               padding=1)
        self.encoder = nn.ModuleList(_ResidualBlock(n, normalize)
                                     for n in channels)
        self.decoder = nn.ModuleList(_ResidualBlock(n, normalize)
                                     for n in channels[:-1])
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(nn.Conv2d(n, m, 2, stride=2)
                                  for n, m in pairs)
        self.up = nn.ModuleList(nn.Conv2d(m, n, 1) for n, m in pairs)
        self.last = nn.Conv2d(channels[0], n_maps * block ** 2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        if normalize:
            # what comes from the deep levels is as strong as the rest
            for layer in (self.first, *self.down, *self.up):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='linear')

    def make_features(self, image):
        """
        Run all but the last layer.

        Parameters
        ----------
        image : `torch.Tensor`, (n, n_inputs, ny, nx)
            The input, finite; sides are multiples of the block times 2
            to the power of the number of further levels.

        Returns
        -------
        features : `torch.Tensor`, (n, channels[0], ny / block, nx / block)
            The features of the first level.
        """
        if not len(image):
            # PyTorch leaves the shape of nothing as it is
            shape = (n // self._block for n in image.shape[2:])
            return image.new_zeros(0, self.first.out_channels, *shape)
        features = self.first(functional.pixel_unshuffle(image, self._block))
        skips = []
        for block, down in zip(self.encoder, self.down, strict=False):
            features = block(features)
            skips.append(features)
            features = down(features)
        features = self.encoder[-1](features)
        for block, up in zip(reversed(self.decoder), reversed(self.up),
                             strict=True):
            features = functional.interpolate(up(features), scale_factor=2)
            features = block(features.add_(skips.pop()))
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
                0, self.last.out_channels // self._block ** 2,
                *(n * self._block for n in features.shape[2:]))
        maps = self.last(features)
        return (maps if self._block == 1
                else functional.pixel_shuffle(maps, self._block))

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


class CenteredUNet(ResidualUNet):
    """
    Residual U-Net with a few numbers per cutout beside its maps.

    The numbers are for what lies in the centre.

    Parameters
    ----------
    channels : tuple of int
        Number of channels of each level.
    n_inputs, n_maps, n_values : int
        Channels of the input, maps and numbers in the output.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.unet import CenteredUNet
    >>> network = CenteredUNet((4, 8), n_inputs=3, n_maps=1, n_values=2)
    >>> with torch.no_grad():
    ...     maps, values = network(torch.zeros(5, 3, 32, 32),
    ...                            torch.full((5,), 3.0))
    >>> maps.shape, values.shape
    (torch.Size([5, 1, 32, 32]), torch.Size([5, 2]))
    """

    def __init__(self, channels, *, n_inputs, n_maps, n_values):
        super().__init__(channels, n_inputs=n_inputs, n_maps=n_maps)
        self.head = nn.Sequential(
            nn.Linear(len(_WINDOWS) * channels[0] + 1, _N_HIDDEN), nn.SiLU(),
            nn.Linear(_N_HIDDEN, n_values))

    def forward(self, image, fwhm):
        """
        Run the network.

        Parameters
        ----------
        image : `torch.Tensor`, (n, n_inputs, ny, nx)
            See `ResidualUNet.make_features`.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels), which says how far around the
            central pixel the features are averaged for the numbers.

        Returns
        -------
        maps : `torch.Tensor`, (n, n_maps, ny, nx)
            Maps of the size of the input.
        values : `torch.Tensor`, (n, n_values)
            Numbers for the centre.
        """
        features = self.make_features(image)
        ratio = features.shape[-1] / image.shape[-1]
        pooled = [_pool(features, window * ratio * fwhm)
                  for window in _WINDOWS]
        pooled.append(torch.log2(fwhm / 3.5)[:, None])
        return self.make_maps(features), self.head(torch.cat(pooled, dim=1))


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
