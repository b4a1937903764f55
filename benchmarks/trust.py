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
from astropy.table import Table, vstack
from development_data import find_empty
from trust_cases import PSF_KINDS, local_sigma, make_case
from trust_defects import DEFECTS
from trust_report import (ALARMS, FAINT, report_alarms, report_coverage,
                          report_defects, report_empty)

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.instruments import get_band

# Good sources for `alarms`.
GOOD_KINDS = ('nominal', 'broad7', 'narrow7', 'elongated10')

# Number of sources over the usual where there are empty positions.
_SPARSE = 0.5


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
    rows.replace_column('case', np.full(len(rows), kind))
    return rows


def with_empty(case, rng, *, faint):
    """
    Add positions without a source, or with a faint one at every other.
    """
    x, y = find_empty(case.truth, case.avoid, case, case.seed)
    sigma = local_sigma(case.truth, x, y)
    flux = np.zeros(x.size)
    if faint:
        flux[1::2] = (sigma * np.exp(rng.uniform(*np.log(FAINT),
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


REPORTS = {'coverage': (report_coverage, 104), 'alarms': (report_alarms, 120),
           'defects': (report_defects, 13), 'empty': (report_empty, 52)}


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
    warnings.simplefilter('ignore')
    rows = run([(*task, args) for task in list_tasks(args)], args)
    if args.output:
        rows.write(args.output, overwrite=True)
    print(f'{args.part}: {args.mode} {args.band}, {args.network}')
    REPORTS[args.part][0](rows)


if __name__ == '__main__':
    main()
