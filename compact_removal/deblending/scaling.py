# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of blends as networks see them: sources do not raise the background.
"""

import warnings

import numpy as np
from astropy.stats import mad_std
from astropy.utils.exceptions import AstropyUserWarning
from scipy import ndimage

from compact_removal.maps.background import estimate_background

__all__ = ['scale_blends']

# Sources are what is above so many standard deviations of the noise after
# smoothing with a Gaussian of this width, and so many pixels around it.
_LEVEL, _SMOOTH, _MARGIN = 1.5, 2.0, 4

# A plane is fitted to medians of squares of this side (pixels), at least so
# many in each direction; those that lie farther above it (standard
# deviations) have sources. It is taken off if it changes by more than so
# many times its error.
_SIDE, _N_SQUARES, _CLIP, _SIGNIFICANT = 16, 5, 2.0, 6.0

# Where less than this share of the image is left, all of it is used.
_LEAST = 0.1

# Noise is at least the brightest light (percentile) over this: networks have
# not learned images without noise.
_BRIGHT, _RANGE = 99.5, 2000.0


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
    plane = _fit_plane(data)
    data = data - plane
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
    noise = _limit_noise(data - background, noise)
    scaled = np.where(known, (data - background) / noise, 0)
    return scaled.astype(np.float32), noise


def _limit_noise(light, noise):
    """
    Noise that is not too small for the light; with a warning where it was.
    """
    light = np.abs(light[np.isfinite(light)])
    least = np.percentile(light, _BRIGHT) / _RANGE if light.size else 0.0
    if not least:
        return noise
    # it is 1 where it could not be measured
    low = (noise < least) | np.all(noise == 1)
    if low.mean() > _LEAST:
        warnings.warn('image: its noise is less than 1/2000 of its '
                      'brightest light, as in simulations without noise; it '
                      'is taken to be as much as that', AstropyUserWarning,
                      stacklevel=4)
    return np.where(low, least, noise).astype(np.float32)


def _fit_plane(data):
    """
    A gradient of the background, 0 on average; 0 where there is none.
    """
    ny, nx = (n // _SIDE for n in data.shape)
    if min(ny, nx) < _N_SQUARES:
        return 0.0
    with warnings.catch_warnings():
        # squares without a known pixel
        warnings.simplefilter('ignore', RuntimeWarning)
        level = np.nanmedian(
            data[:ny * _SIDE, :nx * _SIDE].astype(float).reshape(
                ny, _SIDE, nx, _SIDE), axis=(1, 3))
    y, x = (values - values.mean() for values in np.indices((ny, nx)))
    good = np.isfinite(level)
    if good.sum() < _N_SQUARES ** 2:
        return 0.0
    for _ in range(10):
        design = np.column_stack([np.ones(good.sum()), x[good], y[good]])
        (middle, *slopes), *_ = np.linalg.lstsq(design, level[good])
        rest = level - (middle + slopes[0] * x + slopes[1] * y)
        spread = mad_std(rest[good])
        wanted = np.isfinite(level) & (rest < _CLIP * spread)
        if (wanted == good).all() or wanted.sum() < _N_SQUARES ** 2:
            break
        good = wanted
    slope = np.hypot(*slopes)
    if slope <= _SIGNIFICANT * spread / np.sqrt((x[good] ** 2).sum()):
        return 0.0
    rows, columns = ((np.arange(n) - (n - 1) / 2) / _SIDE for n in data.shape)
    return slopes[0] * columns + slopes[1] * rows[:, None]
