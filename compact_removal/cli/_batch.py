# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal batch``.
"""

import re
import sys
from pathlib import Path

from compact_removal.cli._common import (add_command, add_remover_options,
                                         build_remover, print_warning,
                                         to_options)

_SOME_FAILED = 1

_EXAMPLE = """\
One CATALOG is for all maps: each takes the rows that lie on it. Else there
is one per MAP. TABLE (.csv, .ecsv or .fits) has the columns map and catalog,
paths relative to its folder. Mode and band are those of the headers, unless
they are given. A run that was interrupted is resumed by the same command;
maps that failed are tried again. Columns of the catalogues that are no
positions are in the tables of sources, too.

example:
  compact-removal batch *.fits --catalog catalog.csv --output-dir results
  compact-removal batch --list maps.csv --output-dir results --jobs 4
"""


def add_batch(commands):
    """
    Add ``batch``.
    """
    parser = add_command(commands, 'batch', _run_batch,
                         'Remove the sources from many maps', _EXAMPLE,
                         some_fail=True)
    parser.add_argument('maps', metavar='MAP', type=Path, nargs='*',
                        help='FITS files')
    parser.add_argument('--catalog', metavar='CATALOG', type=Path, nargs='+',
                        default=[],
                        help='positions (.ecsv, .csv, .fits or .reg): one '
                             'file for all maps, or one per MAP')
    parser.add_argument('--list', metavar='TABLE', type=Path,
                        help='table of maps and catalogues, in place of MAP '
                             'and --catalog')
    parser.add_argument('--output-dir', metavar='DIR', type=Path,
                        required=True, help='where to write')
    parser.add_argument('--jobs', metavar='N', type=int,
                        help='number of processes (default: one for each '
                             'processor)')
    parser.add_argument('--scheduler', metavar='ADDRESS',
                        help='scheduler of a dask cluster, in place of local '
                             'processes')
    parser.add_argument('--recenter', action='store_true',
                        help='move positions to the centroids first')
    add_remover_options(parser)


def _run_batch(args):
    """
    Remove sources from many maps, and print what became of them.
    """
    from compact_removal.batch import remove_many

    maps, catalogs = _inputs(args)
    if args.jobs is not None and args.scheduler is not None:
        msg = '--jobs is for local processes, --scheduler for a cluster'
        raise ValueError(msg)
    if args.jobs is not None and args.jobs < 1:
        msg = f'--jobs must be positive, got {args.jobs}'
        raise ValueError(msg)
    remover = build_remover(args, args.mode, args.band,
                            recenter=args.recenter)
    client = None if args.scheduler is None else _connect(args.scheduler)
    try:
        report = remove_many(
            maps, catalogs, remover=remover, output_dir=args.output_dir,
            n_workers=args.jobs, client=client, overwrite=args.overwrite,
            progress_bar=sys.stderr.isatty())
    except ValueError as error:
        # where there is one catalogue for all maps, it has no number
        text = re.sub(r'^positions\b', f'catalog {catalogs}', str(error))
        raise ValueError(text) from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(_tell_how_to_resume(args)) from error
    finally:
        if client is not None:
            client.close()
    return _print_report(report, args.output_dir / 'report.ecsv')


def _tell_how_to_resume(args):
    """
    What to do after Ctrl-C, and where the report is.
    """
    option = ' without --overwrite' if args.overwrite else ''
    text = f'interrupted; the same command{option} resumes the run'
    report = args.output_dir / 'report.ecsv'
    return f'{text}; report: {report}' if report.is_file() else text


def _inputs(args):
    """
    Maps, and one catalogue or one for each.
    """
    if args.list is None:
        if not args.maps or not args.catalog:
            msg = 'MAP and --catalog are needed, or --list'
            raise ValueError(msg)
        for path in (*args.maps, *args.catalog):
            # a shell hands over a pattern that matches nothing
            if '*' in str(path) and not path.exists():
                msg = f'no file matches {path}'
                raise FileNotFoundError(msg)
        if len(args.catalog) not in {1, len(args.maps)}:
            msg = (f'--catalog must name one file for all maps, or one per '
                   f'MAP ({len(args.maps)}), got {len(args.catalog)}')
            raise ValueError(msg)
        if len(args.catalog) == 1:
            return args.maps, args.catalog[0]
        return args.maps, args.catalog
    if args.maps or args.catalog:
        msg = '--list is in place of MAP and --catalog'
        raise ValueError(msg)
    return _read_list(args.list)


def _read_list(path):
    """
    Maps and catalogues of a table.
    """
    from compact_removal.maps.files import read_catalog

    try:
        table = read_catalog(path)
    except (OSError, ValueError) as error:
        msg = str(error).replace('catalog', '--list', 1)
        raise ValueError(msg) from error
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
        msg = ('--scheduler needs dask: install it with pip install '
               '"compact-removal[dask]"')
        raise ValueError(msg) from error
    return Client(address, set_as_default=False)


def _print_report(report, path):
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
        print(f'failed: {row["map"]}: {to_options(row["error"])}')
    if counts['error'] < len(report) and not report['n_sources'].sum():
        print_warning('no position lies on any map, or the catalogue is '
                      'empty')
    print(f'report: {path}')
    return _SOME_FAILED if counts['error'] else None
