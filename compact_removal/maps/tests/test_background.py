# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.maps.background import estimate_background, scale_image


def test_background_of_half_an_image():
    # overscan and nebulae are not taken for noise
    rng = np.random.default_rng(1)
    data = rng.normal(1000, 30, (400, 400))
    data[:, :60] = 0
    background, noise = estimate_background(data)
    assert_allclose(background, 1000, rtol=0.02)
    assert_allclose(noise, 30, rtol=0.15)
    scaled = scale_image(data)
    assert scaled.dtype == np.float32
    assert_allclose(scaled[:, 100:].std(), 1, rtol=0.15)


def test_background_of_little():
    data = np.full((50, 60), np.nan)
    data[3, 4] = 5.0
    background, noise = estimate_background(data)
    assert np.all(np.isfinite(background))
    assert_array_equal(noise, 1)
