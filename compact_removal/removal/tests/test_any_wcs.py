# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of maps with any kind of WCS.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.tests.any_input import (check_removal, make_data,
                                             make_remover, make_wcs, sky)

SHAPE = 50, 60
X, Y, FLUX = [30.2, 10.7], [25.1, 40.3], [1.0, 0.3]
SCALE = 1.6 / 3600
BASE = {'NAXIS': 2, 'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
        'CRVAL1': 83.8, 'CRVAL2': -5.4, 'CRPIX1': 30.0, 'CRPIX2': 25.0}
COS, SIN = np.cos(np.pi / 6), np.sin(np.pi / 6)
CDELT = {'CDELT1': -SCALE, 'CDELT2': SCALE}
ROTATED_PC = {**BASE, **CDELT, 'PC1_1': COS, 'PC1_2': -SIN, 'PC2_1': SIN,
              'PC2_2': COS}
SIP = {**BASE, 'CTYPE1': 'RA---TAN-SIP', 'CTYPE2': 'DEC--TAN-SIP',
       'CD1_1': -SCALE, 'CD1_2': 0.0, 'CD2_1': 0.0, 'CD2_2': SCALE,
       'A_ORDER': 2, 'B_ORDER': 2, 'A_2_0': 1e-4, 'B_1_1': -5e-5}
AXIS = {'CTYPE3': 'FREQ', 'CRVAL3': 1e9, 'CDELT3': 1.0, 'CRPIX3': 1.0,
        'CUNIT3': 'Hz', 'NAXIS': 3}

KINDS = {
    'cdelt': {**BASE, **CDELT},
    'cd': {**BASE, 'CD1_1': -SCALE, 'CD1_2': 0.0, 'CD2_1': 0.0,
           'CD2_2': SCALE},
    'pc': ROTATED_PC,
    'crota': {**BASE, **CDELT, 'CROTA2': -30.0},
    'rotated cd': {**BASE, 'CD1_1': -SCALE * COS, 'CD1_2': SCALE * SIN,
                   'CD2_1': SCALE * SIN, 'CD2_2': SCALE * COS},
    'flipped': {**BASE, 'CDELT1': SCALE, 'CDELT2': SCALE},
    'swapped': {**BASE, 'CTYPE1': 'DEC--TAN', 'CTYPE2': 'RA---TAN',
                'CRVAL1': -5.4, 'CRVAL2': 83.8, 'CDELT1': SCALE,
                'CDELT2': -SCALE},
    'galactic': {**BASE, **CDELT, 'CTYPE1': 'GLON-TAN',
                 'CTYPE2': 'GLAT-TAN', 'CRVAL1': 209.0, 'CRVAL2': -19.4},
    'fk4': {**BASE, **CDELT, 'RADESYS': 'FK4', 'EQUINOX': 1950.0},
    'sine': {**BASE, **CDELT, 'CTYPE1': 'RA---SIN', 'CTYPE2': 'DEC--SIN'},
    'all-sky': {**BASE, **CDELT, 'CTYPE1': 'GLON-CAR', 'CTYPE2': 'GLAT-CAR',
                'CRVAL1': 0.0, 'CRVAL2': 0.0},
    'pole': {**BASE, **CDELT, 'CRVAL2': 90.0},
    'meridian': {**BASE, **CDELT, 'CRVAL1': 0.0},
    'sip': SIP,
    'arcsec': {**BASE, 'CDELT1': -1.6, 'CDELT2': 1.6, 'CUNIT1': 'arcsec',
               'CUNIT2': 'arcsec', 'CRVAL1': 83.8 * 3600,
               'CRVAL2': -5.4 * 3600},
    'third axis': {**BASE, **CDELT, **AXIS},
}


@pytest.fixture(scope='module')
def remover(tmp_path_factory):
    return make_remover(tmp_path_factory.mktemp('weights'))


@pytest.fixture(scope='module')
def expected(remover):
    data = make_data(SHAPE, X, Y, FLUX)
    image = CCDData(data, unit='Jy/pix', wcs=make_wcs(SHAPE))
    return remover.remove(image, sky(image.wcs, X, Y)).sources


def as_wcs(cards):
    return WCS(fits.Header(cards))


@pytest.mark.parametrize('unit', ['Jy/pix', 'MJy/sr'])
@pytest.mark.parametrize('kind', list(KINDS))
def test_any_kind(remover, expected, kind, unit):
    wcs = as_wcs(KINDS[kind])
    area = (1.6 * u.arcsec) ** 2 if unit == 'MJy/sr' else u.pix
    data = make_data(SHAPE, X, Y, FLUX) * u.Jy / area
    image = CCDData(data.to(unit), wcs=wcs)
    positions = wcs.celestial.pixel_to_world(np.array(X), np.array(Y))
    # pixels of other sizes hold other parts of the sources
    rtol = 0.02 if kind == 'sip' else 2e-3
    for given_as in (positions, positions.icrs, positions.galactic):
        found = check_removal(remover, image, given_as).sources
        assert_allclose(found['x_center'], X, atol=1e-4)
        assert_allclose(found['y_center'], Y, atol=1e-4)
        for name in ('flux', 'flux_err', 'annulus_flux'):
            assert_allclose(found[name].to_value(u.Jy),
                            expected[name].to_value(u.Jy), rtol=rtol,
                            atol=1e-6)


def test_kinds_that_are_the_same():
    x, y = np.array([3.0, 40.0]), np.array([8.0, 44.0])
    one, two, three = (as_wcs(KINDS[kind]).pixel_to_world(x, y)
                       for kind in ('pc', 'crota', 'rotated cd'))
    assert np.all(one.separation(two) < 1e-6 * u.arcsec)
    assert np.all(one.separation(three) < 1e-6 * u.arcsec)
    plain = as_wcs(KINDS['cdelt']).pixel_to_world(x, y)
    distorted = as_wcs(SIP).pixel_to_world(x, y)
    # so the test above sees the distortion
    assert np.all(plain.separation(distorted) > 0.01 * u.arcsec)


@pytest.mark.parametrize('turn', ['x', 'y', 'both', 'transposed'])
def test_turned_maps(remover, expected, turn):
    data, cards = make_data(SHAPE, X, Y, FLUX), dict(KINDS['cdelt'])
    positions = as_wcs(cards).pixel_to_world(np.array(X), np.array(Y))
    if turn in ('x', 'both'):
        data = data[:, ::-1]
        cards.update(CDELT1=SCALE, CRPIX1=SHAPE[1] + 1 - 30.0)
    if turn in ('y', 'both'):
        data = data[::-1]
        cards.update(CDELT2=-SCALE, CRPIX2=SHAPE[0] + 1 - 25.0)
    if turn == 'transposed':
        data = data.T
        cards.update({'CD1_1': 0.0, 'CD1_2': -SCALE, 'CD2_1': SCALE,
                      'CD2_2': 0.0, 'CRPIX1': 25.0, 'CRPIX2': 30.0})
        cards = {key: value for key, value in cards.items()
                 if not key.startswith('CDELT')}
    image = CCDData(data, unit='Jy/pix', wcs=as_wcs(cards))
    found = check_removal(remover, image, positions).sources
    if turn == 'transposed':
        assert_allclose(found['x_center'], Y, atol=1e-6)
    # the network is not the same from all sides, photometry and fit are
    assert_allclose(found['snr'], expected['snr'], rtol=1e-3)
    assert_allclose(found['annulus_flux'].value,
                    expected['annulus_flux'].value, rtol=2e-3)
    assert_allclose(found['flux'].value, expected['flux'].value, rtol=0.15)


def test_behind_the_projection(remover):
    image = CCDData(make_data(SHAPE), unit='Jy/pix', wcs=make_wcs(SHAPE))
    center = sky(image.wcs, [30], [25])
    behind = SkyCoord(center.ra + 180 * u.deg, -center.dec)
    found = check_removal(remover, image, behind).sources
    assert found['flags'].tolist() == [16]
    for quarter in (90, 270):
        aside = center.directional_offset_by(quarter * u.deg, 90 * u.deg)
        found = check_removal(remover, image, aside).sources
        assert found['flags'].tolist() == [16]


def _without(*names):
    return {key: value for key, value in KINDS['cdelt'].items()
            if key not in names}


def _changed(**values):
    """
    A WCS with values that no header could bring.
    """
    wcs = as_wcs(KINDS['cdelt'])
    for name, value in values.items():
        setattr(wcs.wcs, name, value)
    return wcs


@pytest.mark.parametrize('wcs', [
    None, as_wcs({'NAXIS': 2}),
    as_wcs({**BASE, 'CTYPE1': 'X', 'CTYPE2': 'Y'}),
    as_wcs(_without('CTYPE1', 'CTYPE2')),
    as_wcs({'NAXIS': 1, 'CTYPE1': 'FREQ', 'CRVAL1': 1.0})])
def test_no_celestial_wcs(remover, wcs):
    image = CCDData(make_data(SHAPE), unit='Jy/pix', wcs=wcs)
    with pytest.raises(ValueError, match='^image must have a celestial WCS'):
        remover.remove(image, SkyCoord([83.8], [-5.4], unit='deg'))


@pytest.mark.parametrize('values', [
    {'cdelt': [np.nan, SCALE]}, {'cdelt': [np.inf, SCALE]},
    {'crval': [np.nan, -5.4]}, {'crpix': [np.nan, 25.0]},
    {'cdelt': [0.0, SCALE]}])
def test_broken_wcs(remover, values):
    image = CCDData(make_data(SHAPE), unit='Jy/pix', wcs=_changed(**values))
    with pytest.raises(ValueError, match='^image must have'):
        remover.remove(image, SkyCoord([83.8], [-5.4], unit='deg'))


@pytest.mark.parametrize('cards', [
    {'CDELT2': 1.5 * SCALE}, {'CDELT2': SCALE / 3},
    {'PC1_1': 1.0, 'PC1_2': 0.8, 'PC2_1': 0.0, 'PC2_2': 1.0}])
def test_pixels_that_are_not_square(remover, cards):
    wcs = as_wcs({**KINDS['cdelt'], **cards})
    image = CCDData(make_data(SHAPE), unit='Jy/pix', wcs=wcs)
    with pytest.raises(ValueError, match='^image must have square pixels'):
        remover.remove(image, sky(wcs, X, Y))


@pytest.mark.slow
@settings(max_examples=8)
@given(scale=st.floats(0.8, 3.2), angle=st.floats(-180, 180),
       lon=st.floats(0, 360), lat=st.floats(-90, 90))
def test_any_place_scale_and_rotation(remover, scale, angle, lon, lat):
    cards = {**BASE, 'CDELT1': -scale / 3600, 'CDELT2': scale / 3600,
             'CROTA2': angle, 'CRVAL1': lon, 'CRVAL2': lat}
    image = CCDData(make_data(SHAPE), unit='MJy/sr', wcs=as_wcs(cards))
    found = check_removal(remover, image, sky(image.wcs, X, Y)).sources
    assert_allclose(found['x_center'], X, atol=1e-4)
    assert_allclose(found['y_center'], Y, atol=1e-4)
    assert np.all(np.isfinite(found['flux'].value))
