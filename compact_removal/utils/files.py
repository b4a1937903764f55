# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files that must not be lost.
"""

import hashlib
import os
import secrets
from contextlib import contextmanager
from pathlib import Path

from compact_removal.utils.parameters import name_parameter

__all__ = ['check_overwrite', 'compute_sha256', 'is_temporary',
           'replace_file', 'resolve_path']

_TEMPORARY = '.writing-'


def check_overwrite(path, *, overwrite):
    """
    Refuse to replace a file that exists.

    Parameters
    ----------
    path : str or path-like
        The file.
    overwrite : bool
        Whether it may be replaced.

    Returns
    -------
    path : `~pathlib.Path`
        The path.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> from compact_removal.utils.files import check_overwrite
    >>> check_overwrite('no such file.fits', overwrite=False).name
    'no such file.fits'
    """
    path = resolve_path(path)
    if path.exists() and not overwrite:
        msg = f'path: {path} exists; use overwrite=True to replace it'
        raise name_parameter(OSError(msg), 'path')
    return path


@contextmanager
def replace_file(path):
    """
    Write a file that appears complete or not at all.

    Parameters
    ----------
    path : str or path-like
        The file; one that exists is replaced.

    Yields
    ------
    temporary : `~pathlib.Path`
        What to write to: another file in the same folder, with the same
        ending. It becomes ``path`` at the end of the block, and is
        deleted if the block fails.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.utils.files import replace_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'note.txt'
    ...     with replace_file(path) as temporary:
    ...         _ = temporary.write_text('done')
    ...         path.exists()
    ...     path.read_text()
    False
    'done'
    """
    path = Path(path)
    temporary = path.with_name(
        f'{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}')
    try:
        yield temporary
        with open(temporary, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def compute_sha256(path):
    """
    Compute the SHA-256 hash of a file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    hash : str
        64 hexadecimal digits.

    Examples
    --------
    >>> from compact_removal.utils import files
    >>> len(files.compute_sha256(files.__file__))
    64
    """
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def is_temporary(name, target=None):
    """
    Check whether a file is one that `replace_file` writes to.

    Parameters
    ----------
    name : str
        Name of the file, without its folder.
    target : str, optional
        Name of the file that it was to become; default: any.

    Returns
    -------
    temporary : bool
        Whether it is. If its writer was killed, it stays behind.

    Examples
    --------
    >>> from compact_removal.utils.files import is_temporary
    >>> is_temporary('.writing-12-0a1b2c3d-map.fits'), is_temporary('map.fits')
    (True, False)
    >>> is_temporary('.writing-12-0a1b2c3d-map.fits', 'other-map.fits')
    False
    """
    if not name.startswith(_TEMPORARY):
        return False
    # process and token have no hyphen
    return target is None or name[len(_TEMPORARY):].split('-', 2)[2:] == [
        target]


def resolve_path(path):
    """
    Make a path of what a user gave.

    Parameters
    ----------
    path : str or path-like
        A path; a leading ``~`` is the home of the user.

    Returns
    -------
    path : `~pathlib.Path`
        The path.

    Examples
    --------
    >>> from compact_removal.utils.files import resolve_path
    >>> resolve_path('~/map.fits').name
    'map.fits'
    """
    return Path(path).expanduser()
