# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Columns of catalogues that hold the positions.
"""

from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Row, Table

from compact_removal.utils.parameters import ParameterError

__all__ = ['PositionColumns', 'as_table', 'find_positions']

# Columns of longitude and latitude in tables of positions, in lower
# case, and their frame. The first pair that a table has is used: names
# of this package, Gaia, VizieR, SExtractor, and Galactic ones.
_SKY_COLUMNS = (
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

# Columns of pixels, in lower case, and the number of the first pixel:
# photutils and this package, photutils 2, fits of photutils,
# SExtractor, others. The first pair that a table has is used.
_PIXEL_COLUMNS = (
    ('x_center', 'y_center', 0),
    ('x_centroid', 'y_centroid', 0),
    ('xcentroid', 'ycentroid', 0),
    ('x_fit', 'y_fit', 0),
    ('x_init', 'y_init', 0),
    ('x_0', 'y_0', 0),
    ('x_peak', 'y_peak', 0),
    ('xwin_image', 'ywin_image', 1),
    ('xpsf_image', 'ypsf_image', 1),
    ('x_image', 'y_image', 1),
    ('x', 'y', 0),
)

# Of several columns of sky coordinates, the first of these is meant.
_PREFERRED = ('sky_center', 'sky_centroid')


@dataclass(frozen=True)
class PositionColumns:
    """
    The columns of a table that hold the positions.

    Parameters
    ----------
    names : tuple of str
        One column of sky coordinates, or two, x or longitude first.
    frame : str or None
        The frame of longitude and latitude.
    first_pixel : int or None
        Of pixels, the number of the first one, 0 or 1.

    Examples
    --------
    >>> from compact_removal.maps.catalog_columns import PositionColumns
    >>> PositionColumns(('glon', 'glat'), frame='galactic').is_pixel
    False
    """

    names: tuple
    frame: str | None = None
    first_pixel: int | None = None

    @property
    def is_pixel(self):
        """
        Whether they hold pixels.
        """
        return self.first_pixel is not None


def as_table(positions):
    """
    Make a table of what is like one.

    Parameters
    ----------
    positions : object
        A row of a table, a pandas DataFrame, or a structured array.

    Returns
    -------
    positions : object
        A `~astropy.table.Table`; what is none of these is returned as
        it is.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.catalog_columns import as_table
    >>> rows = np.array([(1.0, 2.0)], dtype=[('x', float), ('y', float)])
    >>> as_table(rows).colnames
    ['x', 'y']
    """
    if isinstance(positions, Row):
        return positions.table[[positions.index]]
    if isinstance(positions, np.ndarray) and positions.dtype.names:
        return Table(positions)
    if (type(positions).__module__.partition('.')[0] == 'pandas'
            and hasattr(positions, 'columns')):
        return Table.from_pandas(positions)
    return positions


def find_positions(table):
    """
    Find the columns of a table that hold the positions.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A catalogue.

    Returns
    -------
    columns : `PositionColumns`
        A column of `~astropy.coordinates.SkyCoord` comes before a pair
        of longitude and latitude, and this before a pair of pixels.

    Raises
    ------
    ParameterError
        If there are none, or more than one could be meant. The message
        starts with ``positions``.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from compact_removal.maps.catalog_columns import find_positions
    >>> find_positions(Table({'X_IMAGE': [1.0], 'Y_IMAGE': [2.0]}))
    PositionColumns(names=('X_IMAGE', 'Y_IMAGE'), frame=None, first_pixel=1)
    """
    found = [name for name in table.colnames
             if isinstance(table[name], SkyCoord)]
    preferred = [name for name in _PREFERRED if name in found]
    if len(found) > 1 and not preferred:
        msg = ('positions must have one SkyCoord column, or one of the name '
               f'sky_center, got {", ".join(found)}')
        raise ParameterError(msg, 'positions')
    if found:
        return PositionColumns((*preferred, *found)[:1])
    for *pair, frame in _SKY_COLUMNS:
        names = _find_pair(table, pair)
        if names:
            return PositionColumns(names, frame=frame)
    for *pair, first in _PIXEL_COLUMNS:
        names = _find_pair(table, pair)
        if names:
            return PositionColumns(names, first_pixel=first)
    sky, pixel = (', '.join('/'.join(pair) for *pair, _ in pairs)
                  for pairs in (_SKY_COLUMNS, _PIXEL_COLUMNS))
    msg = ('positions must have a SkyCoord column or a pair of columns of a '
           'known name, and have none; rename columns to ra and dec '
           '(degrees) or x_center and y_center (pixels from 0). Known, in '
           f'whatever case, are for the sky {sky}, for pixels {pixel}; got '
           f'the columns {table.colnames}')
    raise ParameterError(msg, 'positions')


def _find_pair(table, pair):
    """
    The names of a pair of columns in a table, or None.
    """
    names = [name.lower() for name in table.colnames]
    if not set(pair) <= set(names):
        return None
    if any(names.count(name) > 1 for name in pair):
        msg = (f'positions must have one column {pair[0]} and one {pair[1]} '
               f'in whatever case, got the columns {table.colnames}')
        raise ParameterError(msg, 'positions')
    return tuple(table.colnames[names.index(name)] for name in pair)
