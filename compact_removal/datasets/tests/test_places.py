# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for pieces of maps, and for the cache.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compact_removal.datasets import BackgroundMap
from compact_removal.datasets._places import (BoundedCache, CutoutPlaces,
                                              flip_at_random, lose_pixels)


def _draw_many(places, shape, n=400, **kwargs):
    rng = np.random.default_rng(1)
    return [places.draw(rng, shape, **kwargs) for _ in range(n)]


@pytest.mark.parametrize('scale', [1.0, 2.0])
def test_stays_away_from_sources(scale):
    # the value of a pixel is its number
    data = np.arange(120 * 150.0).reshape(120, 150)
    positions = np.array([[60.0, 50.0], [1000, 3]])
    places = CutoutPlaces(BackgroundMap(data, positions), 8, scale=scale)
    centers = np.array([cutout[10, 10] for cutout
                        in _draw_many(places, (20, 20))])
    y, x = np.divmod(centers.astype(int), 150)
    distance = np.hypot(x - 60, y - 50)
    assert 8 * scale < distance.min() < 8 * scale + 3
    assert x.min() >= 10
    assert x.max() <= 150 - 10
    # everywhere else, and not twice the same
    assert len(set(centers)) > 350
    assert np.ptp(x) > 110
    assert np.ptp(y) > 90
    assert places.nbytes < 6 * data.size


def test_edges():
    data = np.ones((60, 70))
    data[:20, :20] = np.nan
    places = CutoutPlaces(BackgroundMap(data), 0)
    cutouts = np.array(_draw_many(places, (16, 24), edge_chance=0.5))
    assert cutouts.shape == (400, 16, 24)
    assert np.all(np.isfinite(cutouts[:, 8, 12]))
    share = np.isnan(cutouts).any(axis=(1, 2)).mean()
    assert 0.15 < share < 0.45
    # more of the map than there is
    large = places.draw(np.random.default_rng(0), (100, 90))
    assert large.shape == (100, 90)
    assert np.isfinite(large).sum() > 0.6 * data.size


def test_map_without_places():
    places = CutoutPlaces(BackgroundMap(np.full((50, 50), np.nan)), 3)
    assert places.count() == 0


class _Item:
    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_cache():
    cache = BoundedCache(100)
    made = []

    def get(key, nbytes):
        return cache.get(key, lambda: made.append(key) or _Item(nbytes))

    first = get('a', 40)
    get('b', 40)
    assert get('a', 40) is first
    get('c', 40)
    # not the one that was used last
    assert made == ['a', 'b', 'c']
    assert get('a', 40) is first
    get('b', 40)
    assert made == ['a', 'b', 'c', 'b']
    assert cache.nbytes == 80
    # one is kept, as large as it is
    get('d', 1000)
    assert (len(cache), cache.nbytes) == (1, 1000)


def test_flips():
    data = np.arange(9).reshape(3, 3)
    rng = np.random.default_rng(2)
    found = {flip_at_random(data, rng).tobytes() for _ in range(100)}
    assert len(found) == 8
    wide = np.arange(6).reshape(2, 3)
    assert len({flip_at_random(wide, rng).tobytes()
                for _ in range(100)}) == 4


def test_lost_pixels():
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(200):
        known = np.ones((60, 80), dtype=bool)
        lose_pixels(known, rng)
        shares.append(1 - known.mean())
        assert known[30, 40] or shares[-1] < 0.01
    # single pixels, or an edge
    assert 0.3 < np.mean(np.array(shares) < 30 / 4800 + 1e-9) < 0.6
    assert 0.2 < max(shares) < 0.5
    known = np.zeros((8, 9), dtype=bool)
    lose_pixels(known, rng)
    assert_array_equal(known, False)
