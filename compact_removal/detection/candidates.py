# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Candidates: where a source may be, and what a fit finds there.

Bright sources are fitted first and taken out, since their wings hide
others; what peaks then, or where the network sees a centre, is fitted
together with them.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import KDTree

from compact_removal.detection.filters import (LEVELS, SCATTER_BOX,
                                               filter_flux, filter_map,
                                               local_scatter)
from compact_removal.detection.model_errors import errors_beside, map_errors
from compact_removal.fitting import SourceFit, fit_sources, render_sources
from compact_removal.fitting.extent import fit_width
from compact_removal.fitting.patches import (SourcePatches,
                                             measure_noise_ratio,
                                             percentile_range)
from compact_removal.maps.cutouts import chunk_slices, extract_valid

__all__ = ['FEATURES', 'PREVIEW_FEATURES', 'Candidates', 'find_candidates',
           'find_peaks', 'measure_candidates', 'measure_structure']

# Least significance of sources that are fitted first, and the least logits of
# a centre: of those, and of one without a peak.
_BRIGHT, _BRIGHT_SUPPORT, _ALONE = 8.0, -3.0, -1.0

# Distance of candidates from brighter ones (full widths).
_APART = 0.5

# Significance of sources whose widths are measured, and radius of the pixels
# that show them (full widths).
_WIDE, _PATCH = 6.0, 2.0

# Radii of the surroundings in which structure is measured (full widths).
_NEAR, _FAR = 3.0, 7.0

# What is known of each candidate: significances of its flux for three
# backgrounds and two sizes of boxes; its peak over the structure near and
# far; residuals in its core; width, elongation and offset; light of
# others; distance of the nearest other, and how much brighter it is;
# significances in the map; logits of the network; width of the PSF.
FEATURES = ('weak_small', 'medium_small', 'strong_small', 'weak', 'medium',
            'strong', 'near', 'far', 'core', 'width', 'elongation', 'offset',
            'others', 'distance', 'brighter', 'peak', 'logit_compact',
            'logit_extended', 'logit_artefact', 'fwhm')

# What is known before it is fitted: significances in the map and in what
# bright sources leave of it; logits of the network; share that errors of
# bright sources do not explain; width of the PSF.
PREVIEW_FEATURES = ('peak_weak', 'peak_medium', 'peak_strong', 'rest_weak',
                    'rest_medium', 'rest_strong', 'logit_compact',
                    'logit_extended', 'logit_artefact', 'share', 'fwhm')


class Candidates(NamedTuple):
    """
    What `measure_candidates` found.

    Attributes
    ----------
    x, y : `~numpy.ndarray`
        Fitted positions (pixels), shape ``(n,)``.
    fit : `~compact_removal.fitting.SourceFit`
        Fluxes and shapes.
    flux_err : `~numpy.ndarray`
        Scatter of such fluxes where nothing is, shape ``(n,)``.
    width : `~numpy.ndarray`
        Width over that of the PSF, NaN for faint ones, shape ``(n,)``.
    features : `~numpy.ndarray`
        Shape ``(n, len(FEATURES))``.
    """

    x: np.ndarray
    y: np.ndarray
    fit: SourceFit
    flux_err: np.ndarray
    width: np.ndarray
    features: np.ndarray


def find_peaks(values, least, size=3):
    """
    Find local maxima.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Shape ``(ny, nx)``; not NaN.
    least : float
        Their least value.
    size : int, optional
        Side of the box in which nothing is larger (pixels).

    Returns
    -------
    x, y : `~numpy.ndarray` of int
        Pixels, shape ``(n,)``.
    height : `~numpy.ndarray`
        Their values, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.candidates import find_peaks
    >>> values = np.zeros((5, 6))
    >>> values[2, 4] = 3
    >>> [part.tolist() for part in find_peaks(values, 1)]
    [[4], [2], [3.0]]
    """
    rows, columns = np.nonzero((values > least)
                               & (values == maximum_filter(values, size)))
    return columns, rows, values[rows, columns]


def find_candidates(data, psf, filtered, logit, model_errors):
    """
    Find where a source may be.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, NaN where unknown, shape ``(ny, nx)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    filtered : `~compact_removal.detection.filters.FilteredMap`
        Its significances.
    logit : `~numpy.ndarray`
        Logits of centres by kind, shape ``(n_kinds, ny, nx)``.
    model_errors : `~compact_removal.detection.model_errors.ModelErrors`
        What models of sources leave beside them.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Pixels, the brightest first, shape ``(n,)``.
    preview : `~numpy.ndarray`
        See `PREVIEW_FEATURES`, shape ``(n, n_features)``.
    """
    known = filtered.known
    logit = np.where(known, logit, -np.inf)
    near = maximum_filter(logit[0], 3)
    x, y, height = find_peaks(filtered.planes[1], _BRIGHT)
    seen = near[y, x] > _BRIGHT_SUPPORT
    x, y = _select(x[seen], y[seen], height[seen], psf.fwhm)
    rest, share = filtered, np.ones(data.shape)
    if x.size:
        noise = measure_structure(data, x, y, psf)
        fit = fit_sources(data, x, y, psf, noise, quick=True)
        light = render_sources(data.shape, x, y, np.maximum(fit.flux, 0),
                               fit.shapes, psf, noise=noise)
        rest = filter_map(data - light, psf)
        # errors of the models count as noise
        error = map_errors(data.shape, x + fit.shapes[:, 0],
                           y + fit.shapes[:, 1], fit.flux, psf, model_errors)
        share = np.divide(rest.scatter, np.hypot(rest.scatter, error),
                          out=np.zeros_like(error), where=rest.scatter > 0)
    planes, rest = rest.planes, rest.planes.max(axis=0) * share
    found = [(x, y, 1e3 + filtered.planes[1][y, x])]
    for values, least in ((rest, 0.0), (logit.max(axis=0), _ALONE)):
        column, row, _ = find_peaks(values, least)
        kept = known[row, column]
        found.append((column[kept], row[kept],
                      rest[row[kept], column[kept]]))
    x, y = _select(*(np.concatenate(part) for part in
                     zip(*found, strict=True)), psf.fwhm)
    pixels = y, x
    return x, y, np.column_stack([
        *np.arcsinh(filtered.planes[:, y, x]), *np.arcsinh(planes[:, y, x]),
        *(maximum_filter(plane, 3)[pixels] for plane in logit),
        share[pixels], np.full(len(x), np.log2(psf.fwhm / 3.5))])


def _select(x, y, height, fwhm):
    """
    Each peak once, the highest first.
    """
    order = np.argsort(-height, kind='stable')
    points = np.column_stack([x, y])[order]
    if not len(points):
        return np.zeros((2, 0), dtype=int)
    near = KDTree(points).query_ball_point(points, _APART * fwhm)
    kept = np.ones(len(points), dtype=bool)
    for k, others in enumerate(near):
        if kept[k]:
            kept[[other for other in others if other > k]] = False
    return points[kept].T


def measure_structure(data, x, y, psf, radius=_FAR, *, mask=None):
    """
    Half of the 16-84 % range of the pixels around positions.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, NaN where unknown, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Pixels, shape ``(n,)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF.
    radius : float, optional
        Half side of the squares (full widths).
    mask : `~numpy.ndarray` of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    scatter : `~numpy.ndarray`
        The median of the others where it is 0; positive, shape ``(n,)``.
    """
    size = 2 * int(np.ceil(radius * psf.fwhm)) + 1
    scatter = np.zeros(len(x))
    for part in chunk_slices(len(x), size):
        stack, _ = extract_valid(data, x[part], y[part], size, mask=mask)
        scatter[part] = percentile_range(stack) / 2
    usual = np.median(scatter[scatter > 0]) if np.any(scatter > 0) else 1.0
    return np.where(scatter > 0, scatter, usual)


def measure_candidates(data, x, y, psf, filtered, logit, model_errors):
    """
    Fit all candidates together, and say how they look.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, NaN where unknown, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Pixels of the candidates, shape ``(n,)``.
    psf, filtered, logit, model_errors : object
        See `find_candidates`.

    Returns
    -------
    candidates : `Candidates`
        Fits and features.
    """
    pixels = y, x
    noise = measure_structure(data, x, y, psf)
    fit = fit_sources(data, x, y, psf, noise, quick=True)
    light = render_sources(data.shape, x, y, fit.flux, fit.shapes, psf,
                           noise=noise)
    rest = data - light
    known = np.isfinite(rest)
    filled = np.where(known, rest, np.nanmedian(rest))
    beside = errors_beside(x, y, fit.flux, psf, model_errors)
    columns, errors = [], []
    for box in (SCATTER_BOX / 2, SCATTER_BOX):
        for level in LEVELS:
            flux = filter_flux(filled, psf, level)
            flux[~known] = np.nan
            error = local_scatter(flux, round(box * psf.fwhm))[pixels]
            errors.append(np.maximum(np.hypot(error, beside), 1e-30))
            columns.append(np.arcsinh(fit.flux / errors[-1]))
    peak = fit.flux * psf(0)
    near, far = (np.hypot(measure_structure(rest, x, y, psf, radius),
                          beside * psf(0)) for radius in (_NEAR, _FAR))
    core, _ = extract_valid(rest, x, y, 2 * max(1, round(psf.fwhm / 2)) + 1)
    with np.errstate(invalid='ignore'):
        core = np.sqrt(np.nanmean(core ** 2, axis=(1, 2)))
    shapes = fit.shapes - psf.mean_at(x, y)
    others = gaussian_filter(np.nan_to_num(light), 0.5)[pixels] - peak
    distance, brighter = _nearest(x, y, fit.flux)
    size = np.maximum(np.abs(peak), 1e-30)
    columns += [
        np.arcsinh(peak / near), np.arcsinh(peak / far),
        np.log(np.maximum(np.nan_to_num(core / near), 0.05)),
        shapes[:, 2], np.hypot(*shapes[:, 3:].T),
        np.hypot(*shapes[:, :2].T) / psf.fwhm,
        np.arcsinh(others / size), np.log(distance / psf.fwhm),
        np.clip(np.log(np.maximum(brighter, 1e-30) * psf(0) / size), -5, 8),
        np.arcsinh(filtered.planes[1][pixels])]
    columns += [maximum_filter(plane, 3)[pixels] for plane in logit]
    columns.append(np.full(len(x), np.log2(psf.fwhm / 3.5)))
    features = np.clip(np.nan_to_num(np.column_stack(columns)), -20, 20)
    return Candidates(x + fit.shapes[:, 0], y + fit.shapes[:, 1], fit,
                      errors[4], _measure_widths(rest, x, y, fit, psf, noise,
                                                 errors[4]), features)


def _measure_widths(rest, x, y, fit, psf, noise, error):
    """
    Widths over that of the PSF, without its prior; NaN for faint ones.
    """
    width = np.full(len(x), np.nan)
    rows = np.flatnonzero(fit.flux > _WIDE * error)
    if not rows.size:
        return width
    patches = SourcePatches(rest, x[rows], y[rows], psf, _PATCH)
    each, zero = np.arange(rows.size), np.zeros(rows.size)
    # each has its own light back, and that of no other
    patches.subtract(each, zero, zero, -fit.flux[rows], fit.shapes[rows], psf)
    patches.scale(noise[rows], measure_noise_ratio(
        rest, x[rows], y[rows], psf.fwhm), psf)
    width[rows], _ = fit_width(patches, each, fit.shapes[rows], psf)
    return width


def _nearest(x, y, flux):
    """
    Distance of the nearest other candidate, at most 100 pixels, and its
    flux.
    """
    if x.size < 2:
        return np.full(x.size, 100.0), np.zeros(x.size)
    points = np.column_stack([x, y])
    distance, index = KDTree(points).query(points, k=2)
    return (np.clip(distance[:, 1], 0.5, 100.0),
            np.maximum(flux[index[:, 1]], 0.0))
