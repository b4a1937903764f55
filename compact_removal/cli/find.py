# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal find``.
"""

from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import (add_unit, check_inputs, check_outputs,
                                        read_map, renamed)
from compact_removal.cli.options import add_options
from compact_removal.cli.output import (add_prefix, find_prefix, print_paths,
                                        print_table, save_figure)

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'USAGE', 'add_arguments', 'run']

HELP = 'Find the compact sources of a map'

ESTIMATOR = 'CompactSourceFinder'

# Arguments of an example, for messages of other verbs.
USAGE = 'map.fits'

EPILOG = """\
The catalogue (ECSV) is one that remove takes; the same positions are written
as regions of DS9. Mode and band need not be given where the header of the map
has them, as those of PACS maps from the Herschel Science Archive do.

example:
  compact-removal find map.fits --mode scanmap --band blue
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
    parser.add_argument('map', metavar='MAP', type=Path,
                        help='FITS file with the map')
    add_prefix(parser)
    parser.add_argument('--plot', action='store_true',
                        help='write a picture (PNG), too')
    add_options(parser, estimator, skip=['seed', 'batch_size'])
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Find the sources of the user's map.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    import astropy.units as u

    from compact_removal.instruments import get_band
    from compact_removal.maps.products import write_products
    from compact_removal.maps.source_regions import write_ds9

    check_inputs({'map': [args.map]}, args.weights)
    prefix = find_prefix(args)
    paths = {'sources': Path(f'{prefix}_found.ecsv'),
             'regions': Path(f'{prefix}_found.reg')}
    if args.plot:
        paths['picture'] = Path(f'{prefix}_found.png')
    image = read_map(args.map, args.estimator_class, unit=args.unit)
    finder = make_estimator(args, image.meta)
    finder.check_params()
    check_outputs(paths, overwrite=args.overwrite)
    with renamed(image=f'map {args.map}'):
        sources = finder.find(image)
    write_products({'sources': sources}, paths, overwrite=args.overwrite,
                   history=finder.describe_task(args.map.name))
    write_ds9(sources['sky_center'], paths['regions'],
              radius=get_band(finder.mode, finder.band).psf.fwhm * u.arcsec,
              labels=[str(number) for number in sources['id']],
              overwrite=args.overwrite)
    if args.plot:
        import matplotlib as mpl

        from compact_removal.plotting import plot_detections

        mpl.use('agg')
        save_figure(plot_detections(image, sources).figure, paths['picture'])
    _print_sources(sources, paths['sources'])
    print()
    print_paths(paths)


def _print_sources(sources, path):
    """
    Print the most probable ones.
    """
    from astropy.table import Table

    from compact_removal import decode_flags
    from compact_removal.detection import DETECTION_FLAGS

    shown = sources[:_MAX_ROWS]
    table = Table({'id': shown['id']})
    center = shown['sky_center'].icrs
    table['ra'] = [f'{value:.5f}' for value in center.ra.deg]
    table['dec'] = [f'{value:.5f}' for value in center.dec.deg]
    table['probability'] = [f'{value:.2f}' for value in shown['probability']]
    table['kind'] = shown['kind']
    table['snr'] = [f'{value:.1f}' for value in shown['snr']]
    for name in ('flux', 'flux_err'):
        table[f'{name} [{shown[name].unit}]'] = [
            f'{value:.4g}' for value in shown[name].value]
    table['fwhm_ratio'] = [f'{value:.2f}' for value in shown['fwhm_ratio']]
    table['flags'] = [', '.join(names) for names in decode_flags(
        shown['flags'], definitions=DETECTION_FLAGS)]
    print_table(table)
    if len(sources) > len(shown):
        print(f'... {len(sources) - len(shown)} more rows in {path}')
    print(f'{len(sources)} sources with a probability of at least '
          f'{sources.meta["CRTHRESH"]:.2g}')
