# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal demo``.
"""

import sys
from pathlib import Path

from compact_removal.cli.inputs import check_outputs, check_seed
from compact_removal.cli.output import print_paths
from compact_removal.cli.removal_output import print_sources, write_picture

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'add_arguments', 'run']

HELP = 'Run on a simulated field, and compare with what was put in'

ESTIMATOR = 'CompactSourceRemover'

EPILOG = """\
example:
  compact-removal demo --output-dir try --seed 7
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
    del estimator
    parser.add_argument('--output-dir', default='compact_removal_demo',
                        metavar='DIR', type=Path,
                        help='where to write (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=1,
                        help='seed of the field (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Run the main job on a simulated field.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    import astropy.units as u

    from compact_removal.datasets import make_example_field
    from compact_removal.maps.products import write_products

    folder = args.output_dir
    paths = {'background': folder / 'background.fits',
             'sources': folder / 'sources.ecsv',
             'picture': folder / 'removal.png'}
    check_outputs(paths, overwrite=args.overwrite)
    check_seed(args.seed)
    image, catalog = make_example_field(seed=args.seed)
    remover = args.estimator_class('scanmap', 'blue',
                                   progress_bar=sys.stderr.isatty())
    result = remover.remove(image, catalog['sky_center'])
    sources = result.sources
    # Before the measured ones, where the eye looks for it.
    sources.add_column(catalog['flux'].to(sources['flux'].unit),
                       name='injected_flux',
                       index=sources.colnames.index('flux'))
    write_products(result._asdict(), paths, overwrite=args.overwrite)
    write_picture(image, result, paths['picture'])

    ny, nx = image.data.shape
    print(f'Simulated field: {nx} x {ny} pixels, {len(sources)} sources, '
          f'seed {args.seed}')
    print()
    print_sources(sources, u.mJy, paths['sources'])
    print()
    _print_scatter(sources, u.mJy)
    print()
    print_paths(paths)


def _print_scatter(sources, unit):
    """
    Print how far measured and injected fluxes are apart.
    """
    import numpy as np

    truth = sources['injected_flux'].to_value(unit)
    print('Measured minus injected flux (median, and scatter as '
          'interquartile range / 1.349):')
    for text, name in (('network', 'flux'), ('annulus', 'annulus_flux')):
        error = sources[name].to_value(unit) - truth
        error = error[np.isfinite(error)]
        low, middle, high = np.percentile(error, [25, 50, 75])
        print(f'  {text}: median {middle:+.4g} {unit}, scatter '
              f'{(high - low) / 1.349:.4g} {unit} ({error.size} sources)')
