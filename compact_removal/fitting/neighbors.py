# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sources that shine into each other.
"""

import numpy as np

from compact_removal.fitting.patches import close_pairs

__all__ = ['Neighbors']

# Light of sources within this many full widths is taken out; fluxes of
# those within the second number are fitted along, of the nearest ones.
_NEIGHBORHOOD = 6.0
_BLENDED = 2.25
_MAX_BLENDED = 8

# Standard deviation of the flux of a neighbour around its last estimate:
# a share of it, plus that of a source with this peak over the noise.
_NEIGHBOR_PRIOR = (0.5, 3.0)


class Neighbors:
    """
    Which sources shine into the patches of which others.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The PSF.

    Attributes
    ----------
    n_neighbors : `~numpy.ndarray` of int
        Number of neighbours within six full widths, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.fitting.neighbors import Neighbors
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> neighbors = Neighbors(np.array([10.0, 14, 90]), np.zeros(3),
    ...                       SourcePSF(band, band.pixel_scale))
    >>> print(neighbors.n_neighbors)
    [1 1 0]
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
        Find the sources that have one of the chosen as neighbour.

        Parameters
        ----------
        chosen : `~numpy.ndarray` of bool
            The chosen ones, shape ``(n,)``.

        Returns
        -------
        near : `~numpy.ndarray` of bool
            Shape ``(n,)``.
        """
        hit = np.zeros(chosen.size, dtype=bool)
        hit[self._owners[chosen[self._neighbors]]] = True
        return hit

    def batches(self, rows, largest):
        """
        Split rows into those that are fitted at once.

        Parameters
        ----------
        rows : `~numpy.ndarray` of int
            The sources.
        largest : int
            Largest number of rows at a time.

        Yields
        ------
        rows : `~numpy.ndarray` of int
            Some of the rows, shape ``(m,)``.
        blended : `~numpy.ndarray` of int
            The rows of those that blend with each, shape ``(m, k)``,
            where -1 is none.
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

    def subtract(self, patches, rows, flux, shapes, *, blended=True):
        """
        Take out the light of neighbours.

        Parameters
        ----------
        patches : SourcePatches
            The patches of ``rows``; they are changed.
        rows : `~numpy.ndarray` of int
            The sources, shape ``(m,)``.
        flux, shapes : `~numpy.ndarray`
            Of all sources, shape ``(n,)`` and ``(n, 5)``.
        blended : bool, optional
            Whether those that are fitted along are taken out, too.
        """
        count = self.n_neighbors[rows]
        place = np.repeat(np.arange(rows.size), count)
        index = np.arange(count.sum()) + np.repeat(
            self._first[rows] - np.cumsum(count) + count, count)
        taken = flux[self._neighbors[index]] != 0
        if not blended:
            taken &= ~self._near[index]
        place, index = place[taken], index[taken]
        mine, owner = self._neighbors[index], self._owners[index]
        patches.subtract(place, self._x[mine] - self._x[owner],
                         self._y[mine] - self._y[owner], flux[mine],
                         shapes[mine], self._psf)

    def make_columns(self, patches, blended, rows, flux, shapes, *, known):
        """
        Make columns of the sources that blend, and priors of their fluxes.

        Parameters
        ----------
        patches : SourcePatches
            The patches of ``rows``.
        blended, rows : `~numpy.ndarray` of int
            See `batches`.
        flux, shapes : `~numpy.ndarray`
            Of all sources, shape ``(n,)`` and ``(n, 5)``.
        known : bool
            Whether the fluxes are known from an earlier fit.

        Returns
        -------
        columns : `~numpy.ndarray`
            Light of unit flux in the patches, shape ``(k, m, p)``.
        mean, width : `~numpy.ndarray`
            Mean and standard deviation of the priors, in the unit of
            the patches, shape ``(m, k)``.
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
        width = (share * np.abs(mean) + floor / self._psf(0) if known
                 else np.full((n, k), 1e6))
        return np.moveaxis(columns, 1, 0), mean, width
