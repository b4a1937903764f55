# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Learn the PSF of a map from its own bright sources.

The PSF of a map differs from the nominal one by its width, its
elongation along the scan, its lobes, and the offset of its astrometry.
For bright sources this matters more than the background. The bright
sources of a map share it, so a hierarchical model learns it: the shape
of each source is drawn from a distribution of the map, whose mean and
scatter have priors themselves, and the profile may differ from the
nominal one by smooth functions of radius and angle, the same for all.
Sources may be larger than the PSF, never smaller, so the narrow ones
show its width.
"""

import numpy as np

from compact_removal.fitting.outliers import add_pixels, fit_good_pixels
from compact_removal.fitting.patches import (SourcePatches, close_pairs,
                                             measure_noise_ratio,
                                             normal_equations)
from compact_removal.maps.cutouts import extract_valid

__all__ = ['learn_psf']

# Which sources take part: peak over the standard deviation of the
# background, known share of the patch and of the core, distance to others
# (full widths; the second where no bright source stands that far apart),
# and the largest number.
_LEAST_PEAK = 8.0
_LEAST_KNOWN = 0.8
_LEAST_DISTANCES = (2.5, 1.5)
_MAX_SOURCES = 60

# Radius of the patches (full widths); light of sources within the second
# one is taken out.
_RADIUS = 3.0
_NEIGHBORHOOD = 8.0

# Priors: standard deviation of the common shift (pixels) and log of the
# width; scatter of the shapes of sources, and how many sources it counts.
_COMMON = (0.2, 0.2, 0.08)
_SCATTER = (0.15, 0.15, 0.01, 0.015, 0.015)
_SCATTER_COUNT = 4.0

# Standard deviation of changes of the mean, from the middle of the map to
# its end: what is expected, which counts as one of the two directions.
_CHANGE = [0.1, 0.1, 0.03, 0.015, 0.015]

# Sources may be larger than the PSF, never smaller: the log of the width
# of a point source scatters by the first number, that of a larger one
# lies anywhere up to the second above.
_POINT_SCATTER = 0.02
_EXTENT = 0.4

# Logs of widths that differ by less are equal.
_SAME = 1e-9

# Degrees of freedom of the distribution of shapes: sources that are
# unlike the others have little weight.
_FREEDOM = 4.0

# Standard deviation of the change of the light within four full widths.
_LIGHT_CHANGE = 0.01

_N_ITERATIONS = 6
_N_UNWEIGHTED = 2
_LARGEST_SHAPE = 1.0


def learn_psf(data, x, y, psf, noise, *, mask=None, noise_ratio=None,
              n_teachers=None):
    """
    Adapt the PSF to the bright sources of a map.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The nominal PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.
    noise_ratio : array_like, optional
        Rms of pixels minus their neighbours over that of pixels around
        each source, shape ``(n,)``; default: it is measured.
    n_teachers : int, optional
        The PSF is learned from the first ones alone; the others are
        neighbours only. Default: all.

    Returns
    -------
    psf : SourcePSF
        The adapted PSF; the nominal one if no source is bright enough.
    n_used : int
        Number of sources that it was learned from.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.fitting import (SourcePSF, learn_psf,
    ...                                      render_sources)
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> shapes = np.array([[0, 0, 0.1, 0.05, 0]])
    >>> data = render_sources((61, 61), [30], [30], [5.0], shapes, psf)
    >>> learned, n_used = learn_psf(data, [30], [30], psf, [1e-3])
    >>> n_used, bool(0.05 < learned.mean[2] < 0.12)
    (1, True)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    noise = np.asarray(noise, dtype=float)
    rows = _candidates(data, mask, x, y, psf, noise)
    rows = rows[rows < (x.size if n_teachers is None else n_teachers)]
    if rows.size == 0:
        return psf, 0
    # their neighbours shine into the patches
    neighbors, owners = close_pairs(x, y, _NEIGHBORHOOD * psf.fwhm)
    mine = np.isin(owners, rows)
    neighbors, owners = neighbors[mine], owners[mine]
    near = np.union1d(rows, neighbors)
    flux, shapes = np.zeros(x.size), np.zeros((x.size, 5))
    if noise_ratio is None:
        noise_ratio = np.zeros(x.size)
        noise_ratio[near] = measure_noise_ratio(
            data, x[near], y[near], psf.fwhm, mask=mask)
    # defects and saturated stars teach nothing
    fit, outliers, dented = fit_good_pixels(
        data, x[near], y[near], psf, noise[near], mask=mask,
        noise_ratio=noise_ratio[near])
    flux[near], shapes[near] = fit.flux, fit.shapes
    mask = add_pixels(mask, outliers, np.shape(data))
    rows = rows[~dented[np.searchsorted(near, rows)]]
    rows = rows[flux[rows] * psf(0) > _LEAST_PEAK * noise[rows]]
    patches = SourcePatches(data, x[rows], y[rows], psf, _RADIUS, mask=mask)
    core = np.hypot(patches.dx, patches.dy) < psf.fwhm
    known = np.minimum(
        patches.used.mean(axis=1),
        (patches.used & core).sum(axis=1) / core.sum(axis=1)) >= _LEAST_KNOWN
    if not known.all():
        rows = rows[known]
        patches = SourcePatches(data, x[rows], y[rows], psf, _RADIUS,
                                mask=mask)
    if rows.size == 0:
        return psf, 0
    mine = np.isin(owners, rows)
    neighbors, owners = neighbors[mine], owners[mine]
    patches.subtract(np.searchsorted(rows, owners),
                     x[neighbors] - x[owners], y[neighbors] - y[owners],
                     flux[neighbors], shapes[neighbors], psf)
    patches.scale(noise[rows], noise_ratio[rows], psf)
    psf = psf.on_map(np.shape(data))
    return _learn(patches, flux[rows] / patches.unit, shapes[rows],
                  psf.places(x[rows], y[rows]), psf), int(rows.size)


def _candidates(data, mask, x, y, psf, noise):
    """
    The brightest of the sources that stand alone, in growing order.
    """
    pixels, _ = extract_valid(data, x, y, 1, mask=mask)
    peak = pixels[:, 0, 0]
    with np.errstate(invalid='ignore', divide='ignore'):
        peak = peak / noise
    allowed = np.isfinite(peak) & (noise > 0)
    for distance in _LEAST_DISTANCES:
        alone = allowed.copy()
        alone[close_pairs(x, y, distance * psf.fwhm)[1]] = False
        if np.any(peak[alone] > _LEAST_PEAK):
            break
    chosen = np.flatnonzero(alone)
    order = np.argsort(-peak[chosen], kind='stable')
    return np.sort(chosen[order[:_MAX_SOURCES]])


def _learn(patches, flux, shapes, places, psf):
    """
    Gauss-Newton steps for what is common, without what is not.
    """
    common = np.concatenate([
        np.hypot([*_COMMON, 0, 0], [0, 0, 0, *psf.prior[3:]]),
        2 * _CHANGE, psf.basis_prior])
    nominal_scatter = np.array(_SCATTER)
    # a change of all the light is one of the fluxes
    light = np.concatenate([np.zeros(15), psf.basis_light]) / _LIGHT_CHANGE
    prior = np.diag(common ** -2) + light[:, None] * light
    scatter = nominal_scatter
    # the mean in the middle of the map, its slopes, and coefficients
    shared_values = np.zeros(common.size)
    changes, kept = np.arange(5, 15), np.r_[:5, 15:common.size]
    terms = np.column_stack([np.ones(flux.size), places])
    weight, deviation = np.ones((2, flux.size))
    n_known = patches.used.sum(axis=1)
    shape = np.arange(2, 7)
    functions = patches.whiten(
        psf.basis(patches.dx, patches.dy, shapes[:, None]), psf)
    learned, usual = psf, np.zeros(shapes.shape)
    for iteration in range(_N_ITERATIONS):
        own, values = patches.design(flux, shapes, learned)
        shared = np.concatenate(
            [*(own[..., 2:] * term[:, None, None] for term in terms.T),
             flux[:, None, None] * functions], axis=-1)
        for columns in (own, shared):
            columns /= deviation[:, None, None]
        values /= deviation[:, None]
        matrix, right = normal_equations(own, values, shapes - usual, scatter)
        # what the map has in common, after what is each source's own
        mixed = own.swapaxes(1, 2) @ shared
        solved = np.linalg.solve(
            matrix, np.concatenate([mixed, right[..., None]], axis=-1))
        left = shared.swapaxes(1, 2)
        rest = left @ shared - mixed.swapaxes(1, 2) @ solved[..., :-1]
        wanted = (left @ values[..., None]
                  - mixed.swapaxes(1, 2) @ solved[..., -1:])[..., 0]
        total = np.einsum('n,nij->ij', weight, rest) + prior
        step = np.linalg.solve(
            total, weight @ wanted - prior @ shared_values)
        solution = solved[..., -1] - solved[..., :-1] @ step
        left_over = (values - shared @ step
                     - (own @ solution[..., None])[..., 0])
        # where there is more structure than the annulus shows
        deviation = np.maximum(deviation * np.sqrt(
            (left_over ** 2).sum(axis=1) / n_known), 1.0)
        own_shapes = np.clip(shapes - usual + solution[:, 2:],
                             -_LARGEST_SHAPE, _LARGEST_SHAPE)
        # within limits, whatever values the map holds
        shared_values = np.clip(shared_values + step, -_LARGEST_SHAPE,
                                _LARGEST_SHAPE)
        mean, *slopes = shared_values[:15].reshape(3, 5)
        usual = terms @ shared_values[:15].reshape(3, 5)
        shapes = usual + own_shapes
        flux = np.maximum(solution[:, 1], 0)
        variance = np.linalg.inv(matrix)[:, shape, shape]
        if iteration >= _N_UNWEIGHTED:
            distance = np.mean((own_shapes / scatter) ** 2, axis=1)
            weight = (_FREEDOM + 1) / (_FREEDOM + distance)
            weight *= _pointlike(own_shapes[:, 2], variance[:, 2])
        squares = weight @ (own_shapes ** 2 + variance)
        # the larger ones count, too: a source may be one of them
        squares[2] = np.sum(own_shapes[:, 2] ** 2 + variance[:, 2])
        count = np.full(5, weight.sum())
        count[2] = flux.size
        scatter = np.sqrt((_SCATTER_COUNT * nominal_scatter ** 2 + squares)
                          / (_SCATTER_COUNT + count))
        covariance = np.linalg.inv(total)
        variance = np.diag(covariance)[5:15].reshape(2, 5)
        squares = np.square(_CHANGE) + (np.square(slopes)
                                        + variance).sum(axis=0)
        prior[changes, changes] = np.tile(3 / squares, 2)
        # what is unknown of the slopes is scatter; the mean square of
        # places is a third in each direction
        learned = psf.adapted(
            mean, np.sqrt(scatter ** 2 + variance.sum(axis=0) / 3),
            shared_values[15:], covariance[np.ix_(kept, kept)],
            slopes=slopes)
    return learned


def _pointlike(width, variance):
    """
    Probabilities that sources are points, from the logs of their widths.
    """
    variance = variance + _POINT_SCATTER ** 2
    # beginning with the narrow ones
    middle = np.percentile(width, 25)
    for _ in range(8):
        point = (np.exp(-0.5 * (width - middle) ** 2 / variance)
                 / np.sqrt(2 * np.pi * variance))
        # the only one is not larger than itself by rounding
        wide = width > middle + _SAME
        larger = np.where(wide, 1 / _EXTENT, 0)
        probability = point / (point + larger + 1e-300)
        probability[~wide] = 1.0
        share = probability / variance
        middle = np.sum(share * width) / np.sum(share)
    return probability
