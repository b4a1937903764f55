# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal batch``.
"""

import sys
from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import add_unit, check_inputs, renamed
from compact_removal.cli.options import add_options
from compact_removal.cli.parser import EXIT_ERROR, print_error, print_warning
from compact_removal.utils.parameters import (check_positive_integer,
                                              name_parameter)
from compact_removal.utils.text import one_line

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'SOME_FAIL', 'add_arguments', 'run']

HELP = 'Process many maps, such as remove the sources from them'

ESTIMATOR = 'any'

SOME_FAIL = True

_SOME_FAILED = 1

# Warnings of no more maps are printed.
_MAX_WARNINGS = 10

EPILOG = """\
One CATALOG is for all maps: each takes the rows that lie on it. Else there
is one per MAP. TABLE (.csv, .ecsv or .fits) has the columns map and catalog,
paths relative to its folder. Mode and band are those of the headers, unless
they are given. A run that was interrupted is resumed by the same command;
maps that failed are tried again. Columns of the catalogues that are no
positions are in the tables of sources, too. Estimators that take no positions
need no CATALOG.

example:
  compact-removal batch *.fits --catalog catalog.csv --output-dir results
  compact-removal batch --list maps.csv --output-dir results --jobs 4
"""


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
                        help='FITS files')
    parser.add_argument('--catalog', metavar='CATALOG', type=Path, nargs='+',
                        default=[], dest='catalogs',
                        help='positions (a table or regions of DS9): one file '
                             'for all maps, or one per MAP')
    parser.add_argument('--list', metavar='TABLE', type=Path,
                        help='table of maps and catalogues, in place of MAP '
                             'and --catalog')
    parser.add_argument('--output-dir', metavar='DIR', type=Path,
                        required=True, help='where to write')
    parser.add_argument('--jobs', metavar='N', type=int, dest='n_workers',
                        help='number of processes (default: one for each '
                             'processor)')
    parser.add_argument('--scheduler', metavar='ADDRESS',
                        help='scheduler of a dask cluster, in place of local '
                             'processes')
    add_options(parser, estimator, skip=['seed'])
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Process the maps, and print what became of them.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.

    Returns
    -------
    status : int or None
        1 if some maps failed, 2 if no position lies on any map.
    """
    from compact_removal.batch import process_many

    maps, catalogs = _find_inputs(args)
    if args.n_workers is not None and args.scheduler is not None:
        msg = ('--jobs and --scheduler are both given; --jobs is for local '
               'processes, --scheduler for a cluster')
        raise ValueError(msg)
    if args.n_workers is not None:
        check_positive_integer('n_workers', args.n_workers)
    estimator = make_estimator(args)
    client = None if args.scheduler is None else _connect(args.scheduler)
    try:
        # where there is one catalogue for all maps, it has no number
        with renamed(positions=f'catalog {catalogs}', unit='--unit'):
            report = process_many(
                estimator, maps, catalogs, output_dir=args.output_dir,
                n_workers=args.n_workers, client=client,
                overwrite=args.overwrite, unit=args.unit,
                progress_bar=sys.stderr.isatty())
    except (FileExistsError, FileNotFoundError) as error:
        # whatever it is, all that is missing comes first
        common = [] if catalogs is None else [catalogs]
        check_inputs({'map': maps, 'catalog': catalogs if isinstance(
            catalogs, list) else common}, getattr(args, 'weights', None))
        if isinstance(error, FileNotFoundError):
            raise
        msg = f'{error} (--overwrite)'
        raise name_parameter(FileExistsError(msg), 'output_dir') from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(_describe_resumption(args)) from error
    finally:
        if client is not None:
            client.close()
    return _print_report(report, args, catalogs)


def _describe_resumption(args):
    """
    What to do after Ctrl-C, and where the report is.
    """
    option = ' without --overwrite' if args.overwrite else ''
    text = f'interrupted; the same command{option} resumes the run'
    report = args.output_dir / 'report.ecsv'
    return f'{text}; report: {report}' if report.is_file() else text


def _find_inputs(args):
    """
    Maps, and one catalogue or one for each.
    """
    if args.list is None:
        needs_catalog = args.estimator_class.positions_use == 'required'
        if not args.maps or (needs_catalog and not args.catalogs):
            missing = [name for name, is_missing in (
                ('MAP', not args.maps),
                ('--catalog', needs_catalog and not args.catalogs))
                if is_missing]
            msg = (f'{" and ".join(missing)} not given; give '
                   f'{"MAP and --catalog" if needs_catalog else "MAP"}, or '
                   '--list')
            raise ValueError(msg)
        for path in (*args.maps, *args.catalogs):
            # a shell hands over a pattern that matches nothing
            if '*' in str(path) and not path.exists():
                msg = f'no file matches {path}'
                raise FileNotFoundError(msg)
        n_catalogs = len(args.catalogs)
        if n_catalogs not in {0, 1, len(args.maps)}:
            msg = (f'--catalog must name one file for all maps, or one per '
                   f'MAP ({len(args.maps)}), got {n_catalogs}')
            raise ValueError(msg)
        if n_catalogs == 0:
            return args.maps, None
        return args.maps, args.catalogs[0] if n_catalogs == 1 else (
            args.catalogs)
    if args.maps or args.catalogs:
        msg = (f'{"MAP" if args.maps else "--catalog"} and --list are both '
               'given; --list is in place of MAP and --catalog')
        raise ValueError(msg)
    return _read_list(args.list)


def _read_list(path):
    """
    Maps and catalogues of a table.
    """
    from compact_removal.maps.files import read_catalog

    if not path.is_file():
        msg = f'--list: there is no file {path}'
        raise FileNotFoundError(msg)
    with renamed(catalog='--list'):
        table = read_catalog(path)
    names = getattr(table, 'colnames', [])
    if not {'map', 'catalog'} <= set(names):
        msg = ('--list must be a table with the columns map and catalog, '
               f'got {", ".join(names) or "regions"}')
        raise ValueError(msg)
    return tuple([path.parent / str(value) for value in table[name]]
                 for name in ('map', 'catalog'))


def _connect(address):
    """
    Connect to a dask cluster.
    """
    try:
        from distributed import Client
    except ImportError as error:
        msg = ('dask is not installed, which --scheduler needs; pip install '
               '".[dask]" in the folder of the source of compact-removal')
        raise ValueError(msg) from error
    return Client(address, set_as_default=False)


def _print_report(report, args, catalogs):
    """
    Print how many maps are done, and which failed.
    """
    status = report['status']
    counts = {name: int((status == name).sum())
              for name in ('done', 'resumed', 'error')}
    print(f'{len(report)} maps: {counts["done"]} done, '
          f'{counts["resumed"]} done by an earlier run, {counts["error"]} '
          f'failed; {report["n_sources"].sum()} sources')
    for row in report[status == 'error']:
        print(f'failed: {row["map"]}: {one_line(row["error"])}')
        if args.traceback:
            print(_read_traceback(row['map'], args.output_dir),
                  file=sys.stderr)
    path = args.output_dir / 'report.ecsv'
    print(f'report: {path}')
    warned = report[report['warnings'] != '']
    for row in warned[:_MAX_WARNINGS]:
        print_warning(f'map {row["map"]}: {row["warnings"]}')
    if len(warned) > _MAX_WARNINGS:
        print_warning(f'{len(warned) - _MAX_WARNINGS} more maps have '
                      f'warnings, see {path}')
    if (catalogs is not None and counts['error'] < len(report)
            and not report['n_on_map'].sum()):
        if not _are_empty(catalogs, report):
            print_error('catalog: no position lies on the observed part of '
                        'any map; check longitude and latitude and their '
                        'units. The files were written')
            return EXIT_ERROR
        print_warning('the catalogue is empty')
    return _SOME_FAILED if counts['error'] else None


def _are_empty(catalogs, report):
    """
    Whether there was no position at all.
    """
    from compact_removal.maps.files import read_catalog

    # of a common one, tables of sources have what is on the map
    return not report['n_sources'].sum() and (
        isinstance(catalogs, list) or len(read_catalog(catalogs)) == 0)


def _read_traceback(path, folder):
    """
    The traceback in the record of a map that failed.
    """
    from compact_removal.maps.files import map_stem
    from compact_removal.utils.records import read_record

    record = read_record(folder / f'{map_stem(Path(path))}_record.json')
    return record.get('traceback') or f'{path}: no traceback was recorded'
