# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The processors of this computer.
"""

import os

__all__ = ['count_cpus']


def count_cpus():
    """
    Count the processors that this process may use.

    Returns
    -------
    n_cpus : int
        At least 1.

    Examples
    --------
    >>> from compact_removal.utils.processors import count_cpus
    >>> count_cpus() > 0
    True
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
