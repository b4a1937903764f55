# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Exposures on the command line: files, folders and lists of files.
"""

from pathlib import Path

from compact_removal.cli.parser import EXIT_ERROR, print_error
from compact_removal.utils.parameters import ParameterError
from compact_removal.utils.text import one_line

__all__ = ['MASK_ENDINGS', 'add_exposures', 'find_exposures',
           'process_exposures']

# Endings of the masks that are written for exposures, by layout.
MASK_ENDINGS = {'flags': '_mask.fits', 'maximask': '.mask.fits',
                'probabilities': '_probability.fits'}

# Endings of the files that a folder is searched for.
_ENDINGS = ('.fits', '.fit', '.fts', '.fits.gz', '.fits.fz')

_SOME_FAILED = 1


def add_exposures(parser):
    """
    Add the arguments for exposures, and where to write.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    """
    parser.add_argument('exposures', metavar='EXPOSURE', type=Path,
                        nargs='+',
                        help='FITS files, folders of them, or lists of their '
                             'names (.list)')
    parser.add_argument('--output-dir', metavar='DIR', type=Path,
                        default=Path(), help='where to write (default: the '
                                             'current folder)')


def find_exposures(arguments):
    """
    Find the files that arguments name.

    Parameters
    ----------
    arguments : list of `~pathlib.Path`
        Files, folders, and lists (``.list``) of names, one per line. Of
        a folder, masks that were written for exposures are left out.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files, each once.

    Raises
    ------
    ParameterError
        If a folder has no FITS files.
    """
    found = {}
    for argument in arguments:
        if argument.is_dir():
            inside = sorted(
                path for path in argument.iterdir()
                if path.name.lower().endswith(_ENDINGS)
                and not path.name.lower().endswith((*MASK_ENDINGS.values(),)))
            if not inside:
                msg = (f'EXPOSURE: the folder {argument} has no files that '
                       f'end with {", ".join(_ENDINGS)}')
                raise ParameterError(msg)
        elif argument.suffix == '.list' and argument.is_file():
            inside = [argument.parent / line.strip() for line
                      in argument.read_text().splitlines() if line.strip()]
        else:
            inside = [argument]
        found |= dict.fromkeys(inside)
    return list(found)


def process_exposures(paths, process):
    """
    Process files one after the other; a bad one does not stop the others.

    Parameters
    ----------
    paths : list of `~pathlib.Path`
        The files.
    process : callable
        Takes each of them.

    Returns
    -------
    status : int
        0, 1 if some failed, 2 if all did.
    """
    n_failed = 0
    for path in paths:
        try:
            process(path)
        except (OSError, MemoryError, RuntimeError, TypeError,
                ValueError) as error:
            n_failed += 1
            print_error(f'{path}: {one_line(error)}')
    if not n_failed:
        return 0
    return EXIT_ERROR if n_failed == len(paths) else _SOME_FAILED
