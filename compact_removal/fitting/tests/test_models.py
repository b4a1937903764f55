# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the fit of sources.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting.models import (LEAST_SHOWN, SourceModels,
                                            render_sources)
from compact_removal.fitting.solver import fit_sources
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp

BAND = get_band('scanmap', 'blue')
SCALE = BAND.pixel_scale


@pytest.fixture(scope='module')
def psf():
    return SourcePSF(BAND, SCALE)


def stamp(x, y, flux, shape=(81, 81), **kwargs):
    return flux * make_psf_stamp(BAND, shape=shape, center=(x, y), **kwargs)


def test_profile(psf):
    # the mean of the PSF over angles, to zero beyond its reach
    image = stamp(40, 40, 1.0)
    rows, columns = np.indices(image.shape) - 40
    for radius in (0, 3, 5, 13, 25):
        ring = np.hypot(rows, columns).round() == radius
        assert_allclose(psf(np.hypot(rows, columns)[ring]).mean(),
                        image[ring].mean(), rtol=0.02)
    assert psf(psf.reach + 1) == 0
    assert_allclose(psf(1e9), 0)


@pytest.mark.parametrize('shapes', [
    [0.4, -0.7, 0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.0, 0.0],
    [-0.3, 0.0, -0.05, 0.2, -0.1]])
def test_recovers_its_own_model(psf, shapes):
    data = 7.0 + render_sources((61, 61), [30], [31], [500.0], [shapes], psf)
    flux, found, *_ = fit_sources(data, [30], [31], psf, [1e-3])
    assert_allclose(flux, 500, rtol=1e-3)
    assert_allclose(found[0], shapes, atol=2e-3)


def test_shapes_mean_what_they_say(psf):
    axis = np.linspace(0, 3, 301)
    shapes = np.array([0.0, 0.0, 0.2, 0.15, 0.0])
    long = psf.evaluate(axis, 0.0, shapes)
    short = psf.evaluate(0.0, axis, shapes)
    half = [np.interp(-0.5, -values / values[0], axis)
            for values in (long, short)]
    assert_allclose(half[0] / half[1], np.exp(0.3), rtol=0.05)
    nominal = np.interp(-0.5, -psf(axis) / psf(0), axis)
    assert_allclose(np.sqrt(half[0] * half[1]) / nominal, np.exp(0.2),
                    rtol=0.05)
    # turned by 45 degrees
    turned = psf.evaluate(axis / np.sqrt(2), axis / np.sqrt(2),
                          np.array([0.0, 0.0, 0.2, 0.0, 0.15]))
    assert_allclose(turned, long, rtol=1e-6)
    # the wings stay
    assert_allclose(psf.evaluate(40.0, 0.0, shapes), psf(40.0), rtol=1e-6)


def test_real_shapes_leave_little(psf):
    rng = np.random.default_rng(1)
    for broadening in (0.95, 1.05):
        x, y = 40 + rng.uniform(-0.5, 0.5, 2)
        data = stamp(x, y, 1e4, broadening=broadening,
                     position_angle=rng.uniform(0, 360) * u.deg)
        flux, shapes, *_ = fit_sources(data, [40], [40], psf, [1.0])
        rest = data - render_sources(data.shape, [40], [40], flux, shapes,
                                     psf)
        assert np.abs(rest).max() < 0.04 * data.max()
        assert_allclose(flux, 1e4, rtol=0.1)
        assert_allclose(shapes[0, :2], [x - 40, y - 40], atol=0.03)


def test_faint_sources_keep_the_nominal_shape(psf):
    rng = np.random.default_rng(2)
    data = rng.normal(size=(81, 81)) + stamp(40, 40, 5.0)
    _, shapes, *_ = fit_sources(data, [40], [40], psf, [1.0])
    assert np.abs(shapes).max() < 0.2
    flux, shapes, *_ = fit_sources(data, [40], [40], psf, [np.nan])
    assert flux.shape == (1,)
    assert_array_equal(shapes, 0)


def test_neighbors(psf):
    data = stamp(38, 40, 100.0) + stamp(44, 41, 300.0)
    flux, _, converged, _ = fit_sources(data, [38, 44], [40, 41], psf,
                          [0.01, 0.01])
    assert converged.all()
    assert_allclose(flux, [100, 300], rtol=0.08)
    # order does not matter
    again, *_ = fit_sources(data, [44, 38], [41, 40], psf,
                           [0.01, 0.01])
    assert_allclose(again[::-1], flux, rtol=1e-6)


def test_unit_and_level(psf):
    data = stamp(40, 40, 10.0) + 0.01 * np.random.default_rng(3).normal(
        size=(81, 81))
    flux, shapes, *_ = fit_sources(data, [40], [40], psf, [0.01])
    for factor, level in ((1e-7, 3.0), (1e12, 0.0)):
        scaled = factor * data + level
        other, same, *_ = fit_sources(scaled, [40], [40], psf,
                                     [0.01 * factor])
        assert_allclose(other / factor, flux, rtol=1e-4)
        assert_allclose(same, shapes, atol=1e-4)


def test_invalid_pixels(psf):
    data = stamp(40, 40, 10.0)
    hidden = data.copy()
    hidden[:, 41:] = 1e9
    mask = hidden > 1e8
    flux, *_ = fit_sources(hidden, [40], [40], psf, [1e-3], mask=mask)
    assert_allclose(flux, 10, rtol=0.1)
    hidden[:] = np.nan
    flux, shapes, *_ = fit_sources(hidden, [40, 200], [40, 0], psf,
                               [1.0, 1.0])
    assert_array_equal(flux, 0)
    assert_array_equal(shapes, 0)


def test_flux_has_either_sign(psf):
    data = stamp(40, 40, 10.0)
    plus, minus = (fit_sources(sign * data, [40], [40], psf, [1e-3])
                   for sign in (1, -1))
    assert_allclose(minus.flux, -plus.flux, rtol=0.02)
    # a dip has the shape of the PSF
    assert_array_equal(minus.shapes, [psf.mean])
    drawn = render_sources(data.shape, [40], [40], minus.flux, minus.shapes,
                           psf)
    assert drawn.min() < 0.9 * -data.max()


def test_faint_light_is_added_to_the_flux(psf):
    # the same noise with and without a source of half an error
    rng = np.random.default_rng(5)
    x = np.full(150, 20)
    y = 20 + 41 * np.arange(150)
    noise = rng.normal(size=(41 * 150, 41))
    light = np.tile(stamp(20, 20, 1.0, shape=(41, 41)), (150, 1)) * 1.5
    fluxes = [fit_sources(noise + one, x, y, psf, np.ones(150)).flux
              for one in (0, light)]
    assert abs(np.mean(fluxes[0])) < 0.3 * np.std(fluxes[0])
    assert_allclose(np.mean(fluxes[1] - fluxes[0]), 1.5, rtol=0.05)


def test_networks_do_not_see_faint_fluxes(psf):
    flux = np.array([-3.0, 0.0, 2.0, 1e3])
    shapes = np.array([[0, 0, 0.01 * k, 0, 0] for k in range(4)])
    models = SourceModels(20 * np.arange(4.0), np.zeros(4), flux, shapes,
                          psf, np.ones(4))
    shown = models.shown()
    assert_array_equal(models.flux, flux)
    assert_allclose(shown.flux[:3] * psf(0), LEAST_SHOWN)
    assert_array_equal(shown.shapes[:3], np.tile(psf.mean, (3, 1)))
    assert shown.flux[3] == flux[3]
    assert_array_equal(shown.shapes[3], shapes[3])


def test_no_sources(psf):
    flux, shapes, *_ = fit_sources(np.zeros((9, 9)), [], [], psf, [])
    assert flux.shape == (0,)
    assert shapes.shape == (0, 5)
    model = render_sources((9, 9), [], [], flux, shapes, psf)
    assert_array_equal(model, np.zeros((9, 9)))


def test_render_off_the_map(psf):
    model = render_sources((20, 30), [-5.0, 500.0], [10.0, 10.0],
                           [1.0, 1.0], np.zeros((2, 5)), psf)
    whole = render_sources((20, 60), [25.0], [10.0], [1.0],
                           np.zeros((1, 5)), psf)
    assert_allclose(model, whole[:, 30:], atol=1e-15)
