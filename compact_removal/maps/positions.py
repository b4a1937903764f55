# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read positions, whatever the user hands over.
"""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, BaseCoordinateFrame, SkyCoord
from astropy.table import Row, Table

from compact_removal.utils.parameters import ParameterError, ParameterTypeError
from compact_removal.utils.text import one_line

__all__ = ['pair_catalogs', 'position_columns', 'read_positions']

# Columns of longitude and latitude in tables of positions, in lower
# case, and their frame. The first pair that a table has is used: names
# of this package, Gaia, VizieR, SExtractor, and Galactic ones.
_COLUMNS = (
    ('ra', 'dec', 'icrs'),
    ('ra_icrs', 'de_icrs', 'icrs'),
    ('ra_icrs', 'dec_icrs', 'icrs'),
    ('_ra.icrs', '_de.icrs', 'icrs'),
    ('_ra_icrs', '_de_icrs', 'icrs'),
    ('_ra', '_de', 'icrs'),
    ('ra_deg', 'dec_deg', 'icrs'),
    ('radeg', 'decdeg', 'icrs'),
    ('radeg', 'dedeg', 'icrs'),
    ('_raj2000', '_dej2000', 'fk5'),
    ('raj2000', 'dej2000', 'fk5'),
    ('raj2000', 'decj2000', 'fk5'),
    ('ra_j2000', 'dec_j2000', 'fk5'),
    ('alphawin_j2000', 'deltawin_j2000', 'fk5'),
    ('alpha_j2000', 'delta_j2000', 'fk5'),
    ('glon', 'glat', 'galactic'),
    ('_glon', '_glat', 'galactic'),
    ('l', 'b', 'galactic'),
)


def pair_catalogs(catalogs, n_maps):
    """
    Check that there is one catalogue per map.

    Parameters
    ----------
    catalogs : sequence or None
        The catalogues; None for none at all.
    n_maps : int
        Number of maps.

    Returns
    -------
    catalogs : list
        One entry per map.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    catalogs = [None] * n_maps if catalogs is None else list(catalogs)
    if len(catalogs) != n_maps:
        msg = (f'catalogs must have one entry per map ({n_maps}), got '
               f'{len(catalogs)}')
        raise ParameterError(msg, 'catalogs')
    return catalogs


def read_positions(positions):
    """
    Read positions, whatever holds them.

    Parameters
    ----------
    positions : SkyCoord, Table or regions
        Sky coordinates; a table with a SkyCoord column or with two
        columns of longitude and latitude of a known name, such as
        ``ra`` and ``dec`` or those of VizieR; or sky regions with a
        centre.

    Returns
    -------
    coordinates : `~astropy.coordinates.SkyCoord`
        Shape ``(n,)``; NaN where a value is masked or missing.

    Raises
    ------
    TypeError, ValueError
        If there are no coordinates in it.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from compact_removal.maps import read_positions
    >>> table = Table({'RAJ2000': ['05:35:17.3'], 'DEJ2000': ['-05:23:28']})
    >>> print(read_positions(table).to_string('decimal'))
    ['83.8221 -5.39111']
    """
    if isinstance(positions, BaseCoordinateFrame) and positions.has_data:
        positions = SkyCoord(positions)
    if isinstance(positions, SkyCoord):
        return _flat_positions(positions)
    if isinstance(positions, Row):
        positions = positions.table[[positions.index]]
    if isinstance(positions, Table):
        return _table_positions(positions)
    # here, as most positions are no regions
    from regions import Region

    if isinstance(positions, Region):
        positions = [positions]
    if (not isinstance(positions, (str, bytes, Mapping))
            and np.iterable(positions)):
        return _region_positions(list(positions))
    msg = ('positions must be a SkyCoord, a table with a SkyCoord column or '
           f'ra and dec columns, or regions, got {type(positions).__name__}')
    raise ParameterTypeError(msg, 'positions')


def _flat_positions(coordinates):
    """
    Coordinates of shape (n,), with NaN for masked ones.
    """
    flat = coordinates.reshape(-1)
    mask = flat.mask
    try:
        # a frame may lack its place on the sky
        icrs = flat.unmasked.icrs.spherical
    except (AttributeError, TypeError, ValueError, LookupError,
            OSError) as error:
        msg = ('positions must be in a frame that can be transformed to '
               f'ICRS, got {flat.frame.name!r}: {one_line(error)}')
        raise ParameterError(msg, 'positions') from error
    if np.any(mask):
        return SkyCoord(np.where(mask, np.nan, icrs.lon.deg),
                        np.where(mask, np.nan, icrs.lat.deg), unit='deg')
    return flat


def position_columns(table):
    """
    Find the columns of a table that hold the positions.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A catalogue.

    Returns
    -------
    names : list of str
        One column of sky coordinates, or two of longitude and latitude.
    frame : str or None
        The frame of longitude and latitude.

    Raises
    ------
    ValueError
        If there are none, or more than one could be meant.
    """
    found = [name for name in table.colnames
             if isinstance(table[name], SkyCoord)]
    if len(found) > 1 and 'sky_center' in found:
        found = ['sky_center']
    if len(found) > 1:
        msg = ('positions must have one SkyCoord column, or one of the name '
               f'sky_center, got {", ".join(found)}')
        raise ParameterError(msg, 'positions')
    if found:
        return found, None
    names = [name.lower() for name in table.colnames]
    for *pair, frame in _COLUMNS:
        if not set(pair) <= set(names):
            continue
        if any(names.count(name) > 1 for name in pair):
            msg = (f'positions must have one column {pair[0]} and one '
                   f'{pair[1]} in whatever case, got the columns '
                   f'{table.colnames}')
            raise ParameterError(msg, 'positions')
        return [table.colnames[names.index(name)] for name in pair], frame
    pairs = ', '.join('/'.join(pair) for *pair, _ in _COLUMNS)
    msg = ('positions must have a SkyCoord column or a pair of columns of '
           f'longitude and latitude ({pairs}, in whatever case), got the '
           f'columns {table.colnames}')
    raise ParameterError(msg, 'positions')


def _table_positions(table):
    """
    Positions from a SkyCoord column, or from longitude and latitude.
    """
    names, frame = position_columns(table)
    if frame is None:
        return _flat_positions(table[names[0]])
    lon, lat = names
    hours = u.deg if frame == 'galactic' else u.hourangle
    return SkyCoord(_read_angles(table[lon], lon, 360 * u.deg, hours),
                    _read_angles(table[lat], lat, 90 * u.deg, u.deg),
                    frame=frame)


def _read_angles(column, name, limit, string_unit):
    """
    Angles of a column (deg), with NaN where there are none.

    Numbers are in the unit of the column, else degrees; strings are in
    the unit of the column, else degrees if they are plain numbers, else
    sexagesimal in ``string_unit``.
    """
    kind = getattr(getattr(column, 'dtype', None), 'kind', None)
    if kind not in tuple('fiuUSO') or column.ndim != 1:
        msg = (f'positions must have one number or string per row in column '
               f'{name!r}')
        raise ParameterError(msg, 'positions')
    unit = getattr(column, 'unit', None)
    mask = np.broadcast_to(getattr(column, 'mask', False), column.shape)
    values = np.asarray(getattr(column, 'unmasked', column))
    if kind in 'USO':
        angles = _parse_angles(values, mask, name, unit, string_unit)
    else:
        if unit is None:
            unit = u.deg
        if not unit.is_equivalent(u.deg):
            msg = (f'positions must have angles in column {name!r}, got the '
                   f'unit {unit}')
            raise ParameterError(msg, 'positions')
        angles = values.astype(float) * unit.to(u.deg)
    angles = np.where(mask | ~np.isfinite(angles), np.nan, angles)
    outside = np.abs(angles) > limit.value
    if outside.any():
        msg = (f'positions must have angles between {-limit:g} and '
               f'{limit:g} in column {name!r}, got '
               f'{angles[outside][0]:g} deg in row {np.argmax(outside)}')
        raise ParameterError(msg, 'positions')
    return angles * u.deg


def _parse_angles(values, mask, name, unit, string_unit):
    """
    Angles (deg) of strings, with NaN where there are none.
    """
    texts = np.array(['' if hidden or value is None else
                      value.decode('ascii', 'replace')
                      if isinstance(value, bytes) else str(value).strip()
                      for value, hidden in zip(values, mask, strict=True)],
                     dtype=str)
    angles = np.full(len(texts), np.nan)
    given = texts != ''
    has_unit = unit is not None and unit.is_equivalent(u.deg)
    try:
        if _are_numbers(texts[given]):
            numbers = texts[given].astype(float)
            angles[given] = numbers * unit.to(u.deg) if has_unit else numbers
        else:
            angles[given] = Angle(texts[given],
                                  unit if has_unit else string_unit).deg
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


def _region_positions(regions):
    """
    Centres of sky regions.
    """
    centers = [region if isinstance(region, SkyCoord)
               else getattr(region, 'center', None) for region in regions]
    for region, center in zip(regions, centers, strict=True):
        if not isinstance(center, SkyCoord) or not center.isscalar:
            msg = ('positions must be sky coordinates: a list must hold '
                   'scalar SkyCoord or regions with a centre in sky '
                   'coordinates, not in those of an image, got '
                   f'{type(region).__name__}')
            raise ParameterError(msg, 'positions')
    centers = [_flat_positions(center).icrs.spherical for center in centers]
    return SkyCoord([center.lon.deg[0] for center in centers],
                    [center.lat.deg[0] for center in centers], unit='deg')
