# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the distributions of pixel values.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import vstack
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from compact_removal.metrics import compare_pixels, pixel_statistics


def test_statistics():
    values = np.random.default_rng(1).gamma(4.0, size=(300, 400))
    table = pixel_statistics(values * u.Jy)
    assert_allclose(table['mean'].value, 4, atol=0.05)
    assert_allclose(table['std'].value, 2, atol=0.05)
    assert_allclose(table['skewness'].value, 1, atol=0.05)
    assert_allclose(table['median'].value, np.median(values))
    deviation = np.abs(values - np.median(values))
    assert_allclose(table['mad'].value, np.median(deviation))
    assert_allclose(table['iqr'].value, np.subtract(
        *np.percentile(values, [75, 25])))
    assert {table[name].unit for name in ('mean', 'std', 'median', 'mad',
                                          'iqr')} == {u.Jy}


def test_masked_pixels_and_selection():
    data = np.zeros((10, 10))
    data[0, 0], data[0, 1], data[5] = np.nan, 1e9, 2
    mask = data == 1e9
    ccd = CCDData(data, unit='Jy/pix', mask=mask)
    assert pixel_statistics(ccd)['n_pixels'] == 98
    where = np.zeros(data.shape, dtype=bool)
    where[:6] = True
    row = pixel_statistics(ccd, where=where)[0]
    assert row['n_pixels'] == 58
    assert_allclose(row['mean'].value, 20 / 58)
    none = pixel_statistics(ccd, where=False)
    assert none['n_pixels'] == 0
    assert np.isnan(none['mean'])
    assert len(vstack([none, pixel_statistics(ccd)])) == 2
    assert np.isnan(pixel_statistics(np.ones(5))['skewness'])


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.integers(1, 60), elements=st.floats(-1e3, 1e3)),
       st.floats(-10, 10))
def test_shifts(values, shift):
    comparison = compare_pixels(values + shift, values)
    assert_allclose(comparison.wasserstein_distance.value, abs(shift),
                    atol=1e-9)
    width = comparison.pdf['high'] - comparison.pdf['low']
    for name in ('pdf', 'reference_pdf'):
        assert_allclose((comparison.pdf[name] * width).sum().value, 1)
    same = compare_pixels(values, values)
    assert same.ks_distance == 0
    assert same.wasserstein_distance == 0


def test_sources_left_in():
    reference = np.random.default_rng(1).normal(size=(40, 40))
    image = reference.copy()
    image[10:20, 10:20] += 8
    where = np.zeros(image.shape, dtype=bool)
    where[8:22, 8:22] = True
    comparison = compare_pixels(image * u.mJy, reference / 1e3 * u.Jy,
                                where=where)
    assert comparison.n_pixels == 196
    assert_allclose(comparison.ks_distance, 100 / 196, atol=0.02)
    assert comparison.wasserstein_distance.unit == u.Jy
    assert_allclose(comparison.wasserstein_distance.value, 8e-3 * 100 / 196)
    # outliers are counted in the last bin
    assert comparison.pdf['pdf'][-1] > 10 * comparison.pdf['reference_pdf'][-1]


def test_no_pixels():
    comparison = compare_pixels(np.full(9, np.nan), np.ones(9), n_bins=3)
    assert comparison.n_pixels == 0
    assert np.isnan(comparison.ks_distance)
    assert np.isnan(comparison.wasserstein_distance)
    assert len(comparison.pdf) == 3


@pytest.mark.parametrize(('image', 'kwargs', 'match'), [
    (np.ones(4), {}, 'image must have the shape of reference'),
    (np.ones(5) * u.Jy, {}, 'image must have a unit like'),
    (np.ones(5), {'n_bins': 0}, 'n_bins must be a positive'),
    (np.ones(5), {'where': np.ones(3)}, 'where must have the shape'),
])
def test_bad_input(image, kwargs, match):
    with pytest.raises(ValueError, match=match):
        compare_pixels(image, np.ones(5), **kwargs)
