# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Angles in the columns of catalogues.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle

from compact_removal.utils.parameters import ParameterError

__all__ = ['read_angles']

# Units that astropy does not read, or not as angles; in lower case,
# without quotation marks.
_UNITS = {
    'deg': u.deg, 'degree': u.deg, 'degrees': u.deg, 'degs': u.deg,
    'decimal degrees': u.deg, 'rad': u.rad, 'arcsec': u.arcsec,
    'arcmin': u.arcmin, 'hourangle': u.hourangle,
    'd:m:s': u.deg, 'dms': u.deg, 'dd:mm:ss': u.deg, 'dd mm ss': u.deg,
    'd m s': u.deg, 'hour': u.hourangle, 'hours': u.hourangle,
    'hr': u.hourangle, 'hrs': u.hourangle, 'h': u.hourangle,
    'hour angle': u.hourangle, 'h:m:s': u.hourangle, 'hms': u.hourangle,
    'hh:mm:ss': u.hourangle, 'hh mm ss': u.hourangle, 'h m s': u.hourangle,
    'radian': u.rad, 'radians': u.rad, 'rads': u.rad, 'arcsecs': u.arcsec,
    'arcseconds': u.arcsec, 'arcmins': u.arcmin, 'arcminutes': u.arcmin}


def read_angles(column, name, limit, string_unit):
    """
    Read the angles of a column.

    Parameters
    ----------
    column : `~astropy.table.Column` or `~astropy.units.Quantity`
        Numbers, in the unit of the column or else in degrees; or
        strings, in the unit of the column, else degrees if they are
        plain numbers, else sexagesimal in ``string_unit``.
    name : str
        The name of the column, for messages.
    limit : `~astropy.units.Quantity`
        Largest magnitude that is allowed.
    string_unit : `~astropy.units.Unit`
        Unit of sexagesimal strings.

    Returns
    -------
    angles : `~astropy.units.Quantity`
        In degrees, shape ``(n,)``; NaN where there is none.

    Raises
    ------
    ParameterError
        If there are no angles in the column. The message starts with
        ``positions``.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import Column
    >>> from compact_removal.maps.angles import read_angles
    >>> column = Column(['05:35:17', ''], unit='hourangle')
    >>> print(read_angles(column, 'ra', 360 * u.deg, u.hourangle).round(3))
    [83.821    nan] deg
    """
    kind = getattr(getattr(column, 'dtype', None), 'kind', None)
    if kind not in tuple('fiuUSO') or column.ndim != 1:
        msg = (f'positions must have one number or string per row in column '
               f'{name!r}')
        raise ParameterError(msg, 'positions')
    unit = _find_unit(getattr(column, 'unit', None), name)
    mask = np.broadcast_to(getattr(column, 'mask', False), column.shape)
    values = np.asarray(getattr(column, 'unmasked', column))
    if kind in 'USO':
        angles = _parse_angles(values, mask, name, unit, string_unit)
    else:
        angles = values.astype(float) * (unit or u.deg).to(u.deg)
    angles = np.where(mask | ~np.isfinite(angles), np.nan, angles)
    outside = np.abs(angles) > limit.value
    if outside.any():
        msg = (f'positions must have angles between {-limit:g} and '
               f'{limit:g} in column {name!r}, got '
               f'{angles[outside][0]:g} deg in row {np.argmax(outside)}')
        raise ParameterError(msg, 'positions')
    return angles * u.deg


def _find_unit(unit, name):
    """
    The unit of angles of a column; None for no unit.
    """
    text = '' if unit is None else str(unit).strip(' "\'').lower()
    unit = _UNITS.get(text, unit)
    if text in ('', 'unitless'):
        return None
    if isinstance(unit, str):
        unit = u.Unit(unit, parse_strict='silent')
    if not unit.is_equivalent(u.deg):
        msg = (f'positions must have angles in column {name!r}, got the unit '
               f'{unit}; deg, hourangle, rad and arcsec are some of those '
               'that are allowed')
        raise ParameterError(msg, 'positions')
    return unit


def _parse_angles(values, mask, name, unit, string_unit):
    """
    Angles (deg) of strings, with NaN where there are none.
    """
    texts = np.array(['' if hidden or value is None else
                      value.decode('ascii', 'replace').strip()
                      if isinstance(value, bytes) else str(value).strip()
                      for value, hidden in zip(values, mask, strict=True)],
                     dtype=str)
    angles = np.full(len(texts), np.nan)
    given = texts != ''
    try:
        if _are_numbers(texts[given]):
            angles[given] = (texts[given].astype(float)
                             * (unit or u.deg).to(u.deg))
        else:
            angles[given] = Angle(texts[given], unit or string_unit).deg
    except (TypeError, ValueError) as error:
        msg = (f'positions must have degrees, or strings such as 05:35:17 '
               f'and -05:23:28, in column {name!r}: {error}')
        raise ParameterError(msg, 'positions') from error
    return angles


def _are_numbers(texts):
    """
    Whether all strings are plain numbers.
    """
    try:
        texts.astype(float)
    except ValueError:
        return False
    return True
