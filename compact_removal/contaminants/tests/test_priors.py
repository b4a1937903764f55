# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of priors and thresholds.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.contaminants import CLASSES, update_priors
from compact_removal.contaminants.priors import (find_thresholds, logit_shift,
                                                 read_per_class, read_priors)

SHARES = st.floats(1e-6, 1 - 1e-6)
PROBABILITIES = st.floats(1e-4, 1 - 1e-4)


def published(probability, trained, target):
    """
    Equation 26 as it is printed.
    """
    return 1 / (1 + (1 / probability - 1) * trained / target
                * (1 - target) / (1 - trained))


@given(PROBABILITIES, SHARES, SHARES)
def test_it_is_the_equation(probability, trained, target):
    assert_allclose(update_priors(probability, trained, target),
                    published(probability, trained, target), rtol=1e-9)


@given(PROBABILITIES, SHARES)
def test_the_same_prior_changes_nothing(probability, share):
    assert_allclose(update_priors(probability, share, share), probability,
                    rtol=1e-12)


@given(SHARES, SHARES)
def test_the_prior_becomes_the_prior(trained, target):
    assert_allclose(update_priors(trained, trained, target), target,
                    rtol=1e-9)


@given(PROBABILITIES, SHARES, SHARES, SHARES)
def test_steps_add_up(probability, first, second, third):
    between = update_priors(probability, first, second)
    if 1e-9 < between < 1 - 1e-9:
        assert_allclose(update_priors(between, second, third),
                        update_priors(probability, first, third), rtol=1e-5)


@given(SHARES, SHARES)
def test_the_order_stays(trained, target):
    probability = np.linspace(0, 1, 101)
    found = update_priors(probability, trained, target)
    assert found[0] == 0
    assert found[-1] == 1
    assert np.all(np.diff(found) >= 0)


def test_the_shift_is_constant():
    probability = np.array([0.01, 0.5, 0.9])
    found = update_priors(probability, 0.01, 0.2)
    logit = np.log(found / (1 - found)) - np.log(probability
                                                 / (1 - probability))
    assert_allclose(logit, logit_shift(0.01, 0.2))


@pytest.mark.parametrize(('name', 'values'), [
    ('trained', (0.0, 0.5)), ('trained', (1.0, 0.5)),
    ('target', (0.5, 0.0)), ('target', (0.5, np.nan))])
def test_bad_shares(name, values):
    with pytest.raises(ValueError, match=f'^{name} must be between 0 and 1'):
        update_priors(0.5, *values)


def test_values_per_class():
    usual = [one.prior for one in CLASSES]
    assert_allclose(read_per_class('priors', 0.2, (0, 9), usual), [0.2, 0.2])
    assert_allclose(read_per_class('priors', [0.1, 0.2], (0, 9), usual),
                    [0.1, 0.2])
    assert_allclose(read_per_class('priors', {'SAT': 0.3}, (0, 9), usual),
                    [usual[0], 0.3])
    for bad in ([0.1, 0.2, 0.3], 'many', 1.1, {'BG': 0.1}, [0.1, 'x']):
        with pytest.raises(ValueError, match='^priors must'):
            read_per_class('priors', bad, (0, 9), usual)
    # the class is in the message
    with pytest.raises(ValueError, match=r"got \{'SAT': None\}"):
        read_per_class('thresholds', {'SAT': None}, (0, 9), usual)


def test_named_priors():
    trained = np.linspace(0.1, 0.5, len(CLASSES))
    assert_allclose(read_priors('training', (1, 2), trained), trained[1:3])
    assert_allclose(read_priors('default', (1,), trained), [CLASSES[1].prior])
    for bad in ('usual', 0.0, 1, [0.5, 0.0]):
        with pytest.raises(ValueError, match='^priors must be'):
            read_priors(bad, (1, 2), trained)


def test_thresholds_rise_as_a_class_becomes_rare():
    logit = np.linspace(8, -8, 161)
    rising = 1 / (1 + np.exp(logit))
    scores = {'logit': logit.tolist(), 'tpr': [rising ** 0.3] * 2,
              'fpr': [rising ** 3] * 2, 'least_fpr': [1e-9] * 2}
    often, seldom = find_thresholds(scores, [0.1, 0.1], [0.1, 0.001])
    # in units of the network
    assert update_priors(seldom, 0.001, 0.1) > often
    # a class that is never mistaken has the lowest threshold that finds all
    scores = {'logit': [2.0, 1.0, 0.0], 'tpr': [[0.5, 1.0, 1.0]],
              'fpr': [[0.0, 0.0, 0.5]], 'least_fpr': [1e-6]}
    assert_allclose(find_thresholds(scores, [0.1], [0.1]),
                    1 / (1 + np.exp(-1)))
