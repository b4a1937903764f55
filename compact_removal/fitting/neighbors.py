# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sources that shine into each other.
"""

import numpy as np

from compact_removal.fitting.patches import close_pairs

__all__ = ['Crowd']

# Light of sources within this many full widths is taken out; fluxes of
# those within the second number are fitted along, of the nearest ones.
_NEIGHBORHOOD = 6.0
_BLENDED = 2.25
_MAX_BLENDED = 8

# Standard deviation of the flux of a neighbour around its last estimate:
# a share of it, plus that of a source with this peak over the noise.
_NEIGHBOR_PRIOR = (0.5, 3.0)


class Crowd:
    """
    Which sources shine into the patches of which others.
    """

    def __init__(self, x, y, psf):
        self._x, self._y, self._psf = x, y, psf
        neighbors, owners = close_pairs(x, y, _NEIGHBORHOOD * psf.fwhm)
        distance = np.hypot(x[neighbors] - x[owners],
                            y[neighbors] - y[owners])
        order = np.lexsort((distance, owners))
        self._neighbors, self._owners = neighbors[order], owners[order]
        self.n_neighbors = np.bincount(owners, minlength=x.size)
        self._first = np.concatenate([[0], np.cumsum(self.n_neighbors)])
        rank = np.arange(order.size) - self._first[self._owners]
        self._near = ((distance[order] < _BLENDED * psf.fwhm)
                      & (rank < _MAX_BLENDED))
        self._n_near = np.bincount(self._owners[self._near],
                                   minlength=x.size)

    def near_any(self, chosen):
        """
        Which sources have one of the chosen as neighbour.
        """
        hit = np.zeros(chosen.size, dtype=bool)
        hit[self._owners[chosen[self._neighbors]]] = True
        return hit

    def batches(self, rows, largest):
        """
        Rows that are fitted at once, with the rows of those that blend
        with each, shape ``(n, k)``, where -1 is none.
        """
        # as many unknowns for all, in classes
        classes = np.array([0, 1, 3, _MAX_BLENDED])
        number = np.searchsorted(classes, self._n_near[rows])
        for k, wide in enumerate(classes):
            alike = rows[number == k]
            for start in range(0, alike.size, largest):
                part = alike[start:start + largest]
                place = self._first[part, None] + np.arange(wide)
                inside = np.arange(wide) < self._n_near[part, None]
                place = np.where(inside, place, 0)
                yield part, np.where(inside, self._neighbors[place], -1)

    def subtract_far(self, patches, rows, flux, shapes):
        """
        Take out the light of neighbours that are not fitted along.
        """
        count = self.n_neighbors[rows]
        place = np.repeat(np.arange(rows.size), count)
        index = np.arange(count.sum()) + np.repeat(
            self._first[rows] - np.cumsum(count) + count, count)
        far = ~self._near[index]
        far &= flux[self._neighbors[index]] > 0
        place, index = place[far], index[far]
        mine, owner = self._neighbors[index], self._owners[index]
        patches.subtract(place, self._x[mine] - self._x[owner],
                         self._y[mine] - self._y[owner], flux[mine],
                         shapes[mine], self._psf)

    def neighbors(self, patches, blended, rows, flux, shapes, *, known):
        """
        Columns of the sources that blend, and the priors of their fluxes.
        """
        share, floor = _NEIGHBOR_PRIOR
        n, k = blended.shape
        there = blended >= 0
        place, column = np.nonzero(there)
        mine = blended[there]
        columns = np.zeros((n, k, patches.dx.shape[1]))
        columns[place, column] = patches.light(
            place, self._x[mine] - self._x[rows[place]],
            self._y[mine] - self._y[rows[place]], np.ones(mine.size),
            shapes[mine], self._psf)
        mean = np.where(there, flux[blended], 0) / patches.unit[:, None]
        width = (share * mean + floor / self._psf(0) if known
                 else np.full((n, k), 1e6))
        return np.moveaxis(columns, 1, 0), mean, width
