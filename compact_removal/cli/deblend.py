# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal deblend``.
"""

from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import (add_unit, check_inputs, check_outputs,
                                        read_map, read_positions_file,
                                        renamed)
from compact_removal.cli.options import add_options
from compact_removal.cli.output import (add_prefix, find_prefix, print_paths,
                                        print_table, save_figure)

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'USAGE', 'add_arguments', 'run']

HELP = 'Share the light of an image among its overlapping sources'

ESTIMATOR = 'SourceDeblender'

# Arguments of an example, for messages of other verbs.
USAGE = 'image.fits'

EPILOG = """\
CATALOG is as for remove, or has pixels (x_center, y_center); without it,
sources are found. Three files are written: the table of sources
(<name>_deblended.ecsv), their segments (<name>_segmentation.fits: the id of
the source with the largest share of each pixel, 0 where there is none), and
what belongs to no source (<name>_unassigned.fits: background and noise).
--parts writes the light of each source, too: one extension per source, of the
smallest window that holds it.

example:
  compact-removal deblend image.fits --plot
"""

# No more rows are printed.
_MAX_ROWS = 40


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
    parser.add_argument('map', metavar='IMAGE', type=Path,
                        help='FITS file with the image')
    parser.add_argument('catalog', metavar='CATALOG', type=Path, nargs='?',
                        help='positions (a table or regions of DS9; default: '
                             'they are found)')
    add_prefix(parser, 'IMAGE')
    parser.add_argument('--parts', action='store_true',
                        help='write the light of each source, too (FITS)')
    parser.add_argument('--plot', action='store_true',
                        help='write a picture (PNG), too')
    add_options(parser, estimator, skip=['seed', 'batch_size'])
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Take the user's image apart.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    from compact_removal.deblending.results import write_parts
    from compact_removal.maps.columns import join_catalog
    from compact_removal.maps.products import write_products

    files = {'image': [args.map]}
    if args.catalog is not None:
        files['catalog'] = [args.catalog]
    check_inputs(files, args.weights)
    prefix = find_prefix(args)
    paths = {name: Path(f'{prefix}{ending}') for name, ending
             in args.estimator_class.output_files.items()}
    if args.parts:
        paths['parts'] = Path(f'{prefix}_parts.fits')
    if args.plot:
        paths['picture'] = Path(f'{prefix}_deblended.png')
    image = read_map(args.map, args.estimator_class, unit=args.unit)
    deblender = make_estimator(args)
    deblender.check_params()
    catalog = (None if args.catalog is None
               else read_positions_file(args.catalog, image, pixels=True))
    check_outputs(paths, overwrite=args.overwrite)
    with renamed(image=f'image {args.map}'):
        result = deblender.deblend(image, catalog)
    products = result.to_products()
    if catalog is not None:
        products['sources'] = join_catalog(result.sources, catalog)
    write_products(products, paths, overwrite=args.overwrite,
                   history=deblender.describe_task(
                       args.map.name,
                       None if catalog is None else args.catalog.name))
    if args.parts:
        write_parts(result, paths['parts'], overwrite=args.overwrite)
    if args.plot:
        import matplotlib as mpl

        mpl.use('agg')
        save_figure(result.plot()[0].figure, paths['picture'])
    _print_sources(result.sources, paths['sources'])
    print()
    print_paths(paths)


def _print_sources(sources, path):
    """
    Print the first ones.
    """
    from astropy.table import Table

    from compact_removal import decode_flags
    from compact_removal.deblending import BLEND_FLAGS

    shown = sources[:_MAX_ROWS]
    table = Table({'id': shown['id']})
    for name in ('x_center', 'y_center', 'probability', 'r90'):
        table[name] = [f'{value:.2f}' for value in shown[name]]
    for name in ('flux', 'flux_err'):
        table[f'{name} [{shown[name].unit}]'.replace(' []', '')] = [
            f'{value:.4g}' for value in shown[name].value]
    table['flags'] = [', '.join(names) for names in decode_flags(
        shown['flags'], definitions=BLEND_FLAGS)]
    print_table(table)
    if len(sources) > len(shown):
        print(f'... {len(sources) - len(shown)} more rows in {path}')
