# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From a map and its sources to the background: cutouts, network, blending.
"""

import numpy as np

from compact_removal.cutouts import (blend_cutouts, disc_weights,
                                     extract_cutouts)
from compact_removal.estimators._engine import FLAG, PIXEL_FLAG
from compact_removal.masks import draw_discs, scale_factor
from compact_removal.psf_learning import learn_psf
from compact_removal.source_models import fit_sources, render_sources
from compact_removal.source_psf import SourcePSF

# Soft edge of the holes, in nominal pixels.
_TAPER = 3.0

# A network that sees the sources takes out their wings, too, as far as
# they reach this part of the standard deviation of the background.
_FAINTEST_WING = 0.1


def estimate_background(input_map, sources, predict, *, band, cutout_size,
                        apertures, error_scale):
    """
    Estimate the background under all sources.

    Sets ``footprint``, ``flux_error`` and flags of the sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    sources : Sources
        The sources.
    predict : callable
        Takes images, validity, source models, each of shape ``(n, size,
        size)``, and a
        `~compact_removal.source_psf.SourcePSF`, and returns a
        `~compact_removal.nn.Prediction`.
    band : Band
        The band.
    cutout_size : int
        Side of the cutouts in pixels.
    apertures : `~numpy.ndarray`
        Radii of the apertures (pixels).
    error_scale : callable
        Maps signal-to-noise ratios to factors on the errors.

    Returns
    -------
    background : `~numpy.ndarray`
        The map without the sources, float64.
    pixel_flags : `~numpy.ndarray` of int
        Bits of ``PIXEL_FLAGS``.
    error : `~numpy.ndarray`
        Standard error of the background; that of the input (or 0) where
        nothing was changed.
    """
    data = input_map.data
    pixel_flags = np.zeros(data.shape, dtype=np.uint8)
    input_error = np.zeros(data.shape)
    if input_map.error is not None:
        input_error = np.nan_to_num(input_map.error)
    rows = np.flatnonzero(sources.active)
    if rows.size == 0:
        return data.copy(), pixel_flags, input_error
    # An order of the sky, not of the catalogue: sums of floats depend
    # on their order.
    rows = rows[np.lexsort((sources.x[rows], sources.y[rows]))]
    x, y, radius = sources.x[rows], sources.y[rows], sources.radius[rows]
    open_pixels = input_map.valid & (
        draw_discs(data.shape, x, y, radius) == 0)
    psf, sources.n_psf = learn_psf(
        data, input_map.valid, x, y, SourcePSF(band, input_map.pixel_scale),
        sources.std[rows])
    flux, shapes = fit_sources(data, input_map.valid, x, y, psf,
                               sources.std[rows])
    model = render_sources(data.shape, x, y, flux, shapes, psf)
    clean = np.where(input_map.valid, data - model, np.nan)

    validity, corners = extract_cutouts(open_pixels, x, y, cutout_size,
                                        fill=False)
    usable = validity.any(axis=(1, 2))
    sources.flags[rows[~usable]] |= FLAG['no_background']
    sources.active[rows[~usable]] = False
    rows, x, y, radius, corners, flux = (
        value[usable] for value in (rows, x, y, radius, corners, flux))
    images, _ = extract_cutouts(clean, x, y, cutout_size, fill=np.nan)
    models, _ = extract_cutouts(model, x, y, cutout_size, fill=0.0)
    found = predict(images, validity[usable], models, psf)
    if not np.all(np.isfinite(found.background)):
        msg = ('weights: the network gave values that are not finite; the '
               'weights are damaged, or not those of a trained network')
        raise ValueError(msg)

    taper = _TAPER * scale_factor(band, input_map.pixel_scale)
    scale = error_scale(sources.snr[rows])
    discs = [radius]
    if found.error is None:
        deviation = np.broadcast_to(
            (scale * np.nan_to_num(sources.std[rows]))[:, None, None],
            found.background.shape)
    else:
        deviation = found.error * scale[:, None, None]
        sources.flux_error[rows] = found.flux_error
        limit = cutout_size / 2 - taper - 1
        reach = np.maximum(_wing_radius(flux, sources.std[rows], psf),
                           apertures.max())
        sources.footprint[rows] = np.maximum(radius,
                                             np.minimum(reach, limit))
        # first the wings, then the holes: a hole belongs to its source
        discs.insert(0, sources.footprint[rows])
        # outside the holes pixels keep their noise
        noise, _ = extract_cutouts(input_error, x, y, cutout_size, fill=0.0)
        deviation = np.where(validity[usable],
                             np.hypot(deviation, noise), deviation)
    result, error = np.where(input_map.valid, data, 0.0), input_error
    filled = np.zeros(data.shape, dtype=np.float32)
    for disc in discs:
        weights = disc_weights(x, y, disc, corners, cutout_size, taper=taper)
        result, weight = blend_cutouts(result, found.background, weights,
                                       corners)
        error, _ = blend_cutouts(error, deviation, weights, corners)
        filled = np.maximum(filled, weight)
    changed = (filled > 0) & input_map.valid
    pixel_flags[changed & (filled < 1)] = PIXEL_FLAG['blended']
    pixel_flags[changed & (filled >= 1)] = PIXEL_FLAG['filled']
    return (np.where(changed, result, data), pixel_flags,
            np.where(changed, error, input_error))


def _wing_radius(flux, noise, psf):
    """
    Where the wings of sources fall below a part of the noise.
    """
    radius = np.linspace(0, psf.reach, 400)
    # the largest value further out, so that dark rings do not count
    profile = np.maximum.accumulate(psf(radius)[::-1])[::-1]
    level = np.divide(_FAINTEST_WING * noise, flux,
                      out=np.full(flux.shape, np.inf), where=flux > 0)
    return np.interp(-level, -profile, radius)
