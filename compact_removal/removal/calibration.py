# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Calibration of the errors that a network tells.
"""

from itertools import pairwise

import numpy as np

from compact_removal import nn
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.maps.holes import source_snr
from compact_removal.photometry import aperture_scatter

__all__ = ['calibration', 'interpolate_errors', 'measure_errors']

# Signal-to-noise ratios between which the errors are calibrated, and the
# least number of sources that this takes.
_SNR_EDGES = (0, 5, 12, 30, 100, 400, np.inf)
_LEAST_SOURCES = 20

# Percentiles that stand for the pixels of a hole.
_SAMPLES = np.arange(2.5, 100, 5)


def interpolate_errors(errors, radius):
    """
    Interpolate errors of aperture sums between radii.

    This is done in the logarithms; beyond the ends, errors grow with
    the area.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        Errors at ``compact_removal.ERROR_RADII``, shape ``(n, m)``.
    radius : `~numpy.ndarray`
        Radii (FWHM), shape ``(n,)``.

    Returns
    -------
    error : `~numpy.ndarray`
        Shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.calibration import interpolate_errors
    >>> print(interpolate_errors(np.array([[1.0, 2, 3, 4]]), np.array([1.8])))
    [3.]
    """
    known = np.asarray(ERROR_RADII)
    inside = np.clip(radius, known[0], known[-1])
    place = np.clip(np.searchsorted(known, inside) - 1, 0, known.size - 2)
    share = (np.log(inside / known[place])
             / np.log(known[place + 1] / known[place]))
    # the errors in a constant map are 0
    logs = np.log(np.maximum(errors, np.finfo(float).tiny))
    each = np.arange(len(errors))
    value = ((1 - share) * logs[each, place]
             + share * logs[each, place + 1])
    return np.exp(value) * (radius / inside) ** 2


def calibration(info, name):
    """
    Find the factor on errors that validation asked for.

    Parameters
    ----------
    info : dict
        Description of the weights. Its ``validation`` holds a number,
        or factors at some signal-to-noise ratios, as two lists.
    name : {'hole_error', 'flux_error'}
        Which errors.

    Returns
    -------
    factor : callable
        Maps signal-to-noise ratios (paper, eq. 1) to factors; 1 where
        validation tells nothing.

    Raises
    ------
    ValueError
        If the factors are not positive numbers.

    Examples
    --------
    >>> from compact_removal.removal.calibration import calibration
    >>> factor = calibration({'validation': {'flux_error': 0.5}},
    ...                      'flux_error')
    >>> print(factor([10.0]))
    [0.5]
    """
    try:
        found = info.get('validation', {}).get(name, 1.0)
        if not isinstance(found, dict):
            found = {'snr': [1.0], 'factor': [float(found)]}
        snr, factors = (np.array(found[key], dtype=float)
                        for key in ('snr', 'factor'))
        good = (snr.ndim == 1 and snr.size > 0 and snr.shape == factors.shape
                and np.all((snr > 0) & (factors > 0) & (factors < np.inf))
                and np.all(np.diff(snr) > 0))
    except (AttributeError, KeyError, TypeError, ValueError):
        good = False
    if not good:
        msg = (f'weights: their calibration of {name} (validation) is '
               'damaged')
        raise ValueError(msg)
    known = np.log(snr), np.log(factors)

    def factor(snr):
        snr = np.nan_to_num(snr, nan=1.0, posinf=1e9)
        return np.exp(np.interp(np.log(np.maximum(snr, 1.0)), *known))

    return factor


def measure_errors(model, cutouts, *, device='auto'):
    """
    Measure factors on errors by signal-to-noise ratio.

    Errors of pixels in the hole of the central source, and of its
    aperture flux, are compared with what the network tells; if it does
    not, with the standard deviation of the annulus and with the scatter
    of aperture sums around the source. The factors bring 68.3 % of the
    errors within one and 95 % within 1.96, as well as one number can.

    Parameters
    ----------
    model : object
        See `compact_removal.nn`.
    cutouts : `~compact_removal.datasets.TrainingCutouts`
        Cutouts that were not trained on; epoch 0 is used.
    device : str, optional
        Where to compute, see `compact_removal.nn.predict`.

    Returns
    -------
    factors : dict
        For `calibration`: ``hole_error`` and ``flux_error``; empty if
        there are too few sources.

    Examples
    --------
    >>> from compact_removal.removal import build_model
from compact_removal.removal.networks import ERROR_RADII
    >>> from compact_removal.removal import TrainingCutouts
    >>> from compact_removal.removal.calibration import measure_errors
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=48,
    ...                           batch_size=2, n_batches=1, n_fields=1,
    ...                           field_size=64, n_psfs=2, seed=1)
    >>> measure_errors(build_model('separation', width=1, seed=1), cutouts)
    {}
    """
    rows = [row for batch in cutouts.epoch(0)
            for row in _batch_errors(model, batch, device)]
    result = {}
    snr, flux, *pixels = np.array(rows).reshape(-1, 2 + _SAMPLES.size).T
    pixels = np.array(pixels)
    for low, high in pairwise(_SNR_EDGES):
        part = (snr >= low) & (snr < high)
        if np.count_nonzero(part) < _LEAST_SOURCES:
            continue
        factors = {name: np.sqrt(np.prod(np.percentile(ratio, [68.3, 95]))
                                 / 1.96)
                   for name, ratio in (('flux_error', flux[part]),
                                       ('hole_error', pixels[:, part]))}
        center = np.exp(np.mean(np.log(np.maximum(snr[part], 1))))
        for name, factor in factors.items():
            entry = result.setdefault(name, {'snr': [], 'factor': []})
            entry['snr'].append(round(float(center), 2))
            entry['factor'].append(round(float(factor), 4))
    return result


def _batch_errors(model, batch, device):
    """
    Per source: signal-to-noise ratio, and ratios of errors to what is
    told: of the flux, and of pixels of the hole (`_SAMPLES`).
    """
    found = nn.predict(model, {name: batch[name] for name in model.inputs},
                       device=device)
    y, x = np.indices(batch['image'].shape[1:])
    for k, target in enumerate(batch['target']):
        known = np.isfinite(target)
        aperture, fwhm = batch['aperture'][k], float(batch['fwhm'][k])
        x0, y0 = (np.average(axis, weights=aperture) for axis in (x, y))
        radius = np.hypot(x - x0, y - y0)
        hole = known & (batch['validity'][k] == 0) & (radius < 2 * fwhm)
        if not known[aperture > 0].all() or not hole.any():
            continue
        snr, _, std = source_snr(
            batch['image'][k] + batch['sources'][k], [x0], [y0],
            source_radius=2.5 * fwhm,
            annulus_radii=(3.2 * fwhm, 7 * fwhm))
        error = np.where(known, found['background'][k] - target, 0)
        size = np.sqrt(aperture.sum() / np.pi)
        if 'error' not in found:
            pixel_error = np.full(error.shape, std[0])
            flux_error = aperture_scatter(target, [x0], [y0], [size],
                                          6 * fwhm)[0]
        else:
            pixel_error = found['error'][k]
            flux_error = interpolate_errors(found['flux_error'][k:k + 1],
                                            np.array([size / fwhm]))[0]
        if not (snr[0] > 0 and flux_error > 0 and std[0] > 0):
            continue
        flux = abs(np.sum(error * aperture)) / flux_error
        yield (snr[0], flux,
               *np.percentile(np.abs(error / pixel_error)[hole], _SAMPLES))
