# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the library of stamps.
"""

import numpy as np
import pytest

from compact_removal.datasets._stamps import StampLibrary
from compact_removal.instruments import get_band


@pytest.fixture(name='library', scope='module')
def _library():
    return StampLibrary(get_band('scanmap', 'green'), 12, 4, 30,
                        np.random.default_rng(0))


def test_positions(library):
    rng = np.random.default_rng(1)
    for k in range(12):
        stamp, (dx, dy), _ = library.draw(k, rng)
        offset = np.arange(-3, 4)
        core = stamp[27:34, 27:34]
        x = (core * offset).sum() / core.sum()
        y = (core * offset[:, None]).sum() / core.sum()
        # the window of 7 pixels pulls the centroid inwards
        assert np.hypot(x - dx, y - dy) < 0.35
        assert x * dx >= -0.02
        assert y * dy >= -0.02
        assert 0.7 < stamp.sum() < 1


def test_extent(library):
    extents = library.extents
    larger = extents > 1
    assert 0.03 < larger.mean() < 0.3
    assert 1 < extents[larger].min() < extents.max() <= 2
    # large ones have lower peaks than points of the same PSF
    for stamps, extent in zip(library.stamps, extents, strict=True):
        peaks = stamps.max(axis=(1, 2))
        if extent.max() > 1.2 and np.any(extent == 1):
            assert peaks[extent > 1.2].max() < peaks[extent == 1].mean()
