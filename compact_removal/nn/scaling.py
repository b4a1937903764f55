# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The limits by which cutouts are scaled.
"""

import torch

__all__ = ['apply_limits', 'range_limits', 'robust_limits']

# Largest scaled value, which leaves room for products in single precision.
_LARGEST = 1e30


def range_limits(image, valid):
    """
    Find the centre and half range of the valid pixels of each image.

    Parameters
    ----------
    image : `torch.Tensor`, (n, ..., ny, nx)
        The images.
    valid : `torch.Tensor`, (n, ..., ny, nx)
        Bool, True at valid pixels. Their values are finite.

    Returns
    -------
    center, half_range : `torch.Tensor`, (n, 1, ...)
        The valid pixels of ``(image - center) / half_range`` lie in
        [-1, 1]. The half range is 0 if all valid pixels are the same;
        without any the centre is 0, too.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.scaling import range_limits
    >>> image = torch.tensor([[[1.0, 3.0, 99.0]]])
    >>> [value.item() for value in range_limits(image, image < 50)]
    [2.0, 1.0]
    """
    dims = tuple(range(1, image.ndim))
    infinity = float('inf')
    low = image.masked_fill(~valid, infinity).amin(dims, keepdim=True)
    high = image.masked_fill(~valid, -infinity).amax(dims, keepdim=True)
    empty = low > high
    low = low.masked_fill(empty, 0.0)
    high = high.masked_fill(empty, 0.0)
    # Halves first: the sum of two large numbers may overflow.
    return low / 2 + high / 2, high / 2 - low / 2


def apply_limits(image, center, half_range):
    """
    Scale images by their limits, in double precision.

    Single precision is not enough for faint structure on a pedestal.

    Parameters
    ----------
    image : `torch.Tensor`, (n, ..., ny, nx)
        The images; values that are not finite become NaN.
    center, half_range : `torch.Tensor`, (n, 1, ...)
        From `range_limits`; where the range is 0, only the centre is
        taken out.

    Returns
    -------
    scaled : `torch.Tensor`, (n, ..., ny, nx)
        Single precision.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.scaling import apply_limits, range_limits
    >>> image = torch.tensor([[[1e8, 1e8 + 2]]], dtype=torch.float64)
    >>> apply_limits(image, *range_limits(image, image > 0)).tolist()
    [[[-1.0, 1.0]]]
    """
    divisor = torch.where(half_range > 0, half_range, 1.0)
    finite = torch.isfinite(image)
    scaled = torch.where(finite, image, center) / divisor
    scaled = (scaled - center / divisor).clamp(-_LARGEST, _LARGEST)
    return scaled.masked_fill(~finite, torch.nan).float()


def robust_limits(image, valid, *, reach, least):
    """
    Median and half the 16-84 % range of the pixels around the centre.

    Parameters
    ----------
    image : `torch.Tensor`, (n, ny, nx)
        The cutouts.
    valid : `torch.Tensor`, (n, ny, nx)
        Bool, True at pixels that count.
    reach : `torch.Tensor`, (n,)
        How far from pixel ``size // 2`` pixels count (pixels).
    least : int
        With fewer pixels all valid ones count.

    Returns
    -------
    center, half_range : `torch.Tensor`, (n, 1, 1)
        The limits; 0 without pixels, and a half range of 1 where it is
        not positive.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.scaling import robust_limits
    >>> image = torch.arange(25.0).reshape(1, 5, 5)
    >>> limits = robust_limits(image, image >= 0, reach=torch.tensor([9.0]),
    ...                        least=5)
    >>> [round(value.item(), 2) for value in limits]
    [12.0, 8.16]
    """
    ny, nx = image.shape[-2:]
    if not image.numel():
        return image.new_zeros(0, 1, 1), image.new_ones(0, 1, 1)
    y = torch.arange(ny, device=image.device) - ny // 2
    x = torch.arange(nx, device=image.device) - nx // 2
    near = valid & (y[:, None] ** 2 + x ** 2 <= reach[:, None, None] ** 2)
    few = near.sum((1, 2), keepdim=True) < least
    near = torch.where(few, valid, near)
    values = torch.where(near, image, torch.nan).flatten(1)
    levels = torch.tensor([0.16, 0.5, 0.84], device=image.device,
                          dtype=image.dtype)
    low, center, high = torch.nanquantile(values, levels, dim=1)
    half_range = (high - low) / 2
    half_range = torch.where(half_range > 0, half_range, 1.0)
    return (torch.nan_to_num(center)[:, None, None],
            half_range[:, None, None])
