# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compact sources beside the listed ones that nobody listed.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting import SourcePSF, fit_sources, render_sources
from compact_removal.fitting.robust import fit_map
from compact_removal.fitting.unlisted import find_unlisted
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
NOISE = 1e-3
FLUX = 0.3


def make_map(x=(), y=(), flux=(), seed=1, shapes=0.0):
    every = np.append(50.3, x), np.append(49.8, y), np.append(FLUX, flux)
    image = render_sources((101, 101), *every,
                           np.full((every[0].size, 5), shapes), PSF)
    return image + NOISE * np.random.default_rng(seed).normal(
        size=image.shape)


def find(data, mask=None):
    fit = fit_sources(data, [50.3], [49.8], PSF, [NOISE], mask=mask)
    return find_unlisted(data, [50.3], [49.8], fit, PSF, [NOISE], mask=mask)


@pytest.mark.parametrize('angle', [0.3, 2.1, 4.5])
@pytest.mark.parametrize(('distance', 'ratio'), [
    (1.5, 0.5), (1.5, 2), (2.0, 1), (2.0, 10), (2.9, 10), (2.9, 100)])
def test_found_and_fitted_along(distance, ratio, angle):
    distance *= PSF.fwhm
    place = 50.3 + distance * np.cos(angle), 49.8 + distance * np.sin(angle)
    data = make_map(*place, FLUX * ratio)
    before = data.copy()
    result = fit_map(data, [50.3], [49.8], PSF, [NOISE])
    assert_array_equal(data, before)
    assert result.unlisted.x.size == 1
    assert_allclose([result.unlisted.x[0], result.unlisted.y[0]], place,
                    atol=0.6)
    peak = FLUX * ratio * PSF(distance) / PSF(0)
    assert_allclose(result.unlisted_light, peak, rtol=0.5, atol=0.02)
    assert result.fit.flux.shape == (1,)
    # closer ones are less certain
    assert_allclose(result.fit.flux, FLUX,
                    rtol=0.1 if distance > 1.8 * PSF.fwhm else 0.25)


def test_nothing_is_found_in_noise():
    for seed in range(20):
        found = find(make_map(seed=seed))
        assert not found.x.size


def test_lobes_of_a_listed_source_are_its_own():
    assert not find(100 * make_map(shapes=0.08)).x.size


@pytest.mark.parametrize(('x', 'y', 'flux'), [
    # far away, or too faint to matter
    (50.3 + 6 * PSF.fwhm, 49.8, 10.0), (50.3 + 2.9 * PSF.fwhm, 49.8, 0.05)])
def test_what_changes_nothing_is_left_alone(x, y, flux):
    assert not find(make_map(x, y, flux)).x.size


def test_hot_pixels_are_no_sources():
    data = make_map()
    data[50, 60] += 5
    assert not find(data).x.size


@pytest.mark.filterwarnings('error')
def test_unknown_pixels():
    data = make_map(58.0, 49.8, 3.0)
    mask = np.hypot(np.arange(101) - 58, np.arange(101)[:, None] - 50) < 8
    assert not find(data, mask).x.size
    data[mask] = np.nan
    assert not find(data).x.size
    assert not find_unlisted(
        np.full((30, 30), np.nan), [15.0], [15.0],
        fit_sources(np.full((30, 30), np.nan), [15.0], [15.0], PSF, [NOISE]),
        PSF, [NOISE]).x.size
    none = np.zeros(0)
    fit = fit_sources(data, none, none, PSF, none)
    assert not find_unlisted(data, none, none, fit, PSF, none).x.size
