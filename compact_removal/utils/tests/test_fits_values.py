# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of scaled values and blank pixels of FITS files.
"""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from compact_removal.utils.files import read_hdus
from compact_removal.utils.fits_values import (find_blank, find_blank_value,
                                               scale_values)

CASES = {
    'uint16': ('i2', -32768, {'BZERO': 32768, 'BLANK': -32768}),
    'int16': ('i2', -99, {'BLANK': -99}),
    'scaled': ('i2', -32768, {'BSCALE': 0.5, 'BZERO': 3.0,
                              'BLANK': -32768}),
    'uint8': ('u1', 0, {'BLANK': 0}),
    'int8': ('u1', 0, {'BZERO': -128, 'BLANK': 0}),
    'uint32': ('i4', 7, {'BZERO': 2 ** 31, 'BLANK': 7}),
    'int32': ('i4', -2 ** 31, {'BLANK': -2 ** 31}),
    'int64': ('i8', -2 ** 63, {'BLANK': -2 ** 63}),
    'unsigned value': ('i2', 32767, {'BZERO': 32768, 'BLANK': 65535}),
}


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('name', list(CASES))
def test_blank_pixels(tmp_path, name, compressed):
    kind, blank, cards = CASES[name]
    if compressed and (kind == 'i8' or name == 'unsigned value'):
        pytest.skip('astropy does not read it')
    stored = np.arange(1, 37, dtype=f'>{kind}').reshape(6, 6) + 20
    stored[2, 3] = blank
    hdu = (fits.CompImageHDU if compressed else fits.ImageHDU)(stored)
    path = tmp_path / 'map.fits'
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with fits.open(path, mode='update', do_not_scale_image_data=True,
                   disable_image_compression=True) as hdus:
        hdus[1].header.update({'ZBLANK' if compressed and key == 'BLANK'
                               else key: value
                               for key, value in cards.items()})
    hdu = read_hdus(path)[1]
    expected = (stored.astype(float) * cards.get('BSCALE', 1)
                + cards.get('BZERO', 0))
    expected[2, 3] = np.nan
    assert hdu.data.dtype == float
    assert_array_equal(hdu.data, expected)
    assert not {'BZERO', 'BSCALE', 'BLANK'} & set(hdu.header)


@pytest.mark.parametrize('blank', [
    'x', True, 1.5, np.nan, 1e30, -2 ** 40, None])
def test_no_blank(blank):
    assert find_blank({'BLANK': blank}, 'i2') is None


def test_blank_of_floats_is_ignored():
    values = np.array([-5.0, 1.0], dtype='f4')
    assert scale_values(values, {'BLANK': -5}) is values
    assert find_blank_value({'BLANK': -5}, 'f4') is None


def test_blank_value_of_integers():
    header = {'BLANK': 0, 'BZERO': -128}
    assert find_blank_value(header, np.dtype('i1')) == -128
    assert find_blank_value({'BLANK': -9}, np.dtype('i4')) == -9
    assert find_blank_value({}, np.dtype('u2')) is None


@pytest.mark.parametrize('cards', [{'BSCALE': 0}, {'BZERO': np.nan},
                                   {'BSCALE': 'x'}])
def test_bad_scaling(cards):
    with pytest.raises(ValueError, match='do not scale|could not convert'):
        scale_values(np.ones(3, dtype='i2'), cards)
