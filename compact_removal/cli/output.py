# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What verbs print, and figures that they write.
"""

__all__ = ['print_paths', 'print_table', 'save_figure']


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
