# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of annuli, and of apertures around sources.
"""

import numpy as np
import pytest
from astropy.stats import sigma_clip

from compact_removal.photometry import (annulus_background, annulus_mean,
                                        aperture_scatter)


def test_annulus():
    y, x = np.indices((41, 41))
    radius = np.hypot(x - 20, y - 20)
    data = np.where(radius < 8, 100.0, np.where(radius < 12, 7.0, 50.0))
    data[20, 30] = np.nan
    mean, std, count = annulus_mean(data, [20, 500], [20, 500], 8, 11.9)
    assert mean[0] == 7
    assert std[0] == 0
    assert count[0] > 200
    assert np.isnan(mean[1])
    assert count[1] == 0


def test_clipped_annulus_is_that_of_photutils():
    rng = np.random.default_rng(5)
    data = rng.normal(3, 1, size=(70, 70))
    data[rng.random(data.shape) < 0.1] += 60
    data[10:20, 10:20] = np.nan
    x, y = rng.uniform(5, 65, size=(2, 12))
    level, error, std = annulus_background(data, x, y, 6, 11)
    rows, columns = np.indices(data.shape)
    for i in range(x.size):
        radius = np.hypot(columns - x[i], rows - y[i])
        values = data[(radius >= 6) & (radius <= 11) & np.isfinite(data)]
        left = sigma_clip(values, sigma=3, maxiters=10, masked=False)
        assert level[i] == pytest.approx(np.median(left))
        assert std[i] == pytest.approx(np.std(left))
        assert error[i] == pytest.approx(
            np.std(left) * np.sqrt(np.pi / 2 / left.size))
    # some of the outliers are among few; the mean takes all
    assert np.all(np.abs(level - 3) < 0.5)
    mean, _, count = annulus_mean(data, x, y, 6, 11)
    assert np.all(mean > 5)
    assert np.all(count > 50)


def test_error_of_the_level():
    rng = np.random.default_rng(6)
    data = rng.normal(size=(400, 400))
    x, y = (value.ravel() for value in np.mgrid[15:390:18, 15:390:18])
    level, error, _ = annulus_background(data, x, y, 4, 8)
    assert np.std(level) == pytest.approx(np.mean(error), rel=0.1)


def test_holes_of_others_are_left_out():
    # the own hole reaches into the annulus, that of the other covers half
    x, y = np.array([30.0, 50.0]), np.array([30.0, 30.0])
    rows, columns = np.indices((61, 61))
    data = np.where(np.hypot(columns - 50, rows - 30) <= 18.5, 9.0, 0.0)
    level, error, std = annulus_background(data, x, y, 6, 10,
                                           holes=[8.0, 18.5])
    assert level[0] == std[0] == error[0] == 0
    assert level[1] == 9
    # nothing is left
    level, error, std = annulus_background(data, x, y, 6, 10,
                                           holes=[1.0, 40.0])
    assert np.isnan([level[0], error[0], std[0]]).all()
    assert level[1] == 9
    # of a large hole, the part that is the source's own stays
    level, _, _ = annulus_background(data, x[:1], y[:1], 6, 10, holes=[30.0])
    assert np.isfinite(level[0])


@pytest.mark.parametrize('step', [0.1, 0.5, 1.5])
def test_rounded_values(step):
    noise = np.random.default_rng(7).normal(0.3, 1, size=(90, 90))
    level, error, _ = annulus_background(noise, [45], [45], 20, 30)
    rounded, _, _ = annulus_background(np.rint(noise / step) * step, [45],
                                       [45], 20, 30)
    # the plain median would be a multiple of the step
    assert abs(rounded - level) < 2 * error


@pytest.mark.parametrize('offset', [0.0, 1e9, -1e-30])
def test_constant_and_shifted_values(offset):
    data = np.full((41, 41), offset)
    level, error, std = annulus_background(data, [20], [20], 8, 12)
    assert (level[0], error[0], std[0]) == (offset, 0, 0)
    noise = np.random.default_rng(1).normal(size=data.shape)
    plain = annulus_background(noise, [20], [20], 8, 12)
    shifted = annulus_background(noise + offset, [20], [20], 8, 12)
    assert shifted[0][0] - offset == pytest.approx(plain[0][0], abs=1e-6)
    assert shifted[2][0] == pytest.approx(plain[2][0])


def test_scatter_shows_noise_and_structure():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(200, 200))
    x, y = rng.uniform(40, 160, size=(2, 60))
    scatter = aperture_scatter(noise, x, y, np.full(60, 3), 19)
    expected = np.sqrt(np.pi) * 3
    assert np.median(scatter) == pytest.approx(expected, rel=0.2)
    slope = noise + np.indices(noise.shape)[1]
    steep = aperture_scatter(slope, x, y, np.full(60, 3), 19)
    assert np.median(steep) > 5 * np.median(scatter)
    assert np.isnan(aperture_scatter(noise, [-100], [0], [3], 19)[0])
