# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the filling of defects.
"""

import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.contaminants import FILL_FLAGS, clean, contaminate
from compact_removal.datasets import ExposureSettings, make_exposure

FILLED, LEFT = (flag.value for flag in FILL_FLAGS)


def test_noise_is_filled_with_the_background():
    rng = np.random.default_rng(1)
    data = rng.normal(100, 2, (80, 90))
    mask = rng.random(data.shape) < 0.03
    broken = np.where(mask, 1e4, data)
    cleaned = clean(broken, mask)
    assert_array_equal(cleaned.data[~mask], data[~mask])
    assert_allclose(cleaned.data[mask], 100, atol=5)
    assert_array_equal(cleaned.flags, np.where(mask, FILLED, 0))
    assert not cleaned.mask.any()
    pull = (cleaned.data - data)[mask] / cleaned.uncertainty.array[mask]
    assert 0.85 < pull.std() < 1.15


def test_stars_are_filled_with_stars():
    settings = ExposureSettings(fwhm=(3.5, 3.5), stars=(3000.0, 3000.0),
                                n_bright=0.0, spike_chance=0.0)
    exposure = make_exposure((200, 200), settings=settings, seed=1)
    brightest = np.argsort(-exposure.flux)
    mask = np.zeros(exposure.image.shape, dtype=bool)
    for k in brightest[:40]:
        x, y = int(exposure.x[k]), int(exposure.y[k])
        if 5 < x < 195 and 5 < y < 195:
            mask[y, x + 1] = True
    mask &= ~exposure.saturated
    assert mask.sum() > 10
    light = (exposure.image - exposure.sky)[mask]
    cleaned = clean(exposure.image, mask)
    error = (cleaned.data - exposure.image)[mask]
    # the median of the neighbours is wrong by much more
    median = np.array([
        np.median(exposure.image[y - 2:y + 3, x - 2:x + 3])
        for y, x in np.argwhere(mask)])
    assert np.abs(error).sum() < 0.5 * np.abs(
        median - exposure.image[mask]).sum()
    assert np.median(np.abs(error / light)) < 0.25


def test_large_defects_are_left():
    data = np.random.default_rng(1).normal(50, 1, (60, 60))
    mask = np.zeros(data.shape, dtype=bool)
    mask[20:35, 20:35] = True
    cleaned = clean(CCDData(data, unit='adu', mask=mask))
    assert cleaned.flags[27, 27] == LEFT
    assert cleaned.mask[27, 27]
    assert cleaned.data[27, 27] == data[27, 27]
    assert cleaned.flags[20, 27] == FILLED
    assert not cleaned.mask[20, 27]
    wide = clean(CCDData(data, unit='adu', mask=mask), max_distance=20)
    assert not wide.mask.any()
    assert str(wide.unit) == 'adu'


@given(st.integers(0, 2 ** 31), st.floats(0.001, 0.6))
def test_any_mask(seed, share):
    rng = np.random.default_rng(seed)
    exposure = contaminate(make_exposure((48, 56), seed=rng), seed=rng)
    mask = rng.random(exposure.image.shape) < share
    image = exposure.image.copy()
    cleaned = clean(image, mask)
    assert_array_equal(image, exposure.image)
    assert np.all(np.isfinite(cleaned.data))
    assert np.all(cleaned.uncertainty.array > 0)
    assert_array_equal(cleaned.mask, cleaned.flags == LEFT)


def test_uncertainty_of_the_user():
    data = np.random.default_rng(1).normal(50, 1, (40, 40))
    mask = np.zeros(data.shape, dtype=bool)
    mask[20, 20] = True
    image = CCDData(data, unit='adu', mask=mask,
                    uncertainty=StdDevUncertainty(np.full(data.shape, 7.0)))
    cleaned = clean(image)
    assert_array_equal(cleaned.uncertainty.array[~mask], 7)
    assert cleaned.uncertainty.array[20, 20] < 2


@pytest.mark.parametrize(('arguments', 'words'), [
    ((np.zeros((5, 5)), np.zeros((4, 4))), '^mask must have the shape'),
    ((np.zeros((5, 5)), np.full((5, 5), 64)), '^mask must be True or False'),
    ((np.full((5, 5), np.nan),), '^image must have pixels that are known'),
    ((np.zeros(5),), '^image must have two dimensions'),
])
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        clean(*arguments)
    with pytest.raises(ValueError, match='^max_distance must be positive'):
        clean(np.zeros((5, 5)), max_distance=0)
