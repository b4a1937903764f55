# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the probabilities of candidates.
"""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.detection.candidates import FEATURES
from compact_removal.detection.probability import Scorer, fit_scorer


def make_candidates(n, seed):
    """
    The first feature decides between nothing and a source, the next two
    between the kinds.
    """
    rng = np.random.default_rng(seed)
    features = 3 + 2 * rng.normal(size=(n, len(FEATURES)))
    scaled = (features - 3) / 2
    scores = np.column_stack([np.zeros(n), 2 * scaled[:, 0],
                              scaled[:, 1] - 1, scaled[:, 2] - 1])
    truth = np.exp(scores)
    truth /= truth.sum(axis=1, keepdims=True)
    kind = (rng.random((n, 1)) > np.cumsum(truth, axis=1)).sum(axis=1)
    return features, kind, truth[:, 1:]


@pytest.fixture(scope='module')
def scorer():
    return fit_scorer(*make_candidates(20_000, 1)[:2])


def test_probabilities(scorer):
    features, _, truth = make_candidates(2000, 2)
    found = scorer(features)
    assert found.shape == (2000, 3)
    assert np.abs(found - truth).mean() < 0.03
    assert (found.sum(axis=1) <= 1).all()


def test_calibration(scorer):
    features, kind, _ = make_candidates(20_000, 3)
    probability = scorer(features)[:, 0]
    for low in np.arange(0, 1, 0.1):
        part = (probability >= low) & (probability < low + 0.1)
        error = np.sqrt(0.25 / part.sum())
        assert abs(np.mean(kind[part] == 1) - probability[part].mean()
                   ) < 4 * error


def test_files_hold_it(scorer):
    again = Scorer.from_dict(json.loads(json.dumps(scorer.to_dict())))
    features = make_candidates(100, 4)[0]
    assert_allclose(again(features), scorer(features), atol=1e-3)


@pytest.mark.parametrize('values', [None, {}, {'features': ['weak']}])
def test_other_features_are_refused(values):
    with pytest.raises(ValueError, match='^weights: the probabilities'):
        Scorer.from_dict(values)


def test_far_out_features(scorer):
    features = np.full((2, len(FEATURES)), 1e9)
    features[1] = -1e9
    assert np.isfinite(scorer(features)).all()
