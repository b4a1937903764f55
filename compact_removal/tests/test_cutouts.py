# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of cutting and blending.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.cutouts import (blend_cutouts, disc_weights,
                                     extract_cutouts)


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-30, 60), y=st.floats(-30, 60),
       size=st.integers(1, 24))
def test_cutouts_come_from_where_they_say(x, y, size):
    data = np.arange(35 * 40).reshape(35, 40)
    cutouts, corners = extract_cutouts(data, [x], [y], size, fill=-1)
    assert cutouts.shape == (1, size, size)
    assert cutouts.dtype == data.dtype
    padded = np.pad(data, 80, constant_values=-1)
    left, low = corners[0] + 80
    assert np.array_equal(cutouts[0],
                          padded[low:low + size, left:left + size])
    assert np.all(corners[0] + size // 2 == np.rint([x, y]))


def test_weights():
    weights = disc_weights([20.4], [19.7], [5], [[0, 0]], 41, taper=3)[0]
    y, x = np.indices((41, 41))
    radius = np.hypot(x - 20.4, y - 19.7)
    assert np.all(weights[radius <= 5] == 1)
    assert np.all(weights[radius >= 8] == 0)
    between = weights[(radius > 5.5) & (radius < 7.5)]
    assert np.all((between > 0) & (between < 1))


def test_blending_back_what_was_cut_changes_nothing():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, 60))
    x, y = rng.uniform(0, 50, size=(2, 12))
    cutouts, corners = extract_cutouts(data, x, y, 21, fill=np.nan)
    weights = disc_weights(x, y, np.full(12, 4), corners, 21, taper=2)
    blended, weight = blend_cutouts(data, cutouts, weights, corners)
    assert_allclose(blended, data, atol=1e-12)
    untouched = weight == 0
    assert untouched.any()
    assert np.array_equal(blended[untouched], data[untouched])


def test_blending_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    data = np.zeros((50, 50))
    x, y = rng.uniform(10, 40, size=(2, 9))
    cutouts = rng.normal(size=(9, 21, 21))
    _, corners = extract_cutouts(data, x, y, 21, fill=0)
    weights = disc_weights(x, y, np.full(9, 5), corners, 21, taper=3)
    order = rng.permutation(9)
    one = blend_cutouts(data, cutouts, weights, corners)[0]
    two = blend_cutouts(data, cutouts[order], weights[order],
                        corners[order])[0]
    assert_allclose(one, two, atol=1e-12)
    assert np.abs(one).max() > 0


def test_overlap_is_the_weighted_mean():
    cutouts = np.array([np.full((3, 3), 1.0), np.full((3, 3), 4.0)])
    weights = np.array([np.full((3, 3), 1.0), np.full((3, 3), 0.5)])
    blended, weight = blend_cutouts(np.zeros((3, 4)), cutouts, weights,
                                    [[0, 0], [1, 0]])
    assert blended[0].tolist() == pytest.approx([1, 2, 2, 2])
    assert weight[0].tolist() == [1, 1, 1, 0.5]
