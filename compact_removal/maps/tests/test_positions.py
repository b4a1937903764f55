# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of positions; those on the sky are tested with the estimators, too.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, QTable, Table
from numpy.testing import assert_allclose

from compact_removal.maps.positions import (pair_catalogs, read_pixels,
                                            read_positions)
from compact_removal.tests.any_input import make_wcs
from compact_removal.utils.parameters import ParameterError, ParameterTypeError


def test_one_catalog_per_map():
    assert pair_catalogs(None, 2) == [None, None]
    assert pair_catalogs(('a', None), 2) == ['a', None]
    with pytest.raises(ParameterError, match=r'^catalogs must have one entry '
                                             r'per map \(3\), got 2') as info:
        pair_catalogs([None] * 2, 3)
    assert info.value.parameter == 'catalogs'


@pytest.mark.parametrize(('positions', 'error'), [
    ('10 20', ParameterTypeError), (3, ParameterTypeError),
    ([3], ParameterError)])
def test_errors_name_the_parameter(positions, error):
    with pytest.raises(error, match='^positions must') as info:
        read_positions(positions)
    assert info.value.parameter == 'positions'


WCS = make_wcs((50, 60))
PIXELS = np.array([10.0, 20.5]), np.array([12.25, 30.0])


@pytest.mark.parametrize(('x', 'y', 'first'), [
    ('x_center', 'y_center', 0), ('x_centroid', 'y_centroid', 0),
    ('xcentroid', 'ycentroid', 0), ('x_fit', 'y_fit', 0), ('x_0', 'y_0', 0),
    ('x_init', 'y_init', 0), ('X', 'Y', 0), ('X_IMAGE', 'Y_IMAGE', 1),
    ('XWIN_IMAGE', 'YWIN_IMAGE', 1), ('x_image', 'y_image', 1),
    ('x_peak', 'y_peak', 0)])
def test_tables_of_pixels(x, y, first):
    table = QTable({x: PIXELS[0] + first, y: (PIXELS[1] + first) * u.pix})
    assert_allclose(read_pixels(table), PIXELS)
    found = read_positions(table, wcs=WCS)
    assert_allclose(WCS.world_to_pixel(found), PIXELS, atol=1e-6)
    with pytest.raises(ParameterError, match='^positions must be sky coord'):
        read_positions(table)


def test_order_of_the_columns():
    sky = WCS.pixel_to_world(*PIXELS)
    table = QTable({'x_init': [1, 2], 'y_init': [1, 2], 'x_fit': PIXELS[0],
                    'y_fit': PIXELS[1]})
    assert_allclose(read_pixels(table), PIXELS)
    table['ra'], table['dec'] = sky.ra, sky.dec
    table['x_fit'] = 0.0
    assert_allclose(read_pixels(table, wcs=WCS), PIXELS, atol=1e-6)
    table['sky_centroid'] = sky[::-1]
    table['sky_centroid_icrs'] = sky
    assert_allclose(read_pixels(table, wcs=WCS)[0], PIXELS[0][::-1],
                    atol=1e-6)


def test_arrays_are_pixels():
    array = np.transpose(PIXELS)
    structured = np.array([tuple(row) for row in array],
                          dtype=[('x', float), ('y', float)])
    for positions in (array, array.tolist(), [tuple(row) for row in array],
                      array * u.pix, structured):
        assert_allclose(read_pixels(positions), PIXELS)
        assert len(read_positions(positions, wcs=WCS)) == 2
    assert len(read_positions(np.zeros((0, 2)), wcs=WCS)) == 0


def test_degrees_are_no_pixels():
    sky = WCS.pixel_to_world(*PIXELS)
    degrees = np.transpose([sky.ra.deg, sky.dec.deg])
    with pytest.raises(ParameterError, match='^positions must be pixels .* '
                                             'use a SkyCoord'):
        read_positions(degrees, wcs=WCS)


@pytest.mark.parametrize(('positions', 'match'), [
    (np.zeros((2, 3)), r'shape \(n, 2\)'), (np.zeros(2), r'shape \(n, 2\)'),
    (np.zeros((1, 2)) * u.deg, 'unit deg'), ([[1, 2], [3]], r'\(n, 2\)'),
    (QTable({'x': [1.0] * u.m, 'y': [1.0] * u.m}), 'got the unit m'),
    (QTable({'x': ['a'], 'y': ['b']}), 'one number per row'),
    (QTable({'x': [1.0], 'X': [2.0], 'y': [1.0]}), 'one column x'),
    (QTable({'x_fit': [1.0]}), 'x_center/y_center')])
def test_no_pixels(positions, match):
    with pytest.raises(ParameterError, match=f'^positions must .*{match}'):
        read_pixels(positions)


@pytest.mark.parametrize(('positions', 'start', 'advice'), [
    ([30, 40.5], 'positions must be pixels of shape (n, 2) where they are '
                 'numbers, got [30, 40.5] of type list (shape (2,), dtype',
     "write [[30, 40.5]] if these are pixels, SkyCoord(30, 40.5, unit='deg')"),
    ((30, 40), 'positions must be pixels', 'write [[30, 40]]'),
    (np.array([1.0, 2.0]), 'positions must be pixels', 'write [[1, 2]]'),
    (np.zeros((2, 40)), 'positions must be pixels', 'write np.transpose('),
    ([1, 2] * u.deg, 'positions must be pixels', 'a SkyCoord of angles'),
    (np.zeros((3, 3)), 'positions must be pixels', 'shape (3, 3)'),
    ([3], 'positions must be pixels', 'shape (1,)'),
    ([[1, 2], [3]], 'positions must be of a known kind', '[[1, 2], [3]]'),
    (['a', 'b'], 'positions must be of a known kind', "['a', 'b']"),
    (5.0, 'positions must be of a known kind, got 5.0 of type float', ''),
    (None, 'positions must be of a known kind, got None', ''),
    ('x.csv', "positions must be of a known kind, got 'x.csv'",
     'maps.read_catalog'),
    ({'ra': [1]}, 'positions must be of a known kind, got {', 'a Table'),
    ([WCS.pixel_to_world([1, 2], [3, 4])], 'positions must be scalar SkyCoord',
     'got <SkyCoord')])
def test_errors_say_how_to_write_positions(positions, start, advice):
    for read in (read_positions, read_pixels):
        with pytest.raises((ParameterError, ParameterTypeError)) as info:
            read(positions, wcs=WCS)
        message = str(info.value)
        assert message.startswith(start)
        assert advice in message
        for text in ('SkyCoord([', 'the columns ra and dec', "'x_center': [",
                     'regions with a centre', 'shape (n, 2)'):
            assert text in message


def test_missing_pixels():
    table = Table({'x': MaskedColumn([1.0, 2, np.inf], mask=[0, 1, 0]),
                   'y': [3, 4, 5]})
    x, y = read_pixels(table)
    assert_allclose(x, [1, np.nan, np.nan])
    assert np.isnan(read_positions(table, wcs=WCS).icrs.ra.deg).tolist() == [
        False, True, True]


def test_sky_without_a_wcs():
    with pytest.raises(ParameterError, match='^positions must be pixels'):
        read_pixels(WCS.pixel_to_world(*PIXELS))


@pytest.mark.parametrize('unit', [
    'degrees', 'Degrees', 'degree', 'DEG', 'deg', '"deg"', ''])
def test_units_of_degrees(unit):
    table = Table({'ra': Column([83.8], unit=as_unit(unit)),
                   'dec': Column([-5.4], unit=as_unit(unit))})
    assert read_positions(table).to_string() == ['83.8 -5.4']


@pytest.mark.parametrize('unit', ['"h:m:s"', 'h:m:s', 'hourangle', 'hours',
                                  'h', 'hms'])
def test_units_of_hours(unit):
    table = Table({'ra': Column(['05:35:12'], unit=as_unit(unit)),
                   'dec': Column(['-05:24:00'], unit=as_unit('"d:m:s"'))})
    found = read_positions(table)
    assert_allclose([found.ra.deg[0], found.dec.deg[0]], [83.8, -5.4])


def as_unit(text):
    return u.Unit(text, parse_strict='silent')


def test_pandas():
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'x_centroid': PIXELS[0],
                              'y_centroid': PIXELS[1]})
    assert_allclose(read_pixels(frame), PIXELS)
