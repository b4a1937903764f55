# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the way of errors from the network to the results.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal import nn
from compact_removal.photometry import aperture_scatter
from compact_removal.removal.calibration import (calibration,
                                                 interpolate_errors,
                                                 measure_errors)


def test_calibration():
    assert_allclose(calibration({}, 'flux_error')([1, 50]), 1)
    info = {'validation': {'flux_error': 0.5, 'hole_error': {
        'snr': [2.0, 20.0, 200.0], 'factor': [1.0, 4.0, 0.5]}}}
    assert_allclose(calibration(info, 'flux_error')([3.0, np.nan]), 0.5)
    factor = calibration(info, 'hole_error')
    assert_allclose(factor([2, 20, 200]), [1, 4, 0.5])
    # between the values, and constant beyond them
    assert_allclose(factor([np.sqrt(40)]), [2])
    assert_allclose(factor([-5, 0, np.nan, 1e6, np.inf]),
                    [1, 1, 1, 0.5, 0.5])


def test_errors_of_other_apertures():
    known = np.array(nn.ERROR_RADII)
    errors = 3 * known ** 1.4 * np.array([[1.0], [10.0]])
    for radius, found in zip(known, errors.T, strict=True):
        assert_allclose(interpolate_errors(errors, np.full(2, radius)),
                        found)
    # power laws are exact, and radii may differ from source to source
    assert_allclose(interpolate_errors(errors, np.array([1.0, 2.0])),
                    [3, 30 * 2 ** 1.4])
    assert_allclose(interpolate_errors(errors, np.full(2, 2 * known[-1])),
                    4 * errors[:, -1])
    assert_allclose(interpolate_errors(errors, np.full(2, known[0] / 2)),
                    errors[:, 0] / 4)
    missing = np.full((1, len(known)), np.nan)
    assert np.isnan(interpolate_errors(missing, np.array([1.0])))


@pytest.mark.parametrize('radius', [0.9, 1.2, 2.5])
def test_errors_grow_with_radius(radius):
    errors = np.array([[1.0, 2.0, 3.0, 4.0]])
    less = interpolate_errors(errors, np.array([radius]))
    more = interpolate_errors(errors, np.array([1.1 * radius]))
    assert 1 <= less[0] < more[0]


# Of the cutouts below: the width of the PSF and the radius of apertures
# (pixels), and for faint and bright sources the height of the peak and
# the true error of pixels, in units of the noise.
FWHM, RADIUS = 3.0, 4.0
PEAKS, TRUE_ERRORS = (8.0, 200.0), (0.5, 3.0)


def make_batch(seed, n=600, size=48):
    """
    Cutouts of white noise, and backgrounds with errors of known size.

    Returns
    -------
    batch, outputs : dict
        What the calibration gets, and what a network predicts from it:
        errors of pixels and fluxes as if the true error of pixels were 1.
    errors : ndarray, (2, n)
        True errors of fluxes and of the pixel beside the center.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size))
    radius = np.hypot(x - size // 2, y - size // 2)
    bright = np.arange(n) % 2
    target = rng.normal(size=(n, size, size))
    error = rng.normal(size=target.shape)
    error *= np.array(TRUE_ERRORS)[bright][:, None, None]
    sources = (np.array(PEAKS)[bright][:, None, None]
               * np.exp(-4 * np.log(2) * radius ** 2 / FWHM ** 2))
    aperture = np.clip(RADIUS + 0.5 - radius, 0, 1)
    batch = {'image': target, 'target': target, 'sources': sources,
             'validity': np.tile(np.where(radius < 6, 0.0, 1.0), (n, 1, 1)),
             'aperture': np.tile(aperture, (n, 1, 1)),
             'fwhm': np.full(n, FWHM), 'psf_error': np.full(n, 0.1)}
    told = np.sqrt(np.pi) * FWHM * np.array(nn.ERROR_RADII)
    outputs = {'background': target + error, 'error': np.ones_like(target),
               'flux_error': np.tile(told, (n, 1))}
    errors = np.sum(error * aperture, axis=(1, 2)), error[:, 24, 25]
    return batch, outputs, errors


def measure(batch, outputs, monkeypatch):
    """
    The factors of one batch.
    """
    found = SimpleNamespace(**{'error': None, 'flux_error': None, **outputs})
    monkeypatch.setattr(nn, 'predict', lambda *args, **kwargs: found)
    cutouts = SimpleNamespace(epoch=lambda number: [batch])
    return measure_errors(None, cutouts)


@pytest.mark.parametrize('predicts_errors', [True, False])
def test_measured_factors_calibrate(predicts_errors, monkeypatch):
    batch, outputs, _ = make_batch(1)
    fresh, _, errors = make_batch(2)
    told = np.sqrt(np.pi) * RADIUS
    if not predicts_errors:
        # the scatter of apertures around each source stands for them
        outputs = {'background': outputs['background']}
        told = np.array([aperture_scatter(target, [24], [24], [RADIUS],
                                          6 * FWHM)[0]
                         for target in fresh['target']])
    factors = measure(batch, outputs, monkeypatch)
    for name, error, least, most in (
            ('flux_error', errors[0] / told, 0.63, 0.76),
            ('hole_error', errors[1], 0.63, 0.73)):
        factor = calibration({'validation': factors}, name)(PEAKS)
        # on other sources, faint and bright
        for i in range(2):
            within = np.mean(np.abs(error[i::2]) < factor[i])
            assert least < within < most


def test_few_sources_give_no_factors(monkeypatch):
    batch, outputs, _ = make_batch(1, n=30)
    assert measure(batch, outputs, monkeypatch) == {}
