# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the flux of a pixel.
"""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.maps import read_pacs_map
from compact_removal.maps.beams import beam_area
from compact_removal.maps.units import flux_of_pixel, read_unit
from compact_removal.tests.any_input import make_wcs
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


@pytest.mark.parametrize(('text', 'expected'), [
    ('MJy/sr', 'MJy / sr'), ('MJY/SR', 'MJy / sr'), ('JY/BEAM', 'Jy / beam'),
    ('Jy/px', 'Jy / pix'), ('Jy/PIXEL', 'Jy / pix'), ('jy/pixels', 'Jy / pix'),
    ('mjy/bm', 'mJy / beam'), ('Jy per beam', 'Jy / beam'),
    ('(Jy/beam)', 'Jy / beam'), ('mJy/sq. arcsec', 'mJy / arcsec2'),
    ('10^-6 Jy/pixel', '1e-06 Jy / pix'), ('W/m2/sr', 'W / (sr m2)'),
    ('counts', 'ct'), ('K', 'K'), (u.Jy / u.sr, 'Jy / sr')])
def test_spellings(text, expected):
    assert read_unit(text) == u.Unit(expected)


@pytest.mark.parametrize('text', ['', ' ', 'brightness', 'MJY/BEAM', 5, None,
                                  'Jy/pixel of the map'])
def test_no_unit(text):
    with pytest.raises(ParameterError, match='^unit must be a unit') as info:
        read_unit(text)
    assert info.value.parameter == 'unit'


def write_map(path, **cards):
    header = make_wcs((20, 24)).to_header()
    header.update(cards)
    fits.writeto(path, np.ones((20, 24)), header)
    return path


def test_unit_of_a_map_by_hand(tmp_path):
    path = write_map(tmp_path / 'map.fits')
    with pytest.raises(ParameterError, match='^path must .*no BUNIT.*unit=.*'
                                             '--unit.*write it into the h'):
        read_pacs_map(path)
    assert read_pacs_map(path, unit='JY/PIXEL').unit == u.Jy / u.pix
    with pytest.raises(ParameterError, match='^unit must be a unit'):
        read_pacs_map(path, unit='x')
    path = write_map(tmp_path / 'other.fits', BUNIT='foo', BMAJ=6.0, BMIN=6.0)
    with pytest.raises(ParameterError, match="unknown BUNIT 'foo'.*--unit"):
        read_pacs_map(path)
    image = read_pacs_map(path, unit='Jy/beam', beam=[8, 6] * u.arcsec)
    assert image.meta['BMAJ'] == pytest.approx(8 / 3600)
    assert image.meta['BMIN'] == pytest.approx(6 / 3600)


@pytest.mark.parametrize(('bunit', 'unit', 'words'), [
    ('K', 'Jy/beam', ('unit K', 'as Jy / beam')),
    ('MJy/sr', 'Jy/pixel', ('unit MJy / sr', 'as Jy / pix')),
    ('Jy/pixel', u.Jy / u.beam, ('unit Jy / pix', 'as Jy / beam')),
    ('mJy/pixel', 'Jy/pixel', ('unit mJy / pix', 'as Jy / pix')),
    ('count', 'Jy/pixel', ('unit ct', 'as Jy / pix')),
    ('Jy/beam', 'jy/bm', ()), ('Jy/px', 'Jy/pixel', ()),
    ('1000 mJy/pixel', 'Jy/pixel', ()), ('parrots', 'Jy/pixel', ()),
    ('', 'Jy/pixel', ()), ('Jy/pixel', None, ())])
def test_unit_other_than_that_of_the_header(tmp_path, bunit, unit, words):
    path = write_map(tmp_path / 'map.fits', BUNIT=bunit)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        image = read_pacs_map(path, unit=unit)
    assert image.unit == read_unit(unit or bunit)
    assert len(caught) == bool(words)
    for warning in caught:
        assert issubclass(warning.category, AstropyUserWarning)
        assert str(warning.message).startswith(f'unit: {path} has the unit')
        assert all(word in str(warning.message) for word in words)


def test_units_of_the_hdu_that_is_read(tmp_path):
    # the old keyword of the archive counts, too, and other HDUs do not
    path = tmp_path / 'map.fits'
    header = make_wcs((20, 24)).to_header()
    header['QTTY____'] = 'MJy/sr'
    fits.HDUList([
        fits.PrimaryHDU(header=fits.Header({'BUNIT': 'Jy/pixel'})),
        fits.ImageHDU(np.ones((20, 24)), header, name='image')]).writeto(path)
    with pytest.warns(AstropyUserWarning, match='has the unit MJy / sr'):
        read_pacs_map(path, unit='Jy/pixel')
