# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Widths of sources whose width is known.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting import SourceModels, SourcePSF, render_sources
from compact_removal.fitting.extent import find_extended, fit_width
from compact_removal.fitting.patches import SourcePatches
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
NOISE = 1e-3


def make_map(width, flux, *, shift=0.0, seed=1):
    # the whole profile is stretched
    dy, dx = np.indices((81, 81)) - 40
    data = flux / width ** 2 * PSF.evaluate((dx - shift) / width, dy / width,
                                            np.zeros(5))
    return data + NOISE * np.random.default_rng(seed).normal(size=data.shape)


def measure_width(data, shift=0.0):
    patches = SourcePatches(data, np.array([40.0]), np.array([40.0]), PSF,
                            2.0)
    patches.scale(np.array([NOISE]), np.array([0.6]), PSF)
    shapes = np.array([[shift, 0, 0, 0, 0]])
    return fit_width(patches, np.array([0]), shapes, PSF)


def models_of(flux, n_sources=1):
    one = np.ones(n_sources)
    return SourceModels(40 * one, 40 * one, flux * one,
                        np.zeros((n_sources, 5)), PSF, NOISE * one)


def find(clean, flux=0.0, std=NOISE, levels=3):
    return find_extended(clean, models_of(flux), np.array([0]),
                         np.array([std]), np.array([levels]))


@pytest.mark.parametrize('width', [0.55, 0.8, 1.0, 1.2, 1.6])
def test_width(width):
    ratio, error = measure_width(make_map(width, 1.0))
    assert_allclose(ratio, width, rtol=0.06)
    assert 0 < error[0] < 0.05


def test_width_of_faint_sources_is_less_known():
    errors = [measure_width(make_map(1.0, flux))[1][0]
              for flux in (0.1, 0.3, 1.0)]
    assert np.all(np.diff(errors) < 0)


def test_ends_of_the_grid():
    # a single pixel: sharper than all templates, and that is sure
    data = NOISE * np.random.default_rng(1).normal(size=(81, 81))
    data[40, 40] += 1
    ratio, error = measure_width(data)
    assert_allclose(ratio, 0.35)
    assert error[0] < abs(np.log(0.35)) / 8
    # noise at an end is not
    ratio, error = measure_width(np.where(np.isfinite(data), 0.0, data))
    assert error[0] > abs(np.log(ratio[0])) / 8


def test_shift_is_taken():
    data = make_map(1.0, 1.0, shift=0.8)
    assert_allclose(measure_width(data, 0.8)[0], 1, rtol=0.03)
    assert measure_width(data, 0.0)[0] > 1.04


@pytest.mark.parametrize('width', [1.8, 2.5, 3.5])
@pytest.mark.parametrize('part', [0.0, 0.3])
def test_large_sources(width, part):
    # a part of the light is in the model that was taken out
    data = make_map(width, 3.0)
    model = render_sources(data.shape, [40], [40], [3 * part],
                           np.zeros((1, 5)), PSF)
    extent = find(data - model, 3 * part)
    assert extent.gain[0] > 100
    assert_allclose(extent.ratio, width, rtol=0.08)
    assert extent.error[0] < 0.1
    assert_allclose(extent.flux, 3, rtol=0.25)


@pytest.mark.parametrize('flux', [0.0, 0.1, 1.0])
def test_point_sources_are_not_large(flux):
    data = make_map(1.0, flux)
    model = render_sources(data.shape, [40], [40], [flux], np.zeros((1, 5)),
                           PSF)
    assert find(data - model, flux).gain[0] < 17


def test_unit_does_not_matter():
    data = make_map(2.5, 0.3)
    first = find(data)
    second = find(1e6 * data, std=1e6 * NOISE)
    assert_allclose(first.gain, second.gain, rtol=1e-6)
    assert_allclose(1e6 * first.flux, second.flux, rtol=1e-6)
    # nor a level, nor a standard deviation that is too large
    assert_allclose(find(data + 1e3).gain, first.gain, rtol=1e-6)
    assert_allclose(find(data, std=5 * NOISE).gain, first.gain, rtol=1e-6)


@pytest.mark.filterwarnings('error')
def test_unknown():
    data = make_map(2.5, 3.0)
    assert find(data, std=np.nan).gain[0] == 0
    assert find(data, std=0.0).gain[0] == 0
    assert find(np.full_like(data, np.nan)).gain[0] == 0
    half = data.copy()
    half[:, :42] = np.nan
    assert find(half).gain[0] == 0
    half = data.copy()
    half[:, :38] = np.nan
    assert find(half).gain[0] > 100


def test_several_at_once():
    data = np.hstack([make_map(1.0, 1.0), make_map(2.5, 1.0)])
    models = SourceModels(np.array([40.0, 121.0]), np.array([40.0, 40.0]),
                          np.zeros(2), np.zeros((2, 5)), PSF,
                          np.full(2, NOISE))
    both = find_extended(data, models, np.array([1, 0]), np.full(2, NOISE),
                         np.array([3, 2]))
    one = find_extended(data, models, np.array([1]), np.full(1, NOISE),
                        np.array([3]))
    assert both.gain[0] > 30
    assert both.gain[1] < 17
    for name in ('gain', 'ratio', 'flux'):
        assert_allclose(getattr(both, name)[0], getattr(one, name)[0])
    none = find_extended(data, models, np.zeros(0, dtype=int), np.zeros(0),
                         np.zeros(0, dtype=int))
    assert_array_equal(none.gain.shape, (0,))
