# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Radii of apertures, and the fraction of a point source within them.
"""

import astropy.units as u
import numpy as np

from compact_removal.psf import as_psf
from compact_removal.utils.parameters import ParameterError

__all__ = ['aperture_correction', 'check_apertures']


def aperture_correction(band, radius):
    """
    Compute the fraction of the flux of a point source in an aperture.

    The aperture sum divided by it is the flux (paper, Sect. 3.4). The
    table of the band is used where there is one, otherwise (and, scaled
    to it, below its first radius) the encircled energy of the band's
    PSF.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    radius : `~astropy.units.Quantity`
        Aperture radius (angle), of any shape.

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in (0, 1], of the shape of ``radius``.

    Raises
    ------
    ValueError
        If a radius is not positive or larger than those of the table.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.photometry import aperture_correction
    >>> print(aperture_correction(get_band('scanmap', 'blue'),
    ...                           [6, 12] * u.arcsec).round(3))
    [0.642 0.804]
    """
    if band.eef_radii:
        return np.asarray(band.encircled_energy(radius, psf=as_psf(band)))
    radius = np.asarray(u.Quantity(radius).to_value(u.arcsec))
    if np.any(radius <= 0):
        msg = f'radius must be positive, got {radius} arcsec'
        raise ParameterError(msg, 'radius')
    return as_psf(band).encircled_energy(radius)


def check_apertures(apertures, band):
    """
    Check the radii of apertures; the default is that of the band.

    Parameters
    ----------
    apertures : `~astropy.units.Quantity` or None
        Radii (angle), scalar or shape ``(m,)``.
    band : `~compact_removal.instruments.Band`
        The band.

    Returns
    -------
    apertures : `~astropy.units.Quantity`
        Radii (arcsec), shape ``(m,)``; a copy.

    Raises
    ------
    ValueError
        If they are no radii, or beyond the table of the band.
    """
    if apertures is None:
        return np.atleast_1d(band.default_aperture).copy()
    if (not isinstance(apertures, u.Quantity)
            or not apertures.unit.is_equivalent(u.arcsec)
            or apertures.ndim > 1 or apertures.size == 0
            or not np.all(apertures > 0)):
        msg = ('apertures must be positive radii with a unit of angle, scalar '
               f'or one-dimensional, got {apertures!r}')
        raise ParameterError(msg, 'apertures')
    apertures = np.atleast_1d(apertures).to(u.arcsec)
    if band.eef_radii and apertures.max().value > band.eef_radii[-1]:
        msg = (f'apertures must be at most {band.eef_radii[-1]:g} arcsec, the '
               f'largest radius in the table of band {band.name!r} of mode '
               f'{band.mode!r}, got {apertures}')
        raise ParameterError(msg, 'apertures')
    return apertures
