# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the way of errors from the network to the results.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal import nn
from compact_removal.estimators._engine import _interpolate_errors
from compact_removal.estimators._fitting import calibration


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
        assert_allclose(_interpolate_errors(errors, np.full(2, radius)),
                        found)
    # power laws are exact, and radii may differ from source to source
    assert_allclose(_interpolate_errors(errors, np.array([1.0, 2.0])),
                    [3, 30 * 2 ** 1.4])
    assert_allclose(_interpolate_errors(errors, np.full(2, 2 * known[-1])),
                    4 * errors[:, -1])
    assert_allclose(_interpolate_errors(errors, np.full(2, known[0] / 2)),
                    errors[:, 0] / 4)
    missing = np.full((1, len(known)), np.nan)
    assert np.isnan(_interpolate_errors(missing, np.array([1.0])))


@pytest.mark.parametrize('radius', [0.9, 1.2, 2.5])
def test_errors_grow_with_radius(radius):
    errors = np.array([[1.0, 2.0, 3.0, 4.0]])
    less = _interpolate_errors(errors, np.array([radius]))
    more = _interpolate_errors(errors, np.array([1.1 * radius]))
    assert 1 <= less[0] < more[0]
