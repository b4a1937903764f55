# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.metrics import (average_precisions, box_overlaps,
                                     match_boxes)


def draw_boxes(rng, n):
    low = rng.integers(0, 20, (n, 2))
    return np.hstack([low, low + rng.integers(1, 9, (n, 2))])


@given(seed=st.integers(0, 1000), n=st.integers(0, 5), m=st.integers(0, 5))
def test_overlaps_are_those_of_pixels(seed, n, m):
    rng = np.random.default_rng(seed)
    boxes, others = draw_boxes(rng, n), draw_boxes(rng, m)
    overlaps = box_overlaps(boxes, others)
    assert overlaps.shape == (n, m)
    masks = [np.zeros((len(some), 30, 30), dtype=bool)
             for some in (boxes, others)]
    for mask, some in zip(masks, (boxes, others), strict=True):
        for plane, (left, low, right, high) in zip(mask, some, strict=True):
            plane[low:high, left:right] = True
    for k in range(n):
        for j in range(m):
            both = (masks[0][k] & masks[1][j]).sum()
            assert_allclose(overlaps[k, j],
                            both / (masks[0][k] | masks[1][j]).sum())


@given(seed=st.integers(0, 1000))
def test_matches_are_one_to_one(seed):
    rng = np.random.default_rng(seed)
    boxes, others = draw_boxes(rng, 8), draw_boxes(rng, 6)
    index = match_boxes(boxes, rng.random(8), others, 0.2)
    found = index[index >= 0]
    assert len(set(found)) == len(found)
    overlaps = box_overlaps(boxes, others)
    assert np.all(overlaps[index >= 0, found] >= 0.2)
    # nothing is left that would match
    free = np.setdiff1d(np.arange(6), found)
    assert np.all(overlaps[index < 0][:, free] < 0.2)


def test_average_precision():
    boxes = np.array([[0, 0, 4, 4], [10, 10, 14, 14], [20, 20, 24, 24]])
    field = {'boxes': boxes, 'kind': ['a', 'a', 'b'],
             'score': [0.9, 0.8, 0.7], 'true_boxes': boxes[[0, 2]] + 0.5,
             'true_kind': ['a', 'b']}
    table = average_precisions([field, field], ['a', 'b', 'c'])
    assert table['kind'].tolist() == ['a', 'b', 'all']
    assert table['n_sources'].tolist() == [2, 2, 4]
    # a: both found before those that are none
    assert_allclose(table['ap50'], [1, 1, 1])
    assert_allclose(table['ap75'], [0, 0, 0])
    assert_allclose(table['reliability'], [0.5, 1, 2 / 3])
    # a source of another kind is not found
    other = average_precisions([{**field, 'true_kind': ['b', 'a']}],
                               ['a', 'b'])
    assert_array_equal(other['ap50'], 0)


def test_arguments():
    with pytest.raises(ValueError, match='^boxes must be'):
        box_overlaps([[4, 0, 0, 4]], [])
    with pytest.raises(ValueError, match='^least must be'):
        match_boxes([], [], [], 0)
