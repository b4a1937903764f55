# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Smooth functions for the holes of cutouts.
"""

import torch
from torch.nn import functional

__all__ = ['fill_curved', 'fill_smoothly']

# Weight of the slope beside the curvature, and of the known pixels.
_SLOPE, _FIDELITY = 0.1, 100.0


def fill_smoothly(image, valid, *, n_smooth=2):
    """
    Fill holes by push and pull through a pyramid of averages.

    Going down, each pixel of the next level is the average of its valid
    children. Going up, invalid pixels are interpolated from the level
    below and relaxed towards the mean of their neighbours.

    Parameters
    ----------
    image : `torch.Tensor`, (n, 1, ny, nx)
        The cutouts, finite everywhere.
    valid : `torch.Tensor`, (n, 1, ny, nx)
        1 at valid pixels, 0 in holes, in the dtype of the image.
    n_smooth : int, optional
        Number of relaxation steps per level.

    Returns
    -------
    filled : `torch.Tensor`, (n, 1, ny, nx)
        The image at valid pixels and a smooth function in the holes; 0
        if no pixel is valid.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.filling import fill_smoothly
    >>> valid = torch.ones(1, 1, 32, 32)
    >>> valid[..., 12:20, 12:20] = 0
    >>> bool((fill_smoothly(3 * valid, valid) - 3).abs().max() < 1e-5)
    True
    """
    levels = []
    values, weights = image * valid, valid
    while min(values.shape[-2:]) > 1:
        levels.append((values, weights))
        total = functional.avg_pool2d(values * weights, 2, ceil_mode=True)
        weights = functional.avg_pool2d(weights, 2, ceil_mode=True)
        values = total / weights.clamp(min=1e-12)
    levels.append((values, weights))

    count = weights.sum((2, 3), keepdim=True)
    filled = ((values * weights).sum((2, 3), keepdim=True)
              / count.clamp(min=1e-12))
    for values, weights in reversed(levels):
        filled = functional.interpolate(filled, values.shape[-2:],
                                        mode='bilinear',
                                        align_corners=False)
        # Averages of few pixels yield to their surroundings.
        filled = filled + weights * (values - filled)
        for _ in range(n_smooth):
            mean = functional.avg_pool2d(
                functional.pad(filled, (1, 1, 1, 1), mode='replicate'),
                3, stride=1)
            filled = mean + weights * (values - mean)
    # Exactly the image, whatever the rounding.
    return torch.where(valid > 0, image, filled)


def fill_curved(image, valid, start, *, n_steps=25):
    """
    Continue the pixels around holes with their slopes.

    The function of least curvature and slope that goes through the valid
    pixels, by conjugate gradients from a first guess. Where there is
    little noise this is better than `fill_smoothly`, where there is much
    it is worse.

    Parameters
    ----------
    image, valid : `torch.Tensor`, (n, 1, ny, nx)
        See `fill_smoothly`.
    start : `torch.Tensor`, (n, 1, ny, nx)
        The first guess, such as that of `fill_smoothly`.
    n_steps : int, optional
        Number of steps.

    Returns
    -------
    filled : `torch.Tensor`, (n, 1, ny, nx)
        The image at valid pixels, and the function in the holes.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.filling import fill_curved, fill_smoothly
    >>> image = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32) ** 2
    >>> valid = torch.ones(1, 1, 32, 32)
    >>> valid[..., 12:20, 12:20] = 0
    >>> start = fill_smoothly(image, valid)
    >>> filled = fill_curved(image, valid, start)
    >>> bool((filled - image).abs().max() < (start - image).abs().max() / 2)
    True
    """
    def apply(values):
        bend = _laplacian(values)
        return (_FIDELITY * valid * values - _SLOPE * bend
                + _laplacian(bend))

    def product(one, other):
        return (one * other).sum((1, 2, 3), keepdim=True)

    tiny = torch.finfo(image.dtype).tiny
    scale = 1 / (_FIDELITY * valid + 20 + 4 * _SLOPE)
    filled = start
    rest = _FIDELITY * valid * image - apply(filled)
    direction = scaled = scale * rest
    size = product(rest, scaled)
    for _ in range(n_steps):
        change = apply(direction)
        step = size / product(direction, change).clamp(min=tiny)
        filled = filled + step * direction
        rest = rest - step * change
        scaled = scale * rest
        size, before = product(rest, scaled), size
        direction = scaled + size / before.clamp(min=tiny) * direction
    return torch.where(valid > 0, image, filled)


def _laplacian(values):
    """
    Sum of the four neighbours minus four times the pixel.
    """
    padded = functional.pad(values, (1, 1, 1, 1), mode='replicate')
    return (padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
            + padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] - 4 * values)
