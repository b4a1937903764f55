# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the models of bright sources leave beside them.

No model of a PSF is perfect: lobes and knots that it lacks look like faint
sources around each bright one. Where and how bright they are is measured on
the map, around its brightest sources, since all of them share one PSF.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from compact_removal.detection.filters import LEVELS, make_kernel
from compact_removal.fitting import SourceModels, fit_sources
from compact_removal.fitting.patches import close_pairs
from compact_removal.maps.cutouts import (add_cutouts, cutout_radii,
                                          extract_valid)

__all__ = ['DISTANCES', 'USUAL_ERRORS', 'ModelErrors', 'errors_beside',
           'map_errors', 'measure_model_errors']

# Distances from a source (full widths).
DISTANCES = np.arange(0.5, 3.3, 0.25)

# Half width of a ring, and radii of the one that shows what is there without
# the source (full widths).
_HALF_WIDTH, _OUTER = 0.15, (3.5, 4.5)

# So many sources are measured at most, with so many usual ones; none that is
# blended with one of more than this share of its flux.
_MOST, _N_USUAL = 50, 5
_BLENDED = 0.1

# How much what all sources have in common counts more than what they do not.
_COMMON = 2.0

# Distance of neighbours that are taken out (full widths).
_REACH = 8.0


class ModelErrors(NamedTuple):
    """
    Flux of what looks like a source beside a source, over its flux.

    Attributes
    ----------
    ring : `~numpy.ndarray`
        Rms at `DISTANCES` of what each source has alone, shape ``(n,)``;
        never less than what is usual.
    pattern : `~numpy.ndarray`
        What all of them have, by pixels around the source, shape ``(m,
        m)`` with an odd m.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.model_errors import USUAL_ERRORS
    >>> print(USUAL_ERRORS.at(np.array([0.0, 5.0]), np.zeros(2), 3.0))
    [0.01  0.025]
    """

    ring: np.ndarray
    pattern: np.ndarray

    def at(self, dx, dy, fwhm):
        """
        Error at offsets from a source.

        Parameters
        ----------
        dx, dy : `~numpy.ndarray`
            Offsets (pixels).
        fwhm : float
            Full width of the PSF (pixels).

        Returns
        -------
        error : `~numpy.ndarray`
            Over the flux of the source; 0 where it is far.
        """
        half = self.pattern.shape[0] // 2
        common = map_coordinates(self.pattern, [dy + half, dx + half],
                                 order=1)
        return np.hypot(_COMMON * common,
                        np.interp(np.hypot(dx, dy) / fwhm, DISTANCES,
                                  self.ring, right=0))


# Where nothing else is known.
USUAL_ERRORS = ModelErrors(
    np.interp(DISTANCES, [0.5, 1.0, 1.75, 3.25],
              [0.01, 0.025, 0.025, 0.004]), np.zeros((1, 1)))


def measure_model_errors(data, x, y, psf, noise, *, mask=None):
    """
    Measure what models of sources leave beside them.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, NaN where unknown, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Positions of its brightest sources (pixels), shape ``(n,)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    noise : `~numpy.ndarray`
        Scatter of the background around them, shape ``(n,)``.
    mask : `~numpy.ndarray` of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    errors : `ModelErrors`
        Medians over sources, of which the brightest count most.
        `USUAL_ERRORS` where none is bright.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.model_errors import (
    ...     USUAL_ERRORS, measure_model_errors)
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> none = np.zeros(0)
    >>> errors = measure_model_errors(np.zeros((40, 40)), none, none, psf,
    ...                               none)
    >>> errors is USUAL_ERRORS
    True
    """
    if not len(x):
        return USUAL_ERRORS
    fit = fit_sources(data, x, y, psf, noise, mask=mask, quick=True)
    alone = fit.flux > 0
    others, owners = close_pairs(x, y, _OUTER[0] * psf.fwhm)
    alone[owners[fit.flux[others] > _BLENDED * fit.flux[owners]]] = False
    rows = np.argsort(-fit.flux / noise, kind='stable')
    rows = rows[alone[rows]][:_MOST]
    if not rows.size:
        return USUAL_ERRORS
    left, radius = _filter_cutouts(data, x, y, fit, rows, psf, noise, mask)
    left /= fit.flux[rows, None, None]
    outer = _ring_square(left, (radius > _OUTER[0]) & (radius < _OUTER[1]))
    rows = np.isfinite(outer)
    left, radius, outer = left[rows], radius[rows], outer[rows]
    usual = USUAL_ERRORS.ring ** 2
    weights = 1 / (np.append(outer, np.full(_N_USUAL, usual.max())) ** 2
                   + usual.max() ** 2)
    pattern = _weighted_median(np.concatenate(
        [np.nan_to_num(left), np.zeros((_N_USUAL, *left.shape[1:]))]),
        weights)
    squares = np.array([
        _ring_square(left - pattern, np.abs(radius - distance) < _HALF_WIDTH)
        for distance in DISTANCES]).T
    squares = np.nan_to_num(squares) - outer[:, None]
    ring = _weighted_median(np.vstack(
        [squares, np.tile(usual, (_N_USUAL, 1))]), weights)
    # one source may differ from the others, as in spectra or in size
    return ModelErrors(np.sqrt(np.maximum(ring, usual)), pattern)


def _filter_cutouts(data, x, y, fit, rows, psf, noise, mask):
    """
    Fluxes that a filter finds around sources, without sources, and the
    distances from them (full widths).
    """
    kernel = make_kernel(psf, LEVELS[1])
    half = kernel.shape[0] // 2
    size = 2 * (int(np.ceil(_OUTER[1] * psf.fwhm)) + half) + 1
    stack, corners = extract_valid(data, x[rows], y[rows], size, mask=mask)
    models = SourceModels(x, y, fit.flux, fit.shapes, psf, noise)
    stack -= models.draw(rows, corners, size)
    others, owners = close_pairs(x, y, _REACH * psf.fwhm)
    for k, row in enumerate(rows):
        mine = others[owners == row]
        if mine.size:
            stack[k] -= models.draw(mine, np.repeat(corners[k:k + 1],
                                                    mine.size, axis=0),
                                    size).sum(axis=0)
    # it loads scipy.stats
    from scipy.signal import oaconvolve

    lost = ~np.isfinite(stack)
    stack[lost] = 0
    left = oaconvolve(stack, kernel[None], mode='valid', axes=(1, 2))
    radius = cutout_radii(x[rows] + fit.shapes[rows, 0],
                          y[rows] + fit.shapes[rows, 1], corners, size)
    part = slice(half, size - half)
    left[lost[:, part, part]] = np.nan
    return left, radius[:, part, part] / psf.fwhm


def _ring_square(values, ring):
    """
    Mean square of values in a ring; NaN if there are none.
    """
    values = np.where(ring & np.isfinite(values), values, 0.0)
    count = ring.sum(axis=(1, 2))
    return np.divide((values ** 2).sum(axis=(1, 2)), count,
                     out=np.full(len(values), np.nan), where=count > 0)


def _weighted_median(values, weights):
    """
    Median along the first axis, whose entries have weights.
    """
    order = np.argsort(values, axis=0)
    share = np.cumsum(weights[order], axis=0) / weights.sum()
    middle = np.argmax(share >= 0.5, axis=0)
    return np.take_along_axis(
        values, np.take_along_axis(order, middle[None], axis=0), axis=0)[0]


def errors_beside(x, y, flux, psf, errors):
    """
    Flux that errors in the models of others can be taken for.

    Parameters
    ----------
    x, y, flux : `~numpy.ndarray`
        Positions (pixels) and fluxes of sources, shape ``(n,)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF.
    errors : `ModelErrors`
        From `measure_model_errors`.

    Returns
    -------
    beside : `~numpy.ndarray`
        For each source, from all others, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.model_errors import (USUAL_ERRORS,
    ...                                                     errors_beside)
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> print(errors_beside(np.array([5.0, 10.0]), np.zeros(2),
    ...                     np.array([1000.0, 1.0]),
    ...                     SourcePSF(band, band.pixel_scale), USUAL_ERRORS,
    ...                     ).round(1) + 0)
    [ 0. 25.]
    """
    others, owners = close_pairs(x, y, DISTANCES[-1] * psf.fwhm)
    light = np.maximum(flux[others], 0) * errors.at(
        x[owners] - x[others], y[owners] - y[others], psf.fwhm)
    return np.sqrt(np.bincount(owners, light ** 2, minlength=len(x)))


def map_errors(shape, x, y, flux, psf, errors):
    """
    Map of the flux that errors in the models of sources can be taken for.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y, flux, psf, errors : object
        See `errors_beside`.

    Returns
    -------
    beside : `~numpy.ndarray`
        Shape ``(ny, nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.model_errors import (USUAL_ERRORS,
    ...                                                     map_errors)
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> one = np.array([20.0])
    >>> beside = map_errors((41, 41), one, one, np.array([1000.0]),
    ...                     SourcePSF(band, band.pixel_scale), USUAL_ERRORS)
    >>> float(beside[20, 25].round(1)), float(beside[0, 0])
    (25.0, 0.0)
    """
    half = int(np.ceil(DISTANCES[-1] * psf.fwhm))
    grid = np.arange(-half, half + 1)
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    light = np.maximum(flux, 0)[:, None, None] * errors.at(*(
        np.broadcast_arrays((grid + (column - x)[:, None])[:, None, :],
                            (grid + (row - y)[:, None])[:, :, None])),
        psf.fwhm)
    total = np.zeros(shape)
    add_cutouts(total, light ** 2, column - half, row - half)
    return np.sqrt(total)
