# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the metrics of detections.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.metrics import (calibration_table,
                                     completeness_at_reliability,
                                     completeness_by, confusion_matrix,
                                     detection_curve, detection_scores,
                                     match_detections)

places = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), max_size=12)


@given(found=places, truth=places, radius=st.floats(0.1, 9))
def test_matches_are_one_to_one_and_near(found, truth, radius):
    x, y = np.array(found).reshape(-1, 2).T
    true_x, true_y = np.array(truth).reshape(-1, 2).T
    score = np.arange(x.size)
    index = match_detections(x, y, score, true_x, true_y, radius)
    taken = index[index >= 0]
    assert len(set(taken.tolist())) == taken.size
    matched = index >= 0
    assert np.all(np.hypot(x[matched] - true_x[taken],
                           y[matched] - true_y[taken]) <= radius + 1e-9)
    # no detection without a source has a free one within the radius
    free = np.setdiff1d(np.arange(true_x.size), taken)
    for k in np.flatnonzero(~matched):
        assert np.all(np.hypot(x[k] - true_x[free], y[k] - true_y[free])
                      > radius - 1e-9)


def test_the_best_chooses_first():
    index = match_detections([0, 1, 5], [0, 0, 0], [2, 3, 1], [1.2, 0.4],
                             [0, 0], 2)
    assert_array_equal(index, [1, 0, -1])


def test_scores_by_hand():
    scores = detection_scores(6, 2, 4)
    assert scores == {'completeness': 0.6, 'reliability': 0.75,
                      'f1': pytest.approx(2 * 0.6 * 0.75 / 1.35),
                      'iou': 0.5}
    assert all(np.isnan(value) for value in
               detection_scores(0, 0, 0).values())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1,
                max_size=30), st.integers(0, 9))
def test_curve_agrees_with_scores(rows, n_more):
    score, correct = np.array(rows).T
    n_sources = int(correct.sum()) + n_more
    curve = detection_curve(score, correct, n_sources)
    assert np.all(np.diff(curve['score']) <= 0)
    last = detection_scores(int(correct.sum()),
                            int(correct.size - correct.sum()), n_more)
    assert_allclose(curve['reliability'][-1], last['reliability'])
    if n_sources:
        assert_allclose(curve['completeness'][-1], last['completeness'])
        assert 0 <= curve.meta['average_precision'] <= 1


def test_average_precision_of_a_perfect_ranking():
    curve = detection_curve([4, 3, 2, 1], [True, True, False, False], 2)
    assert curve.meta['average_precision'] == 1


def test_completeness_at_reliability():
    score = np.arange(10, 0, -1)
    correct = np.array([1, 1, 1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
    assert completeness_at_reliability(score, correct, 12, 0.8) == (
        pytest.approx(4 / 12), 6.0)
    assert completeness_at_reliability(score, ~correct, 12) == (0.0, np.inf)
    assert completeness_at_reliability([], [], 3) == (0.0, np.inf)


def test_bins_have_errors():
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 20, 4000)
    found = rng.random(4000) < values / 20
    table = completeness_by(values, found, [0, 5, 10, 20, 30])
    assert table['n_sources'].sum() == 4000
    assert np.isnan(table['completeness'][3])
    table = table[:3]
    expected = np.array([0.125, 0.375, 0.75])
    assert np.all(np.abs(table['completeness'] - expected) < 0.04)
    assert np.all((table['completeness_low'] < table['completeness'])
                  & (table['completeness'] < table['completeness_high']))


def test_calibrated_probabilities():
    rng = np.random.default_rng(2)
    probability = rng.random(20000)
    correct = rng.random(20000) < probability
    table = calibration_table(probability, correct)
    assert_allclose(table['share'], table['probability'], atol=0.04)
    table = calibration_table([1.0, 1.0], [True, True])
    assert table['n_detections'][-1] == 2
    assert np.isnan(table['share'][0])


def test_confusion():
    table = confusion_matrix(['b', 'a', 'b'], ['a', 'a', 'b'], ('a', 'b'))
    assert table['a'].tolist() == [1, 1]
    assert table['b'].tolist() == [0, 1]


def test_errors():
    with pytest.raises(ValueError, match='^radius must be'):
        match_detections([1], [1], [1], [1], [1], 0)
    with pytest.raises(ValueError, match='^n_sources must be at least'):
        detection_curve([1], [True], 0)
    with pytest.raises(ValueError, match="^kind must be of a, b, got 'c'"):
        confusion_matrix(['a'], ['c'], ('a', 'b'))
