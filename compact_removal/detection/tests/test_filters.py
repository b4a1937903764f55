# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the matched filters.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.detection.filters import (filter_flux, filter_map,
                                               local_scatter, make_kernel)
from compact_removal.fitting import SourcePSF
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp

BAND = get_band('scanmap', 'blue')


@pytest.fixture(scope='module')
def psf():
    return SourcePSF(BAND, BAND.pixel_scale)


def make_field(psf, flux=300.0):
    data = np.random.default_rng(1).normal(size=(120, 140))
    return data + flux * psf(np.hypot(*np.ogrid[-30:90, -70:70]))


@pytest.mark.parametrize('level', [0, 2, 5])
def test_kernel_measures_flux(psf, level):
    kernel = make_kernel(psf, level)
    half = kernel.shape[0] // 2
    y, x = np.indices(kernel.shape) - half
    inside = np.hypot(x, y) <= 2 * psf.fwhm
    assert_allclose((kernel * psf(np.hypot(x, y)))[inside].sum(), 1)
    assert_allclose(kernel.sum(), 0, atol=1e-9)


@pytest.mark.parametrize('level', [0, 5])
def test_flux_at_the_source(psf, level):
    data = 7 * make_psf_stamp(BAND, shape=(61, 71), center=(40, 20))
    flux = filter_flux(data + 3, psf, level)
    assert flux.shape == data.shape
    assert_allclose(flux[20, 40], 7, rtol=0.05)
    # nothing at the edges, where the map ends
    assert np.abs(flux[:, :3]).max() < 0.02


@pytest.mark.parametrize(('factor', 'offset'), [(1e-9, 0), (1e6, -4e7)])
def test_unit_has_no_influence(psf, factor, offset):
    data = make_field(psf)
    first = filter_map(data, psf).planes
    second = filter_map(factor * data + offset, psf).planes
    assert_allclose(second, first, rtol=1e-3, atol=1e-3)


def test_noise_has_unit_scatter(psf):
    planes, _, known = filter_map(make_field(psf, flux=0), psf)
    # the outermost pixels have less than half of a source
    assert known[1:-1, 1:-1].all()
    assert not known[[0, -1]].any()
    assert not known[:, [0, -1]].any()
    for plane in planes:
        assert 0.85 < np.std(plane[known]) < 1.15


def test_borders_and_lost_pixels(psf):
    data = make_field(psf, flux=0)
    data[:, 90:] = 1e4
    data[:, 100:] = np.nan
    data[60, 40] = np.nan
    planes, _, known = filter_map(data, psf)
    assert np.isfinite(planes).all()
    # a single pixel is filled, a border is not searched
    assert known[60, 40]
    assert not known[:, 100 - int(psf.fwhm):].any()
    assert known[1:-1, 1:90].all()
    assert (planes[:, ~known] == 0).all()


def test_nothing_known(psf):
    planes, _, known = filter_map(np.full((40, 50), np.nan), psf)
    assert not known.any()
    assert (planes == 0).all()


def test_constant_map(psf):
    planes, _, _ = filter_map(np.full((40, 50), 3.0), psf)
    assert np.isfinite(planes).all()


def test_local_scatter():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(90, 120))
    values[:, 60:] *= 5
    values[10, 10] = 1e9
    values[20:30] = np.nan
    scatter = local_scatter(values, 30)
    assert_allclose(scatter[:, :10], 1, rtol=0.2)
    assert_allclose(scatter[:, -10:], 5, rtol=0.2)
    assert (local_scatter(np.full((5, 5), np.nan), 3) == 0).all()
