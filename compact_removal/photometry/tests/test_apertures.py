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
    assert np.isnan(middle[1])


@pytest.mark.parametrize('unknown', [np.nan, np.inf, -np.inf, 0.0, -1.0,
                                     1e150])
def test_unknown_errors_are_those_of_the_others(unknown):
    data = np.zeros((21, 21))
    error = np.full(data.shape, 2.0)
    place = [10], [10], [4]
    expected = 2 * np.sqrt(16 * np.pi)
    error[7:13, 5:10] = error[10, 10] = unknown
    assert aperture_sums(data, *place, error=error)[1] == pytest.approx(
        expected)
    # a masked pixel counts neither in the area nor in the error
    mask = np.zeros(data.shape, dtype=bool)
    mask[11, 11] = True
    assert aperture_sums(data, *place, mask=mask, error=error)[
        1] == pytest.approx(2 * np.sqrt(16 * np.pi - 1))
    error[:] = unknown
    assert np.isnan(aperture_sums(data, *place, error=error)[1])


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
