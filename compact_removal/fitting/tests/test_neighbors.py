# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of sources that shine into each other.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compact_removal.fitting import SourcePSF
from compact_removal.fitting.neighbors import Neighbors
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
# two that blend, one that is near, one alone
X = np.array([10.0, 14.0, 24.0, 300.0])


@pytest.fixture(name='neighbors')
def _neighbors():
    return Neighbors(X, np.zeros(4), SourcePSF(BAND, BAND.pixel_scale))


def test_near(neighbors):
    assert_array_equal(neighbors.n_neighbors, [2, 2, 2, 0])
    chosen = np.array([False, True, False, True])
    assert_array_equal(neighbors.near_any(chosen),
                       [True, False, True, False])


@pytest.mark.parametrize('largest', [1, 2, 100])
def test_batches(neighbors, largest):
    blended = {}
    for rows, others in neighbors.batches(np.arange(4), largest):
        assert 0 < rows.size <= largest
        for row, other in zip(rows.tolist(), others, strict=True):
            assert row not in blended
            blended[row] = [i for i in other.tolist() if i >= 0]
    assert blended == {0: [1], 1: [0], 2: [], 3: []}
