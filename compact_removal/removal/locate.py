# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
First step of a removal: where the sources are, and how they are covered.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from scipy.spatial import KDTree

from compact_removal.maps.cutouts import extract_valid
from compact_removal.maps.holes import mask_radius, scale_radii, source_snr
from compact_removal.maps.pixels import on_map
from compact_removal.psf import fwhm_in_pixels
from compact_removal.removal.flags import FLAG
from compact_removal.removal.records import Record

__all__ = ['LocatedSources', 'locate']

# Positions within this part of the full width of the beam are one source.
_SAME_SOURCE = 0.5

# Side of the box of the quadratic centroid fit, and the largest shift (full
# widths).
_CENTROID_BOX = 1.6
_LARGEST_SHIFT = 0.9


@dataclass(frozen=True)
class LocatedSources(Record):
    """
    The sources of one removal, in the order of the positions.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``; this is the shape of all.
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``.
    active : `~numpy.ndarray` of bool
        Which rows are processed.
    first : `~numpy.ndarray` of int
        For every row, the row that is processed in its place.
    snr : `~numpy.ndarray`
        Signal-to-noise ratio (paper, equation 1).
    std : `~numpy.ndarray`
        Standard deviation of the pixels in the annulus around each
        source, in the unit of the map.
    radius : `~numpy.ndarray`
        Radius of the hole (pixels).

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.locate import LocatedSources
    >>> zero, true = np.zeros(2, dtype=int), np.ones(2, dtype=bool)
    >>> located = LocatedSources(
    ...     x=np.array([5.0, 7.0]), y=np.array([9.0, 3.0]), flags=zero,
    ...     active=true, first=np.arange(2), snr=9 * true, std=1.0 * true,
    ...     radius=5.0 * true)
    >>> print(located.sky_order())
    [1 0]
    """

    x: np.ndarray
    y: np.ndarray
    flags: np.ndarray
    active: np.ndarray
    first: np.ndarray
    snr: np.ndarray
    std: np.ndarray
    radius: np.ndarray

    def sky_order(self):
        """
        Rows that are processed, in an order of the sky.

        Not in that of the catalogue: sums of floats depend on theirs.

        Returns
        -------
        rows : `~numpy.ndarray` of int
            By growing y, then x.
        """
        rows = np.flatnonzero(self.active)
        return rows[np.lexsort((self.x[rows], self.y[rows]))]


def locate(input_map, coordinates, band, *, recenter):
    """
    Pixel positions, signal-to-noise ratios and mask radii of sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    coordinates : SkyCoord
        Positions, shape ``(n,)``.
    band : Band
        The band.
    recenter : bool
        Whether to move positions to the centroid.

    Returns
    -------
    located : `LocatedSources`
        The sources, in the order of ``coordinates``.

    Examples
    --------
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.images import read_image
    >>> from compact_removal.removal.locate import locate
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> located = locate(read_image(image), catalog['sky_center'],
    ...                  get_band('scanmap', 'blue'), recenter=False)
    >>> print(located.active, located.flags)
    [ True] [0]
    """
    n_sources = len(coordinates)
    flags = np.zeros(n_sources, dtype=np.int64)
    x, y = input_map.to_pixels(coordinates)
    active = on_map(x, y, input_map.data.shape)
    flags[~active] |= FLAG['off_map']
    scale = input_map.pixel_scale
    fwhm = fwhm_in_pixels(band, scale)
    if recenter:
        x, y, failed = _recenter(input_map, x, y, active, fwhm)
        flags[failed] |= FLAG['not_recentered']
    first = _merge(input_map, x, y, active, _SAME_SOURCE * fwhm)
    duplicate = first != np.arange(n_sources)
    flags[duplicate] |= FLAG['duplicate']
    flags[first[duplicate]] |= FLAG['merged']
    active &= ~duplicate
    circle, annulus = scale_radii(band, scale)
    snr, std, radius = np.full((3, n_sources), np.nan)
    snr[active], mean, std[active] = source_snr(
        input_map.data, x[active], y[active],
        source_radius=circle, annulus_radii=annulus, mask=input_map.mask)
    radius[active] = mask_radius(snr[active], band, pixel_scale=scale)
    empty = np.zeros(n_sources, dtype=bool)
    empty[active] = ~np.isfinite(mean)
    flags[empty] |= FLAG['no_background']
    active &= ~empty
    return LocatedSources(x, y, flags, active, first, snr, std, radius)


def _recenter(input_map, x, y, active, fwhm):
    """
    Positions at the quadratic centroid of the core, and rows without.

    A centroid further away than nine tenths of it, or nearer to another
    position, is that of another source.
    """
    from photutils.centroids import centroid_quadratic

    old = np.column_stack([x, y])
    new = old.copy()
    rows = np.flatnonzero(active)
    side = max(2 * int(_CENTROID_BOX * fwhm / 2) + 1, 3)
    size = 2 * int(np.ceil(_LARGEST_SHIFT * fwhm)) + side
    patches, corners = extract_valid(input_map.data, *old[rows].T, size,
                                     mask=input_map.mask)
    for row, patch, corner in zip(rows, patches, corners, strict=True):
        with warnings.catch_warnings():
            # Failures come back as NaN, which is flagged.
            warnings.simplefilter('ignore', AstropyUserWarning)
            new[row] = corner + centroid_quadratic(
                patch, mask=np.isnan(patch), fit_boxsize=side)
    shift = np.hypot(*(new - old).T)
    moved = active & (shift <= _LARGEST_SHIFT * fwhm)
    if moved.any():
        nearest, _ = KDTree(old[rows]).query(new[moved])
        moved[moved] = nearest >= shift[moved] - 1e-9
    new = np.where(moved[:, None], new, old)
    return new[:, 0].copy(), new[:, 1].copy(), active & ~moved


def _merge(input_map, x, y, active, distance):
    """
    For every row, the row that stands for it.

    The brighter ones stand for those around them; the order of the rows
    has no influence.
    """
    first = np.arange(x.size)
    rows = np.flatnonzero(active)
    if rows.size < 2:
        return first
    places, index, inverse = np.unique(
        np.column_stack([x[rows], y[rows]]), axis=0, return_index=True,
        return_inverse=True)
    first[rows] = rows[index][inverse.ravel()]
    rows = rows[index]
    if rows.size < 2:
        return first
    tree = KDTree(places)
    nearest, _ = tree.query(places, k=2)
    close = nearest[:, 1] < distance
    value, _ = extract_valid(input_map.data, *places[close].T, 1,
                             mask=input_map.mask)
    order = np.lexsort((places[close, 0], places[close, 1],
                        -np.nan_to_num(value[:, 0, 0], nan=-np.inf)))
    free = np.ones(rows.size, dtype=bool)
    for i in np.flatnonzero(close)[order]:
        if free[i]:
            mine = np.array(tree.query_ball_point(places[i], distance))
            mine = mine[free[mine]]
            first[rows[mine]] = rows[i]
            free[mine] = False
    # those at the same place follow
    return first[first]
