# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal evaluate``.
"""

import inspect
import sys
from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import (add_unit, check_catalogs, check_inputs,
                                        check_maps, check_outputs, check_seed,
                                        read_map, read_positions_file)
from compact_removal.cli.options import (add_options, describe_maps,
                                         read_options)
from compact_removal.cli.output import print_paths, print_table

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'MORE', 'add_arguments', 'run']

HELP = 'Judge an estimator on data whose truth is known'

ESTIMATOR = 'any'

EPILOG = """\
Without a MAP, data are simulated. The report (HTML) has tables and figures.
"""

# What is said for single estimators.
MORE = {'CompactSourceRemover': """\

Sources are injected into each MAP at several fluxes, removed, and compared
with what was put in; without a MAP, into six simulated ones. Maps should hold
few real sources; those in CATALOG (one per MAP) are kept away from.

example:
  compact-removal evaluate --mode scanmap --band blue --n-levels 5
  compact-removal evaluate map.fits --catalog known.csv --seed 3
"""}


def add_arguments(parser, estimator):
    """
    Add the options.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    estimator : type
        The class of the estimator.
    """
    parser.add_argument('maps', metavar='MAP', type=Path, nargs='*',
                        help=describe_maps(estimator, estimator.experiment))
    add_options(parser, estimator.experiment)
    parser.add_argument('--output-dir', type=Path, metavar='DIR',
                        default='compact_removal_evaluation',
                        help='where to write (default: %(default)s)')
    add_options(parser, estimator, skip=inspect.signature(
        estimator.experiment).parameters)
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Run the experiment, print the summary, and write the report.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    import matplotlib as mpl

    from compact_removal.evaluation import evaluate, write_report, write_tables

    check_seed(getattr(args, 'seed', 0))
    images, options = _read_data(args)
    meta = next((image.meta for image in images.values()), {})
    estimator = make_estimator(args, meta)
    estimator.check_params()
    check_maps(images, estimator)
    folder = args.output_dir
    report = folder / 'report.html'
    # the names of all tables are known only after the work
    check_outputs({path.name: path for path in
                   [report, *sorted(folder.glob('*.ecsv'))]},
                  overwrite=args.overwrite)
    evaluation = evaluate(
        estimator, {path.name: image for path, image in images.items()}
        or None, **options)
    paths = write_tables(evaluation, folder, overwrite=args.overwrite)
    mpl.use('agg')
    write_report(evaluation, report, overwrite=args.overwrite,
                 title=f'Evaluation of {estimator!r}')
    print_table(_format_summary(evaluation))
    if evaluation.legend:
        print(evaluation.legend)
    print()
    print_paths({**paths, 'report': report})


def _read_data(args):
    """
    Maps by their paths, and the options of the experiment.
    """
    experiment = args.estimator_class.experiment
    options = read_options(args, experiment)
    paths = options.get('catalogs') or []
    check_catalogs(paths, args.maps)
    check_inputs({'map': args.maps, 'catalog': paths},
                 getattr(args, 'weights', None))
    names = [path.name for path in args.maps]
    for name in names:
        if names.count(name) > 1:
            msg = (f'MAP must be files of different names, got {name} '
                   f'{names.count(name)} times')
            raise ValueError(msg)
    images = {path: read_map(path, args.estimator_class, unit=args.unit)
              for path in args.maps}
    if 'catalogs' in options:
        options['catalogs'] = [
            read_positions_file(path, image) for path, image
            in zip(paths, images.values(), strict=False)] or None
    if 'progress_bar' in inspect.signature(experiment).parameters:
        options['progress_bar'] = sys.stderr.isatty()
    return images, options


def _format_summary(evaluation):
    """
    The columns of the summary that are printed.
    """
    table = evaluation.summary.copy()
    if evaluation.headline:
        table = table[list(evaluation.headline)]
    for name in table.colnames:
        if table[name].dtype.kind == 'f':
            table[name].info.format = '.4g'
    return table
