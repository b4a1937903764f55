# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests that damaged FITS files are refused, and odd ones read rightly.
"""

import gzip
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import read_pacs_map
from compact_removal.tests.any_input import make_data, make_wcs
from compact_removal.utils.parameters import ParameterError

SHAPE = 20, 24


def make_header(**cards):
    header = make_wcs(SHAPE).to_header()
    header['BUNIT'] = 'Jy/pixel'
    header.update(cards)
    return header


def make_product(dtype='>f4'):
    """
    HDUs like those of a product.
    """
    data = make_data(SHAPE, [12], [10], [1.0]).astype(dtype)
    data[3, 3] = np.nan
    hdus = fits.HDUList([
        fits.PrimaryHDU(),
        fits.ImageHDU(data, make_header(), name='image'),
        fits.ImageHDU(np.full(SHAPE, 9, dtype), name='coverage'),
        fits.ImageHDU(np.full(SHAPE, 1e-4, dtype), name='stDev')])
    hdus[0].header.update({'INSTRUME': 'PACS', 'WAVELNTH': 70.0})
    return hdus


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('maps')


@pytest.fixture(scope='module')
def plain(folder):
    path = folder / 'plain.fits'
    make_product().writeto(path)
    return path


@pytest.fixture(scope='module')
def signed(folder):
    path = folder / 'signed.fits'
    hdus = make_product()
    for hdu in hdus:
        # without the date, so that the file is always the same
        hdu.add_checksum(when='now')
    hdus.writeto(path)
    return path


def read(path, content):
    """
    The map of a file, or the message with which it is refused.
    """
    path.write_bytes(content)
    with warnings.catch_warnings():
        # of cards in a damaged header
        warnings.simplefilter('ignore')
        try:
            return read_pacs_map(path)
        except ValueError as error:
            message = str(error)
            kind = type(error)
    assert kind is ParameterError
    assert message.startswith('path ')
    assert '\n' not in message
    return message


def same(found):
    """
    Whether a map is that of the product.
    """
    product = make_product()
    data = product['image'].data
    return (np.array_equal(found.data, data, equal_nan=True)
            and found.data.dtype == np.float32
            and found.unit == u.Jy / u.pix
            and (found.wcs.to_header_string()
                 == WCS(make_header()).to_header_string())
            and found.meta['PACSBAND'] == 'blue'
            and np.array_equal(found.mask, np.isnan(data))
            and found.uncertainty.array[0, 0] == np.float32(1e-4))


def test_the_files_are_good(folder, plain, signed):
    for content in (plain.read_bytes(), signed.read_bytes(),
                    gzip.compress(plain.read_bytes())):
        assert same(read(folder / 'good.fits', content))


@given(part=st.floats(0, 1, exclude_max=True),
       packed=st.sampled_from(['no', 'before', 'after']))
def test_truncated(folder, plain, part, packed):
    content = plain.read_bytes()
    if packed == 'after':
        content = gzip.compress(content)
    length = int(part * len(content))
    if length % 2880 == 0:
        # at the end of an HDU nothing would be missing
        length = max(0, length - 1)
    content = content[:length]
    if packed == 'before':
        content = gzip.compress(content)
    found = read(folder / 'bad.fits', content)
    assert isinstance(found, str)
    assert found.startswith('path is no readable FITS file')


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_flipped_bits_with_checksum(folder, signed, place, bits):
    whole = signed.read_bytes()
    for content in (whole, gzip.compress(whole, mtime=0)):
        changed = bytearray(content)
        changed[int(place * len(changed))] ^= bits
        found = read(folder / 'bad.fits', changed)
        # what is not refused is what does not matter, such as comments
        assert isinstance(found, str) or same(found)


@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_flipped_bits_without_checksum(folder, plain, place, bits):
    content = bytearray(plain.read_bytes())
    content[int(place * len(content))] ^= bits
    found = read(folder / 'bad.fits', content)
    assert isinstance(found, str) or (
        found.data.shape == found.mask.shape
        and found.data.dtype.kind == 'f'
        and found.wcs.has_celestial)


@pytest.mark.slow
@given(content=st.one_of(
    st.binary(max_size=3000), st.text(max_size=300).map(str.encode),
    st.binary(max_size=300).map(gzip.compress),
    st.binary(max_size=3000).map(lambda tail: b'SIMPLE  = ' + tail),
    st.just(b'<!DOCTYPE html><html><body>404</body></html>')))
def test_any_bytes(folder, content):
    found = read(folder / 'bad.fits', content)
    assert isinstance(found, str)
    assert found.startswith('path is no readable FITS file')


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_pacs_map(tmp_path / 'none.fits')
    with pytest.raises(ValueError, match='^path is no readable FITS file'):
        read_pacs_map(tmp_path)


def write(path, hdus):
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path.read_bytes()


@pytest.mark.parametrize(('hdus', 'match'), [
    ([fits.PrimaryHDU(np.zeros((2, *SHAPE)), make_header())],
     'primary: 3 axes)'),
    ([fits.PrimaryHDU(np.zeros(5), make_header())],
     'primary: 1 axis)'),
    ([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(
        [fits.Column('image', 'E', array=np.zeros(3))], name='image')],
     '(it has no images)'),
    ([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, *SHAPE)), make_header(),
                                       name='image')], 'IMAGE: 3 axes'),
    ([fits.PrimaryHDU(), fits.ImageHDU(header=make_header(), name='image')],
     '(it has no images)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE))],
     'primary: no BUNIT, no celestial WCS)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header(BUNIT='')),
      fits.ImageHDU(np.zeros(SHAPE), make_header(BUNIT='furlongs'))],
     "primary: no BUNIT; HDU 1: unknown BUNIT 'furlongs')"),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header(BUNIT=5))],
     'primary: unknown BUNIT 5)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header(CTYPE1='FREQ'))],
     'primary: no celestial WCS)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header(CDELT1=0.0))],
     'primary: no celestial WCS)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header(CTYPE1='RA---XYZ'))],
     'primary: no celestial WCS)'),
    ([fits.PrimaryHDU(np.zeros(SHAPE), make_header()),
      fits.ImageHDU(np.zeros(SHAPE), make_header())],
     '2 of them (primary, HDU 1)'),
])
def test_other_content(folder, hdus, match):
    found = read(folder / 'bad.fits', write(folder / 'made.fits', hdus))
    assert isinstance(found, str)
    assert match in found


@pytest.mark.parametrize('card', ['CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2',
                                  'CTYPE1', 'CTYPE2'])
def test_lost_cards(folder, card):
    # without them a map would lie at 0, 0
    header = make_header()
    del header[card]
    found = read(folder / 'bad.fits', write(
        folder / 'made.fits', [fits.PrimaryHDU(np.zeros(SHAPE), header)]))
    assert isinstance(found, str)


@pytest.mark.parametrize('dtype', ['u1', '>i2', '>i4', '>i8', '>f4', '>f8'])
def test_any_type(folder, dtype):
    data = (100 * make_data(SHAPE, [12], [10], [1.0])).astype(dtype)
    found = read(folder / 'odd.fits', write(folder / 'made.fits', [
        fits.PrimaryHDU(data, make_header())]))
    assert_array_equal(found.data, data)
    assert found.data.dtype.isnative
    assert found.data.dtype == ('f4' if dtype == '>f4' else 'f8')
    assert not found.mask.any()


@pytest.mark.parametrize('bits', [8, 16, 32])
def test_scaled_integers(folder, bits):
    # BLANK pixels become NaN, and are masked
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 100
    hdu = fits.PrimaryHDU(values.astype(f'i{bits // 8}' if bits > 8
                                        else 'u1'), make_header())
    content = write(folder / 'made.fits', [hdu])
    cards = b''.join(fits.Card(*card).image.encode() for card in (
        ('BSCALE', 0.25), ('BZERO', -3.0), ('BLANK', 99)))
    cards += b'END'.ljust(80)
    end = content.index(b'END'.ljust(80))
    found = read(folder / 'odd.fits', content[:end] + cards
                 + content[end + len(cards):])
    assert found.data.dtype.isnative
    assert found.data.dtype.kind == 'f'
    assert_array_equal(found.mask, values == 99)
    assert_array_equal(np.isnan(found.data), values == 99)
    assert_allclose(found.data[~found.mask],
                    (0.25 * values - 3)[values != 99])


def test_unsigned_integers(folder):
    data = np.full(SHAPE, 65535, dtype='u2')
    found = read(folder / 'odd.fits', write(folder / 'made.fits', [
        fits.PrimaryHDU(data, make_header())]))
    assert_array_equal(found.data, data)
