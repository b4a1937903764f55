# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of what is computed for any point spread function.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose
from photutils.psf import ImagePSF

from compact_removal.instruments import get_band, list_bands
from compact_removal.psf import as_psf, encircled_energy, make_psf_stamp
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

KEYS = [(row['mode'], row['band']) for row in list_bands()]
BLUE = get_band('scanmap', 'blue')


@pytest.mark.parametrize('key', KEYS)
def test_encircled_energy_follows_the_table(key):
    band = get_band(*key)
    radii = np.array(band.eef_radii)
    energy = encircled_energy(band, radii * u.arcsec)
    assert_allclose(energy, band.eef_values, atol=0.003)


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


def test_rotation():
    band = get_band('parallel', 'blue')
    stamp = make_psf_stamp(band, shape=(21, 21), lobes=0)
    turned = make_psf_stamp(band, shape=(21, 21), lobes=0,
                            position_angle=90 * u.deg)
    assert_allclose(turned, stamp.T, atol=1e-8)
    assert stamp[10, 12] > 1.1 * stamp[12, 10]


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
    (lambda: as_psf(5), 'psf must be a Band'),
    (lambda: as_psf(np.ones((3, 3))), 'pixel_scale is needed'),
    (lambda: make_psf_stamp(BLUE.psf), 'pixel_scale is needed'),
    (lambda: make_psf_stamp(BLUE, pixel_scale=1.6), 'pixel_scale must be a'),
    (lambda: encircled_energy(BLUE, 6), 'radii must be a Quantity'),
    (lambda: as_psf(ImagePSF(np.ones((9, 9)), oversampling=(2, 3)),
                    pixel_scale=1 * u.arcsec), 'psf must have equal'),
])
def test_errors(call, match):
    with pytest.raises((ParameterError, ParameterTypeError),
                       match=f'^{match}') as info:
        call()
    assert info.value.parameter == match.split()[0]
