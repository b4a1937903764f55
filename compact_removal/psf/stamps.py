# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Checks of the images that are handed over as point spread functions.
"""

import warnings

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from scipy.ndimage import gaussian_filter, label, maximum_filter

from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['check_stamp']

# Part of the peak down to which pixels belong to the core.
_CORE = 0.1

# Deepest negative lobe, and the brightest second peak, over the peak. The
# lobes of PACS reach 0.08.
_LOWEST = -0.2
_SECOND = 0.2

# In full widths: how far an image must reach from its centre, from where on
# a pedestal can be told from wings, and where a second peak is no longer
# part of the core.
_LEAST_REACH = 1.0
_GOOD_REACH = 2.5
_FAR_REACH = 8.0
_SECOND_DISTANCE = 1.5

# Narrowest core in pixels: below the first there is no shape to interpolate,
# below the second it is coarse.
_LEAST_WIDTH = 1.1
_GOOD_WIDTH = 1.5

# Rings in which wings are compared, in units of the reach; and the largest
# pedestal, over the sum, that may be wings that fall less steeply than with
# the cube of the radius (those of PACS: 0.06, beyond 8 full widths 0.025).
_RINGS = (0.6, 0.75), (0.85, 1.0)
_PEDESTAL, _FAR_PEDESTAL = 0.1, 0.04

# Share of the flux beyond the edges of an image from which on it matters.
_LOST = 0.075


def check_stamp(data, *, name, fraction=1.0, center=None):
    """
    Check the image of a point spread function, and mend what can be mended.

    Parameters
    ----------
    data : array_like
        The image, shape ``(ny, nx)``.
    name : str
        What messages call it.
    fraction : float, optional
        Share of the flux that its user says that it holds.
    center : tuple of float, optional
        Where its user says that the centre is, ``(x, y)`` in pixels.

    Returns
    -------
    data : `~numpy.ndarray`
        Float64, without a pedestal; a new array.
    center : tuple of float
        The centre ``(x, y)`` in pixels: what was given, or the centroid
        of the core.

    Raises
    ------
    TypeError
        If it holds no real numbers.
    ValueError
        If it is no 2-D image of one point source that can be used.

    Warns
    -----
    AstropyUserWarning
        If a pedestal was subtracted, missing pixels far from the core
        were set to 0, the core is coarse, or the image ends close to it.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.psf.stamps import check_stamp
    >>> y, x = np.mgrid[-10:11, -10:11]
    >>> stamp = np.exp(-((x - 1.5) ** 2 + y ** 2) / 6)
    >>> _, center = check_stamp(stamp, name='data')
    >>> print(np.round(center, 1))
    [11.5 10. ]
    """
    data = np.asarray(data)
    if data.dtype.kind not in 'fiu':
        msg = f'{name} must hold real numbers, got {data.dtype}'
        raise ParameterTypeError(msg, name)
    data = data.astype(float)
    if data.ndim != 2 or data.size == 0:
        msg = f'{name} must be a 2-D image, got shape {data.shape}'
        raise ParameterError(msg, name)
    missing = ~np.isfinite(data)
    known = np.where(missing, 0, data)
    # a pedestal must not hide the core, nor tip the balance of the signs
    level = np.median(data[_rim(data.shape) & ~missing] if np.any(
        _rim(data.shape) & ~missing) else [0])
    peak = (known - level)[~missing].max(initial=0)
    if missing.all() or not peak > 0:
        msg = (f'{name} must show a point source, got an image that is '
               'constant, empty or negative')
        raise ParameterError(msg, name)
    found, width = _measure_core(np.where(missing, 0, known - level))
    _check_place(data.shape, found, width, name)
    if center is None:
        center = found
    elif np.hypot(center[0] - found[0], center[1] - found[1]) > max(
            1, 0.3 * width):
        msg = (f'{name} must have its source at the given centre '
               f'({center[0]:.1f}, {center[1]:.1f}), got ({found[0]:.1f}, '
               f'{found[1]:.1f}) as its centroid; leave the centre out to '
               'have this one used')
        raise ParameterError(msg, name)
    radius = _radius(data.shape, found)
    if missing.any():
        if radius[missing].min() < _GOOD_REACH * width:
            msg = (f'{name} must be finite near its core, got {missing.sum()} '
                   'pixels that are not; mend or fill them')
            raise ParameterError(msg, name)
        _warn(f'{name}: {missing.sum()} pixels that are not finite count as '
              'dark')
    data = known - _pedestal(known, missing, radius, width, name)
    data[missing] = 0
    if not data.sum() > 0:
        msg = (f'{name} must have a positive sum, got {data.sum():.3g}; '
               'subtract its background')
        raise ParameterError(msg, name)
    if data.min() < _LOWEST * data.max():
        msg = (f'{name} must not be as negative as {data.min():.3g} with a '
               f'peak of {data.max():.3g}; subtract its background')
        raise ParameterError(msg, name)
    _check_alone(data, radius, width, name)
    if fraction == 1:
        _check_wings(data, radius, name)
    return data, (float(center[0]), float(center[1]))


def _rim(shape):
    """
    The outermost pixels of an image.
    """
    rim = np.ones(shape, dtype=bool)
    rim[1:-1, 1:-1] = False
    return rim


def _radius(shape, center):
    """
    Distance of each pixel from the centre.
    """
    y, x = np.indices(shape)
    return np.hypot(x - center[0], y - center[1])


def _measure_core(data):
    """
    Centroid, and width at half the peak in pixels, of the brightest source.
    """
    parts, _ = label(data > _CORE * data.max())
    highest = np.unravel_index(np.argmax(data), data.shape)
    core = np.where(parts == parts[highest], data, 0)
    y, x = np.indices(data.shape)
    center = ((core * x).sum() / core.sum(), (core * y).sum() / core.sum())
    # of a Gaussian of this flux and peak; steadier than counted pixels
    counted = np.sqrt(4 / np.pi * np.count_nonzero(core > data.max() / 2))
    smooth = np.sqrt(4 * np.log(2) / np.pi * core.sum() / data.max())
    return center, float(min(counted, smooth) if counted < 2.5 else counted)


def _check_place(shape, center, width, name):
    """
    Refuse a core that is too narrow, or too close to an edge.
    """
    if width < _LEAST_WIDTH:
        msg = (f'{name} must resolve the core, got one that is {width:.1f} '
               'pixels wide: a hot pixel, or pixels that are too coarse')
        raise ParameterError(msg, name)
    if width < _GOOD_WIDTH:
        _warn(f'{name}: the core is {width:.1f} pixels wide; finer pixels '
              'give better fluxes')
    edge = min(min(place, length - 1 - place) + 0.5 for place, length
               in zip(center, shape[::-1], strict=True))
    if edge < _LEAST_REACH * width:
        msg = (f'{name} must reach {_LEAST_REACH:g} full widths '
               f'({_LEAST_REACH * width:.1f} pixels) from its source in all '
               f'directions, got {edge:.1f} pixels from '
               f'({center[0]:.1f}, {center[1]:.1f}) to the nearest edge; '
               'centre the source in a larger image')
        raise ParameterError(msg, name)


def _pedestal(data, missing, radius, width, name):
    """
    The constant that an image has beside the wings of its source.
    """
    reach = (radius[_rim(data.shape)].min() + 0.5) / width
    rings = (data[(radius >= low * reach * width) & ~missing
                  & (radius <= high * reach * width)] for low, high in _RINGS)
    inner, outer = (np.median(ring) if ring.size else np.nan
                    for ring in rings)
    total = data.sum()
    if not np.isfinite([inner, outer]).all():
        return 0.0
    if reach < _GOOD_REACH:
        return 0.0
    # wings fall with the cube of the radius, or a constant is left
    steep = (np.mean(_RINGS[0]) / np.mean(_RINGS[1])) ** 3
    level = (outer - inner * steep) / (1 - steep)
    # wings may fall faster or rise between dark rings; what is constant is
    # between 0 and the outer ring
    level = min(level, max(outer, 0.0)) if level > 0 else min(outer, 0.0)
    largest = _PEDESTAL if reach < _FAR_REACH else _FAR_PEDESTAL
    if abs(level) * data.size <= largest * abs(total - level * data.size):
        return 0.0
    _warn(f'{name}: a pedestal of {level / (data.max() - level):.2g} of the '
          'peak was subtracted, as wings do not end so level; subtract the '
          'background yourself to avoid this')
    return level


def _check_wings(data, radius, name):
    """
    Warn of an image whose wings go on beyond its edges.
    """
    reach = radius[_rim(data.shape)].min() + 0.5
    low, high = _RINGS[1]
    ring = data[(radius >= low * reach) & (radius <= high * reach)]
    # half of what wings hold that fall with the cube of the radius
    lost = np.median(ring) * np.pi * reach ** 2 if ring.size else 0.0
    if lost > _LOST * data.sum():
        _warn(f'{name} ends where about {lost / data.sum():.2g} of the flux '
              'lies beyond the edges; take a larger image, or a StampPSF '
              'with the fraction of the flux that the image holds')


def _check_alone(data, radius, width, name):
    """
    Refuse an image with more than one source.
    """
    smooth = gaussian_filter(data, 0.25 * width)
    peaks = (smooth == maximum_filter(smooth, size=2 * int(width) + 1))
    peaks &= radius > _SECOND_DISTANCE * width
    second = smooth[peaks].max(initial=0) / smooth.max()
    if second > _SECOND:
        y, x = np.argwhere(peaks & (smooth >= second * smooth.max()
                                    * (1 - 1e-9)))[0]
        msg = (f'{name} must show one source, got another of {second:.2g} of '
               f'the peak at pixel ({x}, {y}); cut the image, or set it to 0 '
               'there')
        raise ParameterError(msg, name)


def _warn(message):
    """
    Warn of an image that can be used.
    """
    warnings.warn(message, AstropyUserWarning, stacklevel=4)
