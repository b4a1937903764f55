# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fit sources with the PSF of the map, and draw what was fitted.

The peak of a source may be ten thousand times brighter than the
structure around it, and a third of its flux falls outside the smallest
hole. So a model of each source, the PSF with a free flux, centre, width
and elongation, is fitted and taken out of the map, wings included,
before a network sees it. The paper does not do this.

The background below a source is taken as a Gaussian random field whose
power falls with the third power of the wave number, seen with the beam,
plus noise.
"""

import numpy as np

from compact_removal._source_patches import (SourcePatches, close_pairs,
                                            measure_graininess,
                                            normal_equations)

__all__ = ['fit_sources', 'render_sources']

_LIMIT = np.array([1.5, 1.5, 0.6, 0.45, 0.45])
_N_ITERATIONS = 4
_CHUNK = 500

# Radius of the fit, in full widths at half maximum.
_FIT_RADIUS = 2.0

# Light of sources within this many full widths is taken out.
_NEIGHBORHOOD = 6.0


def fit_sources(data, valid, x, y, psf, noise):
    """
    Fit flux and shape of sources.

    Maximum of the posterior within 2 FWHM, with the background as a
    Gaussian random field. Priors keep shift, width and elongation near
    their nominal values where a source is faint. Neighbours are taken
    out in a second round.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    valid : array_like of bool
        True where a pixel may be used, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``. Where it is not positive and finite, the shape is not
        fitted.

    Returns
    -------
    flux : `~numpy.ndarray`
        In the unit of ``data`` times pixel, not below 0, shape
        ``(n,)``; 0 where too few pixels are usable.
    shapes : `~numpy.ndarray`
        See `~compact_removal.source_psf.SourcePSF.evaluate`, shape ``(n, 5)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> from compact_removal.source_models import fit_sources
    >>> from compact_removal.source_psf import SourcePSF
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = 1.0 + 5.0 * make_psf_stamp(band, shape=(41, 41),
    ...                                   center=(20.4, 20))
    >>> flux, shapes = fit_sources(data, data > 0, [20], [20], psf, [0.001])
    >>> bool(abs(flux[0] - 5) < 0.25), bool(abs(shapes[0, 0] - 0.4) < 0.02)
    (True, True)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    noise = np.asarray(noise, dtype=float)
    flux, shapes = np.zeros(x.size), np.zeros((x.size, 5))
    clean = np.where(valid, data, np.nan)
    pairs = close_pairs(x, y, _NEIGHBORHOOD * psf.fwhm)
    graininess = np.empty(x.size)
    for second in (False, True):
        chosen = np.unique(pairs[1]) if second else np.arange(x.size)
        for start in range(0, chosen.size, _CHUNK):
            rows = chosen[start:start + _CHUNK]
            patches = SourcePatches(clean, x[rows], y[rows], psf,
                                    _FIT_RADIUS)
            if second:
                patches.subtract(rows, x, y, flux, shapes, pairs, psf)
            else:
                graininess[rows] = measure_graininess(clean, x[rows],
                                                      y[rows], psf)
            patches.scale(noise[rows], graininess[rows], psf)
            flux[rows], shapes[rows] = _fit_patches(patches, psf)
    return flux, shapes


def _fit_patches(patches, psf):
    """
    Gauss-Newton steps to the maximum of the posterior.
    """
    shapes = np.tile(psf.mean, (len(patches.used), 1))
    enough = patches.used.sum(axis=1) > 3
    flux = None
    for _ in range(_N_ITERATIONS + 1):
        design, values = patches.design(flux, shapes, psf)
        if flux is None:
            matrix, right = normal_equations(design, values)
        else:
            matrix, right = normal_equations(design, values,
                                             shapes - psf.mean, psf.prior)
        solution = np.linalg.solve(matrix, right[..., None])[..., 0]
        if flux is not None:
            moved = np.clip(shapes + solution[:, 2:], -_LIMIT, _LIMIT)
            shapes = np.where(patches.known[:, None], moved, psf.mean)
        flux = np.where(enough, np.maximum(solution[:, 1], 0), 0.0)
    shapes[flux == 0] = psf.mean
    return flux * patches.unit, shapes


def render_sources(shape, x, y, flux, shapes, psf):
    """
    Draw fitted sources.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    flux, shapes : array_like
        From `fit_sources`.
    psf : SourcePSF
        The PSF.

    Returns
    -------
    model : `~numpy.ndarray`
        Sum of the sources in the unit of ``flux`` per pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.source_models import render_sources
    >>> from compact_removal.source_psf import SourcePSF
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> model = render_sources((81, 81), [40], [40], [3.0],
    ...                        np.zeros((1, 5)), psf)
    >>> bool(2.5 < model.sum() < 3)
    True
    """
    ny, nx = shape
    model = np.zeros(shape)
    reach = psf.reach
    for xi, yi, value, form in zip(x, y, flux, shapes, strict=True):
        columns = slice(max(0, int(xi - reach)), min(nx, int(xi + reach) + 2))
        rows = slice(max(0, int(yi - reach)), min(ny, int(yi + reach) + 2))
        if value <= 0 or rows.start >= rows.stop or (columns.start
                                                     >= columns.stop):
            continue
        dx = np.arange(columns.start, columns.stop) - xi
        dy = np.arange(rows.start, rows.stop) - yi
        model[rows, columns] += value * psf.evaluate(dx, dy[:, None], form)
    return model
