# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files that must not be lost.
"""

from pathlib import Path

__all__ = ['check_overwrite']


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
    path = Path(path)
    if path.exists() and not overwrite:
        msg = f'path: {path} exists; use overwrite=True to replace it'
        raise OSError(msg)
    return path
