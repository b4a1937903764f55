# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels of maps: how large they are, and which can be used.
"""

import astropy.units as u
import numpy as np
from astropy.wcs.utils import proj_plane_pixel_area

from compact_removal.utils.parameters import ParameterError

__all__ = ['check_square_pixels', 'on_map', 'pixel_area', 'pixel_scale',
           'valid_pixels']

# Largest ratio of the axes of a pixel on the sky.
_MAX_AXIS_RATIO = 1.05


def check_square_pixels(wcs):
    """
    Refuse a WCS whose pixels are not squares on the sky.

    Holes and apertures are circles in pixels; on other pixels they
    would be ellipses on the sky.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        A WCS with celestial axes.

    Raises
    ------
    ValueError
        If the pixels are elongated or skewed by more than 5 percent, or
        the WCS is not finite or singular. The message starts with
        ``image``, as what the map is in other functions.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.pixels import check_square_pixels
    >>> wcs = WCS({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
    ...            'CDELT1': -0.5, 'CDELT2': 0.5})
    >>> check_square_pixels(wcs)
    """
    try:
        celestial = wcs.celestial
        with np.errstate(invalid='ignore'):
            matrix = celestial.pixel_scale_matrix
        numbers = np.concatenate([matrix.ravel(), celestial.wcs.crpix,
                                  celestial.wcs.crval])
    except ValueError as error:
        reason = str(error).splitlines()[-1]
        msg = f'image must have a valid celestial WCS: {reason}'
        raise ParameterError(msg, 'image') from error
    if not np.all(np.isfinite(numbers)):
        msg = 'image must have a celestial WCS with finite values'
        raise ParameterError(msg, 'image')
    # axes of the ellipse that a circle in pixels is on the sky
    major, minor = np.linalg.svd(matrix, compute_uv=False)
    if major == 0 or minor < 1e-6 * major:
        msg = 'image must have a celestial WCS that is not singular'
        raise ParameterError(msg, 'image')
    if major > _MAX_AXIS_RATIO * minor:
        major, minor = ([major, minor] * u.deg).to_value(u.arcsec)
        msg = ('image must have square pixels (within '
               f'{_MAX_AXIS_RATIO - 1:.0%}), got axes of {major:.4g} and '
               f'{minor:.4g} arcsec; resample the map')
        raise ParameterError(msg, 'image')


def pixel_area(wcs):
    """
    Compute the solid angle of a pixel.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        A WCS with celestial axes.

    Returns
    -------
    area : `~astropy.units.Quantity`
        At the reference pixel (deg2).

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.pixels import pixel_area
    >>> wcs = WCS({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
    ...            'CDELT1': -0.5, 'CDELT2': 0.5})
    >>> pixel_area(wcs)
    <Quantity 0.25 deg2>
    """
    return proj_plane_pixel_area(wcs.celestial) * u.deg ** 2


def pixel_scale(wcs):
    """
    Compute the square root of the solid angle of a pixel.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        A WCS with celestial axes.

    Returns
    -------
    scale : `~astropy.units.Quantity`
        At the reference pixel (arcsec).

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.pixels import pixel_scale
    >>> wcs = WCS({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
    ...            'CDELT1': -0.5, 'CDELT2': 0.5})
    >>> pixel_scale(wcs)
    <Quantity 1800. arcsec>
    """
    return np.sqrt(pixel_area(wcs)).to(u.arcsec)


def on_map(x, y, shape):
    """
    Check whether the nearest pixels of positions are pixels of a map.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), of any shape.
    shape : tuple of int
        Shape of the map, ``(ny, nx)``.

    Returns
    -------
    inside : `~numpy.ndarray` of bool
        False for NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.pixels import on_map
    >>> print(on_map(np.array([-0.5, 3.5, np.nan]), np.zeros(3), (2, 4)))
    [ True False False]
    """
    ny, nx = shape
    return (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)


def valid_pixels(data, mask=None):
    """
    Find the pixels that are finite and not masked.

    Parameters
    ----------
    data : array_like
        The map.
    mask : array_like of bool, optional
        True where a pixel must not be used; broadcast to the map.

    Returns
    -------
    valid : `~numpy.ndarray` of bool
        Of the shape of ``data``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.pixels import valid_pixels
    >>> print(valid_pixels([1, np.nan, 3], [False, False, True]))
    [ True False False]
    """
    valid = np.isfinite(data)
    if mask is not None:
        valid &= ~np.broadcast_to(np.asarray(mask, dtype=bool), valid.shape)
    return valid
