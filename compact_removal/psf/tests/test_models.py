# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the point spread functions.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose
from photutils.psf import ImagePSF

from compact_removal.instruments import get_band, list_bands
from compact_removal.psf import (AnalyticPSF, StampPSF, as_psf,
                                 encircled_energy, make_psf_stamp)

KEYS = [(row['mode'], row['band']) for row in list_bands()]
BLUE = get_band('scanmap', 'blue')


@pytest.mark.parametrize('key', KEYS)
def test_encircled_energy_follows_the_table(key):
    band = get_band(*key)
    radii = np.array(band.eef_radii)
    energy = encircled_energy(band, radii * u.arcsec)
    assert_allclose(energy, band.eef_values, atol=0.003)


@pytest.mark.parametrize('key', KEYS)
def test_total_flux_is_one(key):
    psf = as_psf(get_band(*key))
    total = psf.encircled_energy([20.0, 4000.0])
    assert total[0] < 0.9
    assert total[1] == pytest.approx(1, abs=0.01)
    assert psf.evaluate(0, 0) > 0
    grid = np.linspace(-60, 60, 241)
    assert np.all(psf.evaluate(grid, grid[:, None]) >= 0)


def test_stamp_sum_matches_encircled_energy():
    stamp = make_psf_stamp(BLUE, shape=(41, 41))
    y, x = np.mgrid[-20:21, -20:21] * 1.6
    inside = np.hypot(x, y) <= 16
    expected = encircled_energy(BLUE, 16 * u.arcsec)
    assert stamp[inside].sum() == pytest.approx(float(expected), abs=0.004)


def test_sub_pixel_placement_and_scale():
    stamp = make_psf_stamp(BLUE, shape=(31, 31), center=(15.3, 14.6),
                           lobes=0.0)
    y, x = np.indices(stamp.shape)
    core = stamp > 0.2 * stamp.max()
    weights = stamp * core
    assert (weights * x).sum() / weights.sum() == pytest.approx(15.3, abs=0.1)
    assert (weights * y).sum() / weights.sum() == pytest.approx(14.6, abs=0.1)
    # Half the pixel scale: four times as many pixels share the flux.
    fine = make_psf_stamp(BLUE, pixel_scale=0.8 * u.arcsec, shape=(61, 61),
                          center=(30.6, 29.2), lobes=0.0)
    assert_allclose(4 * fine[::2, ::2], stamp, rtol=1e-12)
    averaged = make_psf_stamp(BLUE, shape=(31, 31), center=(15.3, 14.6),
                              lobes=0.0, oversampling=5)
    assert averaged.max() < stamp.max()
    assert averaged.sum() == pytest.approx(stamp.sum(), rel=1e-3)


def test_three_lobes():
    psf = AnalyticPSF(BLUE.psf)
    angle = np.arange(6) * np.pi / 3
    r = BLUE.psf.ring_radius
    values = psf.evaluate(r * np.cos(angle), r * np.sin(angle))
    assert values[::2].min() > 1.3 * values[1::2].max()


def test_rotation():
    band = get_band('parallel', 'blue')
    stamp = make_psf_stamp(band, shape=(21, 21), lobes=0)
    turned = make_psf_stamp(band, shape=(21, 21), lobes=0,
                            position_angle=90 * u.deg)
    assert_allclose(turned, stamp.T, atol=1e-8)
    assert stamp[10, 12] > 1.1 * stamp[12, 10]


def test_variations():
    psf = as_psf(BLUE)
    wide = psf.vary(broadening=1.1)
    assert wide.fwhm == pytest.approx(1.1 * psf.fwhm)
    assert wide.evaluate(0, 0) < psf.evaluate(0, 0)
    for varied in (wide, psf.vary(wings=2.0), psf.vary(lobes=0.1),
                   psf.vary(elongation=1.5)):
        assert varied.encircled_energy([4000.0])[0] == pytest.approx(
            1, abs=0.015)
    strong = psf.vary(wings=2.0).parameters.wing_fraction
    assert strong == pytest.approx(2 * psf.parameters.wing_fraction)


def test_user_stamp():
    truth = make_psf_stamp(BLUE, pixel_scale=1.2 * u.arcsec, shape=(61, 61))
    psf = StampPSF(truth, 1.2 * u.arcsec, fraction=truth.sum())
    stamp = make_psf_stamp(psf, pixel_scale=1.6 * u.arcsec, shape=(31, 31))
    direct = make_psf_stamp(BLUE, shape=(31, 31))
    assert_allclose(stamp, direct, atol=0.03 * direct.max())
    assert_allclose(psf.encircled_energy([6, 12]),
                    as_psf(BLUE).encircled_energy([6, 12]), atol=0.01)
    assert abs(psf.fwhm / BLUE.psf.fwhm - 1) < 0.2
    wide = psf.vary(broadening=1.2)
    assert wide.evaluate(0, 0) < psf.evaluate(0, 0)
    assert psf.evaluate(500, 0) == 0


def test_repr():
    assert repr(AnalyticPSF(BLUE.psf)) == f'AnalyticPSF({BLUE.psf!r})'
    stamp = StampPSF(np.ones((3, 5)), 1.6 * u.arcsec, fraction=0.9)
    assert repr(stamp) == ('StampPSF(<3x5 image>, pixel_scale=1.6 arcsec, '
                           'fraction=0.9)')


def test_photutils_image_psf():
    truth = make_psf_stamp(BLUE, pixel_scale=0.8 * u.arcsec, shape=(81, 81))
    model = ImagePSF(truth * 4, oversampling=2)
    psf = as_psf(model, pixel_scale=1.6 * u.arcsec)
    assert psf.pixel_scale == pytest.approx(0.8)
    assert psf.encircled_energy([200.0])[0] == pytest.approx(1)
    array = as_psf(truth, pixel_scale=0.8 * u.arcsec)
    assert_allclose(array.encircled_energy([6.0]),
                    psf.encircled_energy([6.0]), atol=1e-3)


@pytest.mark.parametrize(('call', 'match'), [
    (lambda: as_psf('psf'), 'psf must be a Band'),
    (lambda: as_psf(np.ones((3, 3))), 'pixel_scale is needed'),
    (lambda: make_psf_stamp(BLUE.psf), 'pixel_scale is needed'),
    (lambda: make_psf_stamp(BLUE, pixel_scale=1.6), 'pixel_scale must be a'),
    (lambda: StampPSF(np.ones(3), 1 * u.arcsec), 'data must be a finite'),
    (lambda: StampPSF(np.ones((3, 3)), 1 * u.arcsec, fraction=2),
     'fraction must lie'),
    (lambda: encircled_energy(BLUE, 6), 'radii must be a Quantity'),
    (lambda: AnalyticPSF(3), 'parameters must be'),
    (lambda: as_psf(ImagePSF(np.ones((9, 9)), oversampling=(2, 3)),
                    pixel_scale=1 * u.arcsec), 'psf must have equal'),
])
def test_errors(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


@pytest.mark.parametrize('scale', [0.5, 1.0, 2.0])
def test_width_of_coarse_images(scale):
    y, x = (np.mgrid[-12:13, -12:13] * scale)
    stamp = np.exp(-4 * np.log(2) * ((x - 0.3) ** 2 + y ** 2) / 5 ** 2)
    assert StampPSF(stamp, scale * u.arcsec).fwhm == pytest.approx(
        5, rel=0.015)
