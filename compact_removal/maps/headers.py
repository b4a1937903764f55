# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Modes and bands in the headers of maps.
"""

import warnings

import astropy.units as u
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.instruments import get_band, list_bands
from compact_removal.maps.beams import check_beam
from compact_removal.utils.parameters import ParameterError

__all__ = ['find_band', 'find_mode', 'find_mode_and_band', 'is_pacs',
           'warn_of_band']

# Keywords of `~compact_removal.datasets.read_pacs_map`.
_KEYWORDS = {'mode': 'PACSMODE', 'band': 'PACSBAND'}


def find_mode_and_band(meta, mode=None, band=None):
    """
    Find mode and band: those that were given, else those of a header.

    Parameters
    ----------
    meta : mapping
        The header of a map; empty if there is none.
    mode, band : object, optional
        See `~compact_removal.instruments.get_band`; `None`: that of the
        header.

    Returns
    -------
    mode, band : object
        Both are known to `~compact_removal.instruments.get_band`.

    Raises
    ------
    TypeError, ValueError
        If neither gives one of them, or there is no such mode or band.
    """
    found = {'mode': mode, 'band': band}
    for name, keyword in _KEYWORDS.items():
        if found[name] is None:
            found[name] = meta.get(keyword)
        if found[name] is None:
            names = dict.fromkeys(str(entry) for entry in list_bands()[name])
            msg = (f'{name} is not given, and no header of a map has it; give '
                   f'it, such as {", ".join(names)}')
            raise ParameterError(msg, name)
    get_band(**found)
    return found['mode'], found['band']


def warn_of_band(image, band):
    """
    Warn if the header of a map is that of another band or mode.

    Refuse a beam that cannot be that of the band.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map.
    band : `~compact_removal.instruments.Band`
        The band that was given.

    Raises
    ------
    ParameterError
        See `~compact_removal.maps.beams.check_beam`.
    """
    check_beam(image, band)
    wavelength = image.meta.get('WAVELNTH')
    if (isinstance(wavelength, (int, float))
            and abs(wavelength - band.wavelength.to_value(u.um)) > 1):
        warnings.warn(f'band {band.name!r} is that of {band.wavelength:g}, '
                      f'but the header of the map says {wavelength:g} um '
                      f'(WAVELNTH)', AstropyUserWarning, stacklevel=3)
    mode = image.meta.get('PACSMODE')
    if mode is not None and mode != band.mode:
        warnings.warn(f'mode is {band.mode!r}, but the header of the map '
                      f'says {mode!r} (PACSMODE)', AstropyUserWarning,
                      stacklevel=3)


def find_mode(header):
    """
    Find the observing mode in the cards of a PACS map.

    Parameters
    ----------
    header : mapping
        The header of a map.

    Returns
    -------
    name : str or None
        The name of the mode; None if the cards do not give it.
    """
    if not is_pacs(header):
        return None
    modes = [''.join(str(header.get(keyword, '')).lower().split())
             for keyword in ('INSTMODE', 'CUSMODE', 'OBS_MODE')]
    if any('parallel' in mode for mode in modes):
        return 'parallel'
    return 'scanmap' if 'scanmap' in modes[-1] else None


def find_band(header):
    """
    Find the band in the cards of a PACS map.

    Parameters
    ----------
    header : mapping
        The header of a map.

    Returns
    -------
    name : str or None
        The name of the band; None if the cards do not give it.
    """
    if not is_pacs(header):
        return None
    try:
        wavelength = float(header.get('WAVELNTH')) * u.um
        # the bands of the camera are the same in all modes
        return get_band('scanmap', wavelength).name
    except (TypeError, ValueError):
        return None


def is_pacs(header):
    """
    Check whether cards are those of a PACS observation.

    Parameters
    ----------
    header : mapping
        The header of a map.

    Returns
    -------
    answer : bool
        Whether they are.
    """
    return str(header.get('INSTRUME', '')).strip().upper() == 'PACS'
