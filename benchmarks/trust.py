# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Whether the numbers of the table of sources hold: right, or flagged.

Injects sources of known flux, removes them, and judges the columns that
users get, for each field and range of flux::

    python benchmarks/trust.py coverage --data ../shared/data
    python benchmarks/trust.py alarms --n-maps 100 --output alarms.ecsv
    python benchmarks/trust.py defects --defects hot1 dented
    python benchmarks/trust.py empty

``coverage``: flux over truth and pulls, PSFs that differ from the nominal
one. ``alarms``: flags of good sources. ``defects``: bad pixels, cores
that are not those of the PSF, missing pixels. ``empty``: positions
without a source, and upper limits. Truth is the total flux; ranges are in
local standard deviations of the background. Columns and flags that this
version does not have are left out.
"""

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from accuracy_report import LEVELS, robust
from astropy.table import Table, vstack
from development_data import find_empty
from trust_cases import PSF_KINDS, local_sigma, make_case
from trust_defects import DEFECTS

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.instruments import get_band

# What marks a number as not to be trusted.
ALARMS = ('poor_fit', 'sharp', 'extended', 'saturated')

# Fluxes that are judged, with their errors.
FLUXES = ('flux', 'annulus_flux', 'flux_fit')

# Columns of which the distribution is shown for good sources, where.
QUALITY = ('qfit', 'reduced_chi2', 'fwhm_ratio')
QUALITY_LEVELS = (5, 10, 30, 100, 300, 1000, 3000)
PERCENTILES = (50, 90, 99, 99.7)

# Good sources for `alarms`.
GOOD_KINDS = ('nominal', 'broad7', 'narrow7', 'elongated10')

# Fluxes of the faintest sources in local standard deviations, and number
# of brighter ones over the usual, where there are empty positions.
_FAINT = (1, 5)
_SPARSE = 0.5

# Sources of a field that make it comparable with others.
_MIN_FIELD = 10


def measure(case, args):
    """
    Remove the sources of a case: a row for each, truth beside numbers.
    """
    remover = CompactSourceRemover(args.mode, args.band, network=args.network,
                                   weights=args.weights)
    ccd = case.ccd()
    sources = remover.remove(ccd, ccd.wcs.pixel_to_world(case.x,
                                                         case.y)).sources
    rows = Table({'case': np.full(case.x.size, case.kind),
                  'field': np.full(case.x.size, case.field)})
    rows['seed'] = case.seed
    rows['true_flux'], rows['sigma'] = case.flux, case.sigma
    rows['level'] = case.flux / case.sigma
    rows['affected'] = (False if case.affected is None else case.affected)
    for name in sources.colnames:
        column = sources[name]
        if name == 'sky_center':
            continue
        if column.dtype.kind in 'ifub':
            unit = getattr(column, 'unit', None)
            rows[name] = (column.to_value('Jy') if unit is not None
                          and unit.is_equivalent('Jy') else
                          np.asarray(getattr(column, 'value', column)))
    found = decode_flags(np.asarray(sources['flags']))
    for name in ALARMS:
        rows[name] = [name in names for names in found]
    rows['alarm'] = np.any([rows[name] for name in ALARMS], axis=0)
    return rows


def run_case(task):
    """
    One map: a pure one, one with a defect, or one with empty positions.
    """
    kind, seed, args = task
    warnings.simplefilter('ignore')
    band = get_band(args.mode, args.band)
    settings = {'band': band, 'folder': args.data, 'size': args.size}
    if args.part in ('coverage', 'alarms'):
        return measure(make_case(kind, seed, **settings), args)
    rng = np.random.default_rng([seed, 7])
    if args.part == 'empty':
        case = with_empty(make_case('mixed', seed, density=_SPARSE,
                                    **settings), rng, faint=True)
        return measure(case, args)
    case = make_case('nominal', seed, **settings,
                     density=_SPARSE if kind == 'empty_spike' else 1.0)
    if kind == 'empty_spike':
        case = with_empty(case, rng, faint=False)
    errors = np.asarray(measure(case, args)['flux_err'])
    errors = np.where(np.isfinite(errors), errors, case.sigma)
    rows = measure(DEFECTS[kind](case, errors, rng), args)
    rows['case'] = kind
    return rows


def with_empty(case, rng, *, faint):
    """
    Add positions without a source, or with a faint one at every other.
    """
    x, y = find_empty(case.truth, case.avoid, case, case.seed)
    sigma = local_sigma(case.truth, x, y)
    flux = np.zeros(x.size)
    if faint:
        flux[1::2] = (sigma * np.exp(rng.uniform(*np.log(_FAINT),
                                                 x.size)))[1::2]
    return case.add(x, y, flux, sigma)


def run(tasks, args):
    """
    All maps, in worker processes: one table.
    """
    if args.workers == 1:
        return vstack([run_case(task) for task in tasks])
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    with ProcessPoolExecutor(args.workers, get_context('spawn')) as pool:
        return vstack(list(pool.map(run_case, tasks)))


def pulls(rows, name='flux'):
    """
    Errors over predicted errors.
    """
    return np.asarray((rows[name] - rows['true_flux']) / rows[f'{name}_err'])


def share(condition):
    """
    A share as text.
    """
    return f'{np.mean(condition):.3f}' if len(condition) else '-'


def in_levels(rows, levels=LEVELS):
    """
    The rows of each range of the flux, with its name.
    """
    for low, high in levels:
        part = rows[(rows['level'] >= low) & (rows['level'] < high)]
        if len(part):
            yield (f'{low}-{high}' if np.isfinite(high) else f'{low}-'), part


def split(rows, key):
    """
    The rows of each case or field, and all of them.
    """
    for value in sorted(set(rows[key])):
        yield value, rows[rows[key] == value]
    yield 'all', rows


def show(title, entries):
    """
    Print a table.
    """
    print(f'\n{title}')
    if entries:
        Table(entries).pprint(max_lines=-1, max_width=-1)


def name_worst(rows, good, what):
    """
    Print the field in which fewest numbers are good.
    """
    shares = {field: np.mean(good[rows['field'] == field])
              for field in set(rows['field'])
              if np.sum(rows['field'] == field) >= _MIN_FIELD}
    if shares:
        worst = min(sorted(shares), key=shares.get)
        print(f'Worst field, {what}: {worst} ({shares[worst]:.3f}; all '
              f'{np.mean(good):.3f})')


def pull_entry(rows, name):
    """
    How well a flux agrees with the truth.
    """
    ratio = np.asarray(rows[name] / rows['true_flux'])
    pull = pulls(rows, name)
    return {'flux': name, 'n': len(rows), 'nan': int(np.isnan(pull).sum()),
            'ratio': f'{np.nanmedian(ratio):.3f}',
            'scatter': f'{robust(ratio):.3f}',
            '<1': share(np.abs(pull[np.isfinite(pull)]) < 1),
            '<1.96': share(np.abs(pull[np.isfinite(pull)]) < 1.96),
            'pull': f'{np.nanmedian(pull):+.2f}',
            'pull_rms': f'{robust(pull):.2f}'}


def report_coverage(rows):
    """
    Fluxes over truth and pulls.
    """
    names = [name for name in FLUXES if name in rows.colnames]
    for case, part in split(rows, 'case'):
        if case != 'all':
            show(f'{case}: {len(set(part["seed"]))} maps', [
                {'level': level} | pull_entry(some, name)
                for name in names for level, some in in_levels(part)])
    pooled = rows[rows['case'] == 'mixed']
    show('mixed, by field', [
        {'field': field, 'level': level} | pull_entry(some, 'flux')
        for field, part in split(pooled, 'field')
        for level, some in in_levels(part)])
    for name in names:
        for limit in (1, 1.96):
            name_worst(pooled, np.abs(pulls(pooled, name)) < limit,
                       f'|pull| of {name} < {limit}')


def flag_entry(rows):
    """
    Shares of the flags.
    """
    return {'n': len(rows)} | {
        name: share(rows[name]) for name in (*ALARMS, 'alarm')}


def report_alarms(rows):
    """
    Flags of good sources, and percentiles of what they are set by.
    """
    for key in ('case', 'field'):
        show(f'flagged, by {key}', [
            {key: value, 'level': level} | flag_entry(some)
            for value, part in split(rows, key)
            for level, some in in_levels(part)])
    name_worst(rows, ~rows['alarm'], 'not flagged')
    levels = list(zip(QUALITY_LEVELS[:-1], QUALITY_LEVELS[1:], strict=True))
    for name in (name for name in QUALITY if name in rows.colnames):
        show(f'{name}, percentiles', [
            {'case': case, 'level': level, 'n': len(some)} | {
                f'{percent}%': f'{value:.4g}'
                for percent, value in zip(PERCENTILES, np.nanpercentile(
                    some[name], PERCENTILES), strict=True)}
            for case, part in split(rows, 'case')
            for level, some in in_levels(part, levels)])


def is_right(rows, limit=3):
    """
    Whether each flux is right within its error.
    """
    return np.abs(pulls(rows)) < limit


def is_safe(rows, limit=3):
    """
    Whether each flux is right within its error, flagged, or NaN.
    """
    return is_right(rows, limit) | np.isnan(rows['flux']) | rows['alarm']


def defect_entry(rows):
    """
    How many damaged sources are right or flagged.
    """
    pull = pulls(rows)
    ratio = np.asarray(rows['flux'] / np.where(rows['true_flux'] > 0,
                                               rows['true_flux'], np.nan))
    return {'n': len(rows), 'nan': int(np.isnan(pull).sum()),
            'ratio': f'{np.nanmedian(ratio):.3f}',
            'pull': f'{np.nanmedian(pull):+.2f}',
            'flagged': share(rows['alarm']), '<3': share(is_right(rows)),
            '<4': share(is_right(rows, 4)), 'either': share(is_safe(rows)),
            'either4': share(is_safe(rows, 4))}


def report_defects(rows):
    """
    Damaged sources, and the others of the same maps.
    """
    levels = ((-1, 5), *LEVELS)
    for title, part in (('damaged', rows[rows['affected']]),
                        ('others of the same maps',
                         rows[~rows['affected'] & (rows['level'] > 0)])):
        show(title, [
            {'defect': case, 'level': level} | defect_entry(some)
            for case, some_case in split(part, 'case')
            for level, some in (*in_levels(some_case, levels),
                                ('all', some_case))])
    damaged = rows[rows['affected']]
    show('damaged, by field', [
        {'field': field} | defect_entry(part)
        for field, part in split(damaged, 'field')])
    name_worst(damaged, is_safe(damaged), 'right or flagged')
    for case, part in split(damaged, 'case'):
        if case != 'all':
            name_worst(part, is_safe(part), f'{case} right or flagged')


def empty_entry(rows, names):
    """
    Significance where nothing is, and how often limits hold.
    """
    entry = {'n': len(rows)}
    for name in names:
        entry[name] = (
            f'{np.nanmedian(rows[name] / rows[f"{name}_err"]):+.2f}')
        entry[f'{name} <1.96'] = share(np.abs(pulls(rows, name)) < 1.96)
    holds = np.asarray(rows['flux'] + 1.645 * rows['flux_err']
                       >= rows['true_flux'])
    entry['flux+1.645err'] = share(holds)
    if 'upper_limit' in rows.colnames:
        entry['upper_limit'] = share(rows['upper_limit'] >= rows['true_flux'])
    entry['alarm'] = share(rows['alarm'])
    return entry


def report_empty(rows):
    """
    Positions without a source, and with faint ones.
    """
    names = [name for name in FLUXES if name in rows.colnames]
    limit = (rows['upper_limit'] if 'upper_limit' in rows.colnames
             else rows['flux'] + 1.645 * rows['flux_err'])
    for title, wanted in (
            ('no source: median of flux over error, share of limits >= 0',
             rows['level'] == 0),
            ('1 to 5 sigma: the same, share of limits >= truth',
             (rows['level'] > 0) & (rows['level'] < _FAINT[1]))):
        part = rows[wanted]
        show(title, [{'field': field} | empty_entry(some, names)
                     for field, some in split(part, 'field')])
        name_worst(part, np.asarray(limit[wanted] >= part['true_flux']),
                   'limits hold')


def list_tasks(args):
    """
    The kind and seed of each map.
    """
    seeds = range(args.seed, args.seed + args.n_maps)
    if args.part == 'alarms':
        return [(GOOD_KINDS[seed % len(GOOD_KINDS)], seed) for seed in seeds]
    if args.part == 'empty':
        return [('mixed', seed) for seed in seeds]
    if args.part == 'defects':
        return [(kind, seed) for kind in args.defects for seed in seeds]
    # single cases are for comparison
    single = seeds[:max(3, args.n_maps // 8)]
    return [('mixed', seed) for seed in seeds] + [
        (kind, seed) for kind in args.cases if kind != 'mixed'
        for seed in single]


REPORTS = {'coverage': (report_coverage, 40), 'alarms': (report_alarms, 60),
           'defects': (report_defects, 4), 'empty': (report_empty, 40)}


def main():
    """
    Run one part.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest='part', required=True)
    for name, (function, n_maps) in REPORTS.items():
        part = parts.add_parser(name, help=function.__doc__.strip())
        part.add_argument('--data', type=Path, default='../shared/data')
        part.add_argument('--mode', default='scanmap')
        part.add_argument('--band', default='blue')
        part.add_argument('--network', default='separation')
        part.add_argument('--weights', default='default')
        part.add_argument('--n-maps', type=int, default=n_maps)
        part.add_argument('--size', type=int, default=256,
                          help='side of the maps in pixels')
        part.add_argument('--seed', type=int, default=0, help='of first map')
        part.add_argument('--workers', type=int, default=2)
        part.add_argument('--output', type=Path, help='table of all rows')
        if name == 'coverage':
            part.add_argument('--cases', nargs='*', choices=PSF_KINDS,
                              default=list(PSF_KINDS))
        if name == 'defects':
            part.add_argument('--defects', nargs='+', choices=DEFECTS,
                              default=list(DEFECTS))
    args = parser.parse_args()
    rows = run([(*task, args) for task in list_tasks(args)], args)
    if args.output:
        rows.write(args.output, overwrite=True)
    print(f'{args.part}: {args.mode} {args.band}, {args.network}')
    REPORTS[args.part][0](rows)


if __name__ == '__main__':
    main()
