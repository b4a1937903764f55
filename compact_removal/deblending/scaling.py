# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of blends as networks see them: sources do not raise the background.
"""

import numpy as np
from scipy import ndimage

from compact_removal.maps.background import estimate_background

__all__ = ['scale_blends']

# Sources are what is above so many standard deviations of the noise after
# smoothing with a Gaussian of this width, and so many pixels around it.
_LEVEL, _SMOOTH, _MARGIN = 1.5, 2.0, 4

# Where less than this share of the image is left, all of it is used.
_LEAST = 0.1


def scale_blends(data):
    """
    Subtract the background of an image with sources; measure its noise.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``; NaN where a pixel cannot be used.

    Returns
    -------
    scaled : `~numpy.ndarray`
        The image less its background, over its noise; 0 where a pixel
        cannot be used. Single precision.
    noise : `~numpy.ndarray`
        Standard deviation of the noise, shape ``(ny, nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.scaling import scale_blends
    >>> x = np.arange(100) - 50
    >>> image = 500 * np.exp(-0.01 * (x ** 2 + x[:, None] ** 2)) + 30
    >>> image += np.random.default_rng(1).normal(0, 5, image.shape)
    >>> scaled, noise = scale_blends(image)
    >>> f'{noise.mean():.1f} {scaled[:20].mean():.1f}'
    '5.0 0.0'
    """
    background, noise = estimate_background(data, structure=False)
    known = np.isfinite(data)
    scaled = np.where(known, (data - background) / noise, 0)
    smooth = ndimage.gaussian_filter(scaled, _SMOOTH)
    bright = smooth > _LEVEL / (2 * np.sqrt(np.pi) * _SMOOTH)
    # single pixels of noise do not count
    bright = ndimage.binary_dilation(ndimage.binary_opening(bright),
                                     iterations=_MARGIN)
    free = known & ~bright
    if free.sum() > _LEAST * known.sum():
        background, noise = estimate_background(
            np.where(free, data, np.nan), structure=False)
    scaled = np.where(known, (data - background) / noise, 0)
    return scaled.astype(np.float32), noise
