# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Definitions of bits of flags.
"""

from dataclasses import dataclass

__all__ = ['Flag']


@dataclass(frozen=True)
class Flag:
    """
    Definition of one bit.

    Parameters
    ----------
    value : int
        A power of two.
    name : str
        Name of the flag.
    description : str
        What it means.

    Examples
    --------
    >>> from compact_removal.removal import SOURCE_FLAGS
    >>> [flag.name for flag in SOURCE_FLAGS if flag.value < 4]
    ['edge', 'invalid_pixels']
    """

    value: int
    name: str
    description: str
