# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of power spectra and the delta-variance.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import make_background
from compact_removal.metrics import (compare_power_spectra, delta_variance,
                                     fit_power_law, power_spectrum)


def make_field(slope, seed, shape=(256, 300)):
    return make_background(shape, kind='cirrus', slope=slope, fwhm=0,
                           noise=0, seed=seed)


def make_ccd(data, scales=(2.0, 2.0)):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'GLON-CAR', 'GLAT-CAR'
    wcs.wcs.cdelt = -scales[1] / 3600, scales[0] / 3600
    return CCDData(data, unit='MJy/sr', wcs=wcs)


@pytest.mark.parametrize('slope', [2.0, 3.0, 3.6])
@pytest.mark.parametrize('seed', [3, 4, 5])
def test_slopes(slope, seed):
    field = make_field(slope, seed)
    law = fit_power_law(power_spectrum(field))
    assert abs(law.index + slope) < 0.06
    assert law.index_err < 0.03
    law = fit_power_law(delta_variance(field))
    assert abs(law.index + 2 - slope) < 3.5 * law.index_err
    assert law.index_err < 0.05


@pytest.mark.parametrize('seed', range(5))
def test_slope_of_three(seed):
    law = fit_power_law(power_spectrum(make_field(3.0, seed)))
    assert abs(law.index + 3) < 0.05


@pytest.mark.parametrize('offset', [0.0, 1e6])
def test_gaps(offset):
    field = make_field(3.0, 7)
    whole = fit_power_law(power_spectrum(field)).index
    rng = np.random.default_rng(1)
    field = field + offset
    field[100:140, 60:110] = np.nan
    field[:, :25] = np.nan
    mask = rng.random(field.shape) < 0.01
    spectrum = power_spectrum(field, mask=mask)
    assert 0.005 < spectrum.meta['filled_fraction'] < 0.01
    assert abs(fit_power_law(spectrum).index - whole) < 0.05
    law = fit_power_law(delta_variance(field, mask=mask))
    assert abs(law.index - 1) < 0.1


def test_masked_values_do_not_matter():
    field = make_field(3.0, 8, (64, 64))
    mask = np.zeros(field.shape, dtype=bool)
    mask[20:34, 40:60] = mask[5, 5] = True
    spoiled = np.where(mask, 1e9, field)
    for function in (power_spectrum, delta_variance):
        one, two = (function(data, mask=mask) for data in (field, spoiled))
        for name in one.colnames:
            assert_allclose(one[name].value, two[name].value, rtol=1e-9)
    assert_array_equal(field, make_field(3.0, 8, (64, 64)))


def test_density_integrates_to_the_variance():
    data = np.random.default_rng(2).normal(0, 3, (200, 160))
    spectrum = power_spectrum(data * u.Jy, apodization=0)
    assert spectrum['power'].unit == u.Jy ** 2 * u.pix ** 2
    level = np.average(spectrum['power'], weights=spectrum['n_modes'])
    assert_allclose(level.value, 9, rtol=0.02)
    # the plane of frequencies has the area 1 / pix2
    inside = spectrum['n_modes'].sum() / data.size
    assert_allclose(inside, np.pi / 4, rtol=0.01)
    pulls = (spectrum['power'].value - 9) / spectrum['power_err'].value
    assert 0.6 < pulls.std() < 1.5


@pytest.mark.parametrize('scales', [(2.0, 2.0), (3.0, 1.5)])
def test_frequencies_of_a_wave(scales):
    y, x = np.mgrid[:120, :150]
    waves = np.sin(2 * np.pi * 0.05 * x * scales[1])
    spectrum = power_spectrum(make_ccd(waves, scales))
    assert spectrum['frequency'].unit == u.arcsec ** -1
    peak = spectrum['frequency'][spectrum['power'].argmax()]
    assert_allclose(peak.value, 0.05, rtol=0.1)
    highest = spectrum['frequency'][-1].value
    assert 0.9 * 0.5 / max(scales) < highest <= 0.5 / max(scales)
    assert (spectrum['power'].unit
            == (u.MJy / u.sr) ** 2 * u.arcsec ** 2)
    y, x = np.mgrid[:120, :150]
    waves = np.sin(2 * np.pi * 0.05 * y * scales[0])
    spectrum = power_spectrum(make_ccd(waves, scales))
    peak = spectrum['frequency'][spectrum['power'].argmax()]
    assert_allclose(peak.value, 0.05, rtol=0.1)


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 70), st.integers(16, 70),
       st.floats(0, 0.5), st.integers(0, 10 ** 6), st.floats(0.5, 4))
def test_units_and_scaling(ny, nx, apodization, seed, factor):
    data = np.random.default_rng(seed).normal(size=(ny, nx))
    spectrum = power_spectrum(data, apodization=apodization)
    scaled = power_spectrum(factor * data + 3, apodization=apodization)
    assert_allclose(scaled['power'].value,
                    factor ** 2 * spectrum['power'].value, rtol=1e-6)
    assert np.all(np.diff(spectrum['frequency'].value) > 0)
    assert np.all(spectrum['n_modes'] > 0)
    assert np.all(spectrum['power'].value >= 0)
    comparison = compare_power_spectra(scaled, spectrum)
    assert_allclose(comparison['relative_difference'], factor ** 2 - 1,
                    atol=1e-6)
    assert np.all(np.abs(comparison['normalized_difference'])
                  <= abs(factor ** 2 - 1) + 1e-6)


def test_equal_spectra_and_sources_left_in():
    field = make_field(3.0, 2, (128, 128))
    reference = power_spectrum(field)
    same = compare_power_spectra(power_spectrum(field.copy()), reference)
    assert not np.any(same['relative_difference'])
    assert not np.any(same['normalized_difference'])
    field[64, 60] += 30
    other = compare_power_spectra(power_spectrum(field), reference)
    assert other['relative_difference'].max() > 10


def test_delta_variance_units_and_lags():
    ccd = make_ccd(make_field(3.0, 1, (80, 90)))
    table = delta_variance(ccd)
    assert len(table) == 12
    assert table['lag'].unit == u.arcsec
    assert_allclose(table['lag'].value[[0, -1]], [6, 40])
    assert table['delta_variance'].unit == (u.MJy / u.sr) ** 2
    chosen = delta_variance(ccd, lags=[0.2, 0.5] * u.arcmin)
    assert_allclose(chosen['lag'].value, [12, 30])
    expected = np.interp([12, 30], table['lag'].value,
                         table['delta_variance'].value)
    assert_allclose(chosen['delta_variance'].value, expected, rtol=0.02)


def test_delta_variance_of_white_noise():
    # the integral of the squared filter (Mexican hat, ratio 1.5)
    data = np.random.default_rng(3).normal(size=(300, 300))
    table = delta_variance(data, lags=[6, 12] * u.pix)
    assert_allclose(table['delta_variance'][0] / table['delta_variance'][1],
                    4, rtol=0.2)
    small, large = 9, 9 * 1.5 ** 2  # squared widths of the Gaussians
    factor = large / (large - small)
    expected = factor ** 2 / np.pi * (1 / (2 * small) + 1 / (2 * large)
                                      - 2 / (small + large))
    assert_allclose(table['delta_variance'][0].value, expected, rtol=0.1)


def test_gap_wider_than_the_filter():
    field = make_field(3.0, 1, (64, 64))
    field[:, 20:] = np.nan
    table = delta_variance(field, lags=[4, 30] * u.pix)
    assert np.isfinite(table['delta_variance'][0])
    empty = delta_variance(np.full((64, 64), np.nan))
    assert np.isnan(empty['delta_variance']).all()


def test_power_law_limits():
    spectrum = power_spectrum(make_field(3.0, 1))
    noisy = spectrum.copy()
    high = noisy['frequency'] > 0.2 / u.pix
    noisy['power'][high] *= 100
    limits = [0.01, 0.19] / u.pix
    assert (fit_power_law(noisy, limits=limits).index
            == fit_power_law(spectrum, limits=limits).index)
    assert fit_power_law(noisy).index > -2.6
    law = fit_power_law(spectrum)
    assert law.amplitude.unit == spectrum['power'].unit
    nearest = np.abs(spectrum['frequency'] - law.pivot).argmin()
    assert_allclose(law.amplitude.value, spectrum['power'][nearest].value,
                    rtol=0.3)


@pytest.mark.parametrize(('function', 'kwargs', 'match'), [
    (power_spectrum, {'image': np.zeros((15, 40))}, 'image must have at'),
    (power_spectrum, {'image': np.zeros(40)}, 'image must have 2'),
    (power_spectrum, {'image': np.full((20, 20), np.nan)}, 'image must have'),
    (power_spectrum, {'image': np.zeros((20, 20)), 'apodization': 0.7},
     'apodization must be between 0 and 0.5'),
    (power_spectrum, {'image': np.zeros((20, 20)), 'mask': np.zeros(3)},
     'mask must have the shape'),
    (delta_variance, {'image': np.zeros((10, 40))}, 'image must have at'),
    (delta_variance, {'image': np.zeros((40, 40)), 'lags': [1, 5] * u.pix},
     'lags must rise from at least 2'),
    (delta_variance, {'image': np.zeros((40, 40)), 'lags': [5, 4] * u.pix},
     'lags must rise'),
    (delta_variance, {'image': np.zeros((40, 40)), 'lags': [5] * u.arcsec},
     'lags must have a unit like pix'),
])
def test_bad_input(function, kwargs, match):
    with pytest.raises(ValueError, match=match):
        function(**kwargs)


def test_bad_comparison_and_fit():
    one = power_spectrum(np.ones((32, 32)))
    two = power_spectrum(np.ones((40, 40)))
    with pytest.raises(ValueError, match='spectrum must have the freq'):
        compare_power_spectra(one, two)
    with pytest.raises(ValueError, match='limits must leave'):
        fit_power_law(one)
    with pytest.raises(TypeError, match='image must be an NDData'):
        power_spectrum('map.fits')
