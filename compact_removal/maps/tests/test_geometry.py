# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of positions, sizes and forms of pixels on the sky.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import (FK4, AltAz, BarycentricMeanEcliptic,
                                 EarthLocation, Galactic, SkyCoord)
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import check_pixels, map_points
from compact_removal.tests.any_input import make_wcs

SCALE = 1.6 / 3600


def changed(**values):
    wcs = make_wcs((50, 60))
    for name, value in values.items():
        setattr(wcs.wcs, name, value)
    return wcs


def make_grid(lon='RA---TAN', lat='DEC--TAN', **cards):
    return SkyGrid(WCS(fits.Header({
        'NAXIS': 2, 'CTYPE1': lon, 'CTYPE2': lat, 'CRVAL1': 40.0,
        'CRVAL2': 30.0, 'CRPIX1': 30.0, 'CRPIX2': 25.0, 'CDELT1': -SCALE,
        'CDELT2': SCALE, **cards})))


@given(ratio=st.floats(0.2, 5), angle=st.floats(-180, 180))
def test_elongated_pixels(ratio, angle):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # the PC matrix turns the axes of the world
    wcs = changed(cdelt=[-1 / 3600, 1 / 3600])
    wcs.wcs.pc = [[cos, -ratio * sin], [sin, ratio * cos]]
    grid = SkyGrid(wcs)
    major, minor = grid.axes([30], [25])
    assert_allclose(major / minor, max(ratio, 1 / ratio), rtol=1e-6)
    if max(ratio, 1 / ratio) < 1.0499:
        check_pixels(grid, 30, 25)
    elif max(ratio, 1 / ratio) > 1.0501:
        with pytest.raises(ValueError, match='^image must have square pix'):
            check_pixels(grid, 30, 25)


def test_messages():
    with pytest.raises(ValueError, match=r'\(within 5%\), got axes of 4.8 '
                                         'and 1.6 arcsec at x = 3.0, y = 4'):
        check_pixels(SkyGrid(changed(cdelt=[-1.6 / 3600, 4.8 / 3600])), 3, 4)
    grid = make_grid('RA---MER', 'DEC--MER', CRVAL2=0.0)
    far = 30 / SCALE
    with pytest.raises(ValueError, match='^ccd must have pixels of one size '
                                         '.*arcsec at x = 3.0, y = 6750'):
        check_pixels(grid, [1, 2, 3], [0, 0, far], name='ccd')


@pytest.mark.parametrize(('values', 'match'), [
    ({'pc': [[1, 1], [1, 1 + 1e-9]]}, 'not singular'),
    ({'cdelt': [np.nan, 1]}, 'finite'),
    ({'cdelt': [np.inf, 1]}, 'finite'),
    ({'crval': [np.nan, 0]}, 'finite'),
    ({'crpix': [0, np.inf]}, 'finite'),
    ({'cdelt': [0, 1]}, 'celestial WCS'),
    ({'ctype': ['RA---TAN', 'FREQ']}, 'celestial WCS'),
    ({'ctype': ['LINEAR', 'LINEAR']}, "'LINEAR', 'LINEAR'"),
    ({'ctype': ['HPLN-TAN', 'HPLT-TAN']}, "'HPLN-TAN' and 'HPLT-TAN'"),
    ({'ctype': ['HLON-TAN', 'HLAT-TAN']}, "'HLON-TAN' and 'HLAT-TAN'"),
    ({'ctype': ['TLON-CAR', 'TLAT-CAR']}, "'TLON-CAR' and 'TLAT-CAR'"),
    ({'ctype': ['MALN-CAR', 'MALT-CAR']}, "'MALN-CAR' and 'MALT-CAR'"),
    ({'radesys': 'FK7'}, "'FK7'"),
    ({'radesys': 'FK7', 'ctype': ['ELON-TAN', 'ELAT-TAN']}, "'FK7'"),
])
def test_refused_wcs(values, match):
    with pytest.raises(ValueError, match='^image must have') as error:
        SkyGrid(changed(**values))
    assert match in str(error.value)
    assert '\n' not in str(error.value)


def test_other_axes():
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN', 'FREQ'
    wcs.wcs.cdelt = -1e-3, 1e-3, 1e9
    assert_allclose(SkyGrid(wcs).scales([0], [0]).value, 3.6, rtol=1e-6)
    with pytest.raises(ValueError, match='^image must have its celestial '
                                         'axes first'):
        SkyGrid(wcs.sub([3, 1, 2]))


@pytest.mark.parametrize('names', [('RA---{}', 'DEC--{}'),
                                   ('GLAT-{}', 'GLON-{}')])
@pytest.mark.parametrize('code', ['TAN', 'SIN', 'ARC', 'ZEA', 'STG', 'CAR',
                                  'CEA', 'MER', 'SFL', 'AIT', 'MOL', 'PAR'])
def test_areas_are_those_of_the_sphere(code, names):
    grid = make_grid(*(name.format(code) for name in names), CRVAL1=20.0,
                     CRVAL2=20.0, CDELT1=0.01, CDELT2=0.01)
    x, y = np.array([-500.0, 30, 900]), np.array([400.0, 25, -700])
    area = np.zeros(3)
    corners = [grid.to_sky(x + dx, y + dy).cartesian.xyz.value
               for dx, dy in ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5),
                              (0.5, -0.5))]
    for a, b, c in ((0, 1, 2), (0, 2, 3)):
        cross = np.cross(corners[b] - corners[a], corners[c] - corners[a],
                         axis=0)
        area += np.linalg.norm(cross, axis=0) / 2
    found = grid.scales(x, y).to_value(u.rad) ** 2
    assert_allclose(found, area, rtol=1e-5)
    # and back again
    assert_allclose(grid.to_pixels(grid.to_sky(x, y).icrs), [x, y],
                    atol=1e-4)


@pytest.mark.parametrize(('axes', 'cards', 'frame'), [
    (('RA---TAN', 'DEC--TAN'), {}, 'icrs'),
    (('RA---TAN', 'DEC--TAN'), {'RADESYS': 'FK5', 'EQUINOX': 1975.0},
     SkyCoord(0, 0, unit='deg', frame='fk5', equinox='J1975').frame),
    (('RA---TAN', 'DEC--TAN'), {'RADESYS': 'FK4', 'EQUINOX': 1950.0},
     FK4(equinox='B1950', obstime='B1950')),
    (('GLON-TAN', 'GLAT-TAN'), {}, 'galactic'),
    (('SLON-TAN', 'SLAT-TAN'), {}, 'supergalactic'),
    (('ELON-TAN', 'ELAT-TAN'), {}, BarycentricMeanEcliptic(equinox='J2000')),
    (('ELON-TAN', 'ELAT-TAN'), {'EQUINOX': 2015.5},
     BarycentricMeanEcliptic(equinox='J2015.5')),
])
def test_frames(axes, cards, frame):
    grid = make_grid(*axes, **cards)
    center = SkyCoord(40, 30, unit='deg', frame=frame)
    for position in (center, center.icrs, center.transform_to(Galactic())):
        assert_allclose(grid.to_pixels(position.reshape(1)), [[29], [24]],
                        atol=1e-5)
    back = SkyCoord(grid.to_sky([29], [24]))
    assert back.separation(center)[0] < 1e-6 * u.arcsec


def test_ecliptic_of_fk4():
    grid = make_grid('ELON-TAN', 'ELAT-TAN', RADESYS='FK4', EQUINOX=1950.0)
    center = SkyCoord(40, 30, unit='deg', frame=BarycentricMeanEcliptic(
        equinox=Time(1950, format='byear')))
    # the frames differ by the equinox of FK4 and terms of aberration
    x, y = grid.to_pixels(center.reshape(1))
    assert_allclose([x[0], y[0]], [29, 24], atol=1.5)
    back = grid.to_sky([29, 5], [24, 7])
    assert_allclose(grid.to_pixels(back), [[29, 5], [24, 7]], atol=1e-5)


def test_positions_of_any_kind():
    grid = make_grid()
    moving = SkyCoord(40 * u.deg, 30 * u.deg, distance=3 * u.pc,
                      pm_ra_cosdec=500 * u.mas / u.yr,
                      pm_dec=9 * u.mas / u.yr,
                      radial_velocity=9 * u.km / u.s)
    for frame in ('icrs', 'fk4', 'galactic', 'supergalactic'):
        position = moving.transform_to(frame).reshape(1)
        assert_allclose(grid.to_pixels(position), [[29], [24]], atol=1e-4)
    up = AltAz(obstime='2012-03-01T20:00',
               location=EarthLocation.from_geodetic(10, 50))
    above = SkyCoord(40, 30, unit='deg').transform_to(up)
    assert_allclose(grid.to_pixels(above.reshape(1)), [[29], [24]],
                    atol=1e-2)
    nowhere = SkyCoord(az=[10], alt=[40], unit='deg', frame='altaz')
    with pytest.raises(ValueError, match="^positions must .* 'altaz'"):
        grid.to_pixels(nowhere)


@pytest.mark.parametrize('code', ['CAR', 'CEA', 'MER', 'CYP', 'SFL', 'PAR'])
@pytest.mark.parametrize('offset', [0, 180, -180, 170, 360])
def test_seams(code, offset):
    # pixels in the middle of the map are so many degrees from CRVAL
    cards = {'PV2_2': 0.8, 'PV2_1': 1.0} if code == 'CYP' else {}
    width = (cards.get('PV2_2', 1.0)) * offset / SCALE
    grid = make_grid(f'GLON-{code}', f'GLAT-{code}', CRVAL2=0.0,
                     CRPIX1=30 + width, **cards)
    x, y = np.array([3.0, 28, 29, 30, 50]), np.full(5, 20.0)
    sky = grid.to_sky(x, y)
    assert np.all(np.isfinite(sky.spherical.lon))
    wrapped = SkyCoord(sky.icrs.ra.wrap_at('180d'), sky.icrs.dec)
    assert_allclose(grid.to_pixels(wrapped, (50, 60)), [x, y], atol=1e-3)
    assert_allclose(grid.scales(x, y), grid.scales([10], [20])[0],
                    rtol=1e-6)


def test_not_on_the_map():
    grid = make_grid()
    center = grid.to_sky([29], [24]).icrs
    behind = SkyCoord(center.ra + 180 * u.deg, -center.dec)
    assert np.all(np.isnan(grid.to_pixels(behind)))
    nothing = SkyCoord([np.nan, 40], [30, np.nan], unit='deg')
    assert np.all(np.isnan(grid.to_pixels(nothing)))
    assert grid.to_pixels(nothing[:0])[0].shape == (0,)


def test_distortion_without_solution():
    cards = {'CD1_1': -SCALE, 'CD2_2': SCALE, 'A_ORDER': 3, 'B_ORDER': 3,
             'A_2_0': 2e-3, 'B_0_2': 1e-3, 'A_3_0': 1e-5}
    grid = make_grid('RA---TAN-SIP', 'DEC--TAN-SIP', **cards)
    near, far = grid.to_sky([20], [30]).icrs, SkyCoord([50], [20], unit='deg')
    x, y = grid.to_pixels(SkyCoord([near[0], far[0]]))
    assert_allclose([x[0], y[0]], [20, 30], atol=1e-4)
    # the polynomial may have a pixel for it; it is none of the map's
    assert not 0 < x[1] < 60 or not 0 < y[1] < 50


def test_points_of_a_map():
    valid = np.zeros((50, 60), dtype=bool)
    valid[7:9, 20:22] = True
    x, y = map_points(valid.shape, valid)
    assert np.all(valid[y.astype(int), x.astype(int)])
    assert x.size == 4
