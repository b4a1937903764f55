# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The partial-convolution U-Net of the paper, and its model.
"""

from types import MappingProxyType

import torch
from torch import nn

from compact_removal.nn import Field
from compact_removal.nn.filling import fill_smoothly
from compact_removal.nn.layers import (PartialConv2d, PartialConvTranspose2d,
                                       check_size)
from compact_removal.nn.models import Model
from compact_removal.nn.scaling import robust_limits
from compact_removal.removal.loss_inpainting import InpaintingLoss
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['InpaintingModel', 'PartialConvUNet']

# Table 4 of the paper: output channels in units of the width, kernel
# size, stride, padding. The last decoder block has one output channel.
_ENCODER = ((1, 3, 1, 1), (2, 4, 2, 1), (2, 3, 1, 1), (4, 4, 2, 1),
            (4, 3, 1, 1), (8, 4, 2, 1), (8, 3, 1, 1), (16, 4, 2, 1),
            (16, 3, 1, 1), (16, 4, 2, 1), (16, 3, 1, 0))
_DECODER = ((16, 3, 1, 0), (16, 4, 2, 1), (16, 3, 1, 1), (8, 4, 2, 1),
            (8, 3, 1, 1), (4, 4, 2, 1), (4, 3, 1, 1), (2, 4, 2, 1),
            (2, 3, 1, 1), (1, 4, 2, 1), (None, 3, 1, 1))


# The scale is that of the valid pixels within this radius of the centre
# (pixels); with fewer of them than this, of all.
_REACH = 30.0
_LEAST_PIXELS = 40


class _Block(nn.Module):
    """
    Partial convolution, batch normalisation and activation.

    Parameters
    ----------
    conv : module
        The partial convolution.
    activation : `torch.nn.Module` or `None`
        `None`: neither normalisation nor activation.
    eps : float
        What the normalisation adds to the variance.
    """

    def __init__(self, conv, activation, eps):
        super().__init__()
        self.conv = conv
        self.norm = (None if activation is None
                     else nn.BatchNorm2d(conv.out_channels, eps=eps))
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
    scales_eps : bool, optional
        Partial convolutions divide by the number of valid inputs, so
        their variance is of the order of its inverse square. Whether
        what batch normalisation adds to the variance, 1e-5, is scaled
        like that; it is not in the paper.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.network_inpainting import PartialConvUNet
    >>> network = PartialConvUNet(width=1).eval()
    >>> image = torch.zeros(2, 1, 96, 96)
    >>> with torch.no_grad():
    ...     network(image, torch.ones_like(image)).shape
    torch.Size([2, 1, 96, 96])
    """

    def __init__(self, width=32, *, scales_eps=True):
        super().__init__()

        def make_block(conv, activation):
            eps = 1e-5 / (conv.fan_in ** 2 if scales_eps else 1)
            return _Block(conv, activation, eps)

        down = []
        channels = [1]
        for factor, kernel_size, stride, padding in _ENCODER:
            conv = PartialConv2d(channels[-1], factor * width,
                                 kernel_size=kernel_size, stride=stride,
                                 padding=padding, masked_input=True)
            down.append(make_block(conv, nn.ReLU(inplace=True)))
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
            up.append(make_block(conv, activation))
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


class InpaintingModel(Model):
    """
    Estimate the background in holes from the pixels around them.

    The unit of each cutout is half the 16-84 % range of its valid pixels,
    so that one bright spot does not hide the structure. The network sees
    the valid pixels, compressed, and predicts a correction to a smooth
    fill of the holes.

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
    >>> model = build_model('inpainting', width=1, seed=1).eval()
    >>> image = torch.full((2, 96, 96), 5.0)
    >>> with torch.no_grad():
    ...     model(image, torch.ones_like(image))['background'].shape
    torch.Size([2, 96, 96])
    """

    task = 'removal'
    name = 'inpainting'
    removes_wings = True
    scales_eps = True
    inputs = MappingProxyType({
        'image': Field('plane', 'affine'),
        'validity': Field('mask')})
    targets = MappingProxyType({
        'target': Field('target', 'affine'),
        'aperture': Field('plane')})
    outputs = MappingProxyType({'background': Field('plane', 'affine')})
    loss_class = InpaintingLoss
    size_step = 32
    min_size = 96
    usual_size = 96

    def __init__(self, width=32):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = PartialConvUNet(width, scales_eps=self.scales_eps)

    def prepare(self, image, valid):
        """
        Scale raw cutouts and fill their holes.

        Parameters
        ----------
        image, valid : `torch.Tensor`, (n, ny, nx)
            See `forward`.

        Returns
        -------
        filled : `torch.Tensor`, (n, 1, ny, nx)
            The scaled cutouts with smoothly filled holes.
        mask : `torch.Tensor`, (n, 1, ny, nx)
            1 at valid pixels, 0 in holes.
        center, half_range : `torch.Tensor`, (n, 1, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        valid = (valid > 0.5) & torch.isfinite(image)
        with torch.no_grad():
            center, half_range = (limit[:, None] for limit in robust_limits(
                image, valid, least=_LEAST_PIXELS,
                reach=image.new_full((len(image),), _REACH)))
            image, valid = image[:, None], valid[:, None]
            # Holes are set to the centre before the arithmetic, so that
            # NaN and the brightest sources leave no trace.
            scaled = (torch.where(valid, image, center) - center) / half_range
            mask = valid.to(image.dtype)
            filled = fill_smoothly(scaled, mask)
        return filled, mask, center, half_range

    def predict_scaled(self, filled, mask):
        """
        Estimate the background in scaled units.

        Parameters
        ----------
        filled, mask : `torch.Tensor`, (n, 1, ny, nx)
            From `prepare`.

        Returns
        -------
        background : `torch.Tensor`, (n, 1, ny, nx)
            The estimate, in all pixels.
        """
        return filled + self.network(torch.asinh(filled), mask)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            ``image``, ``validity``, ``target`` (the true background;
            NaN where it is not known) and ``aperture``.
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
        filled, mask, center, half_range = self.prepare(batch['image'],
                                                        batch['validity'])
        output = self.predict_scaled(filled, mask)
        target = (batch['target'].unsqueeze(1) - center) / half_range
        target = torch.where(torch.isfinite(target), target,
                             output.detach())
        return loss(output, target, filled, mask,
                    batch['aperture'].unsqueeze(1))

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
        filled, mask, center, half_range = self.prepare(image, validity)
        scaled = self.predict_scaled(filled, mask)
        return {'background': (center + half_range * scaled).squeeze(1)}
