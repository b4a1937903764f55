# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Units of maps: the flux of a pixel.
"""

import contextlib
import re
import warnings

import astropy.units as u

from compact_removal.maps.beams import beam_area
from compact_removal.utils.parameters import ParameterError

__all__ = ['COUNT_UNITS', 'FLUX_UNITS', 'are_counts', 'flux_of_pixel',
           'is_per_pixel', 'read_unit']

# Fluxes and flux densities are equivalent to one of these.
FLUX_UNITS = (u.Jy, u.W / u.m ** 2)

# What detectors count.
COUNT_UNITS = (u.ct, u.photon)

# Words of units in other spellings, in lower case.
_WORDS = {
    **dict.fromkeys(('px', 'pix', 'pixel', 'pixels'), 'pix'),
    **dict.fromkeys(('bm', 'beam', 'beams'), 'beam'),
    **dict.fromkeys(('sr', 'ster', 'steradian', 'steradians'), 'sr'),
    **dict.fromkeys(('arcsec', 'arcsecs', 'arcsecond', 'arcseconds'),
                    'arcsec'),
    **dict.fromkeys(('count', 'counts'), 'ct'),
    'erg': 'erg', 'ergs': 'erg'}

_JANSKY = ('jy', 'jansky', 'janskys')


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
    return are_counts(unit) or any(unit.is_equivalent(flux / u.pix)
                                   for flux in FLUX_UNITS)


def are_counts(unit):
    """
    Check whether a unit is one of counts, whose noise is theirs.

    Parameters
    ----------
    unit : `~astropy.units.Unit` or None
        Unit of a map.

    Returns
    -------
    counts : bool
        Whether it is counts or photons, or these per pixel.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.maps.units import are_counts
    >>> are_counts(u.ct), are_counts(u.ct / u.pix), are_counts(u.ct / u.s)
    (True, True, False)
    """
    return unit in [part for one in COUNT_UNITS for part in (one,
                                                             one / u.pix)]


def flux_of_pixel(image, area, *, counts=False, name='image'):
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
    counts : bool, optional
        Whether counts are allowed, whose fluxes are counts.
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
        If the unit is none of these, or the header has no beam, or one
        that cannot be that of the map.

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
    if counts and are_counts(unit):
        return 1.0, next(one for one in COUNT_UNITS
                         if unit in (one, one / u.pix))
    if isinstance(unit, u.UnitBase):
        for flux in FLUX_UNITS:
            if unit.is_equivalent(flux / u.pix):
                return 1.0, unit * u.pix
            if unit.is_equivalent(flux / u.sr):
                return _per_solid_angle(unit, area, flux)
            if unit.is_equivalent(flux / u.beam):
                beam = beam_area(image, name=name, pixel_scale=area ** 0.5)
                return float(area / beam), unit * u.beam
    msg = (f'{name} must have as unit a flux per pixel, solid angle or beam, '
           f'got {str(unit) or "none"}; convert the map to Jy/pixel, '
           'mJy/pixel, MJy/sr, mJy/arcsec2 or Jy/beam (with BMAJ and BMIN in '
           'degrees in the header)' + ', or to ct or photon' * counts)
    raise ParameterError(msg, name)


def _per_solid_angle(unit, area, flux):
    """
    Conversion for a surface brightness.
    """
    factor = area.to_value(u.sr) * (unit * u.sr).to(flux)
    if (unit * u.arcsec ** 2) == u.mJy or (unit * u.sr) == u.mJy:
        return factor * flux.to(u.mJy), u.mJy
    return factor, flux


def read_unit(text):
    """
    Read a unit as headers and users write it.

    Parameters
    ----------
    text : str or `~astropy.units.Unit`
        The unit. Words are read in any case (``JY/BEAM``) and in other
        spellings (``Jy/px``, ``Jy per beam``), where they leave no
        doubt.

    Returns
    -------
    unit : `~astropy.units.Unit`
        The unit.

    Raises
    ------
    ParameterError
        If it is no unit. The message starts with ``unit``.

    Examples
    --------
    >>> from compact_removal.maps.units import read_unit
    >>> read_unit('JY/BEAM'), read_unit('mJy/px')
    (Unit("Jy / beam"), Unit("mJy / pix"))
    """
    if isinstance(text, u.UnitBase):
        return text
    for version in (text, _respell(text)) if (
            isinstance(text, str) and text.strip()) else ():
        with contextlib.suppress(ValueError), warnings.catch_warnings():
            # of several slashes
            warnings.simplefilter('ignore', u.UnitsWarning)
            return u.Unit(version)
    msg = (f'unit must be a unit such as Jy/pixel, MJy/sr or Jy/beam, got '
           f'{text!r}')
    raise ParameterError(msg, 'unit')


def _respell(text):
    """
    A unit with the spellings of astropy.
    """
    text = re.sub(r'\bper\b', '/', text.strip(), flags=re.IGNORECASE)
    text = re.sub(r'\b(sq|square)[ ._]*(arcsec|arcmin|deg)\w*', r'\2**2',
                  text, flags=re.IGNORECASE)
    text = re.sub(r'[^\W\d_]+', lambda match: _respell_word(
        match[0], text), text)
    return re.sub(r'^\((.*)\)$', r'\1', text)


def _respell_word(word, text):
    """
    A word of a unit with the spelling of astropy.
    """
    lower = word.lower()
    if lower in _WORDS:
        return _WORDS[lower]
    if not lower.endswith(_JANSKY) or word.endswith('Jy'):
        return word
    prefix = re.sub('(janskys|jansky|jy)$', '', lower)
    if prefix == 'm' and word.startswith('M') and not re.search(
            'sr|ster', text.lower()) and word.isupper():
        # MJY may be mJy
        return word
    return {'m': word[0]}.get(prefix, prefix) + 'Jy'
