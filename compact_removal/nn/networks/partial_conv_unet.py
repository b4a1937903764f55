# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The partial-convolution U-Net of the paper.
"""

import torch
from torch import nn

from compact_removal.nn.layers import (PartialConv2d, PartialConvTranspose2d,
                                       check_size)

__all__ = ['PartialConvUNet']

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
        if activation is None:
            self.norm = None
        else:
            # The convolution divides by the number of valid inputs, so
            # its variance is of the order of fan_in**-2. This eps is
            # the usual one in these units.
            self.norm = nn.BatchNorm2d(conv.out_channels,
                                       eps=1e-5 / conv.fan_in**2)
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

    Raises
    ------
    ValueError
        If ``width`` is not a positive whole number.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.networks import PartialConvUNet
    >>> network = PartialConvUNet(width=1).eval()
    >>> image = torch.zeros(2, 1, 96, 96)
    >>> with torch.no_grad():
    ...     network(image, torch.ones_like(image)).shape
    torch.Size([2, 1, 96, 96])
    """

    model_class = 'InpaintingModel'
    loss_class = 'InpaintingLoss'
    default_width = 32
    size_step = 32
    min_size = 96
    usual_size = 96
    separates = False

    def __init__(self, width=32):
        super().__init__()
        if int(width) != width or width < 1:
            msg = f'width must be a positive integer, got {width!r}'
            raise ValueError(msg)
        self.width = int(width)
        down = []
        channels = [1]
        for factor, kernel_size, stride, padding in _ENCODER:
            conv = PartialConv2d(channels[-1], factor * self.width,
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
            n_out = 1 if is_last else factor * self.width
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

        Raises
        ------
        ValueError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
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
