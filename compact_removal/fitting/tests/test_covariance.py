# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the background as a Gaussian random field.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting import SourcePSF
from compact_removal.fitting.covariance import (NOISE_LEVELS,
                                                expected_noise_ratio,
                                                make_whitener)
from compact_removal.fitting.patches import measure_noise_ratio
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')


def test_whitener():
    for level in (0, len(NOISE_LEVELS) - 1):
        offsets, matrix = make_whitener(3.1, level, 1.0)
        # from the first pixel of a box of 9 pixels
        assert np.hypot(*(offsets - 4)).max() <= 3.1
        # the inverse of a triangle whose square is a covariance
        assert_allclose(np.triu(matrix, 1), 0, atol=1e-6)
        triangle = np.linalg.inv(matrix)
        covariance = triangle @ triangle.T
        assert_allclose(np.diag(covariance), 1, rtol=2e-6)
        near = np.hypot(*(offsets[:, :, None] - offsets[:, None])) == 1
        # structure is smooth, noise is less so
        assert (covariance[near].mean() > 0.95) == (level == 0)


def test_arrays_are_kept_and_read_only():
    arrays = (*make_whitener(3.1, 0, 1.0), expected_noise_ratio(3.1))
    assert make_whitener(3.10001, 0, 1.0)[1] is arrays[1]
    for array in arrays:
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 0


def test_noise_ratio_is_measured_as_expected():
    psf = SourcePSF(BAND, BAND.pixel_scale)
    expected = expected_noise_ratio(psf.fwhm)
    assert np.all(np.diff(expected) > 0)
    # white noise: a pixel and the mean of four
    data = np.random.default_rng(1).normal(size=(121, 121))
    ratio = measure_noise_ratio(data, [60], [60], psf.fwhm)
    assert_allclose(ratio, np.sqrt(1.25), rtol=0.1)
    assert ratio > expected[-1]
    # a ramp is structure alone
    ramp = np.indices((121, 121)).sum(axis=0)
    assert_allclose(measure_noise_ratio(ramp, [60], [60], psf.fwhm), 0,
                    atol=1e-9)
    data[:] = np.nan
    assert_array_equal(measure_noise_ratio(data, [60], [60], psf.fwhm), 0)
