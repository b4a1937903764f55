# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the radii of apertures, and of the flux within them.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compact_removal.instruments import get_band
from compact_removal.photometry import aperture_correction, aperture_sums
from compact_removal.photometry.corrections import check_apertures
from compact_removal.psf import make_psf_stamp
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
