# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of aperture photometry.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose
from photutils.aperture import CircularAperture

from compact_removal.instruments import get_band
from compact_removal.photometry import (annulus_background,
                                        aperture_correction, aperture_scatter,
                                        aperture_sums)
from compact_removal.psf import make_psf_stamp


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


def test_annulus():
    y, x = np.indices((41, 41))
    radius = np.hypot(x - 20, y - 20)
    data = np.where(radius < 8, 100.0, np.where(radius < 12, 7.0, 50.0))
    data[20, 30] = np.nan
    mean, std, count = annulus_background(data, [20, 500], [20, 500], 8, 11.9)
    assert mean[0] == 7
    assert std[0] == 0
    assert count[0] > 200
    assert np.isnan(mean[1])
    assert count[1] == 0


def test_scatter_tells_noise_and_structure():
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


def test_aperture_correction():
    band = get_band('scanmap', 'green')
    assert aperture_correction(band, 9 * u.arcsec) == pytest.approx(
        0.70113669)
    with pytest.raises(ValueError, match='radius must lie in'):
        aperture_correction(band, 40 * u.arcsec)
    own = replace(band, eef_radii=(), eef_values=())
    assert aperture_correction(own, 9 * u.arcsec) == pytest.approx(
        0.7011, abs=0.004)
    with pytest.raises(ValueError, match='radius must be positive'):
        aperture_correction(own, -1 * u.arcsec)


@pytest.mark.parametrize('radius', [5, 8, 12])
def test_flux_of_a_point_source(radius):
    band = get_band('scanmap', 'blue')
    stamp = 3.0 * make_psf_stamp(band, shape=(61, 61))
    sums, _, _ = aperture_sums(stamp, [30], [30], [radius / 1.6])
    flux = sums / aperture_correction(band, radius * u.arcsec)
    # Apart from the pixels' own width, which lowers small apertures.
    assert flux[0] == pytest.approx(3.0, rel=0.03)
