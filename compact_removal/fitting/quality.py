# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well sources are fitted, and their fluxes by linear fits.

Both work on a map from which the models of all sources were taken out.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.fitting.covariance import make_whitener
from compact_removal.fitting.extent import find_extended, fit_width
from compact_removal.fitting.patches import (SourcePatches, masked_median,
                                             measure_noise_ratio,
                                             normal_equations,
                                             percentile_range)
from compact_removal.maps.cutouts import chunk_slices, extract_cutouts

__all__ = ['FitQuality', 'assess_fits']

# Radius of the patches (full widths).
_RADIUS = 2.0

# Significance from which on the width of a source is measured.
_SCANNED = 5.0

# Limits of the misfit: reduced chi-square, that of sources from some
# significance on, and distance of the shape from that of the PSF of the
# map and from the nominal one (in standard deviations of their priors).
_POOR_CHI2 = 4.0
_POOR_BRIGHT_CHI2 = 3.4
_BRIGHT = 50.0
_FAR_SHAPE = 2.6
_FAR_NOMINAL = 3.0

# How much better than the PSF a larger source must fit to be one
# (difference of chi-square).
_LARGE_GAIN = 18.0

# Significance from which on a linear fit takes the shape of the source
# itself.
_OWN_SHAPE = 10.0

# Surroundings in which the scatter of linear fits is measured, and the
# steps between their places (full widths); the number of places that one
# independent number takes, and what the covariance counts.
_SURROUNDINGS = (2.5, 7.0)
_STEP = 1.0
_N_DEPENDENT = 2.5
_N_FORMAL = 4.0
_LEAST_PLACES = 12


class FitQuality(NamedTuple):
    """
    What `assess_fits` found; all have the shape ``(n,)``.

    Attributes
    ----------
    qfit : `~numpy.ndarray`
        Sum of the absolute residuals within two full widths over the
        flux, as in photutils.
    reduced_chi2 : `~numpy.ndarray`
        Of the fit, with the covariance of the background and the error
        of the PSF.
    misfit : `~numpy.ndarray`
        How poor the fit is: reduced chi-square over its limit, or the
        squared distance of the shape from that of the PSF over its
        limit, whichever is larger; good sources are below 1.
    fwhm_ratio, fwhm_ratio_err : `~numpy.ndarray`
        Width over that of the PSF, and the relative error; NaN where
        the source is too faint.
    large_gain, large_flux : `~numpy.ndarray`
        How much better a larger source fits (difference of chi-square),
        and its flux, in the unit of the map times pixel.
    width_err : `~numpy.ndarray`
        Error of the log of the width of the model.
    model_err : `~numpy.ndarray`
        Error of the flux of the model, with its shape unknown, in the
        unit of the map times pixel.
    flux, flux_err : `~numpy.ndarray`
        Flux of a linear fit, which may be negative, and its error, in
        the unit of the map times pixel.
    """

    qfit: np.ndarray
    reduced_chi2: np.ndarray
    misfit: np.ndarray
    fwhm_ratio: np.ndarray
    fwhm_ratio_err: np.ndarray
    large_gain: np.ndarray
    large_flux: np.ndarray
    width_err: np.ndarray
    model_err: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray


def assess_fits(clean, models, index, std):
    """
    Measure how well sources are fitted, and fluxes by linear fits.

    Parameters
    ----------
    clean : `~numpy.ndarray`
        The map minus the models of all sources, NaN where a pixel must
        not be used, shape ``(ny, nx)``.
    models : SourceModels
        The sources.
    index : `~numpy.ndarray` of int
        Which of them, shape ``(n,)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around them, shape
        ``(n,)``.

    Returns
    -------
    quality : `FitQuality`
        One number for each of them.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourceModels, SourcePSF
    >>> from compact_removal.fitting.quality import assess_fits
    >>> from compact_removal.instruments import get_band
    >>> band, one = get_band('scanmap', 'blue'), np.ones(1)
    >>> models = SourceModels(
    ...     30 * one, 30 * one, 5 * one, np.zeros((1, 5)),
    ...     SourcePSF(band, band.pixel_scale), 1e-3 * one)
    >>> clean = 1e-3 * np.random.default_rng(1).normal(size=(61, 61))
    >>> quality = assess_fits(clean, models, np.array([0]), models.noise)
    >>> print(quality.fwhm_ratio.round(2), quality.flux.round(1))
    [1.] [5.]
    """
    parts = [_assess(clean, models, index[part], std[part])
             for part in chunk_slices(index.size, 60)]
    if not parts:
        return FitQuality(*np.zeros((len(FitQuality._fields), 0)))
    return FitQuality(*np.concatenate(parts, axis=1))


def _assess(clean, models, index, std):
    """
    See `assess_fits`; shape ``(11, n)``.
    """
    psf, x, y = models.psf, models.x[index], models.y[index]
    shapes, usual = models.shapes[index], psf.mean_at(x, y)
    patches = SourcePatches(clean, x, y, psf, _RADIUS)
    rest = patches.used.sum(axis=1)
    each, center = np.arange(index.size), np.zeros(index.size)
    residual = patches.copy_values()
    patches.subtract(each, center, center, -models.flux[index], shapes, psf)
    patches.scale(std, measure_noise_ratio(clean, x, y, psf.fwhm), psf)
    unit = patches.unit
    flux = models.flux[index] / unit
    enough = patches.known & (rest > 8)

    design, values = patches.design(flux, shapes, psf)
    weight = 1 / patches.std[:, None]
    design, values = design * weight[..., None], values * weight
    matrix, _ = normal_equations(design, values, shapes - usual,
                                 psf.prior)
    left = values - design[..., 1] * flux[:, None]
    constant = ((design[..., 0] * left).sum(axis=1)
                / np.maximum((design[..., 0] ** 2).sum(axis=1), 1e-12))
    left -= design[..., 0] * constant[:, None]
    chi2 = (left ** 2).sum(axis=1) / np.maximum(rest - 7, 1)
    inverse = np.linalg.inv(matrix)
    width_err = np.sqrt(inverse[:, 4, 4])
    model_err = np.sqrt(inverse[:, 1, 1]) * unit
    middle = masked_median(residual, patches.used)[:, None]
    qfit = np.divide(
        np.where(patches.used, np.abs(residual - middle), 0).sum(axis=1),
        models.flux[index], out=np.full(index.size, np.nan),
        where=models.flux[index] > 0)

    linear, formal = _fit_linear(patches, psf, usual)
    bright = linear > _OWN_SHAPE * formal
    if bright.any():
        own, own_err = _fit_linear(patches, psf, shapes)
        linear = np.where(bright, own, linear)
        formal = np.where(bright, own_err, formal)
    error = _scatter(clean, patches, psf, x, y, formal, unit)
    # in the wings alone, the shape matters more
    hidden = (~patches.used & (np.hypot(patches.dx, patches.dy)
                               < psf.fwhm)).any(axis=1)
    of_shape = np.maximum(model_err ** 2 - (formal * unit) ** 2, 0)
    error = np.where(hidden, np.sqrt(error ** 2 + of_shape), error)
    error = np.where(enough, error, np.nan)
    misfit = np.maximum(chi2 / np.where(
        linear * unit > _BRIGHT * error, _POOR_BRIGHT_CHI2, _POOR_CHI2),
        _shape_misfit(shapes, usual, psf))
    ratio, ratio_err = np.full((2, index.size), np.nan)
    with np.errstate(invalid='ignore'):
        scanned = np.flatnonzero(enough & (linear * unit > _SCANNED * error))
    if scanned.size:
        ratio[scanned], ratio_err[scanned] = fit_width(
            patches, scanned, shapes, psf)
    extent = find_extended(clean, models, index, std, patches.levels)
    large = enough & (extent.gain > _LARGE_GAIN)
    ratio = np.where(large, extent.ratio, ratio)
    ratio_err = np.where(large, extent.error, ratio_err)
    values = np.array([qfit, chi2, misfit, ratio, ratio_err,
                       extent.gain, extent.flux, width_err, model_err,
                       linear * unit, error])
    values[:, ~enough] = np.nan
    return values


def _shape_misfit(shapes, usual, psf):
    """
    How far shapes are from the PSFs: squared, over the limits.
    """
    distances = [np.linalg.norm((shapes - mean)[:, 2:] / prior[2:], axis=1)
                 / limit for mean, prior, limit in (
                     (usual, psf.prior, _FAR_SHAPE),
                     (0.0, psf.nominal_prior, _FAR_NOMINAL))]
    return np.max(distances, axis=0) ** 2


def _fit_linear(patches, psf, shapes):
    """
    Constant and flux by generalised least squares: flux and its error.
    """
    design, values = patches.design(None, shapes, psf)
    matrix, right = normal_equations(design, values)
    inverse = np.linalg.inv(matrix)
    return ((inverse @ right[..., None])[:, 1, 0],
            np.sqrt(inverse[:, 1, 1]))


def _scatter(clean, patches, psf, x, y, formal, unit):
    """
    Errors of linear fluxes, from such fits to the surroundings.
    """
    kernels = np.zeros(patches.dx.shape)
    expected = np.ones(x.size)
    template = psf.evaluate(patches.dx, patches.dy, psf.mean)
    for level in np.unique(patches.levels):
        rows = patches.levels == level
        _, matrix = make_whitener(psf.fwhm, level, _RADIUS)
        design = matrix @ np.stack([np.ones_like(template[rows]),
                                    template[rows]], axis=-1)
        inverse = np.linalg.inv(design.swapaxes(1, 2) @ design)
        kernels[rows] = ((inverse @ design.swapaxes(1, 2))[:, 1] @ matrix)
        expected[rows] = np.sqrt(inverse[:, 1, 1])
    inner, outer = (limit * psf.fwhm for limit in _SURROUNDINGS)
    step = max(round(_STEP * psf.fwhm), 1)
    axis = np.arange(-int(outer) // step, int(outer) // step + 1) * step
    places = np.array(np.meshgrid(axis, axis)).reshape(2, -1)
    distance = np.hypot(*places)
    places = places[:, (distance >= inner) & (distance <= outer)]
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    dx = np.rint(patches.dx[0] + x[0] - column[0]).astype(int)
    dy = np.rint(patches.dy[0] + y[0] - row[0]).astype(int)
    half = int(np.abs(places).max() + max(np.abs(dx).max(),
                                          np.abs(dy).max()))
    stack, _ = extract_cutouts(clean, column.astype(float),
                               row.astype(float), 2 * half + 1, fill=np.nan)
    pixels = stack[:, half + dy + places[1][:, None],
                   half + dx + places[0][:, None]]
    fluxes = np.einsum('nqp,np->nq', pixels, kernels)
    count = np.isfinite(fluxes).sum(axis=1)
    measured = np.where(count >= _LEAST_PLACES, percentile_range(fluxes) / 2,
                        np.nan)
    # as many pixels as the source itself has
    measured = measured * formal / expected
    formal = formal * unit
    share = count / _N_DEPENDENT
    share = share / (share + _N_FORMAL)
    with np.errstate(divide='ignore', invalid='ignore'):
        both = np.exp(share * np.log(measured)
                      + (1 - share) * np.log(formal))
    return np.where(measured > 0, both, formal)
