# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal mean``, of the tiny task.
"""

from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.options import add_options

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'add_arguments', 'run']

HELP = 'Print the mean of the local means of a map'

ESTIMATOR = 'MeanEstimator'

EPILOG = """\
example:
  compact-removal mean map.fits --weights mean.safetensors
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
    add_options(parser, estimator)


def run(args):
    """
    Print the mean.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    image = args.estimator_class.read_image(args.map)
    found = make_estimator(args).process(image)['mean']
    print(f'{found.data.mean():.3f} {found.unit}')
