# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal remove``.
"""

import os
import sys
from pathlib import Path

from compact_removal.cli._common import (add_command, add_remover_options,
                                         check_outputs, make_remover,
                                         print_paths, print_sources,
                                         print_warning, read_map,
                                         read_positions_file, write_picture)

_EXAMPLE = """\
CATALOG has the columns ra and dec (ECSV, CSV or FITS; degrees if there is
no unit) or a column of sky coordinates (ECSV), or it is a DS9 region file.
Mode and band need not be given where the header of the map tells them, as
those of PACS maps from the Herschel Science Archive do. The table of sources
has the other columns of CATALOG, or the labels of the regions, too.

example:
  compact-removal remove map.fits catalog.csv --mode scanmap --band blue
"""


def add_remove(commands):
    """
    Add ``remove``.
    """
    parser = add_command(commands, 'remove', _run_remove,
                         'Remove the sources of a catalogue from a map',
                         _EXAMPLE)
    parser.add_argument('map', metavar='MAP', type=Path,
                        help='FITS file with the map')
    parser.add_argument('catalog', metavar='CATALOG', type=Path,
                        help='positions (.ecsv, .csv, .fits or .reg)')
    parser.add_argument('--output', metavar='PREFIX',
                        help='beginning of the paths of the output files, or '
                             'a folder (default: the name of MAP, in this '
                             'folder)')
    parser.add_argument('--recenter', action='store_true',
                        help='move positions to the centroids first')
    parser.add_argument('--plot', action='store_true',
                        help='write a picture (PNG), too')
    add_remover_options(parser)


def _find_prefix(args):
    """
    The beginning of the paths of the output files.
    """
    from compact_removal.maps.files import map_stem

    stem = map_stem(args.map)
    if args.output is None:
        return stem
    if args.output.endswith(('/', os.sep)) or Path(args.output).is_dir():
        return Path(args.output) / stem
    return args.output


def _run_remove(args):
    """
    Remove sources from the user's map.
    """
    from compact_removal.maps.files import describe_removal, write_result
    from compact_removal.maps.columns import join_catalog

    prefix = _find_prefix(args)
    paths = {'background': Path(f'{prefix}_background.fits'),
             'sources': Path(f'{prefix}_sources.ecsv')}
    if args.plot:
        paths['picture'] = Path(f'{prefix}_removal.png')
    check_outputs(paths, overwrite=args.overwrite)
    image = read_map(args.map)
    remover = make_remover(args, image.meta, recenter=args.recenter,
                           progress_bar=sys.stderr.isatty())
    catalog = read_positions_file(args.catalog)
    if len(catalog) == 0:
        print_warning('the catalogue is empty')
    result = remover.remove(image, catalog)
    written = result._replace(sources=join_catalog(result.sources, catalog))
    write_result(written, paths, overwrite=args.overwrite,
                 history=describe_removal(args.map, args.catalog))
    if args.plot:
        write_picture(image, result, paths['picture'])
    print_sources(result.sources, result.sources['flux'].unit,
                  paths['sources'], names=_find_names(written.sources))
    print()
    print_paths(paths)


def _find_names(sources):
    """
    The first column of the catalogue that holds strings; None if none does.
    """
    own = sources.colnames.index('flags') + 1
    columns = [sources[name] for name in sources.colnames[own:]]
    return next((column for column in columns if column.ndim == 1
                 and column.info.dtype.kind == 'U'),
                None)
