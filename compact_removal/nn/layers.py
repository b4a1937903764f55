# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Partial convolutions with one mask channel, and checks of networks.

A partial convolution (Liu et al. 2018; Section 3.2.1 of the paper) sees
only the valid pixels of its input. The mask of a feature map has as many
channels as the map, but they are all equal (or, behind a skip
connection, there are two groups of equal channels). The layers here keep
one mask channel per group, which gives the same numbers as a second
convolution of the full mask at half the cost.
"""

import torch
from torch import nn
from torch.nn import functional

from compact_removal.utils.parameters import ParameterError

__all__ = ['PartialConv2d', 'PartialConvTranspose2d', 'check_size']


def check_size(image, network):
    """
    Refuse images that do not fit a network.

    Parameters
    ----------
    image : `torch.Tensor`, (..., ny, nx)
        The image.
    network : object
        Has the attributes ``size_step`` and ``min_size``.

    Raises
    ------
    ParameterError
        If a side is too short or no multiple of the step.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn import Model
    >>> from compact_removal.nn.layers import check_size
    >>> check_size(torch.zeros(1, 8, 40, 48), Model())
    """
    sizes = image.shape[-2:]
    if any(size < network.min_size or size % network.size_step
           for size in sizes):
        msg = (f'image must have sides that are multiples of '
               f'{network.size_step} and at least {network.min_size} '
               f'pixels, got shape {tuple(sizes)}')
        raise ParameterError(msg, 'image')


class _PartialConvBase(nn.Module):
    """
    Weights, groups and renormalisation shared by the two layers.
    """

    def __init__(self, in_channels, out_channels, *, kernel_size, stride,
                 padding, bias, mask_groups, masked_input):
        super().__init__()
        groups = (in_channels,) if mask_groups is None else mask_groups
        groups = tuple(int(group) for group in groups)
        if min(groups) < 1 or sum(groups) != in_channels:
            msg = ('mask_groups must be positive channel counts that add up '
                   f'to in_channels={in_channels}, got {groups}')
            raise ParameterError(msg, 'mask_groups')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.mask_groups = groups
        self.masked_input = masked_input
        shape = self._weight_shape(in_channels, out_channels)
        self.weight = nn.Parameter(torch.empty(*shape))
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_channels))
        else:
            self.register_parameter('bias', None)
        counts = torch.tensor(groups, dtype=torch.get_default_dtype())
        shape = self._weight_shape(len(groups), 1)
        kernel = counts.reshape(self._weight_shape(len(groups), 1, size=1))
        self.register_buffer('_mask_kernel', kernel.expand(shape).clone(),
                             persistent=False)
        self.reset_parameters()

    @property
    def fan_in(self):
        """
        Number of input values that one output value may depend on.
        """
        return self.in_channels * self.kernel_size**2

    def reset_parameters(self):
        """
        Draw new weights (Kaiming normal, fan-in) and zero the bias.
        """
        std = (2.0 / self.fan_in)**0.5
        with torch.no_grad():
            self.weight.normal_(0.0, std)
            if self.bias is not None:
                self.bias.zero_()

    def extra_repr(self):
        """
        Return the arguments, for ``repr``.
        """
        return (f'{self.in_channels}, {self.out_channels}, '
                f'kernel_size={self.kernel_size}, stride={self.stride}, '
                f'padding={self.padding}, bias={self.bias is not None}, '
                f'mask_groups={self.mask_groups}')

    def _apply_mask(self, features, mask):
        if self.masked_input:
            return features
        if len(self.mask_groups) == 1:
            return features * mask
        parts = torch.split(features, self.mask_groups, dim=1)
        return torch.cat([part * mask[:, i:i + 1]
                          for i, part in enumerate(parts)], dim=1)

    def forward(self, features, mask):
        """
        Convolve the valid pixels and update the mask.

        Parameters
        ----------
        features : `torch.Tensor`, (n, in_channels, ny, nx)
            The feature map. Finite everywhere.
        mask : `torch.Tensor`, (n, n_groups, ny, nx)
            1 at valid pixels, 0 in holes; one channel per entry of
            ``mask_groups``.

        Returns
        -------
        features : `torch.Tensor`, (n, out_channels, ny', nx')
            The sum over the valid inputs divided by their number, plus
            the bias; 0 where there is no valid input.
        mask : `torch.Tensor`, (n, 1, ny', nx')
            1 where any input was valid, otherwise 0.
        """
        with torch.no_grad():
            count = self._convolve(mask, self._mask_kernel)
            # Counts are whole numbers; 0.5 keeps rounding errors out.
            new_mask = (count > 0.5).to(features.dtype)
            scale = new_mask / count.clamp(min=1.0)
        output = self._convolve(self._apply_mask(features, mask),
                                self.weight)
        output = output * scale
        if self.bias is not None:
            output = output + self.bias.reshape(1, -1, 1, 1) * new_mask
        return output, new_mask


class PartialConv2d(_PartialConvBase):
    """
    Partial convolution with one mask channel per group of channels.

    The output is the convolution of the input with its holes set to 0,
    divided by the number of valid input values (summed over the window
    and all input channels; no factor for the size of the kernel), plus
    the bias. Outputs without any valid input are 0.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels.
    kernel_size, stride, padding : int, optional
        As for `torch.nn.Conv2d`.
    bias : bool, optional
        Whether to add a bias, after the division.
    mask_groups : tuple of int, optional
        Number of input channels that share each channel of the mask.
        The default is one group.
    masked_input : bool, optional
        Whether the caller has set the holes of the input to 0 already,
        which saves a product.

    Raises
    ------
    ValueError
        If ``mask_groups`` do not add up to ``in_channels``.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.layers import PartialConv2d
    >>> layer = PartialConv2d(3, 4, kernel_size=3, padding=1)
    >>> mask = torch.ones(1, 1, 8, 8)
    >>> mask[..., 2:7, 2:7] = 0
    >>> features, mask = layer(torch.ones(1, 3, 8, 8), mask)
    >>> features.shape, int((mask == 0).sum())
    (torch.Size([1, 4, 8, 8]), 9)
    """

    def __init__(self, in_channels, out_channels, *, kernel_size=3,
                 stride=1, padding=0, bias=False, mask_groups=None,
                 masked_input=False):
        super().__init__(in_channels, out_channels,
                         kernel_size=kernel_size, stride=stride,
                         padding=padding, bias=bias,
                         mask_groups=mask_groups,
                         masked_input=masked_input)

    def _weight_shape(self, in_channels, out_channels, size=None):
        size = self.kernel_size if size is None else size
        return (out_channels, in_channels, size, size)

    def _convolve(self, data, kernel):
        return functional.conv2d(data, kernel, stride=self.stride,
                                 padding=self.padding)


class PartialConvTranspose2d(_PartialConvBase):
    """
    Transposed partial convolution, which can enlarge its input.

    The same as `PartialConv2d`, with a transposed convolution for data
    and mask.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels.
    kernel_size, stride, padding : int, optional
        As for `torch.nn.ConvTranspose2d`.
    bias : bool, optional
        Whether to add a bias, after the division.
    mask_groups : tuple of int, optional
        Number of input channels that share each channel of the mask.
        The default is one group.
    masked_input : bool, optional
        Whether the caller has set the holes of the input to 0 already,
        which saves a product.

    Raises
    ------
    ValueError
        If ``mask_groups`` do not add up to ``in_channels``.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.layers import PartialConvTranspose2d
    >>> layer = PartialConvTranspose2d(6, 4, kernel_size=4, stride=2,
    ...                                padding=1, mask_groups=(4, 2))
    >>> mask = torch.ones(1, 2, 8, 8)
    >>> features, mask = layer(torch.ones(1, 6, 8, 8), mask)
    >>> features.shape, mask.shape
    (torch.Size([1, 4, 16, 16]), torch.Size([1, 1, 16, 16]))
    """

    def __init__(self, in_channels, out_channels, *, kernel_size=3,
                 stride=1, padding=0, bias=False, mask_groups=None,
                 masked_input=False):
        super().__init__(in_channels, out_channels,
                         kernel_size=kernel_size, stride=stride,
                         padding=padding, bias=bias,
                         mask_groups=mask_groups,
                         masked_input=masked_input)

    def _weight_shape(self, in_channels, out_channels, size=None):
        size = self.kernel_size if size is None else size
        return (in_channels, out_channels, size, size)

    def _convolve(self, data, kernel):
        return functional.conv_transpose2d(data, kernel,
                                           stride=self.stride,
                                           padding=self.padding)
