# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The fit of a map leaves defects out.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting import SourcePSF, fit_sources, render_sources
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.robust import fit_map
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
NOISE = 1e-3
X, Y = np.array([20.0, 60, 20, 60]), np.array([20.0, 20, 60, 60])
FLUX = np.array([5.0, 3.0, 2.0, 0.3])


@pytest.fixture(scope='module')
def data():
    image = render_sources((81, 81), X, Y, FLUX, np.zeros((4, 5)), PSF)
    return image + NOISE * np.random.default_rng(1).normal(size=image.shape)


def fit(data, **kwargs):
    return fit_map(data, X, Y, PSF, np.full(4, NOISE), **kwargs)


def test_without_defects_it_is_learning_and_fitting(data):
    noise = np.full(4, NOISE)
    result = fit(data)
    learned, n_psf = learn_psf(data, X, Y, PSF, noise)
    expected = fit_sources(data, X, Y, learned, noise)
    assert result.n_psf == n_psf == 4
    assert_array_equal(result.fit.flux, expected.flux)
    assert_array_equal(result.psf.mean, learned.mean)
    assert result.outliers.shape == (2, 0)
    assert not result.dented.any()
    assert_allclose(result.fit.flux, FLUX, rtol=0.05)


@pytest.mark.parametrize('value', [-1.0, 0.2, 30.0])
def test_hot_pixels(data, value):
    image = data.copy()
    image[61, 60] += value
    image[20, 19] += value
    before = image.copy()
    result = fit(image)
    assert_array_equal(image, before)
    assert {(20, 19), (61, 60)} <= set(zip(*result.outliers.tolist(),
                                           strict=True))
    assert result.outliers.shape[1] <= 10
    assert_allclose(result.fit.flux, FLUX, rtol=0.06)


def test_what_is_hidden_behind_another(data):
    # the second one stands out once the first is gone
    image = data.copy()
    image[60, 61] += 50
    image[59, 59] += 1
    result = fit(image)
    assert {(60, 61), (59, 59)} <= set(zip(*result.outliers.tolist(),
                                           strict=True))
    assert_allclose(result.fit.flux, FLUX, rtol=0.1)


def test_saturated_stars(data):
    image = data.copy()
    core = np.s_[14:27, 14:27]
    image[core] = np.minimum(image[core], 0.4 * image[core].max())
    result = fit(image)
    assert_array_equal(result.dented, [True, False, False, False])
    assert result.n_psf == 3
    assert_allclose(result.fit.flux, FLUX, rtol=0.06)
    # in the mask from the start, it is the same
    mask = np.zeros(image.shape, dtype=bool)
    mask[tuple(result.outliers)] = True
    again = fit(image, mask=mask)
    assert_allclose(again.fit.flux, result.fit.flux, rtol=0.02)


@pytest.mark.filterwarnings('error')
def test_nothing_known():
    result = fit(np.full((81, 81), np.nan))
    assert result.n_psf == 0
    assert_array_equal(result.fit.flux, 0)
    assert result.outliers.shape == (2, 0)


@pytest.mark.parametrize(('offset', 'rtol'), [
    ((0, 0), 0.05), ((1, 1), 1e-3), ((-2, 0), 1e-3)])
def test_the_height_of_a_hot_pixel_does_not_matter(data, offset, rtol):
    # the only bright source: it alone teaches the PSF
    fluxes = []
    for value in (0.5, 5, 500, 5e4):
        image = data.copy()
        image[20 + offset[0], 20 + offset[1]] += value
        result = fit_map(image, X[:1], Y[:1], PSF, [NOISE])
        fluxes.append(result.fit.flux[0])
    assert_allclose(fluxes, FLUX[0], rtol=0.06)
    assert_allclose(fluxes[1:], fluxes[1], rtol=rtol)


def test_dented_beside_an_unlisted_source_teaches_nothing(data):
    image = data.copy()
    core = np.s_[14:27, 14:27]
    image[core] = np.minimum(image[core], 0.5 * image[core].max())
    result = fit_map(image, X[:1], Y[:1], PSF, [NOISE])
    assert_array_equal(result.dented, [True])
    assert result.n_psf == 0
    assert_allclose(result.fit.flux, FLUX[0], rtol=0.15)


@pytest.mark.parametrize('shift', [(0, 0), (-3, 0), (2, -1)])
def test_half_a_core_teaches_nothing(data, shift):
    # the only bright source
    mask = np.zeros(data.shape, dtype=bool)
    mask[18 + shift[0]:23 + shift[0], 18 + shift[1]:23 + shift[1]] = True
    result = fit_map(data, X[:1], Y[:1], PSF, [NOISE], mask=mask)
    assert result.n_psf == 0
    assert_allclose(result.fit.flux, FLUX[0], rtol=0.05)
