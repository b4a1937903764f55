# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal evaluate``.
"""

import sys
from pathlib import Path

from compact_removal.cli._common import (add_command, add_injection_options,
                                         add_remover_options, check_catalogs,
                                         check_outputs, check_seed,
                                         make_remover, print_paths,
                                         print_table, read_map,
                                         read_positions_file)

_EXAMPLE = """\
Sources are injected into each MAP at several fluxes, removed, and compared
with what was put in; without a MAP, into six simulated ones. Maps should hold
few real sources; those in CATALOG (one per MAP) are kept away from.

example:
  compact-removal evaluate --mode scanmap --band blue --n-levels 5
  compact-removal evaluate map.fits --catalog known.csv --seed 3
"""

_SHOWN = ['field', 'flux_min', 'flux_max', 'n_ratios', 'median_ratio', 'iqr',
          'annulus_iqr', 'within_1', 'hole_error', 'power_change',
          'power_before', 'completeness', 'reliability']

_LEGEND = """\
Ratios are of measured and injected flux (iqr: interquartile range, beside
that of an annulus; within_1: share within one flux_err, ideally 0.68); the
rest is about the background, see the report."""


def add_evaluate(commands):
    """
    Add ``evaluate``.
    """
    parser = add_command(commands, 'evaluate', _run_evaluate,
                         'Inject sources into maps, remove them, and report '
                         'how well it went', _EXAMPLE)
    add_injection_options(parser)
    parser.add_argument('--n-sources', type=int, default=50, metavar='N',
                        help='sources per map and flux (default: '
                             '%(default)s)')
    parser.add_argument('--n-levels', type=int, default=10, metavar='N',
                        help='number of fluxes per map (default: '
                             '%(default)s)')
    parser.add_argument('--flux', type=float, nargs='+', metavar='MJY',
                        help='the fluxes themselves, in mJy')
    parser.add_argument('--output-dir', type=Path, metavar='DIR',
                        default='compact_removal_evaluation',
                        help='where to write (default: %(default)s)')
    add_remover_options(parser)


def _run_evaluate(args):
    """
    Run the experiment, print the summary, and write the report.
    """
    import astropy.units as u
    import matplotlib as mpl

    from compact_removal.removal import evaluate_remover
    from compact_removal.evaluation import write_report

    folder = args.output_dir
    names = ('sources', 'flux_ratios', 'summary', 'pixel_statistics')
    paths = {name: folder / f'{name}.ecsv' for name in names}
    paths['report'] = folder / 'report.html'
    check_outputs(paths, overwrite=args.overwrite)
    check_seed(args.seed)
    check_catalogs(args.catalog, args.maps)
    maps = {path.name: read_map(path) for path in args.maps}
    if len(maps) < len(args.maps):
        msg = 'MAP must be files of different names'
        raise ValueError(msg)
    catalogs = [read_positions_file(path) for path in args.catalog]
    first = next(iter(maps.values())).meta if maps else {}
    remover = make_remover(args, first)
    evaluation = evaluate_remover(
        remover, maps or None, n_sources=args.n_sources,
        flux_levels=args.n_levels if args.flux is None else
        args.flux * u.mJy, catalogs=catalogs or None, seed=args.seed,
        progress_bar=sys.stderr.isatty())
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        getattr(evaluation, name).write(paths[name], format='ascii.ecsv',
                                        overwrite=args.overwrite)
    mpl.use('agg')
    write_report(evaluation, paths['report'], overwrite=args.overwrite,
                 title=f'Evaluation of compact_removal: {remover.mode} '
                       f'{remover.band}')
    table = evaluation.summary[_SHOWN]
    for name in _SHOWN:
        if table[name].dtype.kind == 'f':
            table[name].info.format = '.0f' if 'flux' in name else '.3f'
    print_table(table)
    print(_LEGEND)
    print()
    print_paths(paths)
