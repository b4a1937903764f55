# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Beams in the headers of maps.
"""

import re
import warnings

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.psf import fwhm_in_pixels
from compact_removal.utils.parameters import ParameterError

__all__ = ['beam_area', 'check_beam', 'find_beam', 'set_beam']

# Beams whose width differs from that of the PSF by more than these
# factors bring a warning, or are refused.
_WARN_RATIO, _MAX_RATIO = 1.5, 3.0

_REMEDY = ('BMAJ and BMIN are full widths at half maximum in degrees; '
           'mend them in meta, or give beam to read_pacs_map')


def find_beam(image, *, name='image', pixel_scale=None):
    """
    Find the beam in the header of a map.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map, with ``BMAJ`` and ``BMIN`` in ``meta`` (degrees, or
        angles).
    name : str, optional
        What messages call the map.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels, to refuse beams that are smaller than a
        pixel or larger than the map.

    Returns
    -------
    beam : `~astropy.units.Quantity`
        Full width at half maximum along both axes (arcsec), shape
        ``(2,)``, the larger one first.

    Raises
    ------
    ParameterError
        If there is no beam, or it cannot be that of the map.

    Warns
    -----
    AstropyUserWarning
        If ``BMIN`` is larger than ``BMAJ``.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from compact_removal.maps.beams import find_beam
    >>> image = CCDData(np.zeros((9, 9)), unit='Jy/beam',
    ...                 meta={'BMAJ': 0.005, 'BMIN': 0.004})
    >>> print(find_beam(image))
    [18.  14.4] arcsec
    """
    found = [image.meta.get(key) for key in ('BMAJ', 'BMIN')]
    try:
        beam = u.Quantity([u.Quantity(value, u.deg) for value in found])
    except (TypeError, ValueError, u.UnitsError):
        beam = [np.nan, np.nan] * u.deg
    if not np.all(np.isfinite(beam) & (beam > 0 * u.deg)):
        where = ''
        if re.search(r'\bBMAJ\b', str(image.meta.get('HISTORY', ''))):
            where = '; that in HISTORY is not read'
        msg = (f'{name} must have BMAJ and BMIN (degrees, positive) in its '
               f'header when its unit is {image.unit}, got {found[0]!r} and '
               f'{found[1]!r}{where}; {_REMEDY}')
        raise ParameterError(msg, name)
    major, minor = beam = beam.to(u.arcsec)
    if minor > major:
        warnings.warn(f'{name} has a BMIN of {minor:.4g} that is larger than '
                      f'BMAJ, {major:.4g}; they are taken as exchanged',
                      AstropyUserWarning, stacklevel=3)
        major, minor = beam = beam[::-1]
    if pixel_scale is not None:
        n_pixels = beam / pixel_scale.to(u.arcsec)
        size = 2 * max(np.shape(image.data))
        if n_pixels[1] < 1 or n_pixels[0] > size:
            what = 'a pixel' if n_pixels[1] < 1 else 'twice the map'
            than = 'smaller' if n_pixels[1] < 1 else 'larger'
            msg = (f'{name} must have a beam that is not {than} than {what}, '
                   f'got BMAJ and BMIN of {major:.4g} and {minor:.4g} for '
                   f'pixels of {pixel_scale.to(u.arcsec):.4g}; {_REMEDY}')
            raise ParameterError(msg, name)
    return beam


def beam_area(image, *, name='image', pixel_scale=None):
    """
    Compute the solid angle of a Gaussian beam from the header.

    Parameters
    ----------
    image, name, pixel_scale
        See `find_beam`.

    Returns
    -------
    area : `~astropy.units.Quantity`
        The solid angle.

    Raises
    ------
    ParameterError
        If there is no beam, or it cannot be that of the map.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from compact_removal.maps.beams import beam_area
    >>> image = CCDData(np.zeros((9, 9)), unit='Jy/beam',
    ...                 meta={'BMAJ': 0.005, 'BMIN': 0.005})
    >>> print(beam_area(image).round(1))
    367.1 arcsec2
    """
    beam = find_beam(image, name=name, pixel_scale=pixel_scale)
    return np.pi / (4 * np.log(2)) * beam[0] * beam[1]


def check_beam(image, band, *, name='image'):
    """
    Compare the beam of a map in a unit per beam with the PSF of a band.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map; nothing is done for other units.
    band : `~compact_removal.instruments.Band`
        The band.
    name : str, optional
        What messages call the map.

    Raises
    ------
    ParameterError
        If the widths differ by more than a factor of 3.

    Warns
    -----
    AstropyUserWarning
        If they differ by more than 50 percent.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.beams import check_beam
    >>> image = CCDData(np.zeros((9, 9)), unit='Jy/beam',
    ...                 meta={'BMAJ': 0.0016, 'BMIN': 0.0015})
    >>> check_beam(image, get_band('scanmap', 'blue'))
    """
    unit = image.unit
    if not (isinstance(unit, u.UnitBase) and u.beam in unit.bases):
        return
    major, minor = find_beam(image, name=name)
    beam = np.sqrt(major * minor)
    fwhm = fwhm_in_pixels(band, 1 * u.arcsec) * u.arcsec
    ratio = float(beam / fwhm)
    what = (f'a beam of {beam:.4g} (BMAJ, BMIN), but the PSF of band '
            f'{band.name!r} of mode {band.mode!r} has {fwhm:.4g}')
    if not 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        msg = f'{name} must have the beam of its band, got {what}; {_REMEDY}'
        raise ParameterError(msg, name)
    if not 1 / _WARN_RATIO <= ratio <= _WARN_RATIO:
        warnings.warn(f'{name} has {what}: fluxes are wrong if the map was '
                      'not made for this beam', AstropyUserWarning,
                      stacklevel=3)


def set_beam(meta, beam):
    """
    Write a beam into a header.

    Parameters
    ----------
    meta : mapping
        The header, which is changed.
    beam : `~astropy.units.Quantity`
        Full width at half maximum (angle), a scalar or two.

    Raises
    ------
    ParameterError
        If it is not one or two positive angles.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.maps.beams import set_beam
    >>> meta = {}
    >>> set_beam(meta, 18 * u.arcsec)
    >>> print(meta)
    {'BMAJ': 0.005, 'BMIN': 0.005}
    """
    try:
        major, minor = np.broadcast_to(
            u.Quantity(beam).to_value(u.deg), 2).tolist()
    except (TypeError, ValueError, u.UnitsError):
        major = minor = np.nan
    if not (0 < minor <= major < np.inf):
        msg = ('beam must be the full width at half maximum as a positive '
               f'angle, or two, the larger one first, got {beam!r}')
        raise ParameterError(msg, 'beam')
    meta['BMAJ'], meta['BMIN'] = major, minor
