# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pieces of maps for training cutouts.
"""

import numpy as np
from scipy.ndimage import distance_transform_edt, uniform_filter

# How often a cutout may reach over the edge of a map.
_EDGE_CHANCE = 0.08


class Sites:
    """
    Pixels of a map around which cutouts may be taken.
    """

    def __init__(self, background, size, clearance):
        self.data = np.asarray(background.data, dtype=np.float32)
        known = np.isfinite(self.data)
        free = np.ones(known.shape, dtype=bool)
        for x, y in np.rint(background.positions).astype(int):
            if 0 <= y < free.shape[0] and 0 <= x < free.shape[1]:
                free[y, x] = False
        allowed = known.copy()
        if not free.all():
            allowed &= distance_transform_edt(free) > clearance
        # most of the annulus has to be known
        share = uniform_filter(known.astype(np.float32), 45, mode='constant')
        allowed &= share > 0.6
        inside = np.zeros_like(allowed)
        half = size // 2
        inside[half:allowed.shape[0] - half + 1,
               half:allowed.shape[1] - half + 1] = True
        self.edge = np.flatnonzero(allowed).astype(np.int32)
        self.inner = np.flatnonzero(allowed & inside).astype(np.int32)

    def draw(self, rng, size):
        """
        Cut a square around a random site.
        """
        sites = self.inner
        if sites.size == 0 or rng.random() < _EDGE_CHANCE:
            sites = self.edge
        y, x = divmod(int(sites[rng.integers(sites.size)]),
                      self.data.shape[1])
        ny, nx = self.data.shape
        x, y = x - size // 2, y - size // 2
        if x >= 0 and y >= 0 and x + size <= nx and y + size <= ny:
            return self.data[y:y + size, x:x + size]
        cutout = np.full((size, size), np.nan, dtype=np.float32)
        x0, x1, y0, y1 = max(x, 0), min(x + size, nx), max(y, 0), min(
            y + size, ny)
        cutout[y0 - y:y1 - y, x0 - x:x1 - x] = self.data[y0:y1, x0:x1]
        return cutout


def turn(cutout, rng):
    """
    Flip and transpose at random.
    """
    swap, flip_x, flip_y = rng.integers(2, size=3)
    if swap:
        cutout = cutout.T
    return cutout[::-1 if flip_y else 1, ::-1 if flip_x else 1]


def lose_pixels(known, rng):
    """
    Mark pixels as not measured: a ragged edge, or single pixels.
    """
    size = known.shape[0]
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        limit = rng.uniform(8, size * 0.6)
        y, x = np.indices(known.shape) - size // 2
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        teeth = rng.uniform(0, 6)
        known &= along < limit + teeth * (across % 17 > 8)
    else:
        n_lost = int(rng.integers(1, 30))
        known[tuple(rng.integers(size, size=(2, n_lost)))] = False
