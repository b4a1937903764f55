# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of annuli, and of apertures around sources.
"""

import numpy as np
import pytest

from compact_removal.photometry import annulus_background, aperture_scatter


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
