# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of images without a WCS.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, NDData, StdDevUncertainty
from numpy.testing import assert_array_equal

from compact_removal.maps.arrays import read_array, to_ccd


@pytest.mark.parametrize(('dtype', 'expected'), [
    ('u1', 'f4'), ('>i2', 'f4'), ('u2', 'f4'), ('i4', 'f8'), ('i8', 'f8'),
    ('f4', 'f4'), ('>f4', 'f4'), ('f8', 'f8'), ('f2', 'f4')])
def test_types(dtype, expected):
    values = np.arange(6).reshape(2, 3).astype(dtype)
    found = read_array(values)
    assert found.dtype == np.dtype(expected)
    assert_array_equal(found, np.arange(6).reshape(2, 3))
    found[:] = 0
    assert values[1, 2] == 5


def test_what_is_missing():
    data = np.array([[1, -9, 3], [4, 5, 6]], dtype='i2')
    image = CCDData(data, unit='adu', mask=data == 3, meta={'BLANK': -9})
    assert_array_equal(read_array(image), [[1, np.nan, np.nan], [4, 5, 6]])
    assert_array_equal(read_array(np.array([[np.inf, 1.0]]) * u.Jy),
                       [[np.nan, 1]])
    masked = np.ma.array([[1.0, 2.0]], mask=[[True, False]])
    assert_array_equal(read_array(masked), [[np.nan, 2]])
    image = NDData(data, mask=np.zeros((3, 3), dtype=bool))
    with pytest.raises(ValueError, match='^data must have a mask of its own'):
        read_array(image, 'data')


def test_copies():
    data = np.ones((2, 2))
    image = CCDData(data, unit='Jy', uncertainty=StdDevUncertainty(data),
                    meta={'A': 1})
    copy = to_ccd(image, mask=data > 0)
    copy.data[:] = 5
    copy.meta['A'] = 2
    assert data.max() == 1
    assert image.meta['A'] == 1
    assert copy.mask.all()
    assert copy.uncertainty.array[0, 0] == 1
    assert to_ccd([[1, 2]]).unit == u.dimensionless_unscaled
    assert to_ccd(data * u.mJy).unit == u.mJy


@pytest.mark.parametrize('unit', [u.mag, u.ABmag, u.dex, u.Magnitude(
    1).unit])
def test_magnitudes_are_no_light(unit):
    image = CCDData(np.ones((5, 5)), unit=u.adu)
    image._unit = unit
    with pytest.raises(ValueError, match='^image must have a linear unit'):
        read_array(image)
