# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the metrics of segmentation.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.metrics import (SegmentationScores, matthews_coefficient,
                                     roc_curve)


def count(score, truth, threshold):
    """
    True and false positives and negatives, one by one.
    """
    found = score >= threshold
    return (np.sum(found & truth), np.sum(found & ~truth),
            np.sum(~found & ~truth), np.sum(~found & truth))


def test_the_example_of_the_paper():
    # Sect. 4.1.1
    assert_allclose(matthews_coefficient(990, 1590, 157410, 10), 0.61,
                    atol=0.005)
    assert matthews_coefficient(0, 0, 10, 10) == 0
    assert_allclose(matthews_coefficient(5, 0, 7, 0), 1)
    assert_allclose(matthews_coefficient(0, 5, 0, 7), -1)


@given(st.integers(0, 2 ** 31), st.floats(0.02, 0.98))
def test_it_is_a_correlation(seed, share):
    rng = np.random.default_rng(seed)
    truth = rng.random(400) < share
    found = np.where(rng.random(400) < 0.7, truth, ~truth)
    if 0 < truth.sum() < 400 and 0 < found.sum() < 400:
        numbers = (np.sum(found & truth), np.sum(found & ~truth),
                   np.sum(~found & ~truth), np.sum(~found & truth))
        assert_allclose(matthews_coefficient(*numbers),
                        np.corrcoef(found, truth)[0, 1], atol=1e-9)


@given(st.integers(0, 2 ** 31))
def test_auc_is_the_chance_of_the_right_order(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(60) < 0.4
    score = np.round(rng.normal(size=60) + truth, 1)
    if not 0 < truth.sum() < 60:
        return
    difference = np.subtract.outer(score[truth], score[~truth])
    expected = np.mean((difference > 0) + 0.5 * (difference == 0))
    assert_allclose(roc_curve(score, truth).meta['auc'], expected)


def make_scores(rng, n_images=3):
    scores = SegmentationScores(['CR', 'BG'])
    pairs = []
    for _ in range(n_images):
        truth = rng.random((2, 40, 50)) < [[[0.05]], [[0.8]]]
        logit = rng.normal(size=truth.shape) + 3 * truth - 2
        probability = 1 / (1 + np.exp(-logit))
        scores.add(probability.astype('f4'), truth)
        pairs.append((probability, truth))
    return scores, *(np.concatenate([one[k].reshape(2, -1)
                                     for one in pairs], axis=1)
                     for k in range(2))


def test_histograms_are_as_good_as_all_values():
    scores, probability, truth = make_scores(np.random.default_rng(1))
    summary = scores.summary()
    for k, name in enumerate(('CR', 'BG')):
        row = summary[k]
        curve = roc_curve(probability[k], truth[k])
        assert_allclose(row['auc'], curve.meta['auc'], atol=2e-4)
        assert_allclose(row['share'], truth[k].mean())
        assert_allclose(row['mean_probability'], probability[k].mean(),
                        rtol=1e-5)
        tp, fp, tn, fn = count(probability[k], truth[k], row['threshold'])
        assert_allclose(row['mcc'], matthews_coefficient(tp, fp, tn, fn),
                        atol=2e-3)
        assert_allclose(row['tpr'], tp / (tp + fn), atol=3e-3)
        assert_allclose(row['purity'], tp / (tp + fp), atol=3e-3)
        assert_allclose(row['accuracy'], (tp + tn) / truth[k].size,
                        atol=3e-3)
        best = max(matthews_coefficient(*count(probability[k], truth[k], t))
                   for t in np.linspace(0.02, 0.98, 49))
        assert row['mcc'] >= best - 2e-3
        table = scores.curve(name)
        assert np.all(np.diff(table['tpr']) >= 0)
        assert np.all(np.diff(table['threshold']) < 0)


def test_priors_change_purity_alone():
    scores, _, _ = make_scores(np.random.default_rng(2))
    before, rare = scores.curve('CR'), scores.curve('CR', 0.001)
    assert_allclose(rare['tpr'], before['tpr'])
    assert_allclose(rare['fpr'], before['fpr'])
    known = np.isfinite(before['purity']) & (before['fpr'] > 0)
    assert np.all(rare['purity'][known] < before['purity'][known])
    assert np.all(rare['threshold'] < before['threshold'])
    assert (scores.summary([0.001, 0.9])['mcc'][0]
            < scores.summary()['mcc'][0])


def test_pixels_that_do_not_count():
    rng = np.random.default_rng(3)
    truth = rng.random((1, 30, 30)) < 0.3
    probability = np.where(truth, 0.9, 0.1)
    wrong = rng.random((30, 30)) < 0.2
    probability[0, wrong] = 0.5
    scores = SegmentationScores(['CR'])
    scores.add(probability, truth, ~wrong)
    row = scores.summary()[0]
    assert_allclose([row['auc'], row['mcc'], row['f1']], 1)
    assert row['tpr_at_0.001'] > 0.99
    assert row['n_pixels'] == (truth[0] & ~wrong).sum()


def test_classes_that_are_not_there():
    scores = SegmentationScores(['CR'])
    scores.add(np.full((1, 5, 5), 0.2), np.zeros((1, 5, 5), dtype=bool))
    assert np.isnan(scores.summary()['auc'][0])
    assert np.isnan(roc_curve([0.1, 0.2], [True, True]).meta['auc'])


def test_errors():
    scores = SegmentationScores(['CR'])
    with pytest.raises(ValueError, match='^probability and truth must have'):
        scores.add(np.zeros((2, 5, 5)), np.zeros((2, 5, 5), dtype=bool))
    with pytest.raises(ValueError, match='^name must be one of CR'):
        scores.curve('BG')
