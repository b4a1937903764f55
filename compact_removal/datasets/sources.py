# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Inject compact sources into maps.
"""

import astropy.units as u
import numpy as np

from compact_removal.datasets.source_catalogs import (check_ccd,
                                                      make_source_catalog)
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import check_pixels, map_points
from compact_removal.maps.units import flux_of_pixel, is_per_pixel
from compact_removal.psf import as_psf, make_psf_stamp
from compact_removal.utils.parameters import ParameterError

__all__ = ['FLUX_LEVELS', 'flux_levels_between', 'inject_sources',
           'make_simulations']

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
        raise ParameterError(msg, 'maximum')
    # limits may come from another unit: leave room for rounding
    levels = FLUX_LEVELS.value
    keep = ((levels >= low.value * (1 - 1e-12))
            & (levels <= high.value * (1 + 1e-12)))
    return FLUX_LEVELS[keep]


def inject_sources(ccd, catalog, band, *, position_angle=None,
                   stamp_size=129, seed=None):
    """
    Add point sources to a map.

    Parameters
    ----------
    ccd : `~astropy.nddata.CCDData`
        The map, with a celestial WCS and a unit of flux or flux density
        per pixel (Jy/pixel, mJy/pixel), per solid angle (MJy/sr,
        mJy/arcsec2) or per beam (Jy/beam, with ``BMAJ`` and ``BMIN`` in
        degrees in ``meta``). It is not changed.
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
        If the map or its unit is not one of those above, its pixels
        are not squares of one size around the sources, or the catalogue
        lacks a column.

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
    check_ccd(ccd)
    for name in ('sky_center', 'flux'):
        if name not in catalog.colnames:
            msg = (f'catalog must have the columns sky_center and flux, '
                   f'{name!r} is missing')
            raise ParameterError(msg, 'catalog')
    if stamp_size < 1 or stamp_size % 2 == 0:
        msg = f'stamp_size must be a positive odd number, got {stamp_size!r}'
        raise ParameterError(msg, 'stamp_size')
    grid = SkyGrid(ccd.wcs, name='ccd')
    area = grid.typical_area(*map_points(ccd.shape))
    pixel_flux, unit = flux_of_pixel(ccd, area, name='ccd')
    fluxes = u.Quantity(catalog['flux'])
    if not fluxes.unit.is_equivalent(unit):
        msg = (f'catalog must have fluxes in a unit like {unit}, got '
               f'{fluxes.unit}')
        raise ParameterError(msg, 'catalog')
    fluxes = fluxes.to_value(unit) / pixel_flux
    injected = ccd.copy()
    if not np.issubdtype(injected.data.dtype, np.floating):
        injected.data = injected.data.astype(float)
    if len(catalog) == 0:
        return injected
    scale = np.sqrt(area).to(u.arcsec)
    psf = as_psf(band, pixel_scale=scale)
    if position_angle is None:
        rng = np.random.default_rng(seed)
        position_angle = rng.uniform(0, 360) * u.deg
    angles = np.broadcast_to(u.Quantity(position_angle).to_value(u.deg),
                             len(catalog)) * u.deg
    x, y = grid.to_pixels(catalog['sky_center'], ccd.shape)
    data = injected.data
    half = stamp_size // 2
    ny, nx = data.shape
    rows = np.flatnonzero((np.rint(x) >= -half) & (np.rint(x) < nx + half)
                          & (np.rint(y) >= -half) & (np.rint(y) < ny + half))
    check_pixels(grid, x[rows], y[rows], name='ccd')
    scales = grid.scales(x[rows], y[rows], near=scale)
    if not is_per_pixel(ccd.unit):
        fluxes[rows] *= (scale / scales).to_value(
            u.dimensionless_unscaled) ** 2
    for i, own in zip(rows, scales, strict=True):
        x0, x1 = _limits(x[i], half, nx)
        y0, y1 = _limits(y[i], half, ny)
        stamp = make_psf_stamp(psf, pixel_scale=own,
                               shape=(y1 - y0, x1 - x0),
                               center=(x[i] - x0, y[i] - y0),
                               position_angle=angles[i])
        data[y0:y1, x0:x1] += fluxes[i] * stamp
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
