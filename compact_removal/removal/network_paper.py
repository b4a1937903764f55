# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The partial-convolution U-Net of the paper and its model, as published.
"""

from types import MappingProxyType

import torch
from torch import nn

from compact_removal.nn import Field
from compact_removal.nn.layers import (PartialConv2d, PartialConvTranspose2d,
                                       check_size)
from compact_removal.nn.models import Model
from compact_removal.nn.scaling import range_limits
from compact_removal.removal.loss_paper import PaperLoss
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['PaperModel', 'PartialConvUNet']

# Table 4 of the paper: output channels in units of the width, kernel
# size, stride, padding. The last decoder block has one output channel.
_ENCODER = ((1, 3, 1, 1), (2, 4, 2, 1), (2, 3, 1, 1), (4, 4, 2, 1),
            (4, 3, 1, 1), (8, 4, 2, 1), (8, 3, 1, 1), (16, 4, 2, 1),
            (16, 3, 1, 1), (16, 4, 2, 1), (16, 3, 1, 0))
_DECODER = ((16, 3, 1, 0), (16, 4, 2, 1), (16, 3, 1, 1), (8, 4, 2, 1),
            (8, 3, 1, 1), (4, 4, 2, 1), (4, 3, 1, 1), (2, 4, 2, 1),
            (2, 3, 1, 1), (1, 4, 2, 1), (None, 3, 1, 1))


class _Block(nn.Module):
    """
    Partial convolution, batch normalisation and activation.

    Parameters
    ----------
    conv : module
        The partial convolution.
    activation : `torch.nn.Module` or `None`
        `None`: neither normalisation nor activation.
    """

    def __init__(self, conv, activation):
        super().__init__()
        self.conv = conv
        self.norm = (None if activation is None
                     else nn.BatchNorm2d(conv.out_channels))
        self.activation = activation

    def forward(self, features, mask):
        """
        Return the new features, 0 in holes, and the new mask.
        """
        features, mask = self.conv(features, mask)
        if self.norm is not None:
            features = self.activation(self.norm(features)) * mask
        return features, mask


class PartialConvUNet(nn.Module):
    """
    U-Net of partial convolutions (Table 4 and Figure 7 of the paper).

    Eleven encoder blocks (PCDown, ReLU) and eleven decoder blocks (PCUp,
    LeakyReLU with slope 0.2; the last one without normalisation and
    activation, but with a bias). The input of each decoder block but
    the first is joined with the output of the encoder block of the same
    size, image and mask.

    Parameters
    ----------
    width : int, optional
        Channels of the first block; the others scale with it. The paper
        has 32, which gives 35,069,409 parameters.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.network_paper import PartialConvUNet
    >>> network = PartialConvUNet(width=1).eval()
    >>> image = torch.zeros(2, 1, 96, 96)
    >>> with torch.no_grad():
    ...     network(image, torch.ones_like(image)).shape
    torch.Size([2, 1, 96, 96])
    """

    def __init__(self, width=32):
        super().__init__()
        down = []
        channels = [1]
        for factor, kernel_size, stride, padding in _ENCODER:
            conv = PartialConv2d(channels[-1], factor * width,
                                 kernel_size=kernel_size, stride=stride,
                                 padding=padding, masked_input=True)
            down.append(_Block(conv, nn.ReLU(inplace=True)))
            channels.append(conv.out_channels)
        self.down = nn.ModuleList(down)

        up = []
        n_in = channels.pop()
        groups = (n_in,)
        for factor, kernel_size, stride, padding in _DECODER:
            is_last = factor is None
            n_out = 1 if is_last else factor * width
            conv = PartialConvTranspose2d(
                sum(groups), n_out, kernel_size=kernel_size, stride=stride,
                padding=padding, bias=is_last, mask_groups=groups,
                masked_input=True)
            activation = None if is_last else nn.LeakyReLU(0.2, inplace=True)
            up.append(_Block(conv, activation))
            groups = (n_out, channels.pop())
        self.up = nn.ModuleList(up)

    def forward(self, image, mask):
        """
        Run the network.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 1, ny, nx)
            Scaled cutouts, finite. Pixels in holes have no influence.
        mask : `torch.Tensor`, (n, 1, ny, nx)
            1 at valid pixels, 0 in holes.

        Returns
        -------
        output : `torch.Tensor`, (n, 1, ny, nx)
            The output of the last block.
        """
        features = image * mask
        skips = []
        for block in self.down:
            features, mask = block(features, mask)
            skips.append((features, mask))
        skips.pop()
        for i, block in enumerate(self.up):
            if i > 0:
                skip_features, skip_mask = skips.pop()
                features = torch.cat((features, skip_features), dim=1)
                mask = torch.cat((mask, skip_mask), dim=1)
            features, mask = block(features, mask)
        return features


class PaperModel(Model):
    """
    Estimate the background in holes as the paper does.

    No source models are taken out of the map first, all pixels of a
    cutout together span [-1, 1] (Section 2.4.2), holes are 0, the output
    of the network is the background (Section 3.2), and batch
    normalisation adds the usual 1e-5 to the variance.

    Parameters
    ----------
    width : int, optional
        Width of the network, see `PartialConvUNet`.

    Raises
    ------
    ParameterError
        If ``width`` is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal import build_model
    >>> model = build_model('paper', width=1, seed=1).eval()
    >>> image = torch.rand(2, 96, 96)
    >>> with torch.no_grad():
    ...     model(image, torch.ones_like(image))['background'].shape
    torch.Size([2, 96, 96])
    """

    task = 'removal'
    name = 'paper'
    removes_wings = False
    inputs = MappingProxyType({
        'image': Field('plane', 'affine'),
        'validity': Field('mask')})
    targets = MappingProxyType({'target': Field('target', 'affine')})
    outputs = MappingProxyType({'background': Field('plane', 'affine')})
    loss_class = PaperLoss
    size_step = 32
    min_size = 96
    usual_size = 96

    def __init__(self, width=32):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = PartialConvUNet(width)

    def prepare(self, image, valid):
        """
        Scale raw cutouts, with their sources.

        Parameters
        ----------
        image, valid : `torch.Tensor`, (n, ny, nx)
            See `forward`.

        Returns
        -------
        scaled : `torch.Tensor`, (n, 1, ny, nx)
            The scaled cutouts, 0 in holes.
        mask : `torch.Tensor`, (n, 1, ny, nx)
            1 at valid pixels, 0 in holes.
        center, half_range : `torch.Tensor`, (n, 1, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        image, valid = image.unsqueeze(1), valid.unsqueeze(1) > 0.5
        known = torch.isfinite(image)
        with torch.no_grad():
            center, half_range = range_limits(image, known)
            half_range = half_range.masked_fill(half_range <= 0, 1.0)
            mask = (valid & known).to(image.dtype)
            image = torch.where(known, image, center)
            return ((image - center) / half_range * mask, mask, center,
                    half_range)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            ``image``, ``validity`` and ``target`` (the true background;
            NaN where it is not known).
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        check_size(batch['image'], self)
        scaled, mask, center, half_range = self.prepare(batch['image'],
                                                        batch['validity'])
        output = self.network(scaled, mask)
        target = (batch['target'].unsqueeze(1) - center) / half_range
        target = torch.where(torch.isfinite(target), target,
                             output.detach())
        return loss(output, target, scaled, mask)

    def forward(self, image, validity):
        """
        Estimate the background of raw cutouts.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts in any unit. Holes may hold anything, NaN included.
        validity : `torch.Tensor`, (n, ny, nx)
            True (or 1) at background pixels that may be used.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``background``, (n, ny, nx), in the unit of the image, in all
            pixels.

        Raises
        ------
        ParameterError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
        scaled, mask, center, half_range = self.prepare(image, validity)
        output = self.network(scaled, mask)
        return {'background': (center + half_range * output).squeeze(1)}
