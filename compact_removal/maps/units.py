# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Units of maps: the flux of a pixel.
"""

import astropy.units as u
import numpy as np

from compact_removal.utils.parameters import ParameterError

__all__ = ['FLUX_UNITS', 'beam_area', 'flux_of_pixel', 'is_per_pixel']

# Fluxes and flux densities are equivalent to one of these.
FLUX_UNITS = (u.Jy, u.W / u.m ** 2)


def is_per_pixel(unit):
    """
    Check whether a unit is a flux or flux density per pixel.

    Parameters
    ----------
    unit : `~astropy.units.Unit`
        Unit of a map.

    Returns
    -------
    per_pixel : bool
        Whether the area of pixels has no influence on fluxes.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.maps.units import is_per_pixel
    >>> is_per_pixel(u.Jy / u.pix), is_per_pixel(u.MJy / u.sr)
    (True, False)
    """
    return any(unit.is_equivalent(flux / u.pix) for flux in FLUX_UNITS)


def flux_of_pixel(image, area, *, name='image'):
    """
    Compute the flux of a pixel of value 1.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map, in a unit of flux or flux density per pixel (Jy/pixel,
        mJy/pixel), per solid angle (MJy/sr, mJy/arcsec2) or per beam
        (Jy/beam, with ``BMAJ`` and ``BMIN`` in degrees in ``meta``).
    area : `~astropy.units.Quantity`
        Solid angle of a pixel.
    name : str, optional
        What messages call the map.

    Returns
    -------
    flux : float
        The flux of one pixel of value 1.
    unit : `~astropy.units.Unit`
        Its unit. Of a surface brightness in mJy it is mJy, of others Jy
        or W/m2.

    Raises
    ------
    ValueError
        If the unit is none of these, or the header has no beam.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from compact_removal.maps.units import flux_of_pixel
    >>> image = CCDData(np.zeros((9, 9)), unit='MJy/sr')
    >>> flux, unit = flux_of_pixel(image, 4 * u.arcsec ** 2)
    >>> print(f'{flux:.3g} {unit}')
    9.4e-05 Jy
    """
    unit = image.unit
    if isinstance(unit, u.UnitBase):
        for flux in FLUX_UNITS:
            if unit.is_equivalent(flux / u.pix):
                return 1.0, unit * u.pix
            if unit.is_equivalent(flux / u.sr):
                return _per_solid_angle(unit, area, flux)
            if unit.is_equivalent(flux / u.beam):
                beam = beam_area(image, name=name)
                return float(area / beam), unit * u.beam
    msg = (f'{name} must have as unit a flux per pixel (Jy/pixel, mJy/pixel), '
           'per solid angle (MJy/sr, mJy/arcsec2) or per beam (Jy/beam with '
           f'BMAJ and BMIN in degrees in the header), got {unit}')
    raise ParameterError(msg, name)


def _per_solid_angle(unit, area, flux):
    """
    Conversion for a surface brightness.
    """
    factor = area.to_value(u.sr) * (unit * u.sr).to(flux)
    if (unit * u.arcsec ** 2) == u.mJy or (unit * u.sr) == u.mJy:
        return factor * flux.to(u.mJy), u.mJy
    return factor, flux


def beam_area(image, *, name='image'):
    """
    Compute the solid angle of a Gaussian beam from the header.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map, with ``BMAJ`` and ``BMIN`` (degrees) in ``meta``.
    name : str, optional
        What messages call the map.

    Returns
    -------
    area : `~astropy.units.Quantity`
        The solid angle.

    Raises
    ------
    ValueError
        If the header has no beam.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from compact_removal.maps.units import beam_area
    >>> image = CCDData(np.zeros((9, 9)), unit='Jy/beam',
    ...                 meta={'BMAJ': 0.005, 'BMIN': 0.005})
    >>> print(beam_area(image).to('arcsec2').round(1))
    367.1 arcsec2
    """
    try:
        major, minor = (float(image.meta[key]) for key in ('BMAJ', 'BMIN'))
    except (KeyError, TypeError, ValueError):
        major = minor = np.nan
    if not (0 < major < np.inf and 0 < minor < np.inf):
        msg = (f'{name} must have BMAJ and BMIN (degrees) in its header '
               f'when its unit is {image.unit}')
        raise ParameterError(msg, name)
    return (np.pi / (4 * np.log(2)) * major * minor) * u.deg ** 2
