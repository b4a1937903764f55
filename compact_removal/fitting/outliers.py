# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels in the way of a fit: cosmic rays, hot pixels, dented cores.

A pixel is judged by what all others around it say of it: its conditional
mean and variance, given the rest of the patch, under the covariance of
the background. A PSF, or a knot of the background, cannot change as fast
from one pixel to the next, so what stands out is a defect of the detector
or a cosmic ray.

The core of a saturated source is flat or dented. A further component of
the fit, the source times a function of the radius that falls from one at
half a beam, measures how much light is missing there.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.fitting.covariance import make_covariance
from compact_removal.fitting.solver import SourceFit, fit_sources
from compact_removal.fitting.neighbors import Neighbors
from compact_removal.fitting.patches import (SourcePatches, masked_median,
                                             measure_noise_ratio,
                                             normal_equations)

__all__ = ['GoodFit', 'Outliers', 'add_pixels', 'find_outliers',
           'fit_good_pixels']

# Rounds of fits and searches for outlying pixels.
_N_ROUNDS = 3

# Radius of the patches (full widths).
_RADIUS = 2.0
_CHUNK = 500

# Standard deviations from which a pixel stands out, and the part of the
# largest deviation in a patch that goes with it at once: beside an
# outlier its neighbours deviate, too.
_LEAST_DEVIATION = 7.0
_SHARE = 0.5

# With a smaller part of the patch no pixel is judged.
_LEAST_KNOWN = 0.25

# Error of the model of a source in a pixel, as a share of its value there,
# in units of the error of the PSF as a share of the peak.
_SLOPE_ERROR = 2.0

# Radius of the dent (full widths), its least depth, and the least
# significance.
_DENT = 0.45
_LEAST_DENT = 0.08
_DENT_SIGNIFICANCE = 2.6

# Least variance of what a fit leaves, over the expected one.
_LEAST_LEFT = 0.1

# Radius of a dented core that is left out (full widths).
_DENTED_CORE = 0.75

# Standard deviation of log width of a source of which nothing is known.
_WIDTH_PRIOR = 0.03


class Outliers(NamedTuple):
    """
    What `find_outliers` found.

    Attributes
    ----------
    pixels : `~numpy.ndarray` of int
        Rows and columns of the pixels, each once, shape ``(2, k)``.
    affected : `~numpy.ndarray` of bool
        The sources in whose patches they lie, shape ``(n,)``.
    dented : `~numpy.ndarray` of bool
        The sources whose core is flat or dented; its pixels are among
        the outliers, shape ``(n,)``.
    """

    pixels: np.ndarray
    affected: np.ndarray
    dented: np.ndarray


class GoodFit(NamedTuple):
    """
    What `fit_good_pixels` found.

    Attributes
    ----------
    fit : SourceFit
        Fluxes and shapes of the sources.
    outliers : `~numpy.ndarray` of int
        Rows and columns of the pixels that were left out, each once,
        shape ``(2, k)``.
    dented : `~numpy.ndarray` of bool
        Sources with a flat or dented core, shape ``(n,)``.
    """

    fit: SourceFit
    outliers: np.ndarray
    dented: np.ndarray


def fit_good_pixels(data, x, y, psf, noise, *, mask=None, noise_ratio=None):
    """
    Fit sources without the pixels that stand out.

    Parameters
    ----------
    data, x, y, psf, noise, mask, noise_ratio
        See `find_outliers`.

    Returns
    -------
    result : `GoodFit`
        The fit, and the pixels that were left out.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourcePSF, render_sources
    >>> from compact_removal.fitting.outliers import fit_good_pixels
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = render_sources((61, 61), [30], [30], [5.0], np.zeros((1, 5)),
    ...                       psf)
    >>> data += 1e-3 * np.random.default_rng(1).normal(size=data.shape)
    >>> data[31, 29] += 0.5
    >>> result = fit_good_pixels(data, [30], [30], psf, [1e-3])
    >>> print(result.outliers.ravel(), result.fit.flux.round(1))
    [31 29] [5.]
    """
    if noise_ratio is None:
        noise_ratio = measure_noise_ratio(data, x, y, psf.fwhm, mask=mask)
    fit = fit_sources(data, x, y, psf, noise, mask=mask,
                      noise_ratio=noise_ratio)
    pixels = np.zeros((2, 0), dtype=int)
    dented = np.zeros(np.size(x), dtype=bool)
    used = mask
    for _ in range(_N_ROUNDS):
        outliers = find_outliers(data, x, y, fit, psf, noise, mask=used,
                                 noise_ratio=noise_ratio)
        if not outliers.affected.any():
            break
        dented |= outliers.dented
        pixels = np.unique(np.concatenate([pixels, outliers.pixels], axis=1),
                           axis=1)
        used = add_pixels(mask, pixels, np.shape(data))
        fit = fit_sources(data, x, y, psf, noise, mask=used,
                          noise_ratio=noise_ratio, start=fit,
                          rows=np.flatnonzero(outliers.affected))
    return GoodFit(fit, pixels, dented)


def find_outliers(data, x, y, fit, psf, noise, *, mask=None,
                  noise_ratio=None):
    """
    Find pixels that stand out from fitted sources.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    fit : SourceFit
        The sources as they were fitted.
    psf : SourcePSF
        The PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.
    noise_ratio : array_like, optional
        Rms of pixels minus their neighbours over that of pixels around
        each source, shape ``(n,)``; default: it is measured.

    Returns
    -------
    outliers : `Outliers`
        Pixels, and the sources that they concern.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import (SourcePSF, fit_sources,
    ...                                      render_sources)
    >>> from compact_removal.fitting.outliers import find_outliers
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = render_sources((61, 61), [30], [30], [5.0], np.zeros((1, 5)),
    ...                       psf)
    >>> data += 1e-3 * np.random.default_rng(1).normal(size=data.shape)
    >>> data[31, 29] += 0.5
    >>> fit = fit_sources(data, [30], [30], psf, [1e-3])
    >>> find_outliers(data, [30], [30], fit, psf, [1e-3]).pixels.tolist()
    [[31], [29]]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    noise = np.asarray(noise, dtype=float)
    neighbors = Neighbors(x, y, psf)
    if noise_ratio is None:
        noise_ratio = measure_noise_ratio(data, x, y, psf.fwhm, mask=mask)
    known = np.isfinite(noise) & (noise > 0)
    affected, dented = np.zeros((2, x.size), dtype=bool)
    found = []
    for start in range(0, x.size, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, x.size))
        rows = rows[known[rows]]
        patches = SourcePatches(data, x[rows], y[rows], psf, _RADIUS,
                                mask=mask)
        neighbors.subtract(patches, rows, fit.flux, fit.shapes)
        patches.scale(noise[rows], noise_ratio[rows], psf)
        flux = fit.flux[rows] / patches.unit
        away = _stand_out(patches, flux, fit.shapes[rows], psf)
        # beside a hot pixel, a core looks dented
        dented[rows] = (_find_dents(patches, flux, fit.shapes[rows],
                                    psf.mean_at(x[rows], y[rows]), psf)
                        & ~away.any(axis=1))
        core = np.hypot(patches.dx, patches.dy) <= _DENTED_CORE * psf.fwhm
        away |= dented[rows, None] & core & patches.used
        affected[rows] = away.any(axis=1)
        place, pixel = np.nonzero(away)
        mine = rows[place]
        found.append(np.rint([y[mine] + patches.dy[place, pixel],
                              x[mine] + patches.dx[place, pixel]]))
    pixels = np.concatenate(found, axis=1).astype(int) if found else (
        np.zeros((2, 0), dtype=int))
    return Outliers(np.unique(pixels, axis=1), affected, dented)


def add_pixels(mask, pixels, shape):
    """
    Add pixels to a mask.

    Parameters
    ----------
    mask : array_like of bool or None
        True where a pixel must not be used, shape ``(ny, nx)``.
    pixels : `~numpy.ndarray` of int
        Rows and columns of the pixels, shape ``(2, k)``.
    shape : tuple of int
        ``(ny, nx)``.

    Returns
    -------
    mask : `~numpy.ndarray` of bool or None
        A mask with these pixels; the given one if there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting.outliers import add_pixels
    >>> print(add_pixels(None, np.array([[1], [0]]), (2, 2)))
    [[False False]
     [ True False]]
    """
    if pixels.shape[1] == 0:
        return mask
    mask = (np.zeros(shape, dtype=bool) if mask is None
            else np.array(mask, dtype=bool))
    mask[tuple(pixels)] = True
    return mask


def _stand_out(patches, flux, shapes, psf):
    """
    Pixels that deviate from what those around them say, shape ``(n, p)``.
    """
    model = flux[:, None] * psf.evaluate(patches.dx, patches.dy,
                                         shapes[:, None])
    used = patches.used
    rest = np.where(used, patches.values - model, 0.0)
    rest = np.where(used, rest - masked_median(rest, used)[:, None], 0.0)
    error = (_SLOPE_ERROR * psf.model_error * model) ** 2
    deviation = np.zeros(rest.shape)
    for level in np.unique(patches.levels):
        rows = np.flatnonzero(patches.levels == level)
        _, covariance = make_covariance(psf.fwhm, level, _RADIUS)
        precision = np.linalg.inv(covariance)
        variance = 1 / np.diag(precision)
        # pixel minus its conditional mean, and the variance of that
        weights = precision * variance[:, None]
        spread = variance * patches.std[rows, None] ** 2 + (
            error[rows] @ (weights ** 2).T)
        deviation[rows] = (rest[rows] @ weights.T) / np.sqrt(spread)
    # in units of what is usual in the patch
    deviation = np.abs(deviation)
    usual = masked_median(deviation, used)[:, None] / 0.6745
    deviation /= np.maximum(usual, 1.0)
    few = used.mean(axis=1, keepdims=True) < _LEAST_KNOWN
    deviation[~used | few] = 0
    largest = deviation.max(axis=1, initial=0, keepdims=True)
    return ((deviation > _LEAST_DEVIATION)
            & (deviation > _SHARE * largest))


def _find_dents(patches, flux, shapes, usual, psf):
    """
    Sources whose core is flat or dented, shape ``(n,)``.
    """
    model = psf.evaluate(patches.dx, patches.dy, shapes[:, None])
    radius = np.hypot(patches.dx - shapes[:, :1], patches.dy - shapes[:, 1:2])
    dent = flux[:, None] * model * np.exp(
        -(radius / (_DENT * psf.fwhm)) ** 4)
    design, values = patches.design(flux, shapes, psf, (dent,))
    design, values = (part / patches.std.reshape(-1, *[1] * (part.ndim - 1))
                      for part in (design, values))
    prior = np.hypot(psf.prior, [0, 0, _WIDTH_PRIOR, 0, 0])
    prior = np.tile([*prior, 1.0], (flux.size, 1))
    offset = np.hstack([shapes - usual, np.zeros((flux.size, 1))])
    matrix, right = normal_equations(design, values, offset, prior)
    solution = np.linalg.solve(matrix, right[..., None])
    depth = -solution[:, 7, 0]
    # in units of what is left
    left = ((values - (design @ solution)[..., 0]) ** 2).sum(axis=1)
    left /= np.maximum(patches.used.sum(axis=1) - design.shape[2], 1)
    error = np.sqrt(np.linalg.inv(matrix)[:, 7, 7]
                    * np.maximum(left, _LEAST_LEFT))
    return ((flux > 0) & (depth > _LEAST_DENT)
            & (depth > _DENT_SIGNIFICANCE * error))
