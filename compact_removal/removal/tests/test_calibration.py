# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the way of errors from the network to the results.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.removal import ERROR_RADII, build_model
from compact_removal.removal import TrainingCutouts
from compact_removal.removal.aperture_errors import interpolate_errors
from compact_removal.removal.calibration import calibration, measure_errors
from compact_removal.removal.cutout_network import make_predict


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
    known = np.array(ERROR_RADII)
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


@pytest.mark.parametrize('network', ['separation', 'inpainting'])
def test_measured_factors_calibrate(network):
    cutouts = TrainingCutouts('scanmap', bands=['blue'], size=96,
                              batch_size=16, n_batches=5, n_fields=6,
                              field_size=128, n_psfs=2, seed=2,
                              with_snr=True)
    model = build_model(network, width=1, seed=1)
    factors = measure_errors(make_predict(model), cutouts.epoch(0))
    again = measure_errors(make_predict(model), cutouts.epoch(0))
    assert factors == again
    for name in ('hole_error', 'flux_error'):
        values = factors[name]
        assert len(values['snr']) == len(values['factor']) > 0
        assert np.all(np.diff(values['snr']) > 0)
        assert np.all(np.array(values['factor']) > 0)
    # an error that is ten times too large is found out
    if network == 'separation':
        head = model.network.head[-1].bias
        head.data += np.log(10)
        wrong = measure_errors(make_predict(model), cutouts.epoch(0))
        assert_allclose(wrong['flux_error']['factor'],
                        np.array(factors['flux_error']['factor']) / 10,
                        rtol=0.02)
        assert wrong['hole_error'] == factors['hole_error']


def make_batch(n=250, size=64):
    """
    Bright sources on white noise with a standard deviation of 1.
    """
    y, x = np.indices((size, size)) - size // 2
    radius = np.hypot(x, y)
    stack = np.zeros((n, size, size))
    target = np.random.default_rng(4).normal(size=stack.shape)
    return {'image': target, 'target': target,
            'sources': stack + 30 * np.exp(-radius ** 2 / 3.5),
            'validity': stack + (radius > 6), 'aperture': stack + (
                radius < 4), 'fwhm': np.full(n, 3.1),
            'psf_error': np.full(n, 0.1), 'snr': np.full(n, 30.0)}


@pytest.mark.parametrize('predicts_errors', [False, True])
def test_factors_are_those_of_known_errors(predicts_errors):
    batch = make_batch()
    wrong = 2 * np.random.default_rng(5).normal(size=batch['image'].shape)

    def predict(inputs):
        assert inputs['validity'].dtype == bool
        outputs = {'background': inputs['image'] + wrong}
        if predicts_errors:
            radius = np.array(ERROR_RADII) * 3.1
            outputs['error'] = np.full(wrong.shape, 4.0)
            outputs['flux_error'] = np.tile(np.sqrt(np.pi) * radius / 3,
                                            (len(wrong), 1))
        return outputs

    factors = measure_errors(predict, [batch])
    # errors of 2 per pixel, where 1 is expected, or 4, or 1/3 for sums
    pixel, flux = (0.5, 6) if predicts_errors else (2, 2)
    assert factors['hole_error']['snr'][0] > 20
    assert_allclose(factors['hole_error']['factor'], pixel, rtol=0.05)
    # twelve apertures give their scatter to about a fourth, and its tail
    # makes the factor larger
    assert_allclose(factors['flux_error']['factor'], flux,
                    rtol=0.1 if predicts_errors else 0.3)
