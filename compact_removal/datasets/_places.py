# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pieces of maps for scenes, and a cache of maps with a bound in bytes.
"""

from collections import OrderedDict

import numpy as np
from scipy.ndimage import distance_transform_edt, uniform_filter

__all__ = ['BoundedCache', 'CutoutPlaces', 'flip_at_random', 'lose_pixels']

# Side of the square around a place (nominal pixels) of which most must be
# known, as the annulus of a source lies in it, and how much of it.
_SURROUNDINGS = 45
_KNOWN_SHARE = 0.6


class CutoutPlaces:
    """
    A map, and its pixels around which cutouts may be taken.

    Parameters
    ----------
    background : `~compact_removal.datasets.BackgroundMap`
        The map.
    clearance : float
        Least distance from real sources (nominal pixels).
    scale : float, optional
        Pixels of the map per nominal pixel.
    noise : float, optional
        Standard deviation of the noise of the instrument, in the unit
        of the map; NaN where it is not known.
    """

    def __init__(self, background, clearance, *, scale=1.0, noise=np.nan):
        self.data = np.asarray(background.data, dtype=np.float32)
        self.noise = noise
        known = np.isfinite(self.data)
        free = np.ones(known.shape, dtype=bool)
        for x, y in np.rint(background.positions).astype(int):
            if 0 <= y < free.shape[0] and 0 <= x < free.shape[1]:
                free[y, x] = False
        allowed = known.copy()
        if not free.all():
            allowed &= distance_transform_edt(free) > scale * clearance
        share = uniform_filter(known.astype(np.float32),
                               round(scale * _SURROUNDINGS), mode='constant')
        allowed &= share > _KNOWN_SHARE
        self._allowed = allowed
        self._counts = {}

    @property
    def nbytes(self):
        """
        Memory (bytes).
        """
        counts = sum(counts.nbytes for counts in self._counts.values())
        return self.data.nbytes + self._allowed.nbytes + counts

    def count(self):
        """
        Number of places.
        """
        return int(np.count_nonzero(self._allowed))

    def draw(self, rng, shape, *, edge_chance=0.0):
        """
        Cut a rectangle around a random place.

        Parameters
        ----------
        rng : `~numpy.random.Generator`
            Source of randomness.
        shape : tuple of int
            ``(ny, nx)`` of the rectangle.
        edge_chance : float, optional
            How often it may reach over the edge of the map; where it
            does, it is NaN. Without another place it always may.

        Returns
        -------
        cutout : `~numpy.ndarray`
            Float32, of this shape; may be a view.
        """
        ny, nx = shape
        inside = (slice(ny // 2, self.data.shape[0] - ny // 2 + 1),
                  slice(nx // 2, self.data.shape[1] - nx // 2 + 1))
        counts = self._count_rows(inside)
        if counts[-1] == 0 or rng.random() < edge_chance:
            inside = (slice(0, None), slice(0, None))
            counts = self._count_rows(inside)
        number = int(rng.integers(counts[-1]))
        # the places of a window, row by row
        row = int(np.searchsorted(counts, number, side='right'))
        columns = np.flatnonzero(self._allowed[inside][row])
        column = columns[number - (counts[row - 1] if row else 0)]
        return self._cut(inside[1].start + int(column) - nx // 2,
                         inside[0].start + row - ny // 2, shape)

    def _count_rows(self, window):
        """
        Numbers of places in a window, up to and with each of its rows.
        """
        key = tuple((part.start, part.stop) for part in window)
        if key not in self._counts:
            counts = np.cumsum(np.count_nonzero(self._allowed[window],
                                                axis=1))
            self._counts[key] = counts if counts.size else np.zeros(1, int)
        return self._counts[key]

    def _cut(self, x, y, shape):
        """
        The rectangle whose first pixel is (x, y).
        """
        (ny, nx), (height, width) = self.data.shape, shape
        x0, x1 = max(x, 0), min(x + width, nx)
        y0, y1 = max(y, 0), min(y + height, ny)
        if (x1 - x0, y1 - y0) == (width, height):
            return self.data[y0:y1, x0:x1]
        cutout = np.full(shape, np.nan, dtype=np.float32)
        cutout[y0 - y:y1 - y, x0 - x:x1 - x] = self.data[y0:y1, x0:x1]
        return cutout


class BoundedCache:
    """
    Items that were made before; those not used for longest go.

    Parameters
    ----------
    limit : int
        Largest sum of the ``nbytes`` of the items. One item is kept
        even if it is larger.
    """

    def __init__(self, limit):
        self.limit = limit
        self._items = OrderedDict()

    def __len__(self):
        return len(self._items)

    @property
    def nbytes(self):
        """
        Memory of all items (bytes).
        """
        return sum(item.nbytes for item in self._items.values())

    def get(self, key, make):
        """
        Get an item, which is made if it is not there.

        Parameters
        ----------
        key : hashable
            Its name.
        make : callable
            Makes it; without arguments.

        Returns
        -------
        item : object
            The item.
        """
        if key not in self._items:
            self._items[key] = make()
            while len(self._items) > 1 and self.nbytes > self.limit:
                self._items.popitem(last=False)
        self._items.move_to_end(key)
        return self._items[key]


def flip_at_random(cutout, rng):
    """
    Flip at random, and transpose if it is a square.
    """
    swap, flip_x, flip_y = rng.integers(2, size=3)
    if swap and cutout.shape[0] == cutout.shape[1]:
        cutout = cutout.T
    return cutout[::-1 if flip_y else 1, ::-1 if flip_x else 1]


def lose_pixels(known, rng):
    """
    Mark pixels as not measured: a ragged edge, or single pixels.
    """
    ny, nx = known.shape
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        limit = rng.uniform(8, min(ny, nx) * 0.6)
        y, x = np.indices(known.shape)
        x, y = x - nx // 2, y - ny // 2
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        teeth = rng.uniform(0, 6)
        known &= along < limit + teeth * (across % 17 > 8)
    else:
        n_lost = int(rng.integers(1, 30))
        known[rng.integers(ny, size=n_lost),
              rng.integers(nx, size=n_lost)] = False
