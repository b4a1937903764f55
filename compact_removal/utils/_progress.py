# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Progress bars, if tqdm is installed.
"""

import sys

__all__ = ['add_progress_bar']


def add_progress_bar(iterable, *, text='', total=None, enabled=True):
    """
    Show progress on stderr while iterating.

    Without tqdm, or if not enabled, the iterable comes back unchanged.

    Parameters
    ----------
    iterable : iterable
        What to iterate over.
    text : str, optional
        Text before the bar.
    total : int, optional
        Number of items, for iterables without a length.
    enabled : bool, optional
        Whether to show a bar at all.

    Returns
    -------
    iterable : iterable
        Yields the same items.

    Examples
    --------
    >>> from compact_removal.utils._progress import add_progress_bar
    >>> list(add_progress_bar([1, 2], enabled=False))
    [1, 2]
    """
    if not enabled:
        return iterable
    try:
        from tqdm import tqdm
    except ImportError:
        return iterable
    return tqdm(iterable, desc=text, total=total, file=sys.stderr)
