# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal info``.
"""

import sys

from compact_removal import __version__
from compact_removal.cli._common import add_command, print_table

_EXAMPLE = """\
example:
  compact-removal info
"""


def add_info(commands):
    """
    Add ``info``.
    """
    add_command(commands, 'info', _run_info,
                'List versions, modes, bands and trained weights',
                _EXAMPLE)


def _run_info(args):
    """
    Print versions, bands and weights.
    """
    del args
    from importlib.metadata import version

    from compact_removal.instruments import list_bands
    from compact_removal.nn import list_weights

    names = ('astropy', 'photutils', 'torch')
    print(f'compact-removal {__version__} (Python '
          f'{sys.version.split()[0]}, '
          + ', '.join(f'{name} {version(name)}' for name in names) + ')')
    print('\nModes and bands:')
    print_table(list_bands())
    print('\nWeights:')
    rows = list_weights()
    if not rows:
        print('none')
    for row in rows:
        print(row.pop('name'))
        for key, value in row.items():
            print(f'    {key}: {value}')
