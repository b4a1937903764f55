# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.metrics import (blend_statistics,
                                     intersection_over_union,
                                     profile_agreement)
from compact_removal.tests.helpers import get_data_path


def test_statistics():
    truth = np.array([1.0, 2.0, 4.0, 8.0])
    table = blend_statistics([1.1, 1.8, 12.0, np.nan], truth)
    row, = table
    assert row['n'] == 4
    assert row['measured'] == 0.75
    assert_allclose(row['mape'], (0.1 + 0.1 + 2.0) / 3)
    assert_allclose(row['outliers'], 1 / 3)
    error = -2.5 * np.log10([1.1, 0.9, 3.0])
    assert_allclose([row['bias'], row['sigma']], [error.mean(), error.std()])


def test_bins():
    table = blend_statistics([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], by=[0, 1, 2],
                             edges=[0, 1.5, 3, 4])
    assert table['n'].tolist() == [3, 2, 1, 0]
    assert_allclose(table['mape'], [1, 0.5, 2, np.nan])


def test_bad_fluxes():
    with pytest.raises(ValueError, match='^measured must have the shape'):
        blend_statistics([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match='^truth must be positive'):
        blend_statistics([1.0], [0.0])


# Recomputed from the released results of blend2flux: bias, scatter of
# magnitudes, outliers and MAPE (percent).
@pytest.mark.parametrize(('which', 'column', 'zero', 'expected'), [
    ('all', 'b2f', 25.96, [(0.011, 0.129, 0.17, 8.15),
                           (0.009, 0.130, 0.17, 8.09)]),
    ('all', 'b2m2f', 25.96, [(0.012, 0.121, 0.15, 7.42),
                             (0.013, 0.124, 0.06, 7.85)]),
    ('two', 'sex', 25.67, [(0.15, 0.52, 11.5, 26.3),
                           (0.18, 0.63, 10.8, 25.2)])])
def test_published_results(which, column, zero, expected):
    table = Table.read(get_data_path('galaxies', 'coin_blends.csv.gz'),
                       format='ascii.csv')
    if which == 'two':
        table = table[table['detection'] == 2]
    for name, (bias, sigma, outliers, mape) in zip(('g1', 'g2'), expected,
                                                   strict=True):
        truth = 10 ** (-0.4 * (table[f'{name}_mag'] - zero))
        row = blend_statistics(table[f'{name}_flux_{column}'], truth)[0]
        assert row['measured'] == 1
        assert_allclose(abs(row['bias']), bias, atol=0.006)
        assert_allclose(row['sigma'], sigma, atol=0.006)
        assert_allclose(100 * row['outliers'], outliers, atol=0.06)
        assert_allclose(100 * row['mape'], mape, atol=0.06)


@given(st.integers(0, 1000))
def test_overlap(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 3, 6, 7)) < rng.random()
    iou = intersection_over_union(first, second)
    expected = [np.sum(one & other) / np.sum(one | other)
                if np.any(one | other) else np.nan
                for one, other in zip(first, second, strict=True)]
    assert_allclose(iou, expected)
    # numbers of any type
    assert_allclose(intersection_over_union(first.astype(float),
                                            second.astype(int)), iou)
    assert_allclose(intersection_over_union(second, first), iou)


def test_shapes_of_masks():
    with pytest.raises(ValueError, match='^second must have the shape'):
        intersection_over_union(np.ones((2, 2)), np.ones((2, 3)))


def test_profiles():
    x = np.arange(41) - 20
    narrow, wide = (np.exp(-0.5 * (x ** 2 + x[:, None] ** 2) / width ** 2)
                    for width in (3.0, 6.0))
    assert_allclose(profile_agreement(7 * narrow, narrow, 20, 20), (1, 0),
                    atol=1e-3)
    p_value, difference = profile_agreement(wide, narrow, 20, 20)
    assert p_value < 1
    assert difference > 0.2
    assert profile_agreement(0 * wide, narrow, 20, 20) == (0.0, 1.0)
    with pytest.raises(ValueError, match='^truth must have light'):
        profile_agreement(wide, 0 * wide, 20, 20)
