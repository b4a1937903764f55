# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Calibration of the errors of a network.
"""

from itertools import pairwise

import numpy as np

from compact_removal.maps.holes import ANNULUS_FWHM, source_snr
from compact_removal.removal.aperture_errors import (background_scatter,
                                                     interpolate_errors)
from compact_removal.utils.parameters import ParameterError

__all__ = ['ERROR_SAMPLES', 'calibration', 'make_factors', 'measure_errors']

# What networks take of a batch.
_INPUTS = ('image', 'validity', 'sources', 'fwhm', 'psf_error')

# Radius of what counts as the hole (FWHM).
_HOLE_RADIUS = 2.0

# Signal-to-noise ratios between which the errors are calibrated, and the
# least number of sources that this takes.
_SNR_EDGES = (0, 5, 12, 30, 100, 400, np.inf)
_LEAST_SOURCES = 20

# Percentiles that stand for the pixels of a hole.
ERROR_SAMPLES = np.arange(2.5, 100, 5)


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
        validation gave none.

    Raises
    ------
    ParameterError
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
        entry = info.get('validation', {}).get(name, 1.0)
        if not isinstance(entry, dict):
            entry = {'snr': [1.0], 'factor': [float(entry)]}
        snr, factors = (np.array(entry[key], dtype=float)
                        for key in ('snr', 'factor'))
        good = (snr.ndim == 1 and snr.size > 0 and snr.shape == factors.shape
                and np.all((snr > 0) & (factors > 0) & (factors < np.inf))
                and np.all(np.diff(snr) > 0))
    except (AttributeError, KeyError, TypeError, ValueError):
        good = False
    if not good:
        msg = (f'weights: their calibration of {name} (validation) is '
               'damaged')
        raise ParameterError(msg, 'weights')
    known = np.log(snr), np.log(factors)

    def factor(snr):
        snr = np.nan_to_num(snr, nan=1.0, posinf=1e9)
        return np.exp(np.interp(np.log(np.maximum(snr, 1.0)), *known))

    return factor


def measure_errors(predict, batches):
    """
    Measure factors on errors by signal-to-noise ratio.

    Errors of pixels in the hole of the central source, and of its
    aperture flux, are compared with what the network predicts; if it
    predicts none, with the standard deviation of the background in the
    annulus and with the scatter of aperture sums around the source.

    Parameters
    ----------
    predict : callable
        See `~compact_removal.removal.cutout_network.CutoutNetwork`.
    batches : iterable of dict
        Cutouts that the network was not trained on, as
        `~compact_removal.removal.TrainingCutouts` makes them
        ``with_snr``.

    Returns
    -------
    factors : dict
        See `make_factors`.

    Examples
    --------
    >>> from compact_removal.removal import TrainingCutouts, build_model
    >>> from compact_removal.removal.calibration import measure_errors
    >>> from compact_removal.removal.cutout_network import make_predict
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=48,
    ...                           batch_size=2, n_batches=1, n_fields=1,
    ...                           field_size=64, n_psfs=2, seed=1,
    ...                           with_snr=True)
    >>> model = build_model('separation', width=1, seed=1)
    >>> measure_errors(make_predict(model), cutouts.epoch(0))
    {}
    """
    rows = [row for batch in batches for row in _batch_errors(predict, batch)]
    snr, flux, *pixels = np.array(rows).reshape(-1, 2 + ERROR_SAMPLES.size).T
    return make_factors(snr, flux, np.array(pixels))


def make_factors(snr, flux, pixels):
    """
    Make factors on errors from ratios of true to predicted ones.

    The factors bring 68.3 % of the errors within one and 95 % within
    1.96, as well as one number can.

    Parameters
    ----------
    snr : `~numpy.ndarray`
        Signal-to-noise ratios of sources (paper, eq. 1), shape ``(n,)``.
    flux : `~numpy.ndarray`
        Absolute errors of their fluxes over the predicted ones, shape
        ``(n,)``.
    pixels : `~numpy.ndarray`
        The same of pixels in their holes, at the percentiles
        ``ERROR_SAMPLES``, shape ``(20, n)``.

    Returns
    -------
    factors : dict
        For `calibration`: ``hole_error`` and ``flux_error``; empty if
        there are too few sources.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.calibration import make_factors
    >>> pulls = np.abs(np.random.default_rng(1).normal(size=(21, 4000)))
    >>> factors = make_factors(np.full(4000, 9.0), pulls[0], 2 * pulls[1:])
    >>> [round(entry['factor'][0], 1) for entry in factors.values()]
    [1.0, 2.0]
    """
    result = {}
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


def _batch_errors(predict, batch):
    """
    Per source: signal-to-noise ratio, and ratios of true to predicted
    errors: of the flux, and of pixels of the hole (`ERROR_SAMPLES`).
    """
    outputs = predict({**{name: batch[name] for name in _INPUTS},
                       'validity': batch['validity'] > 0})
    y, x = np.indices(batch['image'].shape[1:])
    for k, target in enumerate(batch['target']):
        known = np.isfinite(target)
        aperture, fwhm = batch['aperture'][k], float(batch['fwhm'][k])
        x0, y0 = (np.average(axis, weights=aperture) for axis in (x, y))
        distance = np.hypot(x - x0, y - y0)
        hole = (known & (batch['validity'][k] == 0)
                & (distance < _HOLE_RADIUS * fwhm))
        if not known[aperture > 0].all() or not hole.any():
            continue
        snr = batch['snr'][k]
        _, _, std = source_snr(
            batch['image'][k], [x0], [y0], source_radius=fwhm,
            annulus_radii=np.multiply(ANNULUS_FWHM, fwhm))
        error = np.where(known, outputs['background'][k] - target, 0)
        radius = np.sqrt(aperture.sum() / np.pi)
        if 'error' in outputs:
            pixel_error = outputs['error'][k]
            flux_error = interpolate_errors(outputs['flux_error'][k:k + 1],
                                            np.array([radius / fwhm]))[0]
        else:
            pixel_error = np.full(error.shape, std[0])
            flux_error = background_scatter(target, [x0], [y0], [radius],
                                            fwhm)[0]
        if not (np.isfinite(snr) and flux_error > 0 and std[0] > 0):
            continue
        flux = abs(np.sum(error * aperture)) / flux_error
        yield (max(snr, 0.0), flux,
               *np.percentile(np.abs(error / pixel_error)[hole],
                              ERROR_SAMPLES))
