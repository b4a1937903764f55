# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of beams in headers.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from compact_removal.instruments import get_band
from compact_removal.maps.beams import check_beam, find_beam, set_beam
from compact_removal.utils.parameters import ParameterError

BAND = get_band('scanmap', 'blue')


def make_image(major, minor, **meta):
    return CCDData(np.zeros((50, 60)), unit='mJy/beam',
                   meta={'BMAJ': major, 'BMIN': minor, **meta})


@pytest.mark.parametrize('beam', [
    (0, 0), (-1, -1), (np.nan, 1), ('x', 1), (None, None), (1, np.inf)])
def test_no_beam(beam):
    with pytest.raises(ParameterError, match='^image must have BMAJ and BMIN'):
        find_beam(make_image(*beam))


def test_beam_in_history():
    header = fits.Header()
    header['HISTORY'] = 'AIPS   CLEAN BMAJ=  1.6E-03 BMIN=  1.5E-03 BPA= 0.0'
    image = CCDData(np.zeros((50, 60)), unit='Jy/beam', meta=header)
    with pytest.raises(ParameterError, match='that in HISTORY is not read'):
        find_beam(image)


@pytest.mark.parametrize(('beam', 'word'), [
    ((6.0, 6.0), 'larger'), ((6.0, 0.0016), 'larger'),
    ((3e-5, 3e-5), 'smaller'), ((0.0016, 1e-5), 'smaller')])
def test_not_of_these_pixels(beam, word):
    with pytest.raises(ParameterError, match=f'^image must .* not {word} '):
        find_beam(make_image(*beam), pixel_scale=1.6 * u.arcsec)


def test_exchanged_axes():
    with pytest.warns(UserWarning, match='^image has a BMIN of'):
        beam = find_beam(make_image(0.001, 0.002))
    assert beam.to_value(u.arcsec) == pytest.approx([7.2, 3.6])


def test_against_the_psf():
    check_beam(make_image(5.6 / 3600, 5.5 / 3600), BAND)
    check_beam(CCDData(np.zeros((3, 3)), unit='Jy/pix'), BAND)
    with pytest.warns(UserWarning, match='^image has a beam of 10 arcsec'):
        check_beam(make_image(10 / 3600, 10 / 3600), BAND)
    for width in (1.0, 36.0):
        with pytest.raises(ParameterError, match='^image must have the beam'):
            check_beam(make_image(width / 3600, width / 3600), BAND)


def test_beam_of_the_user():
    image = make_image(6.0, 6.0)
    set_beam(image.meta, [8, 6] * u.arcsec)
    assert find_beam(image).to_value(u.arcsec) == pytest.approx([8, 6])
    for beam in (6, 0 * u.arcsec, [6, 8] * u.arcsec, 6 * u.Jy, None):
        with pytest.raises(ParameterError, match='^beam must be the full'):
            set_beam({}, beam)
