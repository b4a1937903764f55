# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the flux of a pixel.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData

from compact_removal.maps.beams import beam_area
from compact_removal.maps.units import flux_of_pixel
from compact_removal.utils.parameters import ParameterError

AREA = 4 * u.arcsec ** 2
BEAM = {'BMAJ': 8 / 3600, 'BMIN': 6 / 3600}


def make_image(unit, **meta):
    return CCDData(np.zeros((3, 3)), unit=unit, meta=meta)


@pytest.mark.parametrize(('unit', 'expected', 'flux_unit'), [
    ('Jy/pixel', 1 * u.Jy, u.Jy), ('mJy/pixel', 1 * u.mJy, u.mJy),
    ('MJy/sr', AREA * u.MJy / u.sr, u.Jy),
    ('mJy/arcsec2', 4 * u.mJy, u.mJy),
    ('Jy/arcsec2', 4 * u.Jy, u.Jy),
    ('Jy/beam', u.Jy * 4 / (np.pi / (4 * np.log(2)) * 48), u.Jy),
    ('W/(m2 pixel)', 1 * u.W / u.m ** 2, u.W / u.m ** 2),
    ('erg/(s cm2 arcsec2)', 4e-3 * u.W / u.m ** 2, u.W / u.m ** 2),
])
def test_flux_of_pixel(unit, expected, flux_unit):
    flux, found = flux_of_pixel(make_image(unit, **BEAM), AREA)
    assert found == flux_unit
    assert flux == pytest.approx(expected.to_value(flux_unit), rel=1e-12)


@pytest.mark.parametrize('unit', ['K', 'Jy', 'Jy/s', 'adu', None])
def test_other_units(unit):
    image = make_image(unit or 'K')
    if unit is None:
        image._unit = None
    for name in ('image', 'ccd'):
        with pytest.raises(ParameterError,
                           match=f'^{name} must have as unit') as info:
            flux_of_pixel(image, AREA, name=name)
        assert info.value.parameter == name


@pytest.mark.parametrize('meta', [
    {}, {'BMAJ': 1}, {'BMAJ': 1, 'BMIN': 0}, {'BMAJ': 1, 'BMIN': np.inf},
    {'BMAJ': 'x', 'BMIN': 1}, {'BMAJ': None, 'BMIN': 1}])
def test_no_beam(meta):
    with pytest.raises(ParameterError, match='^ccd must have BMAJ') as info:
        beam_area(make_image('Jy/beam', **meta), name='ccd')
    assert info.value.parameter == 'ccd'
