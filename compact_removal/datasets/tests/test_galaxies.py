# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (GALAXY_KINDS, clean_galaxy,
                                      half_light_radius, make_galaxy,
                                      place_galaxy)


@pytest.mark.parametrize('kind', GALAXY_KINDS)
def test_galaxies(kind):
    for seed in range(5):
        stamp = make_galaxy(kind, seed=seed)
        assert_allclose(stamp.sum(), 1)
        assert stamp.min() >= 0
        # nothing is cut off
        edge = np.concatenate([stamp[0], stamp[-1], stamp[:, 0],
                               stamp[:, -1]])
        assert edge.max() == 0
        assert 2 < half_light_radius(stamp) < 22
        assert_array_equal(stamp, make_galaxy(kind, seed=seed))


def test_unknown_kind():
    with pytest.raises(ValueError, match='^kind must be one of'):
        make_galaxy('square')


@given(x=st.floats(25, 55), y=st.floats(25, 45), scale=st.floats(0.3, 2.0),
       angle=st.floats(0, 6.3))
def test_placing(x, y, scale, angle):
    offsets = np.arange(15) - 7
    stamp = np.exp(-0.5 * (offsets ** 2 / 4 + offsets[:, None] ** 2 / 9))
    image = place_galaxy(stamp, (70, 80), x, y, scale=scale, angle=angle)
    rows, columns = np.indices(image.shape)
    total = image.sum()
    assert_allclose(total, stamp.sum(), rtol=0.02)
    assert_allclose([(image * columns).sum() / total,
                     (image * rows).sum() / total], [x, y], atol=0.05)


def test_angle():
    stamp = np.zeros((21, 21))
    stamp[10, 10:19] = 1
    image = place_galaxy(stamp, (41, 41), 20, 20, angle=np.pi / 2)
    # from x to y
    assert_allclose(image[20:29, 20], 1, atol=1e-9)


@given(seed=st.integers(0, 50))
def test_cleaning(seed):
    rng = np.random.default_rng(seed)
    truth = place_galaxy(make_galaxy('disk', seed=rng), (64, 64), 31, 33,
                         scale=0.4)
    other = place_galaxy(make_galaxy('spheroid', seed=rng), (64, 64), 60, 60,
                         scale=0.1)
    stamp = 8000 * truth + 200 * other + rng.standard_normal(truth.shape) + 3
    cleaned = clean_galaxy(stamp)
    assert_allclose(cleaned.sum(), 1)
    assert cleaned.min() >= 0
    assert not cleaned[-3:, -3:].any()
    assert np.abs(cleaned - truth / truth.sum()).sum() < 0.25


def test_nothing_to_clean():
    rng = np.random.default_rng(1)
    for stamp in (np.zeros((20, 20)), rng.standard_normal((40, 40)) * 0.1):
        with pytest.raises(ValueError, match='^stamp must have light'):
            clean_galaxy(stamp)
