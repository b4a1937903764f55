# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of sums in apertures.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from photutils.aperture import CircularAperture

from compact_removal.photometry import (aperture_sums, aperture_weights,
                                        soft_aperture_weights)


def test_sums_are_those_of_photutils():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 50))
    error = rng.uniform(1, 2, size=data.shape)
    x, y, radii = rng.uniform(-3, 45, size=(3, 10))
    radii = radii / 10 + 1
    sums, errors, areas = aperture_sums(data, x, y, radii, error=error)
    for i in range(10):
        aperture = CircularAperture((x[i], y[i]), radii[i])
        expected, expected_error = aperture.do_photometry(data, error=error)
        assert sums[i] == pytest.approx(np.nan_to_num(expected[0]))
        assert errors[i] == pytest.approx(np.nan_to_num(expected_error[0]))
    middle = aperture_sums(data, [20], [20], [4])
    assert middle[2] == pytest.approx(16 * np.pi)
    assert middle[1] == 0


def test_unusable_pixels_are_left_out():
    data = np.ones((21, 21))
    data[10, 11] = np.nan
    mask = np.zeros(data.shape, dtype=bool)
    mask[10, 9] = True
    sums, _, areas = aperture_sums(data, [10], [10], [4], mask=mask)
    assert sums[0] == pytest.approx(16 * np.pi - 2)
    assert_allclose(areas, sums)


def test_soft_weights():
    rng = np.random.default_rng(2)
    x, y, radii = rng.uniform(8, 12, (3, 5)) - [[0], [0], [5]]
    soft = soft_aperture_weights(x, y, radii, 21)
    assert soft.shape == (5, 21, 21)
    exact = aperture_weights(x, y, radii, np.zeros((5, 2)), 21)
    assert np.abs(soft - exact).max() < 0.25
    assert_allclose(soft.sum(axis=(1, 2)), np.pi * radii ** 2, rtol=0.03)
    # rows are y
    rows, columns = np.indices((21, 21))
    for i in range(5):
        distance = np.hypot(columns - x[i], rows - y[i])
        assert_array_equal(soft[i][distance < radii[i] - 0.5], 1)
        assert_array_equal(soft[i][distance > radii[i] + 0.5], 0)
