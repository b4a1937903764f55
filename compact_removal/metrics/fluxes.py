# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes that were removed, and what was left (paper, Sect. 5.2).
"""

import itertools
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import NDData
from astropy.table import QTable

from compact_removal.metrics._values import read_values
from compact_removal.photometry import (annulus_background, aperture_scatter,
                                        aperture_sums)
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['RemovalRates', 'flux_ratio_statistics', 'removal_rates',
           'removal_significance']

# Annulus for the local background and distance of the apertures around a
# source, in aperture radii.
_ANNULUS = (3.0, 5.0)
_DISTANCE = 4.0


def flux_ratio_statistics(measured, injected, *, edges=None, tolerance=0.2):
    """
    Compute statistics of measured over injected flux, by injected flux.

    What the boxes of Figs. 11 and 12 of the paper show.

    Parameters
    ----------
    measured : `~astropy.units.Quantity`
        Measured flux, shape ``(n,)``. Fluxes that are not finite count
        as missing.
    injected : `~astropy.units.Quantity`
        Injected flux, positive, shape ``(n,)``.
    edges : `~astropy.units.Quantity`, optional
        Rising edges of ranges of the injected flux, lower ones
        included. Default: one row per distinct flux.
    tolerance : float, optional
        Ratios further than this from 1 are outliers.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per level: ``level`` (the injected flux; in ranges its
        median), ``n`` ratios, ``n_missing``, and of the ratios
        ``median``, ``q25``, ``q75``, ``iqr`` (interquartile range), all
        dimensionless, and ``outlier_fraction``. Missing fluxes count as
        outliers. NaN without ratios.

    Raises
    ------
    ValueError
        If shapes or units do not match, or an injected flux is not
        positive.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.metrics import flux_ratio_statistics
    >>> table = flux_ratio_statistics([9, 10, 12, 40, 41] * u.mJy,
    ...                               [10, 10, 10, 40, 40] * u.mJy)
    >>> table['iqr'].info.format = '.4f'
    >>> table['level', 'n', 'median', 'iqr'].pprint()
    level  n  median  iqr
     mJy
    ----- --- ------ ------
     10.0   3    1.0 0.1500
     40.0   2 1.0125 0.0125
    """
    injected = np.atleast_1d(u.Quantity(injected))
    measured = np.atleast_1d(u.Quantity(measured))
    if injected.ndim != 1 or measured.shape != injected.shape:
        msg = (f'measured must have the shape of injected {injected.shape}, '
               f'got {measured.shape}')
        raise ParameterError(msg, 'measured')
    if not measured.unit.is_equivalent(injected.unit):
        msg = (f'measured must have a unit like {injected.unit}, got '
               f'{measured.unit}')
        raise ParameterError(msg, 'measured')
    truth = injected.value
    if not np.all(truth > 0):
        msg = 'injected must be positive'
        raise ParameterError(msg, 'injected')
    ratios = measured.to_value(injected.unit) / truth
    groups = [truth == level for level in np.unique(truth)]
    if edges is not None:
        limits = u.Quantity(edges).to_value(injected.unit)
        groups = [(truth >= low) & (truth < high)
                  for low, high in itertools.pairwise(limits)]
        groups = [group for group in groups if group.any()]
    rows = [_flux_row(truth[group], ratios[group], tolerance)
            for group in groups]
    names = ('level', 'n', 'n_missing', 'median', 'q25', 'q75', 'iqr',
             'outlier_fraction')
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    table = QTable(dict(zip(names, map(list, columns), strict=True)))
    table['level'] = np.asarray(table['level'], dtype=float) * injected.unit
    table.meta['tolerance'] = tolerance
    return table


def _flux_row(truth, ratios, tolerance):
    """
    One row of the table: the ratios of one level.
    """
    good = ratios[np.isfinite(ratios)]
    low, middle, high = (np.percentile(good, [25, 50, 75]) if good.size
                         else (np.nan,) * 3)
    n_good = np.sum(np.abs(good - 1) <= tolerance)
    return (np.median(truth), good.size, ratios.size - good.size, middle,
            low, high, high - low, 1 - n_good / ratios.size)


def removal_significance(image, background, sources, *, reference=None):
    """
    Measure how significant sources are before and after their removal.

    The sum in the aperture, less the clipped median of an annulus (3 to
    5 aperture radii) or the sum in ``reference``, over the scatter of
    such sums around the source (of 12 apertures at 4 radii, in
    ``reference`` if there is one, else in ``background``).

    Parameters
    ----------
    image, background : `~astropy.nddata.NDData`
        The map with sources and without them, shape ``(ny, nx)``.
    sources : `~astropy.table.QTable`
        Columns ``x_center``, ``y_center`` (pixels) and
        ``aperture_radius`` (angle), as
        `~compact_removal.CompactSourceRemover.remove` returns them.
    reference : `~astropy.nddata.NDData`, optional
        The true map without sources. Without it, the significance
        contains the structure of the background at the source.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per source: ``id``; ``before`` and ``after``, the
        significance in ``image`` and in ``background``; ``scatter`` (of
        sums, in the unit of the map times pixels); ``removed``, whether
        any pixel in the aperture changed. NaN where there are no valid
        pixels.

    Raises
    ------
    TypeError
        If a map is no NDData.
    ValueError
        If shapes or units differ, or the map has no celestial WCS.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.metrics import removal_significance
    >>> image, catalog, truth = make_example_field(
    ...     shape=(128, 128), n_sources=3, return_background=True)
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> background, sources = remover.remove(image, catalog)
    >>> table = removal_significance(image, background, sources,
    ...                              reference=truth)
    >>> bool((abs(table['after']) < abs(table['before'])).all())
    True
    """
    maps = {'image': image, 'background': background}
    if reference is not None:
        maps['reference'] = reference
    for name, entry in maps.items():
        if not isinstance(entry, NDData):
            msg = f'{name} must be an NDData, got {type(entry).__name__}'
            raise ParameterTypeError(msg, name)
    maps = {name: read_values(entry, name=name, ndim=2)
            for name, entry in maps.items()}
    first = maps['image']
    for name, entry in maps.items():
        if (entry.data.shape != first.data.shape
                or entry.unit != first.unit):
            msg = (f'{name} must have the shape and the unit of image '
                   f'({first.data.shape}, {first.unit}), got '
                   f'{entry.data.shape}, {entry.unit}')
            raise ParameterError(msg, name)
    if not first.scales.unit.is_equivalent(u.arcsec):
        msg = 'image must have a celestial WCS'
        raise ParameterError(msg, 'image')
    pixel = np.sqrt(np.prod(first.scales.to_value(u.arcsec)))
    x = np.asarray(sources['x_center'], dtype=float)
    y = np.asarray(sources['y_center'], dtype=float)
    radius = sources['aperture_radius'].to_value(u.arcsec) / pixel
    on_map = np.isfinite(x) & np.isfinite(y) & (radius > 0)
    table = QTable({'id': sources['id']})
    for name in ('before', 'after', 'scatter', 'removed'):
        table[name] = np.full(len(sources), np.nan)
    if on_map.any():
        numbers = _significance(maps, x[on_map], y[on_map], radius[on_map])
        for name, values in numbers.items():
            table[name][on_map] = values
    table['removed'] = table['removed'] > 0
    table['scatter'] = table['scatter'] * (first.unit * u.pix)
    return table


def _significance(maps, x, y, radius):
    """
    The columns of the table, as arrays.
    """
    bad = ~np.logical_and.reduce([entry.valid for entry in maps.values()])
    quiet = maps.get('reference', maps['background']).data
    sums, areas = {}, None
    for name, entry in maps.items():
        sums[name], _, areas = aperture_sums(entry.data, x, y, radius,
                                             mask=bad)
    base = sums.get('reference')
    if base is None:
        level, _, _ = annulus_background(
            quiet, x, y, _ANNULUS[0] * np.median(radius),
            _ANNULUS[1] * np.median(radius), mask=bad)
        base = level * areas
    scatter = aperture_scatter(quiet, x, y, radius,
                               _DISTANCE * np.median(radius), mask=bad)
    changed, _, _ = aperture_sums(
        (maps['image'].data != maps['background'].data).astype(float), x, y,
        radius, mask=bad)
    scatter = np.where((areas > 0) & (scatter > 0), scatter, np.nan)
    return {'before': (sums['image'] - base) / scatter,
            'after': (sums['background'] - base) / scatter,
            'scatter': scatter, 'removed': changed}


@dataclass(frozen=True)
class RemovalRates:
    """
    How many sources were removed, and how many removals were right.

    Attributes
    ----------
    completeness : float
        Share of the sources that were significant before of which
        nothing significant is left.
    reliability : float
        Share of the sources from which something was taken that have
        nothing significant left and no significant hole.
    n_significant, n_removed : int
        The numbers of which these are shares; without any, the share
        is NaN.
    threshold : float
        Least significance of what is significant.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from compact_removal.metrics import removal_rates
    >>> rates = removal_rates(QTable({'before': [9.0, 8.0, 1.0],
    ...                               'after': [0.5, 5.0, 0.2],
    ...                               'removed': [True, True, False]}))
    >>> print(f'{rates.completeness:.0%} of {rates.n_significant} sources')
    50% of 2 sources
    """

    completeness: float
    reliability: float
    n_significant: int
    n_removed: int
    threshold: float


def removal_rates(significance, *, threshold=3.0):
    """
    Compute completeness and reliability of a removal.

    Parameters
    ----------
    significance : `~astropy.table.QTable`
        From `removal_significance`. Rows that are NaN are left out.
    threshold : float, optional
        Least significance of what is significant.

    Returns
    -------
    rates : `RemovalRates`
        The shares, from 0 to 1.

    Raises
    ------
    ValueError
        If ``threshold`` is not positive.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from compact_removal.metrics import removal_rates
    >>> table = QTable({'before': [9.0, 9, 9, 9], 'after': [0.0, 1, 4, -5],
    ...                 'removed': [True] * 4})
    >>> rates = removal_rates(table)
    >>> rates.completeness, rates.reliability
    (0.75, 0.5)
    """
    if not threshold > 0:
        msg = f'threshold must be positive, got {threshold!r}'
        raise ParameterError(msg, 'threshold')
    before = np.asarray(significance['before'], dtype=float)
    after = np.asarray(significance['after'], dtype=float)
    known = np.isfinite(before) & np.isfinite(after)
    present = known & (before >= threshold)
    removed = known & np.asarray(significance['removed'], dtype=bool)

    def share(good, among):
        return (float(good[among].mean()) if among.any() else np.nan)

    return RemovalRates(share(after < threshold, present),
                        share(np.abs(after) < threshold, removed),
                        int(present.sum()), int(removed.sum()),
                        float(threshold))
