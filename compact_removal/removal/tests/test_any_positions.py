# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of positions of any kind.
"""

import astropy.units as u
import numpy as np
import pytest
import regions
from astropy.coordinates import (FK4, FK5, AltAz, Angle, Latitude,
                                 Longitude, SkyCoord)
from astropy.nddata import CCDData
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import decode_flags
from compact_removal.maps.catalog_columns import _SKY_COLUMNS
from compact_removal.maps.positions import read_positions
from compact_removal.tests.any_input import (check_removal, make_data,
                                             make_remover, make_wcs, sky)

SHAPE = 50, 60
SKY = SkyCoord([83.80012, 83.79021], [-5.40103, -5.39512], unit='deg')


@pytest.fixture(scope='module')
def remover(tmp_path_factory):
    return make_remover(tmp_path_factory.mktemp('weights'))


@pytest.fixture(scope='module')
def image():
    return CCDData(make_data(SHAPE), unit='Jy/pix', wcs=make_wcs(SHAPE))


def check(positions, expected=SKY, *, atol=1e-7):
    """
    Check that positions are read as those of the sky (deg).
    """
    found = read_positions(positions)
    assert isinstance(found, SkyCoord)
    assert found.shape == expected.shape
    found = found.icrs.spherical
    assert_allclose(found.lon.deg, expected.ra.deg, atol=atol)
    assert_allclose(found.lat.deg, expected.dec.deg, atol=atol)


FRAMES = {
    'galactic': SKY.galactic,
    'fk5': SKY.transform_to(FK5(equinox='J1975')),
    'fk4': SKY.transform_to(FK4(equinox='B1950', obstime='J1985')),
    'ecliptic': SKY.barycentrictrueecliptic,
    'supergalactic': SKY.supergalactic,
    'offsets': SKY.transform_to(SKY[0].skyoffset_frame()),
    'distance': SkyCoord(SKY.ra, SKY.dec, distance=[1, 2] * u.kpc),
    'galactocentric': SkyCoord(SKY.ra, SKY.dec,
                               distance=[1, 2] * u.kpc).galactocentric,
    'motion': SkyCoord(SKY.ra, SKY.dec, obstime=Time('J2010'),
                       pm_ra_cosdec=[1, 2] * u.mas / u.yr,
                       pm_dec=[3, 4] * u.mas / u.yr),
    'cartesian': SkyCoord(SKY.cartesian, representation_type='cartesian'),
    'bare frame': SKY.frame,
    'two dimensions': SKY.reshape(2, 1),
    'list': list(SKY),
    'list of frames': [SKY[0].galactic,
                       SKY[1].transform_to(FK4(obstime='J1985'))],
    'regions': regions.Regions([regions.CircleSkyRegion(SKY[0], 5 * u.deg),
                                regions.PointSkyRegion(SKY[1].fk5)]),
    'ellipses': [regions.EllipseSkyRegion(one, 5 * u.deg, 3 * u.deg)
                 for one in SKY],
    'mixed': [SKY[0], regions.PointSkyRegion(SKY[1].galactic)],
    'generator': (lambda: (one for one in SKY)),
}


@pytest.mark.parametrize('name', list(FRAMES))
def test_any_frame(name):
    given_as = FRAMES[name]
    check(given_as() if callable(given_as) else given_as)


def test_any_frame_is_left_as_it_is(remover, image):
    result = check_removal(remover, image, FRAMES['galactic'])
    assert result.sources['sky_center'].frame.name == 'galactic'
    assert_array_equal(result.sources['sky_center'].l, SKY.galactic.l)


@pytest.mark.parametrize('empty', [
    SKY[:0], SkyCoord([], [], unit='deg', frame='galactic'), [], (),
    Table({'ra': [], 'dec': []}), QTable({'where': SKY[:0]}),
    Table({'ra': np.array([], dtype=str), 'dec': np.array([], dtype=str)}),
    regions.Regions([])])
def test_nothing(empty, remover, image):
    assert read_positions(empty).shape == (0,)
    assert len(remover.remove(image, empty).sources) == 0


def test_frames_without_a_place():
    nowhere = SkyCoord([1, 2] * u.deg, [3, 4] * u.deg, frame=AltAz())
    with pytest.raises(ValueError, match="^positions must be in a frame "
                                         "that .* 'altaz'"):
        read_positions(nowhere)


def test_masked_positions(remover, image):
    masked = SkyCoord(Masked([1, 2, 1] * SKY.ra[[0, 0, 1]],
                             mask=[False, True, False]),
                      Masked(SKY.dec[[0, 0, 1]], mask=[False, True, False]))
    found = read_positions(masked)
    assert_array_equal(np.isnan(found.ra.deg), [False, True, False])
    sources = remover.remove(image, masked).sources
    assert_array_equal(sources['flags'] & 16, [0, 16, 0])
    assert_array_equal(np.isnan(sources['flux']), [False, True, False])


@pytest.mark.parametrize('pair', _SKY_COLUMNS, ids='/'.join)
def test_names_of_columns(pair):
    lon, lat, frame = pair
    here = SKY.transform_to(frame).spherical
    for change in (str.lower, str.upper, str.title):
        check(Table({'id': [1, 2], change(lat): here.lat.deg,
                     change(lon): here.lon.deg, 'x': [0, 1]}))
    check(QTable({lon: here.lon, lat: here.lat.to(u.arcmin)}))


def test_first_names_count():
    # all of them at once, but those that come first are others
    table = Table({lon: [1.0, 2.0] for lon, _, _ in _SKY_COLUMNS[1:]})
    for _, lat, _ in _SKY_COLUMNS[1:]:
        table[lat] = [3.0, 4.0]
    table['RA'], table['Dec'] = SKY.ra.deg, SKY.dec.deg
    check(table)
    table['a coordinate'] = SKY.galactic
    table.remove_columns(['RA', 'Dec'])
    check(table)


@pytest.mark.parametrize(('ra', 'dec'), [
    (SKY.ra.deg, SKY.dec.deg),
    (Column(SKY.ra.rad, unit='rad'), Column(SKY.dec.arcsec, unit='arcsec')),
    (Column(SKY.ra.hourangle, unit='hourangle'), Column(SKY.dec.deg)),
    (Longitude(SKY.ra), Latitude(SKY.dec)),
    (Angle(SKY.ra - 360 * u.deg), Angle(SKY.dec)),
    (SKY.ra.to_string(u.hourangle, precision=8),
     SKY.dec.to_string(u.deg, precision=8)),
    (SKY.ra.to_string(u.hourangle, sep=':', precision=8),
     SKY.dec.to_string(u.deg, sep=' ', precision=8)),
    (SKY.ra.to_string(u.deg, sep='dms', precision=8), SKY.dec.deg),
    (SKY.ra.deg, SKY.dec.to_string(u.deg, sep=':', precision=8)),
    (SKY.ra.deg.astype(str), SKY.dec.deg.astype(str)),
    (Column(SKY.ra.hourangle.astype(str), unit='hourangle'),
     Column(SKY.dec.deg.astype(str), unit='deg')),
    (Column(SKY.ra.to_string(u.hourangle, sep=':', precision=8),
            unit=u.Unit('h:m:s', parse_strict='silent')), SKY.dec.deg),
    (SKY.ra.deg.astype(str).astype('S'), SKY.dec.deg.astype(object)),
    ([f' {value} ' for value in SKY.ra.deg], SKY.dec.deg),
])
def test_values_of_columns(ra, dec):
    check(Table({'ra': ra, 'dec': dec}), atol=1e-6)
    if isinstance(ra, u.Quantity):
        check(QTable({'ra': ra, 'dec': dec}))


def test_galactic_strings_are_degrees():
    here = SKY.galactic
    check(Table({'l': here.l.to_string(sep=':', precision=6),
                 'b': here.b.to_string(sep=':', precision=6)}))


@pytest.mark.parametrize(('ra', 'missing'), [
    (MaskedColumn([83.8, 83.8], mask=[False, True]), 1),
    (MaskedColumn(['5:35:12', '5:35:12'], mask=[True, False]), 0),
    (['5:35:12', ''], 1), (['', '83.8'], 0), ([b'', b'83.8'], 0),
    ([83.8, np.nan], 1), ([np.inf, 83.8], 0), (['nan', '83.8'], 0),
    (np.array([83.8, None]), 1),
    (Masked([83.8, 83.8] * u.deg, mask=[True, False]), 0)])
def test_missing_values(remover, image, ra, missing):
    table = QTable({'ra': ra, 'dec': [-5.4, -5.4]})
    found = read_positions(table)
    assert_array_equal(np.isnan(found.ra.deg), [missing == 0, missing == 1])
    assert_allclose(found.ra.deg[1 - missing], 83.8, atol=1e-9)
    flags = remover.remove(image, table).sources['flags']
    assert flags[missing] == 16
    assert decode_flags(flags[1 - missing]) == ['not_detected']


@pytest.mark.parametrize(('columns', 'match'), [
    ({'dec': [95.0]}, "between -90 deg and 90 deg in column 'dec', got 95"),
    ({'dec': ['-95d']}, "in column 'dec', got -95 deg in row 0"),
    ({'dec': [6.6] * u.hourangle}, "in column 'dec', got 99 deg"),
    ({'ra': [361.0]}, "between -360 deg and 360 deg in column 'ra'"),
    ({'ra': Column([1.0], unit='m')}, "angles in column 'ra', got the unit"),
    ({'ra': [1.0] * u.Jy}, "angles in column 'ra', got the unit Jy"),
    ({'ra': ['north']}, "in column 'ra': "),
    ({'ra': np.array([[1.0], 'x'], dtype=object)[:1]}, "in column 'ra'"),
    ({'ra': [True]}, "one number or string per row in column 'ra'"),
    ({'ra': [1 + 1j]}, "one number or string per row in column 'ra'"),
    ({'ra': [[1.0, 2.0]]}, "one number or string per row in column 'ra'"),
    ({'ra': Time(['2020-01-01'])}, 'one number or string per row'),
    ({'RA': [1.0]}, 'one column ra and one dec in whatever case, got the '
                    "columns ['ra', 'dec', 'RA']"),
])
def test_bad_values_of_columns(columns, match):
    with pytest.raises(ValueError, match='^positions must have ') as error:
        read_positions(QTable({'ra': [1.0], 'dec': [1.0], **columns}))
    assert match in str(error.value)


@pytest.mark.parametrize('names', [
    [], ['x', 'z'], ['ra'], ['dec'], ['ra', 'de'], ['lon', 'lat'],
    ['RAJ2000', 'dec'], ['ra ', 'dec '], ['r.a.', 'dec.'], ['glon', 'b']])
def test_no_positions_among_the_columns(names):
    table = Table({name: [1.0] for name in names})
    with pytest.raises(ValueError, match='^positions must have a') as error:
        read_positions(table)
    assert str(error.value).endswith(f'got the columns {table.colnames}')
    assert 'raj2000/dej2000' in str(error.value)


def test_columns_of_coordinates():
    check(QTable({'odd name \u03b1': SKY, 'ra': [1, 2], 'dec': [3, 4]}))
    check(QTable({'other': SKY[::-1], 'sky_center': SKY}))
    with pytest.raises(ValueError, match='^positions must have one SkyCoord '
                                         'column.* got a, b$'):
        read_positions(QTable({'a': SKY, 'b': SKY.galactic}))


def test_row_of_a_table():
    table = QTable({'ra': SKY.ra, 'dec': SKY.dec})
    check(table[1], SKY[1:])


@pytest.mark.parametrize('positions', [
    None, 5, 5.0, 'm31.reg', b'm31.reg', {'ra': [1.0], 'dec': [2.0]},
    np.zeros((3, 3)), [1, 2], [None], [SKY], [SKY[0], 'x'], SkyCoord,
    5 * u.deg,
    regions.PolygonSkyRegion(SKY[[0, 1, 0]]),
    regions.LineSkyRegion(SKY[0], SKY[1]),
    [SKY[0], 3],
    regions.CircleSkyRegion(SKY[0], 1 * u.deg)
    | regions.CircleSkyRegion(SKY[1], 1 * u.deg)])
def test_no_positions(remover, image, positions):
    with pytest.raises((TypeError, ValueError), match='^positions must be '):
        remover.remove(image, positions)


def test_region_files():
    here = SKY[1].galactic
    check(regions.Regions.parse(
        '# Region file format: DS9\n'
        f'icrs\ncircle({SKY[0].ra.deg},{SKY[0].dec.deg},5")\n'
        f'galactic\nellipse({here.l.deg},{here.b.deg},5",3",20)\n',
        format='ds9'))
    for text, match in (
            ('image\ncircle(3,4,5)', 'need a map with a WCS'),
            ('icrs\ncircle(3,4,5")\nimage\npoint(3,4)', 'a centre in sky'),
            ('icrs\npolygon(1,1,1,2,2,2)', 'got 1 polygon')):
        with pytest.raises(ValueError, match=match):
            read_positions(regions.Regions.parse(text, format='ds9'))


@given(angles=st.lists(st.tuples(st.floats(0, 360, exclude_max=True),
                                 st.floats(-90, 90)), max_size=6),
       form=st.sampled_from(['deg', 'hms', 'text', 'galactic', 'rad']))
def test_tables_keep_what_they_are_given(angles, form):
    ra, dec = np.array(angles).reshape(-1, 2).T
    expected = SkyCoord(ra, dec, unit='deg')
    if form == 'galactic':
        here = expected.galactic
        table = Table({'GLON': here.l.deg, 'GLAT': here.b.deg})
    elif form == 'rad':
        table = QTable({'ra': expected.ra.to(u.rad),
                        'dec': expected.dec.to(u.rad)})
    elif form == 'hms':
        table = Table({'ra': [one.to_string(u.hourangle, precision=9)
                              for one in expected.ra],
                       'dec': [one.to_string(u.deg, precision=9)
                               for one in expected.dec]}, dtype=['U40'] * 2)
    else:
        kind = 'U40' if form == 'text' else float
        table = Table({'ra': ra.astype(kind), 'dec': dec.astype(kind)})
    content = str(table.as_array())
    found = read_positions(table)
    assert found.shape == expected.shape
    assert np.all(found.separation(expected) < 1e-3 * u.arcsec)
    assert str(table.as_array()) == content


def test_huge_catalogue(remover, image):
    rng = np.random.default_rng(3)
    far = rng.uniform(200, 5000, (2, 100_000)) * rng.choice(
        [-1, 1], (2, 100_000))
    x, y = np.concatenate([far, [[30, 10, 50], [25, 40, 8]]], axis=1)
    _, sources = check_removal(remover, image, sky(image.wcs, x, y))
    few = remover.remove(image, sky(image.wcs, x[-3:], y[-3:])).sources
    assert np.all(sources['flags'][:-3] == 16)
    assert_allclose(sources['flux'][-3:].value, few['flux'].value)


def test_one_position_many_times(remover, image):
    position = sky(image.wcs, [30], [25])
    expected = remover.remove(image, position)
    background, sources = check_removal(
        remover, image, position[np.zeros(400, dtype=int)])
    assert_array_equal(background.data, expected.background.data)
    assert np.all(sources['flux'] == expected.sources['flux'])
    assert decode_flags(sources['flags']) == [
        ['merged', 'not_detected'], *399 * [['duplicate', 'not_detected']]]
