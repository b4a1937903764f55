# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The sources of a removal: where they are, and how they are covered.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from scipy.spatial import KDTree

from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_valid)
from compact_removal.removal.flags import PIXEL_FLAGS, SOURCE_FLAGS
from compact_removal.maps.holes import mask_radius, scale_factor, source_snr
from compact_removal.psf import fwhm_in_pixels
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.maps.pixels import on_map

__all__ = ['FLAG', 'PIXEL_FLAG', 'Sources', 'locate']

FLAG = {flag.name: flag.value for flag in SOURCE_FLAGS}
PIXEL_FLAG = {flag.name: flag.value for flag in PIXEL_FLAGS}

# Positions within this part of the full width of the beam are one source.
_SAME_SOURCE = 0.5

# Box of the quadratic centroid fit, in pixels.
_CENTROID_BOX = 5


@dataclass
class Sources:
    """
    The sources of one removal, as columns of equal length.

    ``active`` tells which rows are processed; ``first`` gives for every
    row the row that is processed in its place. ``footprint`` is the
    radius (pixels) within which the map is changed, ``flux_error`` what
    the network tells of the errors of aperture sums, ``blend_error``
    the error of the flux that comes from blending (unit of the map
    times pixel), and ``n_psf``
    the number of sources from which the PSF of the map was learned.
    """

    x: np.ndarray
    y: np.ndarray
    flags: np.ndarray
    active: np.ndarray
    first: np.ndarray
    snr: np.ndarray
    std: np.ndarray
    radius: np.ndarray
    footprint: np.ndarray = field(init=False)
    flux_error: np.ndarray = field(init=False)
    blend_error: np.ndarray = field(init=False)
    n_psf: int = 0

    def __post_init__(self):
        """
        Make the columns that are found later.
        """
        self.footprint = self.radius.copy()
        self.flux_error = np.full((self.x.size, len(ERROR_RADII)), np.nan)
        self.blend_error = np.zeros(self.x.size)

    def ordered(self):
        """
        Rows that are processed, in an order of the sky.

        Not in that of the catalogue: sums of floats depend on theirs.
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
    sources : Sources
        The sources, in the order of ``coordinates``.
    """
    n_sources = len(coordinates)
    flags = np.zeros(n_sources, dtype=np.int64)
    if n_sources:
        x, y = (np.asarray(value, dtype=float) for value in
                input_map.wcs.world_to_pixel(coordinates))
    else:
        x, y = np.zeros((2, 0))
    active = on_map(x, y, input_map.data.shape)
    flags[~active] |= FLAG['off_map']
    if recenter:
        _recenter(input_map, x, y, active, flags)
    scale = input_map.pixel_scale
    first = _merge(input_map, x, y, active,
                   _SAME_SOURCE * fwhm_in_pixels(band, scale))
    duplicate = first != np.arange(n_sources)
    flags[duplicate] |= FLAG['duplicate']
    flags[first[duplicate]] |= FLAG['merged']
    active &= ~duplicate
    factor = scale_factor(band, scale)
    snr, std, radius = np.full((3, n_sources), np.nan)
    inner, outer = band.annulus_radii
    snr[active], mean, std[active] = source_snr(
        input_map.data, x[active], y[active],
        source_radius=band.source_radius * factor,
        annulus_radii=(inner * factor, outer * factor),
        mask=input_map.mask)
    radius[active] = mask_radius(snr[active], band, pixel_scale=scale)
    empty = np.zeros(n_sources, dtype=bool)
    empty[active] = ~np.isfinite(mean)
    flags[empty] |= FLAG['no_background']
    active &= ~empty
    sources = Sources(x, y, flags, active, first, snr, std, radius)
    _flag_holes(input_map, sources)
    return sources


def _recenter(input_map, x, y, active, flags):
    """
    Move positions to the quadratic centroid of the core, in place.
    """
    from photutils.centroids import centroid_quadratic

    rows = np.flatnonzero(active)
    box = 2 * _CENTROID_BOX + 1
    patches, corners = extract_valid(input_map.data, x[rows], y[rows], box,
                                     mask=input_map.mask)
    for row, patch, corner in zip(rows, patches, corners, strict=True):
        with warnings.catch_warnings():
            # Failures come back as NaN, which is flagged.
            warnings.simplefilter('ignore', AstropyUserWarning)
            found = corner + centroid_quadratic(
                patch, mask=np.isnan(patch), fit_boxsize=_CENTROID_BOX)
        if np.hypot(found[0] - x[row], found[1] - y[row]) < _CENTROID_BOX:
            x[row], y[row] = found
        else:
            flags[row] |= FLAG['not_recentered']


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


def _flag_holes(input_map, sources):
    """
    Flag holes on edges, on pixels that are not valid or were not
    observed, and those that overlap.
    """
    ny, nx = input_map.data.shape
    rows = np.flatnonzero(sources.active)
    x, y, radius = sources.x[rows], sources.y[rows], sources.radius[rows]
    edge = ((x - radius < -0.5) | (x + radius > nx - 0.5)
            | (y - radius < -0.5) | (y + radius > ny - 0.5))
    sources.flags[rows[edge]] |= FLAG['edge']
    size = 2 * int(np.ceil(radius.max(initial=0))) + 3
    for part in chunk_slices(rows.size, size):
        stack, corners = extract_valid(input_map.data, x[part], y[part],
                                       size, mask=input_map.mask)
        grid = np.arange(size)
        column, row = (corners[:, i, None] + grid for i in (0, 1))
        on_map = (((row >= 0) & (row < ny))[:, :, None]
                  & ((column >= 0) & (column < nx))[:, None, :])
        hole = cutout_radii(x[part], y[part], corners,
                            size) <= radius[part, None, None]
        bad = np.isnan(stack)
        sources.flags[rows[part][(bad & on_map & hole).any(axis=(1, 2))]] |= (
            FLAG['invalid_pixels'])
        sources.flags[rows[part][bad[:, size // 2, size // 2]]] |= (
            FLAG['invalid_center'])
        core = stack[:, size // 2 - 1:size // 2 + 2,
                     size // 2 - 1:size // 2 + 2]
        constant = np.ptp(core, axis=(1, 2)) == 0
        constant |= sources.std[rows[part]] == 0
        sources.flags[rows[part][constant]] |= FLAG['constant_pixels']
    if rows.size > 1:
        tree = KDTree(np.column_stack([x, y]))
        i, j = tree.query_pairs(2 * radius.max(), output_type='ndarray').T
        close = np.hypot(x[i] - x[j], y[i] - y[j]) < radius[i] + radius[j]
        for index in (i[close], j[close]):
            sources.flags[rows[index]] |= FLAG['overlap']
