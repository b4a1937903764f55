# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Catalogues of sources to inject, and their files.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import valid_pixels
from compact_removal.maps.units import FLUX_UNITS
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['check_ccd', 'make_source_catalog', 'make_source_positions',
           'read_source_catalog', 'write_source_catalog']


def check_ccd(ccd):
    """
    Refuse what is no map with a celestial WCS.

    Parameters
    ----------
    ccd : `~astropy.nddata.CCDData`
        The map.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if not isinstance(ccd, CCDData):
        msg = f'ccd must be a CCDData, got {type(ccd).__name__}'
        raise ParameterTypeError(msg, 'ccd')
    SkyGrid(ccd.wcs, name='ccd')


def make_source_positions(shape, n_sources, *, min_separation=0.0,
                          mask=None, border=0.0, seed=None):
    """
    Draw random positions that keep a distance from each other.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)`` of the map.
    n_sources : int
        Number of positions.
    min_separation : float, optional
        Least distance (pixels) between two positions.
    mask : array_like of bool, optional
        True in pixels where no position may lie, shape ``(ny, nx)``.
    border : float, optional
        Least distance (pixels) from the outermost pixel centres.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Positions in pixels, shape ``(n_sources,)``.

    Raises
    ------
    ValueError
        If a parameter is out of range, or there is no room for so many.

    Examples
    --------
    >>> from compact_removal.datasets import make_source_positions
    >>> x, y = make_source_positions((50, 80), 5, min_separation=10, seed=0)
    >>> x.shape
    (5,)
    """
    ny, nx = shape
    for name, value in (('n_sources', n_sources), ('border', border),
                        ('min_separation', min_separation)):
        if not value >= 0:
            msg = f'{name} must not be negative, got {value!r}'
            raise ParameterError(msg, name)
    if 2 * border > min(ny, nx) - 1:
        msg = f'border must leave room on a map of shape {shape}, got {border}'
        raise ParameterError(msg, 'border')
    if mask is not None:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (ny, nx):
            msg = f'mask must have shape {(ny, nx)}, got {mask.shape}'
            raise ParameterError(msg, 'mask')
    rng = np.random.default_rng(seed)
    positions = np.empty((n_sources, 2))
    n_found = 0
    for _ in range(200 + 200 * n_sources):
        if n_found == n_sources:
            break
        x = rng.uniform(border, nx - 1 - border)
        y = rng.uniform(border, ny - 1 - border)
        if mask is not None and mask[round(y), round(x)]:
            continue
        distance = np.hypot(*(positions[:n_found] - (x, y)).T)
        if n_found and distance.min() < min_separation:
            continue
        positions[n_found] = x, y
        n_found += 1
    else:
        if n_found < n_sources:
            msg = (f'n_sources is too large: found room for {n_found} of '
                   f'{n_sources} sources')
            raise ParameterError(msg, 'n_sources')
    return positions[:, 0], positions[:, 1]


def make_source_catalog(ccd, n_sources, flux, *, min_separation=0.0,
                        border=0.0, seed=None):
    """
    Make a catalogue of sources at random positions of a map.

    Parameters
    ----------
    ccd : `~astropy.nddata.CCDData`
        The map. Masked and non-finite pixels are avoided.
    n_sources : int
        Number of sources.
    flux : `~astropy.units.Quantity`
        Flux density, or flux (W/m2), scalar or shape ``(n_sources,)``.
    min_separation, border : float, optional
        See `make_source_positions` (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    catalog : `~astropy.table.QTable`
        Columns ``id`` (from 1), ``sky_center`` (ICRS), ``ra``, ``dec``
        (deg), ``x_center``, ``y_center`` (pixels), ``flux`` (mJy; a flux
        stays in its unit).

    Raises
    ------
    TypeError, ValueError
        If the map has no celestial WCS or no room, or ``flux`` is none.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.datasets import (make_example_field,
    ...                                       make_source_catalog)
    >>> ccd, _ = make_example_field(shape=(64, 64), n_sources=0)
    >>> catalog = make_source_catalog(ccd, 3, 50 * u.mJy, seed=1)
    >>> catalog.colnames
    ['id', 'sky_center', 'ra', 'dec', 'x_center', 'y_center', 'flux']
    """
    check_ccd(ccd)
    flux = u.Quantity(flux)
    if not any(flux.unit.is_equivalent(unit) for unit in FLUX_UNITS):
        msg = f'flux must have a unit like mJy or W/m2, got {flux.unit}'
        raise ParameterError(msg, 'flux')
    unit = u.mJy if flux.unit.is_equivalent(u.mJy) else flux.unit
    mask = ~valid_pixels(ccd.data, ccd.mask)
    x, y = make_source_positions(ccd.shape, n_sources, mask=mask,
                                 min_separation=min_separation,
                                 border=border, seed=seed)
    sky = SkyGrid(ccd.wcs, name='ccd').to_sky(x, y).icrs
    catalog = QTable()
    catalog['id'] = np.arange(1, n_sources + 1)
    catalog['sky_center'] = SkyCoord(sky.ra, sky.dec)
    catalog['ra'] = sky.ra.to(u.deg)
    catalog['dec'] = sky.dec.to(u.deg)
    catalog['x_center'] = x
    catalog['y_center'] = y
    catalog['flux'] = np.broadcast_to(flux.to_value(unit), n_sources) * unit
    return catalog


def write_source_catalog(catalog, path, *, overwrite=False):
    """
    Write a catalogue as CSV: ``ra``, ``dec`` (deg, ICRS), ``flux_mjy``.

    `read_source_catalog` reads it.

    Parameters
    ----------
    catalog : `~astropy.table.QTable`
        Columns ``sky_center`` and ``flux``.
    path : str or path-like
        The file.
    overwrite : bool, optional
        Whether to replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.table import QTable
    >>> from compact_removal.datasets import write_source_catalog
    >>> catalog = QTable({'sky_center': SkyCoord([10, 11], [5, 6], unit='deg'),
    ...                   'flux': [0.5, 2.0] * u.Jy})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'sources.csv'
    ...     write_source_catalog(catalog, path)
    ...     print(path.read_text())
    ra,dec,flux_mjy
    10.0,5.0,500.0
    11.0,6.0,2000.0
    """
    sky = catalog['sky_center'].icrs
    table = QTable()
    table['ra'] = sky.ra.deg
    table['dec'] = sky.dec.deg
    table['flux_mjy'] = u.Quantity(catalog['flux']).to_value(u.mJy)
    table.write(path, format='ascii.csv', overwrite=overwrite)


def read_source_catalog(path):
    r"""
    Read a catalogue written by `write_source_catalog`.

    Parameters
    ----------
    path : str or path-like
        A CSV file with the columns ``ra``, ``dec`` (deg, ICRS) and
        ``flux_mjy``.

    Returns
    -------
    catalog : `~astropy.table.QTable`
        Columns ``id`` (from 1), ``sky_center`` (ICRS), ``ra``, ``dec``
        (deg), ``flux`` (mJy).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.datasets import read_source_catalog
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'sources.csv'
    ...     _ = path.write_text('ra,dec,flux_mjy\n10,5,500\n11,6,2000\n')
    ...     catalog = read_source_catalog(path)
    >>> print(catalog['flux'])
    [ 500. 2000.] mJy
    """
    table = QTable.read(path, format='ascii.csv')
    for name in ('ra', 'dec', 'flux_mjy'):
        if name not in table.colnames:
            msg = (f'path must have the columns ra, dec and flux_mjy, '
                   f'{name!r} is missing: {path}')
            raise ParameterError(msg, 'path')
    catalog = QTable()
    catalog['id'] = np.arange(1, len(table) + 1)
    catalog['sky_center'] = SkyCoord(table['ra'], table['dec'], unit='deg')
    catalog['ra'] = np.asarray(table['ra'], dtype=float) * u.deg
    catalog['dec'] = np.asarray(table['dec'], dtype=float) * u.deg
    catalog['flux'] = np.asarray(table['flux_mjy'], dtype=float) * u.mJy
    return catalog
