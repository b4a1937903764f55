# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels of maps: how large they are, and which can be used.
"""

import astropy.units as u
import numpy as np
from astropy.wcs.utils import proj_plane_pixel_area

__all__ = ['pixel_area', 'pixel_scale', 'valid_pixels']


def pixel_area(wcs):
    """
    Solid angle of a pixel.

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
    >>> from compact_removal.utils.maps import pixel_area
    >>> wcs = WCS({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
    ...            'CDELT1': -0.5, 'CDELT2': 0.5})
    >>> pixel_area(wcs)
    <Quantity 0.25 deg2>
    """
    return proj_plane_pixel_area(wcs.celestial) * u.deg ** 2


def pixel_scale(wcs):
    """
    Square root of the solid angle of a pixel.

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
    >>> from compact_removal.utils.maps import pixel_scale
    >>> wcs = WCS({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
    ...            'CDELT1': -0.5, 'CDELT2': 0.5})
    >>> pixel_scale(wcs)
    <Quantity 1800. arcsec>
    """
    return np.sqrt(pixel_area(wcs)).to(u.arcsec)


def valid_pixels(data, mask=None):
    """
    Pixels that are finite and not masked.

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
    >>> from compact_removal.utils.maps import valid_pixels
    >>> print(valid_pixels([1, np.nan, 3], [False, False, True]))
    [ True False False]
    """
    valid = np.isfinite(data)
    if mask is not None:
        valid &= ~np.broadcast_to(np.asarray(mask, dtype=bool), valid.shape)
    return valid
