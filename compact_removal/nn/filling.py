# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A smooth function for the holes of cutouts.
"""

import torch
from torch.nn import functional

__all__ = ['fill_smoothly']


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
