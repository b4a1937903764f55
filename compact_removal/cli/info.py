# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal info``.
"""

import sys

from compact_removal import __version__
from compact_removal.cli.output import print_table

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'add_arguments', 'run']

HELP = 'List versions, modes, bands and trained weights'

ESTIMATOR = None

EPILOG = """\
example:
  compact-removal info
"""


def add_arguments(parser, estimator):
    """
    Add no options.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    estimator : None
        There is none.
    """
    del parser, estimator


def run(args):
    """
    Print versions, bands and weights.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    del args
    from importlib.metadata import version

    from compact_removal.cli.estimators import list_estimators
    from compact_removal.instruments import list_bands

    names = ('astropy', 'photutils', 'torch')
    print(f'compact-removal {__version__} (Python '
          f'{sys.version.split()[0]}, '
          + ', '.join(f'{name} {version(name)}' for name in names) + ')')
    print('\nModes and bands:')
    print_table(list_bands())
    for name, estimator in list_estimators().items():
        print(f'\nWeights of {name}:')
        rows = estimator.list_weights()
        if not rows:
            print('none')
        for row in rows:
            print(row.pop('name'))
            for key, value in row.items():
                print(f'    {key}: {value}')
