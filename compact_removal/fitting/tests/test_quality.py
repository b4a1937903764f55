# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The judgement of fits, and linear fluxes.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting import SourceModels, SourcePSF, render_sources
from compact_removal.fitting.quality import assess_fits
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
NOISE = 1e-3


def noise_map(seed=1, shape=(81, 81)):
    return NOISE * np.random.default_rng(seed).normal(size=shape)


def assess(clean, flux=5.0, shape=(0, 0, 0, 0, 0), std=NOISE):
    one = np.ones(1)
    models = SourceModels(40 * one, 40 * one, flux * one,
                          np.array([shape], dtype=float), PSF, std * one)
    return assess_fits(clean, models, np.array([0]), models.noise)


def test_a_good_fit():
    quality = assess(noise_map())
    assert quality.qfit[0] < 0.03
    assert quality.misfit[0] < 0.5
    assert_allclose(quality.fwhm_ratio, 1, atol=0.02)
    assert_allclose(quality.flux, 5, rtol=0.01)
    assert quality.large_gain[0] < 17
    assert 0 < quality.model_err[0] < 0.5
    assert 0 < quality.width_err[0] < 0.1


def test_qfit_is_that_of_photutils():
    # sum of absolute residuals over the flux, without the level
    clean = np.zeros((81, 81))
    clean[40, 41] = 0.1
    clean[41, 40] = -0.2
    assert_allclose(assess(clean + 7).qfit, 0.3 / 5, rtol=1e-6)
    # beyond two full widths nothing counts
    clean[40, 40 + int(2 * PSF.fwhm) + 1] = 9
    assert_allclose(assess(clean).qfit, 0.3 / 5, rtol=1e-6)
    assert np.isnan(assess(clean, flux=0.0).qfit[0])


def test_misfit_by_pixels():
    light = render_sources((81, 81), [42], [40], [4.0], np.zeros((1, 5)),
                           PSF)
    good, poor = assess(noise_map()), assess(noise_map() + light)
    assert good.misfit[0] < 1 < poor.misfit[0]
    assert poor.reduced_chi2[0] > 10 * good.reduced_chi2[0]


@pytest.mark.parametrize('index', [2, 3, 4])
@pytest.mark.parametrize('sign', [-1, 1])
def test_misfit_by_shape(index, sign):
    # in standard deviations of the prior, that of the map or nominal
    for sigmas, poor in ((2.4, False), (2.8, True)):
        shape = np.zeros(5)
        shape[index] = sign * sigmas * PSF.prior[index]
        assert bool(assess(noise_map(),
                           shape=shape).misfit[0] > 1) is poor
    # a shift is another matter
    assert assess(noise_map(), shape=[2, 0, 0, 0, 0]).misfit[0] < 1


def test_linear_flux_may_be_negative():
    flux, error = [], []
    for seed in range(60):
        quality = assess(noise_map(seed), flux=0.0)
        flux.append(quality.flux[0])
        error.append(quality.flux_err[0])
    flux, error = np.array(flux), np.array(error)
    assert 15 < np.count_nonzero(flux < 0) < 45
    assert 0.7 < np.std(flux / error) < 1.4
    assert np.all(error > 0)


@pytest.mark.parametrize('flux', [0.02, 0.5])
def test_linear_flux_is_the_flux(flux):
    # whatever part of it the model has
    found = [assess(noise_map() + render_sources(
        (81, 81), [40], [40], [flux * (1 - part)], np.zeros((1, 5)), PSF),
        flux=flux * part) for part in (0.0, 0.5, 1.0)]
    for quality in found:
        assert abs(quality.flux[0] - flux) < 3 * quality.flux_err[0]


def test_error_is_that_of_the_surroundings():
    # structure that the covariance does not know
    rows, _ = np.indices((81, 81))
    structure = 20 * NOISE * np.sin(rows / 1.5)
    quiet, rough = (assess(noise_map() + extra, flux=0.0)
                    for extra in (0.0, structure))
    assert rough.flux_err[0] > 3 * quiet.flux_err[0]


def test_large_sources():
    dy, dx = np.indices((81, 81)) - 40
    light = 3.0 / 9 * PSF.evaluate(dx / 3, dy / 3, np.zeros(5))
    quality = assess(noise_map() + light, flux=0.0)
    assert quality.large_gain[0] > 100
    assert_allclose(quality.fwhm_ratio, 3, rtol=0.1)
    assert_allclose(quality.large_flux, 3, rtol=0.25)


def test_width_of_faint_sources_is_unknown():
    assert np.isnan(assess(noise_map(), flux=0.002).fwhm_ratio[0])


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('std', [0.0, np.nan])
def test_unknown_noise(std):
    assert all(np.isnan(column).all() for column in assess(noise_map(),
                                                           std=std))


@pytest.mark.filterwarnings('error')
def test_nothing_known():
    assert all(np.isnan(column).all()
               for column in assess(np.full((81, 81), np.nan)))
    few = np.full((81, 81), np.nan)
    few[39:42, 39:41] = 1
    assert all(np.isnan(column).all() for column in assess(few))


def test_missing_pixels():
    clean = noise_map()
    clean[39:42, 39:42] = np.nan
    quality, whole = (assess(data, flux=0.5) for data in (clean, noise_map()))
    assert abs(quality.flux[0] - 0.5) < 4 * quality.flux_err[0] < 0.2
    assert quality.flux_err[0] > whole.flux_err[0]
    assert quality.misfit[0] < 1


def test_order_and_none():
    clean = noise_map(shape=(81, 161))
    models = SourceModels(np.array([40.0, 120.0]), np.array([40.0, 40.0]),
                          np.array([5.0, 0.3]), np.zeros((2, 5)), PSF,
                          np.full(2, NOISE))
    both = assess_fits(clean, models, np.array([1, 0]), models.noise)
    turned = assess_fits(clean, models, np.array([0, 1]), models.noise)
    for first, second in zip(both, turned, strict=True):
        assert_allclose(first, second[::-1])
    none = assess_fits(clean, models, np.zeros(0, dtype=int), np.zeros(0))
    assert_array_equal(none.flux.shape, (0,))
