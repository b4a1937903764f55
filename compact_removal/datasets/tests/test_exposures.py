# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of simulated exposures.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (ExposureSettings, MoffatPSF,
                                      make_exposure)
from compact_removal.datasets._detector import bleed, quantize
from compact_removal.datasets.moffat import convolve

NO_STARS = ExposureSettings(stars=(1e-3, 1e-3), galaxies=(1e-3, 1e-3),
                            n_bright=0.0)


@pytest.mark.parametrize('beta', [2.5, 4.0, np.inf])
@pytest.mark.parametrize('fwhm', [1.5, 3.0, 6.0])
def test_moffat(fwhm, beta):
    psf = MoffatPSF(fwhm, beta)
    half = psf.evaluate(np.array([0.0, fwhm / 2]), np.zeros(2))
    assert_allclose(half[1], half[0] / 2, rtol=1e-6)
    image = np.zeros((201, 201))
    psf.add(image, [100.2], [99.9], [1000.0], noise=1e-4)
    assert_allclose(image.sum(), 1000, rtol=0.03)
    y, x = np.indices(image.shape)
    core = image[90:111, 90:111]
    assert abs((core * x[90:111, 90:111]).sum() / core.sum() - 100.2) < 0.1


def test_elongated_moffat():
    psf = MoffatPSF(3.0, elongation=1.5, angle=np.pi / 2)
    # the larger width is along y
    assert psf.evaluate(0.0, 2.0) > psf.evaluate(2.0, 0.0)


def test_stars_at_the_edge():
    image = np.zeros((30, 40))
    psf = MoffatPSF(3.0)
    psf.add(image, [-5.0, 45.0, 200.0], [3.0, 33.0, 4.0], [1e5] * 3,
            noise=1.0)
    assert np.all(np.isfinite(image))
    assert image.max() > 0


@given(st.integers(0, 2 ** 31))
def test_exposures(seed):
    exposure = make_exposure((48, 64), seed=seed)
    assert exposure.image.shape == (48, 64)
    assert exposure.image.dtype == np.float32
    assert np.all(np.isfinite(exposure.image))
    # rounded, perhaps
    assert exposure.image.max() <= exposure.saturation + 0.5
    assert 1.5 <= exposure.psf.fwhm <= 6.0
    assert np.all(exposure.image[exposure.saturated]
                  >= exposure.saturation - 0.5)


def test_the_noise_is_that_of_the_sky():
    for seed in range(4):
        exposure = make_exposure((200, 200), settings=NO_STARS, seed=seed)
        assert_allclose(exposure.image.std(), exposure.noise, rtol=0.3)
        assert_allclose(np.median(exposure.image), exposure.sky, rtol=0.05)


def test_motion_moves_the_light():
    settings = ExposureSettings(stars=(3000.0, 3000.0), sky=(60.0, 60.0))
    motion = np.zeros((1, 21))
    motion[0, ::10] = 1 / 3
    still, moved = (make_exposure((128, 128), settings=settings, seed=3,
                                  motion=one) for one in (None, motion))
    assert moved.bright.sum() != still.bright.sum()
    assert moved.image.max() < still.image.max()


def test_the_seed_decides():
    first, again = (make_exposure((60, 60), seed=4) for _ in range(2))
    assert_array_equal(first.image, again.image)


def test_galaxies_of_users():
    stamp = np.zeros((40, 40))
    stamp[10:30, 15:25] = 1.0
    settings = ExposureSettings(stars=(1e-3, 1e-3), n_bright=0.0,
                                galaxies=(2000.0, 2000.0))
    exposure = make_exposure((150, 150), galaxies=[stamp], settings=settings,
                             seed=2)
    assert exposure.bright.any()


def test_bleeding_keeps_most_of_the_charge():
    for seed in range(6):
        image = np.zeros((21, 21))
        image[10, 10] = 100.0
        bleed(image, 10.0, np.random.default_rng(seed))
        assert image.max() <= 10
        assert 30 <= image.sum() <= 101
        # along one direction
        rows, columns = np.nonzero(image)
        assert len(set(rows)) == 1 or len(set(columns)) == 1


def test_rounding():
    rounded = [np.all(quantize(np.array([0.3, 1.6]),
                               np.random.default_rng(seed)) % 1 == 0)
               for seed in range(20)]
    assert any(rounded)
    assert not all(rounded)


@pytest.mark.parametrize('bad', [{'fwhm': (3.0, 2.0)}, {'sky': (-1.0, 2.0)},
                                 {'n_bright': np.inf}])
def test_bad_settings(bad):
    name, = bad
    with pytest.raises(ValueError, match=f'^{name} must be a number'):
        ExposureSettings(**bad)


def test_convolution():
    rng = np.random.default_rng(1)
    image, kernel = rng.normal(size=(20, 31)), rng.normal(size=(5, 3))
    expected = np.zeros_like(image)
    padded = np.pad(image, ((2, 2), (1, 1)))
    for dy in range(5):
        for dx in range(3):
            expected += kernel[dy, dx] * padded[4 - dy:24 - dy,
                                                2 - dx:33 - dx]
    assert_allclose(convolve(image, kernel), expected, atol=1e-12)
