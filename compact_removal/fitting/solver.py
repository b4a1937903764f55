# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fit sources with the PSF of the map.

The peak of a source may be ten thousand times brighter than the
structure around it, and a third of its flux falls outside the smallest
hole. So a model of each source, the PSF with a free flux, centre, width
and elongation, is fitted and taken out of the map, wings included,
before a network sees it. The paper does not do this.

The background below a source is taken as a Gaussian random field whose
power falls with the third power of the wave number, seen with the beam,
plus noise.

Sources that blend are solved together: the fluxes of the nearest
neighbours are unknowns of each fit, the light of those further out is
taken out first, and this is repeated until nothing changes.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.fitting.neighbors import Neighbors
from compact_removal.fitting.patches import (SourcePatches,
                                             measure_noise_ratio,
                                             normal_equations)

__all__ = ['SourceFit', 'fit_sources']

# Largest absolute values of shapes.
_LIMITS = (1.5, 1.5, 0.6, 0.45, 0.45)
_CHUNK = 500

# Radius of the fit, in full widths at half maximum.
_FIT_RADIUS = 2.0

# Rounds until neighbours agree; later ones go part of the way, so that
# they cannot swing.
_N_FULL_ROUNDS = 5
_RELAXATION = 0.6


class _Effort(NamedTuple):
    """
    Steps of a fit, rounds, and what counts as agreed: what changes by less
    than a share of the flux plus that of a source with a peak over the noise.
    """

    n_steps: int
    n_rounds: int
    share: float
    floor: float


_CAREFUL, _QUICK = _Effort(4, 60, 1e-3, 0.01), _Effort(2, 20, 0.01, 0.05)


class SourceFit(NamedTuple):
    """
    What `fit_sources` found.

    Attributes
    ----------
    flux : `~numpy.ndarray`
        In the unit of the map times pixel, of either sign, shape
        ``(n,)``; 0 where too few pixels are usable.
    shapes : `~numpy.ndarray`
        See `~compact_removal.fitting.SourcePSF.evaluate`, shape ``(n,
        5)``.
    converged : `~numpy.ndarray` of bool
        Whether source and neighbours agree, shape ``(n,)``.
    blend_error : `~numpy.ndarray`
        What the unknown fluxes of neighbours add to the error of the
        flux, in quadrature, shape ``(n,)``.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> from compact_removal.fitting import SourcePSF, fit_sources
    >>> band = get_band('scanmap', 'blue')
    >>> data = 5 * make_psf_stamp(band, shape=(41, 41), center=(20.4, 20))
    >>> fit = fit_sources(data, [20], [20], SourcePSF(band, band.pixel_scale),
    ...                   [0.001])
    >>> print(fit.flux.round(1), fit.shapes[:, :2].round(1) + 0)
    [5.] [[0.4 0. ]]
    """

    flux: np.ndarray
    shapes: np.ndarray
    converged: np.ndarray
    blend_error: np.ndarray


def fit_sources(data, x, y, psf, noise, *, mask=None, noise_ratio=None,
                start=None, rows=None, quick=False):
    """
    Fit flux and shape of sources.

    This finds the maximum of the posterior within 2 FWHM, with the
    background as a Gaussian random field. Priors keep shift, width and
    elongation near their nominal values where a source is faint. The
    flux may be negative, so that it is not biased where there is no
    source; the shape is then that of the prior. Sources
    within 2.25 FWHM, at most 8, are fitted along, those within 6 FWHM
    taken out, repeatedly, until the fluxes agree to 0.1 %, at most 60
    times.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``. Where it is not positive and finite, the shape is not
        fitted.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.
    noise_ratio : array_like, optional
        Rms of pixels minus their neighbours over that of pixels around
        each source, shape ``(n,)``; default: it is measured.
    start : SourceFit, optional
        An earlier fit of the same sources, to begin with.
    rows : `~numpy.ndarray` of int, optional
        The sources that are fitted again; the others stay as they are
        in ``start``, and are neighbours only.
    quick : bool, optional
        Whether a rough fit is enough: fewer steps, and at most 20 rounds
        until the fluxes agree to 1 %.

    Returns
    -------
    fit : `SourceFit`
        Fluxes, shapes, and whether they are settled.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> from compact_removal.fitting import SourcePSF, fit_sources
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = 1.0 + 5.0 * make_psf_stamp(band, shape=(41, 41),
    ...                                   center=(20.4, 20))
    >>> fit = fit_sources(data, [20], [20], psf, [0.001])
    >>> bool(abs(fit.flux[0] - 5) < 0.25), bool(abs(fit.shapes[0, 0] - 0.4)
    ...                                         < 0.02)
    (True, True)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    neighbors = Neighbors(x, y, psf)
    noise = np.asarray(noise, dtype=float)
    known = np.isfinite(noise) & (noise > 0)
    unit = np.where(known, noise, 1.0)
    if start is None:
        flux, shapes = np.zeros(x.size), psf.mean_at(x, y)
        blend_error = np.zeros(x.size)
    else:
        flux, shapes, blend_error = (np.array(values) for values in (
            start.flux, start.shapes, start.blend_error))
    if noise_ratio is None:
        noise_ratio = measure_noise_ratio(data, x, y, psf.fwhm, mask=mask)
    kept = np.zeros(x.size, dtype=bool)
    if rows is not None:
        kept = ~np.isin(np.arange(x.size), rows)
    settled = kept
    effort = _QUICK if quick else _CAREFUL
    for i in range(effort.n_rounds + 1):
        # all neighbours as they were: no source comes before another
        old, old_shapes = flux.copy(), shapes.copy()
        chosen = np.flatnonzero(~settled)
        for rows, blended in neighbors.batches(chosen, _CHUNK):
            patches = SourcePatches(data, x[rows], y[rows], psf, _FIT_RADIUS,
                                    mask=mask)
            neighbors.subtract(patches, rows, old, old_shapes, blended=False)
            patches.scale(noise[rows], noise_ratio[rows], psf)
            around = begin = None
            if blended.shape[1]:
                around = neighbors.make_columns(
                    patches, blended, rows, old, old_shapes,
                    known=i > 0 or start is not None)
            if i:
                begin = old[rows], old_shapes[rows]
            flux[rows], shapes[rows], blend_error[rows] = _fit_patches(
                patches, psf, psf.mean_at(x[rows], y[rows]), around, begin,
                effort.n_steps)
        if i > _N_FULL_ROUNDS:
            flux[chosen] += (1 - _RELAXATION) * (old - flux)[chosen]
            shapes[chosen] += (1 - _RELAXATION) * (old_shapes
                                                   - shapes)[chosen]
        moved = neighbors.n_neighbors > 0
        if i:
            moved &= (np.abs(flux - old)
                      > effort.share * np.abs(flux)
                      + effort.floor * unit / psf(0))
        settled = kept | ~(moved | neighbors.near_any(moved))
        if settled.all():
            break
    return SourceFit(flux, shapes, settled, blend_error)


def _fit_patches(patches, psf, usual, around, start, n_steps):
    """
    Gauss-Newton steps to the maximum of the posterior.

    ``usual`` are the means of the shapes; ``around`` holds columns, mean
    and width of the priors of blended neighbours; ``start`` the flux and
    shapes to begin with, from where there is one step.
    """
    n = len(patches.used)
    limits = np.array(_LIMITS)
    functions, mean, width = ((), np.zeros((n, 0)), np.ones((n, 0)))
    if around is not None:
        functions, mean, width = around
    enough = patches.used.sum(axis=1) > 3
    if start is None:
        flux, shapes, n_steps = None, usual.copy(), n_steps + 1
    else:
        flux, shapes, n_steps = start[0] / patches.unit, start[1], 1
    for _ in range(n_steps):
        # a dip has no shape
        design, values = patches.design(
            None if flux is None else np.maximum(flux, 0), shapes, psf,
            functions)
        if flux is None:
            offset, prior = -mean, width
        else:
            offset = np.hstack([shapes - usual, -mean])
            prior = np.hstack([np.tile(psf.prior, (n, 1)), width])
        matrix, right = normal_equations(design, values, offset, prior)
        solution = np.linalg.solve(matrix, right[..., None])[..., 0]
        if flux is not None:
            moved = np.clip(shapes + solution[:, 2:7], -limits, limits)
            shapes = np.where(patches.known[:, None], moved, usual)
        flux = np.where(enough, solution[:, 1], 0.0)
    shapes[flux <= 0] = usual[flux <= 0]
    excess = np.zeros(n)
    if around is not None:
        alone = matrix[:, :-width.shape[1], :-width.shape[1]]
        excess = (np.linalg.inv(matrix)[:, 1, 1]
                  - np.linalg.inv(alone)[:, 1, 1])
    return (flux * patches.unit, shapes,
            np.sqrt(np.maximum(excess, 0)) * patches.std * patches.unit)
