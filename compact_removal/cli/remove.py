# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal remove``.
"""

from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import (add_unit, check_inputs, check_outputs,
                                        read_map, read_positions_file,
                                        renamed)
from compact_removal.cli.options import add_options
from compact_removal.cli.output import add_prefix, find_prefix, print_paths
from compact_removal.cli.parser import EXIT_ERROR, print_error, print_warning
from compact_removal.cli.removal_output import (is_any_processed,
                                                print_sources, write_picture)

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'USAGE', 'add_arguments', 'run']

HELP = 'Remove the sources of a catalogue from a map'

ESTIMATOR = 'CompactSourceRemover'

# Arguments of an example, for messages of other verbs.
USAGE = 'map.fits catalog.csv'

EPILOG = """\
CATALOG is a table with positions on the sky, such as ra and dec (degrees if
there is no unit), or pixels, such as x_center and y_center (from 0), or it is
a region file of DS9. Tables are ECSV, CSV, FITS, VOTable, IPAC or text with
spaces (.ecsv, .csv, .fits, .xml, .vot, .tbl, .txt, .cat, .dat; also gzipped).
Mode and band need not be given where the header of the map has them, as
those of PACS maps from the Herschel Science Archive do. The table of sources
has the other columns of CATALOG, or the labels of the regions, too. If there
are positions, but none on the observed part of the map, the files are written,
and the exit status is that of an error.

example:
  compact-removal remove map.fits catalog.csv --mode scanmap --band blue
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
    parser.add_argument('map', metavar='MAP', type=Path,
                        help='FITS file with the map')
    parser.add_argument('catalog', metavar='CATALOG', type=Path,
                        help='positions (a table or regions of DS9)')
    add_prefix(parser)
    parser.add_argument('--plot', action='store_true',
                        help='write a picture (PNG), too')
    add_options(parser, estimator, skip=['seed'])
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Remove sources from the user's map.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.

    Returns
    -------
    status : int or None
        2 if nothing could be done at any position.
    """
    from compact_removal.maps.columns import join_catalog
    from compact_removal.maps.products import write_products

    check_inputs({'map': [args.map], 'catalog': [args.catalog]}, args.weights)
    prefix = find_prefix(args)
    paths = {'background': Path(f'{prefix}_background.fits'),
             'sources': Path(f'{prefix}_sources.ecsv')}
    if args.plot:
        paths['picture'] = Path(f'{prefix}_removal.png')
    image = read_map(args.map, args.estimator_class, unit=args.unit)
    remover = make_estimator(args, image.meta)
    remover.check_params()
    catalog = read_positions_file(args.catalog, image)
    check_outputs(paths, overwrite=args.overwrite)
    if len(catalog) == 0:
        print_warning('the catalogue is empty')
    with renamed(image=f'map {args.map}'):
        result = remover.remove(image, catalog)
    written = result._replace(sources=join_catalog(result.sources, catalog))
    write_products(written._asdict(), paths, overwrite=args.overwrite,
                   history=remover.describe_task(args.map.name,
                                                 args.catalog.name))
    if args.plot:
        write_picture(image, result, paths['picture'])
    print_sources(result.sources, result.sources['flux'].unit,
                  paths['sources'], names=_find_names(written.sources))
    print()
    print_paths(paths)
    if len(result.sources) == 0 or is_any_processed(result.sources):
        return None
    print_error(f'catalog {args.catalog}: none of its {len(result.sources)} '
                f'positions lies on the observed part of map {args.map}; '
                'check longitude and latitude and their units. The files were '
                'written, the background is the map')
    return EXIT_ERROR


def _find_names(sources):
    """
    The first column of the catalogue that holds strings; None if none does.
    """
    own = sources.colnames.index('flags') + 1
    columns = [sources[name] for name in sources.colnames[own:]]
    return next((column for column in columns if column.ndim == 1
                 and column.info.dtype.kind == 'U'),
                None)
