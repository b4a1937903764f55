# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of cutting and blending.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.maps.cutouts import (DiscBlender, add_cutouts,
                                          chunk_slices, extract_cutouts,
                                          extract_valid, stack_statistics)


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


@pytest.mark.parametrize('kind', ['>f4', '<f8', 'i2'])
def test_valid_pixels_only(kind):
    rng = np.random.default_rng(1)
    data = rng.integers(-99, 99, size=(12, 15)).astype(kind)
    mask = rng.random(data.shape) < 0.3
    if kind != 'i2':
        data[4, 5], data[6, 7] = np.nan, -np.inf
    x, y = rng.uniform(-3, 15, size=(2, 20))
    expected = np.where(mask | ~np.isfinite(data), np.nan, data)
    cutouts, corners = extract_valid(data, x, y, 7, mask=mask)
    same, same_corners = extract_cutouts(expected.astype(float), x, y, 7,
                                         fill=np.nan)
    assert cutouts.dtype == float
    assert np.array_equal(cutouts, same, equal_nan=True)
    assert np.array_equal(corners, same_corners)
    without, _ = extract_valid(data, [4], [4], 5)
    assert np.isfinite(without).all() == (kind == 'i2')


def test_chunks_cover_all_and_bound_the_memory():
    slices = chunk_slices(1234, 300)
    rows = np.concatenate([np.arange(1234)[part] for part in slices])
    assert np.array_equal(rows, np.arange(1234))
    assert max(part.stop - part.start for part in slices) * 300 ** 2 <= 2e6
    assert chunk_slices(2, 10 ** 6) == [slice(0, 1), slice(1, 2)]
    assert chunk_slices(0, 10) == []


def test_adding_is_the_reverse_of_cutting():
    data = np.zeros((20, 30))
    rng = np.random.default_rng(2)
    cutouts = rng.normal(size=(3, 5, 5))
    left, low = [-3, 10, 27], [2, -1, 18]
    add_cutouts(data, cutouts, left, low)
    for cutout, x, y in zip(cutouts, left, low, strict=True):
        back, _ = extract_cutouts(data, [x + 2], [y + 2], 5, fill=np.nan)
        inside = np.isfinite(back[0])
        assert np.array_equal(back[0][inside], cutout[inside])
    assert np.count_nonzero(data) == 5 * 2 + 4 * 5 + 3 * 2


def test_weights():
    blender = DiscBlender((41, 41), 1, taper=3)
    blender.add([np.ones((1, 41, 41))], [20.4], [19.7], [5], [[0, 0]])
    y, x = np.indices((41, 41))
    radius = np.hypot(x - 20.4, y - 19.7)
    assert np.all(blender.weight[radius <= 5] == 1)
    assert np.all(blender.weight[radius >= 8] == 0)
    between = blender.weight[(radius > 5.5) & (radius < 7.5)]
    assert np.all((between > 0) & (between < 1))


def test_blending_back_what_was_cut_changes_nothing():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(50, 60))
    x, y = rng.uniform(0, 50, size=(2, 12))
    cutouts, corners = extract_cutouts(data, x, y, 21, fill=np.nan)
    blender = DiscBlender(data.shape, 2, taper=2)
    blender.add([cutouts, 2 * cutouts], x, y, np.full(12, 4), corners)
    untouched = blender.weight == 0
    assert untouched.any()
    for index, factor in ((0, 1), (1, 2)):
        blended = factor * data
        blender.blend(index, blended)
        assert_allclose(blended, factor * data, atol=1e-12)
        assert np.array_equal(blended[untouched], factor * data[untouched])


def test_blending_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    data = np.zeros((50, 50))
    x, y = rng.uniform(10, 40, size=(2, 9))
    cutouts = rng.normal(size=(9, 21, 21))
    _, corners = extract_cutouts(data, x, y, 21, fill=0)
    results = []
    for order in (np.arange(9), rng.permutation(9)):
        blender = DiscBlender(data.shape, 1, taper=3)
        # at once, and in two parts
        for part in (order[:4], order[4:]):
            blender.add([cutouts[part]], x[part], y[part], np.full(9, 5),
                        corners[part])
        results.append(data.copy())
        blender.blend(0, results[-1])
    assert_allclose(*results, atol=1e-12)
    assert np.abs(results[0]).max() > 0


def test_overlap_is_the_weighted_mean():
    cutouts = np.stack([np.full((3, 3), 1.0), np.full((3, 3), 4.0)])
    blender = DiscBlender((1, 5), 1, taper=4)
    # weights 1, 1, 0.85, ... and ..., 0.85, 1, 1
    blender.add([cutouts], [0, 4], [0, 0], [1, 1], [[0, -1], [2, -1]])
    weight = 0.5 + 0.5 * np.cos(np.pi / 4)
    blended = np.zeros((1, 5))
    blender.blend(0, blended)
    assert blended[0] == pytest.approx([1, 1, 2.5 * weight, 4, 4])
    assert blender.weight[0] == pytest.approx([1, 1, weight, 1, 1])


def test_statistics_of_cutouts():
    stack = np.random.default_rng(1).normal(5, 2, (4, 9, 9))
    stack[0, 3, 3] = np.nan
    stack[3] = np.nan
    chosen = np.random.default_rng(2).random(stack.shape) < 0.4
    chosen[0, 3, 3] = True
    chosen[2] = False
    mean, std, count = stack_statistics(stack, chosen)
    for i in range(2):
        values = stack[i][chosen[i] & np.isfinite(stack[i])]
        assert count[i] == values.size
        assert_allclose(mean[i], values.mean())
        assert_allclose(std[i], values.std())
    assert np.all(count[2:] == 0)
    assert np.all(np.isnan(mean[2:]) & np.isnan(std[2:]))
