# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network on cutouts around the sources of a window.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.maps.cutouts import cutout_radii, extract_cutouts
from compact_removal.removal._window import extract_noise
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.removal.records import Record

__all__ = ['CutoutPrediction', 'predict_cutouts']

# With less of the surroundings outside of holes, a source is flagged.
# With less of a cutout, the pixels with the least light of sources, so
# many of them, take the place of the background.
_LITTLE_OPEN = 0.1
_LEAST_OPEN = 0.05
_FAINTEST_PIXELS = 0.2


@dataclass(frozen=True)
class CutoutPrediction(Record):
    """
    Background and errors of cutouts around sources.

    Parameters
    ----------
    index : `~numpy.ndarray` of int
        Which of the models of the window, shape ``(k,)``.
    corners : `~numpy.ndarray` of int
        ``(x, y)`` of the first pixels of the cutouts, shape ``(k, 2)``.
    background, error : `~numpy.ndarray`
        The background and its error, shape ``(k, size, size)``.
    flux_error : `~numpy.ndarray`
        See `~compact_removal.removal.background.BackgroundEstimate`,
        shape ``(k, n_radii)``.
    little_background : `~numpy.ndarray` of bool
        Whether there is little around the hole that is not in others,
        shape ``(k,)``.
    """

    index: np.ndarray
    corners: np.ndarray
    background: np.ndarray
    error: np.ndarray
    flux_error: np.ndarray
    little_background: np.ndarray


def predict_cutouts(window, index, network, *, size, snr, surroundings):
    """
    Estimate background and errors in cutouts around sources.

    Parameters
    ----------
    window : Window
        A part of the map.
    index : `~numpy.ndarray` of int
        Which of its models, shape ``(k,)``.
    network : CutoutNetwork
        The network.
    size : int
        Side of the cutouts (pixels).
    snr : `~numpy.ndarray`
        Signal-to-noise ratios of the sources, which scale the errors,
        shape ``(k,)``. Where none are predicted, the standard deviation
        of the background around the sources takes their place.
    surroundings : float
        Radius within which background is needed (pixels).

    Returns
    -------
    prediction : `CutoutPrediction`
        What the network predicts.
    """
    models = window.models
    x, y = models.x[index], models.y[index]
    images, corners = extract_cutouts(window.data, x, y, size, fill=np.nan)
    light, shown = (extract_cutouts(plane, x, y, size, fill=0.0)[0]
                    for plane in (window.light, window.shown))
    if network.removes_wings:
        images -= light
    outside, _ = extract_cutouts(window.outside, x, y, size, fill=False)
    around = cutout_radii(x, y, corners, size) <= min(surroundings, size / 2)
    share = (outside & around).sum(axis=(1, 2)) / around.sum(axis=(1, 2))
    validity = _usable_pixels(images, shown, outside)
    outputs = network.run(images, validity, shown, models.psf.fwhm,
                          models.psf.uncertainty)
    scale = network.error_scale(snr)
    if network.predicts_errors:
        error = outputs['error'] * scale[:, None, None]
        flux_error = outputs['flux_error']
    else:
        error = np.broadcast_to(
            (scale * window.std[index])[:, None, None], images.shape)
        flux_error = np.full((index.size, len(ERROR_RADII)), np.nan)
    if network.corrects_wings:
        # outside the holes pixels keep their noise
        noise = extract_noise(window, index, size)
        beyond, _ = extract_cutouts(window.open, x, y, size, fill=False)
        error = np.where(beyond, np.hypot(error, noise), error)
    return CutoutPrediction(index, corners, outputs['background'], error,
                            flux_error, share < _LITTLE_OPEN)


def _usable_pixels(images, light, outside):
    """
    Pixels outside of holes or, if there are few, with the least light.
    """
    known = np.isfinite(images)
    few = outside.sum(axis=(1, 2)) < _LEAST_OPEN * known.sum(axis=(1, 2))
    usable = outside.copy()
    for i in np.flatnonzero(few):
        usable[i] |= known[i] & (light[i] <= np.quantile(
            light[i][known[i]], _FAINTEST_PIXELS))
    return usable
