# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Progress bars on terminals that do not report their size.
"""

import os

__all__ = ['bar_shape']


def bar_shape(file):
    """
    Choose the size of a progress bar where the terminal reports none.

    Pseudo-terminals of ``script``, containers and remote shells may
    have no columns and no rows; tqdm shows nothing there.

    Parameters
    ----------
    file : file-like
        Where the bar is shown.

    Returns
    -------
    shape : dict
        ``ncols`` and ``nrows`` for tqdm; empty if the terminal reports
        them, or if it is none.

    Examples
    --------
    >>> import io
    >>> from compact_removal.utils.progress import bar_shape
    >>> bar_shape(io.StringIO())
    {}
    """
    try:
        size = os.get_terminal_size(file.fileno())
    except (AttributeError, OSError, ValueError):
        return {}
    return {} if min(size) > 0 else {'ncols': 80, 'nrows': 24}
