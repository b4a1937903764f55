# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Inject compact sources into maps.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal.psf import as_psf, make_psf_stamp
from compact_removal.maps.pixels import (beam_area, pixel_area, pixel_scale,
                                         valid_pixels)

__all__ = ['FLUX_LEVELS', 'flux_levels_between', 'inject_sources',
           'make_simulations', 'make_source_catalog',
           'make_source_positions', 'read_source_catalog',
           'write_source_catalog']

# Flux densities of the simulations (paper, Table 1).
FLUX_LEVELS = np.array([
    10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350,
    400, 500, 600, 700, 800, 900, 1000, 1250, 1500, 1750, 2000, 2500, 3000,
    3500, 4000, 4500, 5000, 6000, 7000, 8000, 9000, 10000, 11000, 12000,
    13000, 14000,
    15000, 16000, 18000, 20000, 22500, 25000, 27500, 30000, 32500, 35000,
    37500, 40000], dtype=float) * u.mJy
FLUX_LEVELS.flags.writeable = False


def flux_levels_between(minimum, maximum):
    """
    Select the flux levels of Table 1 of the paper within limits.

    Parameters
    ----------
    minimum, maximum : `~astropy.units.Quantity`
        The limits (flux density), both inclusive.

    Returns
    -------
    levels : `~astropy.units.Quantity`
        Rising levels (mJy), maybe none.

    Raises
    ------
    ValueError
        If ``maximum`` is below ``minimum``.
    UnitConversionError
        If a limit has no unit of flux density.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.datasets import flux_levels_between
    >>> flux_levels_between(40 * u.mJy, 125 * u.mJy)
    <Quantity [ 40.,  60.,  80., 100., 125.] mJy>
    """
    low, high = u.Quantity(minimum, u.mJy), u.Quantity(maximum, u.mJy)
    if high < low:
        msg = f'maximum must not be below minimum ({low}), got {high}'
        raise ValueError(msg)
    # limits may come from another unit: leave room for rounding
    levels = FLUX_LEVELS.value
    keep = ((levels >= low.value * (1 - 1e-12))
            & (levels <= high.value * (1 + 1e-12)))
    return FLUX_LEVELS[keep]


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
            raise ValueError(msg)
    if 2 * border > min(ny, nx) - 1:
        msg = f'border must leave room on a map of shape {shape}, got {border}'
        raise ValueError(msg)
    if mask is not None:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (ny, nx):
            msg = f'mask must have shape {(ny, nx)}, got {mask.shape}'
            raise ValueError(msg)
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
            raise ValueError(msg)
    return positions[:, 0], positions[:, 1]


def _check_ccd(ccd):
    if not isinstance(ccd, CCDData):
        msg = f'ccd must be a CCDData, got {type(ccd).__name__}'
        raise TypeError(msg)
    if ccd.wcs is None or not ccd.wcs.has_celestial:
        msg = 'ccd must have a celestial WCS'
        raise ValueError(msg)


def _flux_per_pixel(ccd):
    """
    Value of one pixel, in the unit of the map, that holds 1 mJy.
    """
    flux = 1 * u.mJy
    if ccd.unit.is_equivalent(u.mJy / u.pix):
        return (flux / u.pix).to_value(ccd.unit)
    if ccd.unit.is_equivalent(u.mJy / u.arcsec ** 2):
        return (flux / pixel_area(ccd.wcs)).to_value(ccd.unit)
    if ccd.unit.is_equivalent(u.mJy / u.beam):
        beams = beam_area('ccd', ccd) / pixel_area(ccd.wcs)
        return (beams * flux / u.beam).to_value(ccd.unit)
    msg = ('ccd must have a unit of flux per pixel (Jy/pixel, mJy/pixel), '
           'per solid angle (MJy/sr, mJy/arcsec2) or per beam (Jy/beam), got '
           f'{ccd.unit}')
    raise ValueError(msg)


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
        Flux density, scalar or shape ``(n_sources,)``.
    min_separation, border : float, optional
        See `make_source_positions` (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    catalog : `~astropy.table.QTable`
        Columns ``id`` (from 1), ``sky_center`` (ICRS), ``ra``, ``dec``
        (deg), ``x_center``, ``y_center`` (pixels), ``flux`` (mJy).

    Raises
    ------
    TypeError, ValueError
        If the map has no celestial WCS or no room.

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
    _check_ccd(ccd)
    mask = ~valid_pixels(ccd.data, ccd.mask)
    x, y = make_source_positions(ccd.shape, n_sources, mask=mask,
                                 min_separation=min_separation,
                                 border=border, seed=seed)
    sky = ccd.wcs.celestial.pixel_to_world(x, y).icrs
    catalog = QTable()
    catalog['id'] = np.arange(1, n_sources + 1)
    catalog['sky_center'] = SkyCoord(sky.ra, sky.dec)
    catalog['ra'] = sky.ra.to(u.deg)
    catalog['dec'] = sky.dec.to(u.deg)
    catalog['x_center'] = x
    catalog['y_center'] = y
    catalog['flux'] = np.broadcast_to(u.Quantity(flux).to_value(u.mJy),
                                      n_sources) * u.mJy
    return catalog


def inject_sources(ccd, catalog, band, *, position_angle=None,
                   stamp_size=129, seed=None):
    """
    Add point sources to a map.

    Parameters
    ----------
    ccd : `~astropy.nddata.CCDData`
        The map, with a celestial WCS and a unit of flux per pixel
        (Jy/pixel, mJy/pixel), per solid angle (MJy/sr, mJy/arcsec2) or
        per beam (Jy/beam, with ``BMAJ`` and ``BMIN`` in degrees in
        ``meta``). It is not changed.
    catalog : `~astropy.table.QTable`
        Columns ``sky_center`` and ``flux``.
    band : `~compact_removal.instruments.Band` or PSF object
        The PSF, see `compact_removal.psf.as_psf`.
    position_angle : `~astropy.units.Quantity`, optional
        Rotation of the PSF from the x axis of the map towards its y
        axis, scalar or one per source; default: random, the same for
        all sources of the map, as in one scan direction.
    stamp_size : int, optional
        Side (pixels, odd) of the square to which each source adds flux.
    seed : int or `~numpy.random.Generator`, optional
        Seed of the random angle.

    Returns
    -------
    injected : `~astropy.nddata.CCDData`
        A copy with the sources. Non-finite pixels stay so.

    Raises
    ------
    TypeError, ValueError
        If the map or its unit is not one of those above, or the
        catalogue lacks a column.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.datasets import (inject_sources,
    ...                                       make_example_field,
    ...                                       make_source_catalog)
    >>> from compact_removal.instruments import get_band
    >>> ccd, _ = make_example_field(shape=(64, 64), n_sources=0)
    >>> catalog = make_source_catalog(ccd, 3, 50 * u.mJy, border=5, seed=1)
    >>> new = inject_sources(ccd, catalog, get_band('scanmap', 'blue'))
    >>> bool((new.data - ccd.data).sum() > 0.08)
    True
    """
    _check_ccd(ccd)
    for name in ('sky_center', 'flux'):
        if name not in catalog.colnames:
            msg = (f'catalog must have the columns sky_center and flux, '
                   f'{name!r} is missing')
            raise ValueError(msg)
    if stamp_size < 1 or stamp_size % 2 == 0:
        msg = f'stamp_size must be a positive odd number, got {stamp_size!r}'
        raise ValueError(msg)
    factor = _flux_per_pixel(ccd)
    injected = ccd.copy()
    if not np.issubdtype(injected.data.dtype, np.floating):
        injected.data = injected.data.astype(float)
    if len(catalog) == 0:
        return injected
    scale = pixel_scale(ccd.wcs)
    psf = as_psf(band, pixel_scale=scale)
    if position_angle is None:
        rng = np.random.default_rng(seed)
        position_angle = rng.uniform(0, 360) * u.deg
    angles = np.broadcast_to(u.Quantity(position_angle).to_value(u.deg),
                             len(catalog)) * u.deg
    x, y = ccd.wcs.celestial.world_to_pixel(catalog['sky_center'])
    fluxes = u.Quantity(catalog['flux']).to_value(u.mJy) * factor
    data = injected.data
    half = stamp_size // 2
    for xi, yi, flux, angle in zip(np.atleast_1d(x), np.atleast_1d(y),
                                   fluxes, angles, strict=True):
        if not (np.isfinite(xi) and np.isfinite(yi)):
            continue
        x0, x1 = _limits(xi, half, data.shape[1])
        y0, y1 = _limits(yi, half, data.shape[0])
        if x0 >= x1 or y0 >= y1:
            continue
        stamp = make_psf_stamp(psf, pixel_scale=scale,
                               shape=(y1 - y0, x1 - x0),
                               center=(xi - x0, yi - y0),
                               position_angle=angle)
        data[y0:y1, x0:x1] += flux * stamp
    return injected


def _limits(center, half, length):
    """
    First and last (exclusive) pixel of a stamp on a map.
    """
    middle = round(float(center))
    return max(0, middle - half), min(length, middle + half + 1)


def make_simulations(ccd, band, *, n_sources, minimum, maximum,
                     min_separation=0.0, border=0.0, seed=None):
    """
    Simulate a field at all flux levels within limits (Section 2.3.1).

    For each level of Table 1 of the paper, ``n_sources`` sources of
    that flux are injected at new random positions.

    Parameters
    ----------
    ccd : `~astropy.nddata.CCDData`
        A map with few real sources. It is not changed.
    band : `~compact_removal.instruments.Band`
        The band.
    n_sources : int
        Sources per simulation; 25 to 210 in the paper.
    minimum, maximum : `~astropy.units.Quantity`
        Lowest and highest level (flux density), inclusive.
    min_separation, border : float, optional
        See `make_source_positions` (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Yields
    ------
    simulation : `~astropy.nddata.CCDData`
        The map with sources.
    catalog : `~astropy.table.QTable`
        See `make_source_catalog`; `write_source_catalog` writes it.

    Raises
    ------
    TypeError, ValueError
        If the map has no celestial WCS, a unit that `inject_sources`
        does not take, or no room, or ``maximum`` is below ``minimum``.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.datasets import (make_example_field,
    ...                                       make_simulations)
    >>> from compact_removal.instruments import get_band
    >>> ccd, _ = make_example_field(shape=(64, 64), n_sources=0)
    >>> band = get_band('scanmap', 'blue')
    >>> for simulation, catalog in make_simulations(
    ...         ccd, band, n_sources=2, minimum=80 * u.mJy,
    ...         maximum=100 * u.mJy, seed=1):
    ...     print(simulation.shape, catalog['flux'])
    (64, 64) [80. 80.] mJy
    (64, 64) [100. 100.] mJy
    """
    rng = np.random.default_rng(seed)
    for level in flux_levels_between(minimum, maximum):
        catalog = make_source_catalog(ccd, n_sources, level,
                                      min_separation=min_separation,
                                      border=border, seed=rng)
        yield inject_sources(ccd, catalog, band, seed=rng), catalog


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
            raise ValueError(msg)
    catalog = QTable()
    catalog['id'] = np.arange(1, len(table) + 1)
    catalog['sky_center'] = SkyCoord(table['ra'], table['dec'], unit='deg')
    catalog['ra'] = np.asarray(table['ra'], dtype=float) * u.deg
    catalog['dec'] = np.asarray(table['dec'], dtype=float) * u.deg
    catalog['flux'] = np.asarray(table['flux_mjy'], dtype=float) * u.mJy
    return catalog
