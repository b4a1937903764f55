# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compact sources that are in no catalogue, beside those that are.

A bright source that nobody listed shines into the fit of a listed one.
Where its light is more than a part of the error of that, it is fitted along.
It stays in the map: nobody asked for its removal.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from compact_removal.fitting.solver import fit_sources
from compact_removal.fitting.patches import (SourcePatches, close_pairs,
                                             measure_noise_ratio,
                                             normal_equations,
                                             percentile_range)
from compact_removal.maps.cutouts import chunk_slices, extract_valid

__all__ = ['Unlisted', 'find_unlisted']

# Distance from listed sources (full widths): at least the first, from the
# nearest at most the second; least distance from each other.
_DISTANCES = (1.2, 4.5)
_APART = 1.0

# A peak is the weighted mean of 3 x 3 pixels minus that of pixels on a
# ring (full widths). Least value over the scatter of such differences,
# and over the light of listed sources there.
_RING = 1.3
_LEAST_PEAK = 6.0
_OVER_LIGHT = 0.5

# Least value of the four neighbours of a peak over its own: a hot pixel
# has none.
_LEAST_NEIGHBOR = 0.25

# Largest number beside each listed source.
_MOST = 4

# Radius of the patches (full widths), and the change of the flux of a
# listed source, in errors, from which on an unlisted one is fitted; the
# least error as a share of the flux.
_RADIUS = 2.0
_LEAST_CHANGE = 0.3
_LEAST_ERROR = 0.01


class Unlisted(NamedTuple):
    """
    What `find_unlisted` found.

    Attributes
    ----------
    x, y, noise : `~numpy.ndarray`
        Positions (pixels), and standard deviation of the background
        around them, shape ``(m,)``.
    """

    x: np.ndarray
    y: np.ndarray
    noise: np.ndarray


def find_unlisted(data, x, y, fit, psf, noise, *, mask=None):
    """
    Find sources that are not listed, but change the fit of listed ones.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions of the listed sources (pixels), shape ``(n,)``.
    fit : SourceFit
        The listed sources as they were fitted.
    psf : SourcePSF
        The PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    unlisted : `Unlisted`
        Where they are.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import (SourcePSF, fit_sources,
    ...                                      render_sources)
    >>> from compact_removal.fitting.unlisted import find_unlisted
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = render_sources((61, 61), [30, 38], [30, 30], [0.1, 5.0],
    ...                       np.zeros((2, 5)), psf)
    >>> data += 1e-3 * np.random.default_rng(1).normal(size=data.shape)
    >>> fit = fit_sources(data, [30], [30], psf, [1e-3])
    >>> found = find_unlisted(data, [30], [30], fit, psf, [1e-3])
    >>> print(found.x.round(1), found.y.round(1))
    [38.] [30.]
    """
    x, y, noise = (np.asarray(values, dtype=float)
                   for values in (x, y, noise))
    # the annulus of a source may hold the others
    noise, found = noise.copy(), [np.zeros((4, 0))]
    for part in chunk_slices(x.size, 2 * _half_size(psf) + 1):
        peaks, quiet = _find_peaks(data, x, y, fit, psf, mask, part)
        noise[part] = np.fmin(noise[part], quiet)
        found.append(peaks)
    new_x, new_y, new_noise = _select(
        np.concatenate(found, axis=1), noise, psf.fwhm)
    if not new_x.size:
        return Unlisted(new_x, new_y, new_noise)
    # theirs is what the listed ones leave
    n, m = x.size, new_x.size
    start = fit._replace(
        flux=np.append(fit.flux, np.zeros(m)),
        shapes=np.vstack([fit.shapes, psf.mean_at(new_x, new_y)]),
        blend_error=np.append(fit.blend_error, np.zeros(m)))
    every = np.append(x, new_x), np.append(y, new_y)
    joint = fit_sources(data, *every, psf, np.append(noise, new_noise),
                        mask=mask, start=start, rows=np.arange(n, n + m))
    neighbors, owners = close_pairs(
        *every, (_DISTANCES[1] + _RADIUS) * psf.fwhm)
    mine = (neighbors >= n) & (owners < n)
    neighbors, owners = neighbors[mine], owners[mine]
    change = _change(data, every, joint, psf, noise, mask, neighbors, owners)
    kept = np.unique(neighbors[(change > _LEAST_CHANGE)
                               & (joint.flux[neighbors] > 0)]) - n
    return Unlisted(new_x[kept], new_y[kept], new_noise[kept])


def _half_size(psf):
    """
    Half size of the cutouts in which peaks are looked for (pixels).
    """
    return int(np.ceil(_DISTANCES[1] * psf.fwhm))


def _ring(psf):
    """
    Offsets of the pixels on a ring, and of 3 x 3 pixels: columns, rows.
    """
    angle = np.arange(12) * (2 * np.pi / 12)
    ring = np.unique(np.rint(max(_RING * psf.fwhm, 2.0) * np.array(
        [np.cos(angle), np.sin(angle)])).astype(int), axis=1)
    return ring, np.indices((3, 3)).reshape(2, -1) - 1


def _find_peaks(data, x, y, fit, psf, mask, part):
    """
    Peaks around some sources: x, y, height and the source, shape ``(4,
    k)``; and the scatter of the pixels there.
    """
    ring, core = _ring(psf)
    margin = int(ring.max()) + 1
    size = 2 * (_half_size(psf) + margin) + 1
    stack, corners = extract_valid(data, x[part], y[part], size, mask=mask)
    inside = np.s_[:, margin:-margin, margin:-margin]

    def mean(offsets, weights):
        return sum(weight * np.roll(stack, (-row, -column), (1, 2))[inside]
                   for (column, row), weight in zip(offsets.T, weights,
                                                    strict=True))

    weights = np.outer([1, 2, 1], [1, 2, 1]).ravel() / 16
    even = np.full(ring.shape[1], 1 / ring.shape[1])
    height = mean(core, weights) - mean(ring, even)
    scatter = percentile_range(height) / 2
    height = np.where(np.isfinite(height), height, -np.inf)
    peak = height[:, 1:-1, 1:-1] > _LEAST_PEAK * scatter[:, None, None]
    for column, row in core.T:
        peak &= height[:, 1:-1, 1:-1] >= np.roll(
            height, (-row, -column), (1, 2))[:, 1:-1, 1:-1]
    place, row, column = np.nonzero(peak)
    row, column = row + margin + 1, column + margin + 1
    value = stack[place, row, column]
    level = stack[place[:, None], row[:, None] + ring[1],
                  column[:, None] + ring[0]].mean(axis=1)
    high_x, low_x, high_y, low_y = (
        stack[place, row + i, column + j]
        for i, j in ((0, 1), (0, -1), (1, 0), (-1, 0)))
    wide = ((high_x + low_x + high_y + low_y) / 4 - level
            > _LEAST_NEIGHBOR * (value - level))
    curved = [np.clip(np.divide(
        high - low, 2 * (2 * value - high - low), out=np.zeros(value.size),
        where=2 * value - high - low > 0), -0.5, 0.5)
        for high, low in ((high_x, low_x), (high_y, low_y))]
    column, row = corners[place, 0] + column, corners[place, 1] + row
    found = height[:, 1:-1, 1:-1][peak]
    source = np.arange(x.size)[part][place]
    least, most = (limit * psf.fwhm for limit in _DISTANCES)
    tree = KDTree(np.column_stack([x, y]))
    kept = np.flatnonzero(
        wide & (np.hypot(column - x[source], row - y[source]) <= most)
        & (tree.query(np.column_stack([column, row]))[0] > least))
    # listed sources have lobes
    light, listed = np.zeros((2, kept.size))
    for i, k in enumerate(kept):
        near = tree.query_ball_point([column[k], row[k]], 6 * psf.fwhm)
        light[i], listed[i] = (np.sum(
            share * fit.flux[near, None] * psf.evaluate(
                column[k] + offsets[0] - x[near, None],
                row[k] + offsets[1] - y[near, None], fit.shapes[near, None]))
            for offsets, share in ((core, weights), (ring, even)))
    excess = found[kept] - (light - listed)
    sure = excess > _LEAST_PEAK * scatter[place[kept]] + _OVER_LIGHT * light
    kept = kept[sure]
    peaks = np.array([(column + curved[0])[kept], (row + curved[1])[kept],
                      excess[sure], source[kept]])
    return peaks, percentile_range(stack) / 2


def _select(peaks, noise, fwhm):
    """
    Each peak once, the highest first.
    """
    order = np.argsort(-peaks[2], kind='stable')
    taken, beside = np.zeros((0, 2)), {}
    chosen = []
    for k in order:
        source = int(peaks[3, k])
        if beside.get(source, 0) >= _MOST or np.any(
                np.hypot(*(taken - peaks[:2, k]).T) < _APART * fwhm):
            continue
        beside[source] = beside.get(source, 0) + 1
        taken = np.vstack([taken, peaks[:2, k]])
        chosen.append(k)
    return *peaks[:2, chosen], noise[peaks[3, chosen].astype(int)]


def _change(data, every, joint, psf, noise, mask, neighbors, owners):
    """
    What neighbours change of the linear fluxes of others, in errors.
    """
    change = np.zeros(owners.size)
    rows, place = np.unique(owners, return_inverse=True)
    for part in chunk_slices(rows.size, 40):
        mine = np.flatnonzero((place >= part.start) & (place < part.stop))
        chosen = rows[part]
        x, y = (values[chosen] for values in every)
        patches = SourcePatches(data, x, y, psf, _RADIUS, mask=mask)
        patches.scale(noise[chosen], measure_noise_ratio(
            data, x, y, psf.fwhm, mask=mask), psf)
        where = place[mine] - part.start
        light = patches.light(
            where, every[0][neighbors[mine]] - x[where],
            every[1][neighbors[mine]] - y[where], joint.flux[neighbors[mine]],
            joint.shapes[neighbors[mine]], psf) / patches.unit[where, None]
        # a column for each neighbour of each source
        rank = np.array([np.sum(where[:i] == where[i])
                         for i in range(where.size)], dtype=int)
        columns = np.zeros((rank.max(initial=-1) + 1, *patches.dx.shape))
        columns[rank, where] = light
        design, _ = patches.design(None, joint.shapes[chosen], psf, columns)
        own, others = design[..., :2], design[..., 2:]
        inverse = np.linalg.inv(normal_equations(own, own[..., 0])[0])
        shifts = (inverse @ own.swapaxes(1, 2) @ others)[:, 1]
        error = np.hypot(np.sqrt(inverse[:, 1, 1]) * patches.std,
                         _LEAST_ERROR * joint.flux[chosen] / patches.unit)
        # linear shifts change their sign with the distance; light does not
        peak = joint.flux[neighbors[mine]] * psf(np.hypot(
            every[0][neighbors[mine]] - x[where],
            every[1][neighbors[mine]] - y[where])) / psf(0)
        change[mine] = np.maximum(
            np.abs(shifts[where, rank]),
            np.abs(peak) / patches.unit[where]) / error[where]
    return change
