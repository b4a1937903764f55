# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What verbs print, and where they write.
"""

import os
from pathlib import Path

__all__ = ['add_prefix', 'find_prefix', 'print_paths', 'print_table',
           'save_figure']


def add_prefix(parser, name='MAP'):
    """
    Add the options for the paths of output files.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    name : str, optional
        What the help calls the input.
    """
    output = parser.add_mutually_exclusive_group()
    output.add_argument('--output', metavar='PREFIX',
                        help='beginning of the paths of the output files, or '
                             f'a folder (default: the name of {name}, in '
                             'this folder)')
    output.add_argument('--output-dir', metavar='DIR', type=Path,
                        help=f'where to write, under the name of {name} '
                             '(default: this folder)')


def find_prefix(args):
    """
    Find the beginning of the paths of output files.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options, ``map`` among them.

    Returns
    -------
    prefix : str or `~pathlib.Path`
        The beginning.
    """
    from compact_removal.maps.files import map_stem

    stem = map_stem(args.map)
    if args.output_dir is not None:
        return args.output_dir / stem
    if args.output is None:
        return stem
    if args.output.endswith(('/', os.sep)) or Path(args.output).is_dir():
        return Path(args.output) / stem
    return args.output


def save_figure(figure, path):
    """
    Write a figure, and close it.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.
    path : `~pathlib.Path`
        The file.
    """
    from matplotlib import pyplot as plt

    from compact_removal.utils.files import replace_file

    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches='tight')
    plt.close(figure)


def print_table(table):
    """
    Print all rows and columns of a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    """
    print('\n'.join(table.pformat(max_lines=-1, max_width=-1)))


def print_paths(paths):
    """
    Print what was written.

    Parameters
    ----------
    paths : dict of str to `~pathlib.Path`
        The files by name.
    """
    for name, path in paths.items():
        print(f'{name}: {path}')
