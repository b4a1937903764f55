# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of flux ratios and of what is left of sources.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import make_example_field
from compact_removal.metrics import (flux_ratio_statistics, removal_rates,
                                     removal_significance)


def test_levels():
    injected = np.repeat([10, 100, 1000], 50) * u.mJy
    rng = np.random.default_rng(1)
    ratio = rng.normal(1, 0.1, 150)
    ratio[:5] = np.nan
    table = flux_ratio_statistics(ratio * injected.to(u.Jy), injected,
                                  tolerance=0.15)
    assert_array_equal(table['level'].to_value(u.mJy), [10, 100, 1000])
    assert_array_equal(table['n'], [45, 50, 50])
    assert_array_equal(table['n_missing'], [5, 0, 0])
    for row, mine in zip(table, ratio.reshape(3, 50), strict=True):
        low, middle, high = np.nanpercentile(mine, [25, 50, 75])
        assert_allclose([row['q25'], row['median'], row['q75']],
                        [low, middle, high])
        assert_allclose(row['iqr'], high - low)
        outliers = ~(np.abs(mine - 1) <= 0.15)
        assert_allclose(row['outlier_fraction'], outliers.mean())


def test_perfect_and_untouched():
    injected = [5, 5, 7, 7] * u.Jy
    table = flux_ratio_statistics(injected, injected)
    assert_array_equal(table['median'], 1)
    assert_array_equal(table['iqr'], 0)
    assert_array_equal(table['outlier_fraction'], 0)
    table = flux_ratio_statistics(0 * injected, injected)
    assert_array_equal(table['median'], 0)
    assert_array_equal(table['outlier_fraction'], 1)


def test_ranges():
    injected = np.geomspace(1, 99, 60) * u.mJy
    table = flux_ratio_statistics(1.1 * injected, injected,
                                  edges=[1, 10, 100, 1000] * u.mJy)
    assert_array_equal(table['n'].sum(), 60)
    assert len(table) == 2
    assert_allclose(table['median'], 1.1)
    empty = flux_ratio_statistics([] * u.Jy, [] * u.Jy)
    assert len(empty) == 0
    assert empty['level'].unit == u.Jy


@pytest.mark.parametrize(('measured', 'injected', 'match'), [
    ([1] * u.Jy, [1, 2] * u.Jy, 'measured must have the shape'),
    ([1] * u.K, [1] * u.Jy, 'measured must have a unit like Jy'),
    ([1] * u.Jy, [0] * u.Jy, 'injected must be positive'),
])
def test_bad_fluxes(measured, injected, match):
    with pytest.raises(ValueError, match=match):
        flux_ratio_statistics(measured, injected)


@pytest.fixture(scope='module', name='case')
def _case():
    """
    A map, its truth, and a table as a removal returns it.
    """
    image, catalog, truth = make_example_field(
        shape=(160, 160), n_sources=8, seed=3, return_background=True)
    sources = QTable({'id': catalog['id'], 'x_center': catalog['x_center'],
                      'y_center': catalog['y_center'],
                      'aperture_radius': np.full(8, 6.0) * u.arcsec})
    return image, truth, sources


@pytest.mark.parametrize('known', [True, False])
def test_truth_and_sources_left_in(case, known):
    image, truth, sources = case
    reference = truth if known else None
    table = removal_significance(image, truth, sources, reference=reference)
    assert table['scatter'].unit == u.Jy
    assert table['removed'].all()
    rates = removal_rates(table)
    assert rates.n_significant >= 5
    assert rates.n_removed == 8
    assert rates.completeness == 1
    assert rates.reliability == 1
    if known:
        assert_allclose(table['after'], 0, atol=1e-9)
    table = removal_significance(image, image, sources, reference=reference)
    assert not table['removed'].any()
    assert_allclose(table['after'], table['before'])
    rates = removal_rates(table)
    assert rates.completeness == 0
    assert np.isnan(rates.reliability)


def test_too_much_removed(case):
    image, truth, sources = case
    hollow = truth.copy()
    hollow.data -= 2 * (image.data - truth.data)
    table = removal_significance(image, hollow, sources, reference=truth)
    assert_allclose(table['after'], -2 * table['before'], rtol=1e-6)
    rates = removal_rates(table)
    assert rates.completeness == 1
    assert rates.reliability < 0.5


def test_sources_off_the_map(case):
    image, truth, sources = case
    sources = sources.copy()
    sources['x_center'][0] = np.nan
    sources['y_center'][1] = 1e4
    table = removal_significance(image, truth, sources, reference=truth)
    assert np.isnan(table['before'][:2]).all()
    assert np.isfinite(table['before'][2:]).all()
    assert removal_rates(table).n_removed == 6
    none = removal_rates(removal_significance(image, truth, sources[:0]))
    assert none.n_removed == 0
    assert np.isnan(none.completeness)


def test_bad_maps(case):
    image, truth, sources = case
    with pytest.raises(TypeError, match='image must be an NDData'):
        removal_significance(image.data, truth, sources)
    with pytest.raises(ValueError, match='background must have the shape'):
        removal_significance(image, truth[:50], sources)
    other = truth.copy()
    other.wcs = None
    with pytest.raises(ValueError, match='image must have a celestial WCS'):
        removal_significance(other, truth, sources)
    with pytest.raises(ValueError, match='threshold must be positive'):
        removal_rates(QTable({'before': [1.0]}), threshold=0)
