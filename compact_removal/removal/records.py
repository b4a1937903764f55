# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the steps of a removal hand on: records that nobody can change.
"""

from dataclasses import dataclass, fields

import numpy as np

__all__ = ['Record', 'combine_flags', 'read_only']


def read_only(array):
    """
    A view of an array that cannot be written to.

    Parameters
    ----------
    array : `~numpy.ndarray`
        The array, which stays as it is.

    Returns
    -------
    view : `~numpy.ndarray`
        The same values; nothing is copied.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.records import read_only
    >>> read_only(np.zeros(3)).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Record:
    """
    Base of the records: frozen dataclasses whose arrays are read-only.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from compact_removal.removal.records import Record
    >>> @dataclass(frozen=True)
    ... class Positions(Record):
    ...     x: np.ndarray
    >>> Positions(np.zeros(3)).x.flags.writeable
    False
    """

    def __post_init__(self):
        """
        Replace the arrays by views that cannot be written to.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, read_only(value))


def combine_flags(*records):
    """
    Or the flags that the steps have set.

    Parameters
    ----------
    *records : Record
        Records with ``flags``, shape ``(n,)``.

    Returns
    -------
    flags : `~numpy.ndarray` of int
        The bits of all of them, shape ``(n,)``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from compact_removal.removal.records import combine_flags
    >>> print(combine_flags(SimpleNamespace(flags=np.array([1, 0])),
    ...                     SimpleNamespace(flags=np.array([4, 1]))))
    [5 1]
    """
    return np.bitwise_or.reduce([record.flags for record in records])
