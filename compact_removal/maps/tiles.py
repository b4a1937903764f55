# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Parts of large maps that are processed one after the other.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

__all__ = ['Tile', 'make_tiles']

# Largest side of the part of a map that is finished at once (pixels).
_LARGEST = 1280


class Tile(NamedTuple):
    """
    A part of a map and its surroundings.

    Attributes
    ----------
    core, window : tuple of slice
        Rows and columns of the part, and of the part with a margin.
    inside : tuple of slice
        Rows and columns of the part in the window.
    margin : int
        Width of the margin, where the map does not end (pixels).
    """

    core: tuple
    window: tuple
    inside: tuple
    margin: int

    def distance(self, x, y):
        """
        Distance of positions from the core along the farther axis.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Positions in pixels of the map.

        Returns
        -------
        distance : `~numpy.ndarray`
            In pixels; not positive for positions in the core. Each
            position in the map is in one core only.
        """
        outside = []
        for value, part in zip((y, x), self.core, strict=True):
            pixel = np.rint(value)
            outside.append(np.maximum(part.start - pixel,
                                      pixel - part.stop + 1))
        return np.maximum(*outside)


def make_tiles(shape, margin, largest=_LARGEST):
    """
    Cut a map into tiles.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    margin : int
        Width of the surroundings in pixels.
    largest : int, optional
        Largest side of a part (pixels).

    Returns
    -------
    tiles : list of Tile
        Their cores cover the map without overlap.

    Examples
    --------
    >>> from compact_removal.maps.tiles import make_tiles
    >>> [tile.core[1] for tile in make_tiles((50, 2000), 100)]
    [slice(0, 1000, None), slice(1000, 2000, None)]
    """
    parts = []
    for length in shape:
        number = -(-length // largest)
        edges = np.linspace(0, length, number + 1).astype(int).tolist()
        parts.append([
            (slice(low, high),
             slice(max(0, low - margin), min(length, high + margin)))
            for low, high in pairwise(edges)])
    tiles = []
    for row, wide_row in parts[0]:
        for column, wide_column in parts[1]:
            core, window = (row, column), (wide_row, wide_column)
            inside = tuple(slice(one.start - wide.start,
                                 one.stop - wide.start)
                           for one, wide in zip(core, window, strict=True))
            tiles.append(Tile(core, window, inside, margin))
    return tiles
