# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of catalogues of sources to inject.
"""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (make_example_field, make_source_catalog,
                                      make_source_positions,
                                      read_source_catalog,
                                      write_source_catalog)
from compact_removal.utils.parameters import ParameterError


@pytest.fixture(name='empty')
def _empty():
    ccd, _ = make_example_field(shape=(100, 120), n_sources=0)
    ccd.data[:] = 0
    return ccd


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2 ** 32), n_sources=st.integers(0, 12),
       separation=st.floats(0, 12), border=st.floats(0, 8))
def test_positions_keep_distance(seed, n_sources, separation, border):
    mask = np.zeros((60, 80), dtype=bool)
    mask[:30, :40] = True
    x, y = make_source_positions(mask.shape, n_sources, seed=seed, mask=mask,
                                 min_separation=separation, border=border)
    assert x.shape == y.shape == (n_sources,)
    assert np.all((x >= border) & (x <= 79 - border))
    assert np.all((y >= border) & (y <= 59 - border))
    assert not mask[np.rint(y).astype(int), np.rint(x).astype(int)].any()
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    distance[np.diag_indices(n_sources)] = np.inf
    assert np.all(distance >= separation)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'n_sources': 100, 'min_separation': 20}, 'n_sources is too large'),
    ({'n_sources': 1, 'mask': np.ones((50, 50), bool)}, 'n_sources is too'),
    ({'n_sources': 1, 'mask': np.ones((5, 5), bool)}, 'mask must have shape'),
    ({'n_sources': 1, 'border': 25}, 'border must leave room'),
    ({'n_sources': -1}, 'n_sources must not be negative'),
])
def test_positions_errors(kwargs, match):
    with pytest.raises(ParameterError, match=match) as info:
        make_source_positions((50, 50), **kwargs, seed=0)
    assert info.value.parameter == match.split()[0]


def test_catalog(empty):
    empty.mask = np.zeros(empty.shape, dtype=bool)
    empty.mask[:, :100] = True
    catalog = make_source_catalog(empty, 4, 0.2 * u.Jy, seed=1)
    assert_array_equal(catalog['id'], [1, 2, 3, 4])
    assert_allclose(catalog['flux'].to_value(u.mJy), 200)
    assert np.all(catalog['x_center'] > 99)
    x, y = empty.wcs.world_to_pixel(catalog['sky_center'])
    assert_allclose(x, catalog['x_center'], atol=1e-6)
    assert_allclose(y, catalog['y_center'], atol=1e-6)
    assert_allclose(catalog['sky_center'].ra.deg, catalog['ra'].value)


def test_catalog_of_fluxes(empty):
    flux = 3e-16 * u.W / u.m ** 2
    catalog = make_source_catalog(empty, 2, flux, seed=1)
    assert catalog['flux'].unit == flux.unit
    assert_array_equal(catalog['flux'].value, flux.value)
    with pytest.raises(ParameterError, match='flux must have a unit like'):
        make_source_catalog(empty, 2, 3 * u.K, seed=1)


def test_catalog_file(empty, tmp_path):
    catalog = make_source_catalog(empty, 3, [10, 20, 30] * u.mJy, seed=1)
    path = tmp_path / 'sources.csv'
    write_source_catalog(catalog, path)
    assert path.read_text().splitlines()[0] == 'ra,dec,flux_mjy'
    back = read_source_catalog(path)
    assert_allclose(back['flux'].value, [10, 20, 30])
    separation = back['sky_center'].separation(catalog['sky_center'])
    assert np.all(separation < 1e-6 * u.arcsec)
    path.write_text('ra,dec\n1,2\n')
    with pytest.raises(ValueError, match="'flux_mjy' is missing"):
        read_source_catalog(path)
