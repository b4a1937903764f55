# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the radii of apertures, and of the flux within them.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from compact_removal.instruments import get_band, list_bands
from compact_removal.photometry import aperture_correction, aperture_sums
from compact_removal.photometry.corrections import check_apertures
from compact_removal.psf import StampPSF, as_psf, make_psf_stamp
from compact_removal.utils.parameters import ParameterError

BLUE = get_band('scanmap', 'blue')


def test_aperture_correction():
    band = get_band('scanmap', 'green')
    assert aperture_correction(band, 9 * u.arcsec) == pytest.approx(
        0.70113669)
    with pytest.raises(ValueError, match='radius must lie in'):
        aperture_correction(band, 40 * u.arcsec)
    own = replace(band, eef_radii=(), eef_values=())
    assert aperture_correction(own, 9 * u.arcsec) == pytest.approx(
        0.7011, abs=0.004)
    with pytest.raises(ValueError, match='radius must be positive'):
        aperture_correction(own, -1 * u.arcsec)


@pytest.mark.parametrize('radius', [5, 8, 12])
def test_flux_of_a_point_source(radius):
    band = get_band('scanmap', 'blue')
    stamp = 3.0 * make_psf_stamp(band, shape=(61, 61))
    sums, _, _ = aperture_sums(stamp, [30], [30], [radius / 1.6])
    flux = sums / aperture_correction(band, radius * u.arcsec)
    # Apart from the pixels' own width, which lowers small apertures.
    assert flux[0] == pytest.approx(3.0, rel=0.03)


def test_default_aperture_is_a_copy():
    apertures = check_apertures(None, BLUE)
    assert_array_equal(apertures.value, [BLUE.default_aperture.value])
    apertures[0] = 1 * u.arcsec
    assert BLUE.default_aperture != 1 * u.arcsec
    mine = [4, 6] * u.arcsec
    check_apertures(mine, BLUE)[0] = 1 * u.arcsec
    assert_array_equal(mine.value, [4, 6])


def test_apertures_in_other_units():
    assert_array_equal(check_apertures(0.1 * u.arcmin, BLUE).value, [6])
    bare = replace(BLUE, eef_radii=(), eef_values=())
    assert check_apertures(1 * u.deg, bare).value == pytest.approx(3600)


@pytest.mark.parametrize('apertures', [
    6, [6.0], 6 * u.Jy, 0 * u.arcsec, [4, np.nan] * u.arcsec,
    [] * u.arcsec, [[4]] * u.arcsec, 100 * u.arcsec])
def test_bad_apertures(apertures):
    with pytest.raises(ParameterError, match='^apertures must be') as info:
        check_apertures(apertures, BLUE)
    assert info.value.parameter == 'apertures'


BANDS = [get_band(row['mode'], row['band']) for row in list_bands()]


@pytest.mark.parametrize(('name', 'radius'), [('blue', 3), ('red', 5)])
def test_small_apertures_hold_the_flux_of_the_psf(name, radius):
    band = get_band('scanmap', name)
    fraction = aperture_correction(band, radius * u.arcsec)
    truth = as_psf(band).encircled_energy(np.array([radius]))[0]
    # the table and the model differ by less than a percent at its start
    assert fraction == pytest.approx(truth, rel=0.015)


@pytest.mark.parametrize('band', BANDS, ids=lambda band: (
    f'{band.mode} {band.name}'))
def test_corrections_below_the_table_are_continuous(band):
    first = band.eef_radii[0]
    around = aperture_correction(band, first * np.array(
        [1 - 1e-7, 1, 1 + 1e-7]) * u.arcsec)
    assert np.ptp(around) < 1e-6
    tiny = aperture_correction(band, [0.1, 0.2] * u.arcsec)
    assert tiny[1] / tiny[0] == pytest.approx(4, rel=0.01)
    assert_array_equal(aperture_correction(
        band.with_pixel_scale(band.pixel_scale / 2), [0.1, 0.2] * u.arcsec),
        tiny)


def make_stamp_band(band, n_radii):
    """
    A band whose PSF is an image, with a table of few radii.
    """
    scale = band.psf.fwhm / 5 * u.arcsec
    stamp = make_psf_stamp(band, pixel_scale=scale, shape=(61, 61))
    return replace(
        band, psf=StampPSF(stamp, scale, fraction=stamp.sum()),
        eef_radii=band.eef_radii[:n_radii],
        eef_values=band.eef_values[:n_radii])


@given(st.sampled_from(BANDS), st.integers(1, 11), st.booleans(),
       st.lists(st.floats(1e-3, 1), min_size=2, max_size=9))
def test_corrections_rise_from_0_to_1(band, n_radii, image, places):
    if image:
        band = make_stamp_band(band, n_radii)
    else:
        band = replace(band, eef_radii=band.eef_radii[:n_radii],
                       eef_values=band.eef_values[:n_radii])
    radii = np.sort(places) * band.eef_radii[-1]
    found = aperture_correction(band, radii * u.arcsec)
    assert np.all((found > 0) & (found <= 1))
    assert np.all(np.diff(found) >= -1e-12)
    assert_array_equal(found[radii == band.eef_radii[-1]],
                       band.eef_values[-1])
    for bad in (0, -1, np.nan, 1.01 * band.eef_radii[-1]):
        with pytest.raises(ParameterError, match='^radius must lie in'):
            aperture_correction(band, bad * u.arcsec)


def test_bands_with_arrays_as_psf():
    stamp = make_psf_stamp(BLUE, shape=(81, 81))
    band = replace(BLUE, psf=stamp)
    small = aperture_correction(band, [2, 3] * u.arcsec)
    expected = aperture_correction(BLUE, [2, 3] * u.arcsec)
    # that of an image has the pixels in it
    assert np.all(np.abs(small / expected - 1) < 0.08)
    with pytest.raises(ParameterError, match='^psf must be an object with'):
        band.encircled_energy(3 * u.arcsec)
    assert band.encircled_energy(6 * u.arcsec) == pytest.approx(0.6425,
                                                                abs=1e-4)
