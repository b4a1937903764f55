# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read positions, whatever the user hands over.
"""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.table import Table

from compact_removal.maps.angles import read_angles
from compact_removal.maps.catalog_columns import as_table, find_positions
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.source_regions import select_sources
from compact_removal.utils.parameters import ParameterError, ParameterTypeError
from compact_removal.utils.text import one_line

__all__ = ['pair_catalogs', 'read_pixels', 'read_positions']

_ALLOWED = (
    "positions may be a SkyCoord, such as SkyCoord([83.82], [-5.39], "
    "unit='deg'); a table with such a column, with the columns ra and dec, or "
    "with pixels, such as Table({'x_center': [30.5], 'y_center': [40.2]}); "
    'regions with a centre in sky coordinates; or pixels (x, y) as numbers of '
    'shape (n, 2), such as [[30.5, 40.2]]')

# How far from the first pixel numbers in degrees are looked for.
_NEAR_PIXELS = 20_000

# No more characters of a value are in a message.
_MAX_TEXT = 60


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


def read_positions(positions, *, wcs=None):
    """
    Read positions, whatever holds them.

    Parameters
    ----------
    positions : SkyCoord, Table, regions or array
        Sky coordinates; a table with a SkyCoord column or with two
        columns of a known name: longitude and latitude, such as ``ra``
        and ``dec`` or those of VizieR, or pixels, such as ``x_center``
        and ``y_center`` or those of photutils (from 0) and SExtractor
        (from 1). Sky coordinates come before pixels where a table has
        both. Or regions that mark sources (points, circles, ellipses).
        Or numbers of shape ``(n, 2)``, which are pixels ``(x, y)`` from
        0.
    wcs : `~astropy.wcs.WCS`, optional
        The celestial WCS of the map, for pixels.

    Returns
    -------
    coordinates : `~astropy.coordinates.SkyCoord`
        Shape ``(n,)``; NaN where a value is masked or missing.

    Raises
    ------
    TypeError, ValueError
        If there are no coordinates in it, or pixels without ``wcs``.

    Warns
    -----
    AstropyUserWarning
        If regions are left out that mark no sources.

    See Also
    --------
    read_pixels : The same as pixels of a map.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from compact_removal.maps import read_positions
    >>> table = Table({'RAJ2000': ['05:35:17.3'], 'DEJ2000': ['-05:23:28']})
    >>> print(read_positions(table).to_string('decimal'))
    ['83.8221 -5.39111']
    """
    found = _read(positions, wcs)
    if isinstance(found, SkyCoord):
        return found
    if wcs is None:
        msg = ('positions must be sky coordinates here, got pixels, which '
               'need a map with a WCS')
        raise ParameterError(msg, 'positions')
    if found.shape[1] == 0:
        return SkyCoord([], [], unit='deg')
    return _flat_positions(SkyGrid(wcs).to_sky(*found))


def read_pixels(positions, *, wcs=None, shape=None):
    """
    Read positions as pixels of a map.

    Parameters
    ----------
    positions : SkyCoord, Table, regions or array
        See `read_positions`.
    wcs : `~astropy.wcs.WCS`, optional
        The celestial WCS of the map. Pixels do not need it.
    shape : tuple of int, optional
        Shape of the map, ``(ny, nx)``, by which places at the seam of a
        cylindrical map are found.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Pixels from 0, shape ``(n,)``; NaN where a value is missing.

    Raises
    ------
    TypeError, ValueError
        If there are no coordinates in it, or sky coordinates without
        ``wcs``.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from compact_removal.maps import read_pixels
    >>> x, y = read_pixels(Table({'X_IMAGE': [1.0], 'Y_IMAGE': [7.5]}))
    >>> print(x, y)
    [0.] [6.5]
    """
    found = _read(positions, wcs)
    if not isinstance(found, SkyCoord):
        return found[0], found[1]
    if len(found) == 0:
        return np.zeros(0), np.zeros(0)
    if wcs is None:
        msg = ('positions must be pixels (columns such as x_center and '
               'y_center) for an image without a WCS, got sky coordinates')
        raise ParameterError(msg, 'positions')
    return SkyGrid(wcs).to_pixels(found, shape)


def _read(positions, wcs):
    """
    Sky coordinates, shape (n,), or pixels, shape (2, n).
    """
    if isinstance(positions, BaseCoordinateFrame) and positions.has_data:
        positions = SkyCoord(positions)
    if isinstance(positions, SkyCoord):
        return _flat_positions(positions)
    positions = as_table(positions)
    if isinstance(positions, Table):
        return _table_positions(positions)
    # here, as most positions are no regions
    from regions import Region

    if isinstance(positions, Region):
        positions = [positions]
    if (not isinstance(positions, (str, bytes, Mapping))
            and np.iterable(positions)):
        entries = list(positions)
        if entries and not any(isinstance(entry, (Region, SkyCoord))
                               for entry in entries):
            return _array_positions(positions, wcs)
        return _region_positions(entries, wcs)
    advice = ''
    if isinstance(positions, (str, bytes)):
        advice = 'read a file with compact_removal.maps.read_catalog; '
    elif isinstance(positions, Mapping):
        advice = 'make a Table of it; '
    msg = (f'positions must be of a known kind, got {_shorten(positions)} of '
           f'type {type(positions).__name__}; {advice}{_ALLOWED}')
    raise ParameterTypeError(msg, 'positions')


def _shorten(value):
    """
    A value as it is written, or the beginning of that.
    """
    text = one_line(repr(value))
    return text if len(text) <= _MAX_TEXT else f'{text[:_MAX_TEXT - 3]}...'


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


def _table_positions(table):
    """
    Positions of a table: sky coordinates or pixels.
    """
    columns = find_positions(table)
    if columns.is_pixel:
        return np.array([_read_numbers(table[name], name)
                         for name in columns.names]) - columns.first_pixel
    if columns.frame is None:
        return _flat_positions(table[columns.names[0]])
    lon, lat = columns.names
    hours = u.deg if columns.frame == 'galactic' else u.hourangle
    return SkyCoord(read_angles(table[lon], lon, 360 * u.deg, hours),
                    read_angles(table[lat], lat, 90 * u.deg, u.deg),
                    frame=columns.frame)


def _read_numbers(column, name):
    """
    Pixels of a column, with NaN where there are none.
    """
    unit = getattr(column, 'unit', None)
    if unit not in (None, u.pix, u.dimensionless_unscaled) and (
            str(unit).lower() not in ('pixel', 'pixels')):
        msg = (f'positions must have pixels in column {name!r}, got the '
               f'unit {unit}')
        raise ParameterError(msg, 'positions')
    mask = np.broadcast_to(getattr(column, 'mask', False), column.shape)
    values = np.asarray(getattr(column, 'unmasked', column))
    if values.dtype.kind not in 'fiu' or values.ndim != 1:
        msg = (f'positions must have one number per row in column {name!r}, '
               f'got shape {values.shape} and type {values.dtype}')
        raise ParameterError(msg, 'positions')
    values = values.astype(float)
    return np.where(mask | ~np.isfinite(values), np.nan, values)


def _array_positions(positions, wcs):
    """
    Pixels of an array of shape (n, 2).
    """
    try:
        values = np.asarray(getattr(positions, 'value', positions))
    except ValueError:
        values = np.zeros(())
    unit = getattr(positions, 'unit', u.pix)
    if (values.dtype.kind not in 'fiu' or values.shape[1:] != (2,)
            or unit not in (u.pix, u.dimensionless_unscaled)):
        rule = ('pixels of shape (n, 2) where they are numbers'
                if values.dtype.kind in 'fiu' and values.ndim
                else 'of a known kind')
        units = '' if unit == u.pix else f', unit {unit}'
        msg = (f'positions must be {rule}, got {_shorten(positions)} of type '
               f'{type(positions).__name__} (shape {values.shape}, dtype '
               f'{values.dtype}{units}); {_advise(values, unit)}{_ALLOWED}')
        raise ParameterError(msg, 'positions')
    values = np.where(np.isfinite(values), values, np.nan).astype(float)
    if wcs is not None and len(values) and _are_degrees(values, wcs):
        msg = ('positions must be pixels (x, y) where they are numbers, got '
               'right ascensions and declinations near the map; use a '
               'SkyCoord, or for pixels a table with the columns x_center '
               'and y_center')
        raise ParameterError(msg, 'positions')
    return values.T


def _advise(values, unit):
    """
    How to write numbers that are no pixels of shape (n, 2).
    """
    if values.dtype.kind not in 'fiu':
        return ''
    if unit.is_equivalent(u.deg):
        return 'make a SkyCoord of angles; '
    if values.shape == (2,):
        x, y = values.tolist()
        return (f'for one source write [[{x:g}, {y:g}]] if these are pixels, '
                f"SkyCoord({x:g}, {y:g}, unit='deg') if they are degrees; ")
    if values.ndim == 2 and values.shape[0] == 2:
        return 'write np.transpose(positions) if its rows are x and y; '
    return ''


def _are_degrees(values, wcs):
    """
    Whether all numbers, as degrees, are places on or near the map.
    """
    lon, lat = values.T
    if not (np.all(np.abs(lon) <= 360) and np.all(np.abs(lat) <= 90)):
        return False
    try:
        pixels = np.array(SkyGrid(wcs).to_pixels(
            SkyCoord(lon, lat, unit='deg')))
    except (TypeError, ValueError):
        return False
    return bool(np.all(np.abs(pixels) < _NEAR_PIXELS))


def _region_positions(regions, wcs):
    """
    Centres of regions that mark sources, and scalar coordinates.
    """
    from regions import PixCoord

    centers = []
    for region in select_sources(regions):
        center = (region if isinstance(region, SkyCoord)
                  else getattr(region, 'center', None))
        if isinstance(center, PixCoord) and wcs is not None:
            center = SkyGrid(wcs).to_sky(center.x, center.y)
        if not isinstance(center, SkyCoord) or not center.isscalar:
            msg = ('positions must be scalar SkyCoord or regions where they '
                   f'are a list, got {_shorten(region)} of type '
                   f'{type(region).__name__} (regions of an image need a map '
                   f'with a WCS); {_ALLOWED}')
            raise ParameterError(msg, 'positions')
        centers.append(_flat_positions(center).icrs.spherical)
    return SkyCoord([center.lon.deg[0] for center in centers],
                    [center.lat.deg[0] for center in centers], unit='deg')
