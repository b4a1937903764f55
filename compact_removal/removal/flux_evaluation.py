# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Judge fluxes, errors, limits and flags as users get them.

Nothing is corrected with what only a simulation knows, such as the PSF
that was injected.
"""

import re
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.table import vstack

from compact_removal.metrics import flux_ratio_statistics
from compact_removal.removal.flags import FLAG
from compact_removal.removal.quality_flags import QUALITY_FLAGS

__all__ = ['FluxColumn', 'add_ratios', 'find_fluxes', 'ratio_statistics',
           'summarize_fluxes']

# Errors within which fluxes are counted, and the ends of the names.
_LIMITS = {'within_1': 1.0, 'within_196': 1.96}

# Methods that have a column of their own, and their names in the summary.
_METHODS = {'network': '', 'annulus': 'annulus_', 'fit': 'fit_'}


@dataclass(frozen=True)
class FluxColumn:
    """
    A column of fluxes and those that belong to it.

    Parameters
    ----------
    name, error : str
        The column of the flux and that of its error.
    ratio, pull : str
        Columns of the flux over the injected one, and of its error over
        the predicted one.
    method : {'network', 'annulus', 'fit'}
        How it was measured.
    radius : str or None
        The column of the radius of the aperture; a fit has none.

    Examples
    --------
    >>> from compact_removal.removal.flux_evaluation import FluxColumn
    >>> FluxColumn('flux_1', 'flux_err_1', 'flux_ratio_1', 'pull_1',
    ...            'network', 'aperture_radius_1').method
    'network'
    """

    name: str
    error: str
    ratio: str
    pull: str
    method: str
    radius: str | None


def find_fluxes(sources):
    """
    Find the measured fluxes of a table.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        The table of a removal.

    Returns
    -------
    columns : list of `FluxColumn`
        In the order of the table.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.removal.flux_evaluation import find_fluxes
    >>> table = QTable([[1] * u.Jy] * 4, names=['flux', 'flux_err',
    ...                                         'flux_2', 'flux_fit'])
    >>> [column.error for column in find_fluxes(table)]
    ['flux_err', 'flux_err_2', 'flux_fit_err']
    """
    found = []
    for name in sources.colnames:
        if name == 'flux_fit':
            found.append(FluxColumn(name, 'flux_fit_err', 'flux_fit_ratio',
                                    'fit_pull', 'fit', None))
        elif match := re.fullmatch(r'(annulus_)?flux(_\d+)?', name):
            start, end = (group or '' for group in match.groups())
            found.append(FluxColumn(
                name, f'{start}flux_err{end}', f'{start}flux_ratio{end}',
                f'{start}pull{end}', 'annulus' if start else 'network',
                f'aperture_radius{end}'))
    return found


def add_ratios(sources, injected):
    """
    Add injected fluxes, ratios and pulls to a table of sources.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        The table of a removal, ``n`` rows. It is not changed.
    injected : `~astropy.units.Quantity`
        The injected fluxes, that is the whole light of the sources,
        shape ``(n,)``.

    Returns
    -------
    sources : `~astropy.table.QTable`
        A copy with the columns ``injected_flux``, and for each column of
        fluxes the flux over the injected one and the pull, that is its
        error over the predicted one. A pull is infinite where an error
        of 0 is predicted for a flux that is off.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.removal.flux_evaluation import add_ratios
    >>> table = QTable({'flux': [0.5] * u.Jy, 'flux_err': [0.25] * u.Jy})
    >>> table = add_ratios(table, [1000] * u.mJy)
    >>> table['flux_ratio', 'pull'].pprint()
    flux_ratio pull
    ---------- ----
           0.5 -2.0
    """
    sources = sources.copy()
    sources['injected_flux'] = injected
    for column in find_fluxes(sources):
        measured = sources[column.name]
        truth = injected.to_value(measured.unit)
        sources[column.ratio] = measured.value / truth
        error = sources[column.error].to_value(measured.unit)
        off = measured.value - truth
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            pull = off / error
        pull[off == 0] = 0
        pull[~(error >= 0)] = np.nan
        sources[column.pull] = pull
    return sources


def ratio_statistics(sources):
    """
    Statistics of all fluxes, by method, aperture and injected flux.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        From `add_ratios`.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``method``, ``aperture_radius`` (angle; NaN for a fit), the
        columns of `~compact_removal.metrics.flux_ratio_statistics`, and
        ``within_1`` and ``within_196``, shares of the fluxes within one
        and 1.96 of their errors.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.removal.flux_evaluation import (
    ...     add_ratios, ratio_statistics)
    >>> table = QTable({'flux': [0.9, 1.04] * u.Jy,
    ...                 'flux_err': [0.05, 0.05] * u.Jy,
    ...                 'aperture_radius': [6, 6] * u.arcsec})
    >>> table = add_ratios(table, [1, 1] * u.Jy)
    >>> ratio_statistics(table)['method', 'n', 'within_1'].pprint()
     method  n  within_1
    ------- --- --------
    network   2      0.5
    """
    tables = []
    injected = sources['injected_flux']
    for column in find_fluxes(sources):
        table = flux_ratio_statistics(sources[column.name], injected)
        n = len(table)
        radius = (np.full(1, np.nan) * u.arcsec if column.radius is None
                  else sources[column.radius])
        table.add_column([column.method] * n, name='method', index=0)
        table.add_column(np.full(n, _largest(radius.value)) * radius.unit,
                         name='aperture_radius', index=1)
        pulls = [sources[column.pull][injected == level]
                 for level in table['level']]
        for name, limit in _LIMITS.items():
            table[name] = [_share_within(pull, limit) for pull in pulls]
        tables.append(table)
    return vstack(tables)


def summarize_fluxes(sources):
    """
    The numbers of all sources of a field.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        From `add_ratios`.

    Returns
    -------
    numbers : dict of str to float
        ``n_ratios``; ``median_ratio``, ``iqr``, ``within_1`` and
        ``within_196``, and the same with ``annulus_`` and ``fit_``;
        ``below_limit``, the share of the injected fluxes that are not
        above ``upper_limit``; ``false_alarms``, the share of the
        measured sources with a flag of quality, and that of each flag,
        by its name. NaN where the table has no such column.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.removal.flux_evaluation import (
    ...     add_ratios, summarize_fluxes)
    >>> table = QTable({'flux': [0.9, 1.04] * u.Jy,
    ...                 'flux_err': [0.05, 0.05] * u.Jy,
    ...                 'upper_limit': [0.99, 1.12] * u.Jy,
    ...                 'flags': [0, 131072]})
    >>> numbers = summarize_fluxes(add_ratios(table, [1, 1] * u.Jy))
    >>> for name in ('within_1', 'below_limit', 'false_alarms', 'extended'):
    ...     print(name, numbers[name])
    within_1 0.5
    below_limit 0.5
    false_alarms 0.5
    extended 0.5
    """
    injected = sources['injected_flux']
    # the first of each method
    columns = {column.method: column
               for column in reversed(find_fluxes(sources))}
    numbers = {}
    for method, start in _METHODS.items():
        column = columns.get(method)
        pull = np.zeros(0)
        median = iqr = np.nan
        n = 0
        if column is not None and len(sources):
            row = flux_ratio_statistics(sources[column.name], injected,
                                        edges=[0, np.inf] * injected.unit)[0]
            n, median, iqr = row['n'], row['median'], row['iqr']
            pull = sources[column.pull]
        if method == 'network':
            numbers['n_ratios'] = n
        numbers[f'{start}median_ratio'] = median
        numbers[f'{start}iqr'] = iqr
        for name, limit in _LIMITS.items():
            numbers[f'{start}{name}'] = _share_within(pull, limit)
    numbers['below_limit'] = np.nan
    if 'upper_limit' in sources.colnames:
        limit = sources['upper_limit'].to(injected.unit)
        known = np.isfinite(limit)
        numbers['below_limit'] = _share((injected <= limit)[known])
    flags = np.asarray(sources['flags'])[np.isfinite(sources['flux'])]
    every = sum(FLAG[name] for name in QUALITY_FLAGS)
    for name, bits in (('false_alarms', every),
                       *((name, FLAG[name]) for name in QUALITY_FLAGS)):
        numbers[name] = _share(flags & bits > 0)
    return numbers


def _share_within(pull, limit):
    """
    Share of the pulls that are within a limit, of those that are known.
    """
    pull = np.abs(np.asarray(pull, dtype=float))
    return _share(pull[~np.isnan(pull)] < limit)


def _share(condition):
    """
    How often a condition holds; NaN without any.
    """
    return float(np.mean(condition)) if len(condition) else np.nan


def _largest(values):
    """
    The largest value that is finite, or NaN.
    """
    known = values[np.isfinite(values)]
    return known.max() if known.size else np.nan
