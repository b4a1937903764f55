# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.testing import assert_array_equal

from compact_removal.datasets import make_example_field, read_pacs_map
from compact_removal.tests.helpers import get_data_path


@pytest.fixture(name='product')
def _product():
    """
    HDUs like those of a product.
    """
    ccd, _ = make_example_field(shape=(40, 50), n_sources=1)
    header = ccd.wcs.to_header()
    header['BUNIT'] = 'Jy/pixel'
    header['QTTY____'] = 'Jy/pixel'
    data = ccd.data.copy()
    coverage = np.full(data.shape, 9.0)
    error = np.full(data.shape, 1e-4)
    data[:5], coverage[:5], error[:5] = 0, 0, 0
    data[7, 7] = np.nan
    error[8, 8] = 0
    hdus = fits.HDUList([
        fits.PrimaryHDU(),
        fits.ImageHDU(data, header, name='image'),
        fits.ImageHDU(coverage, ccd.wcs.to_header(), name='coverage'),
        fits.ImageHDU(error, ccd.wcs.to_header(), name='stDev'),
        fits.ImageHDU(name='History')])
    hdus[0].header['OBJECT'] = 'gam Dra'
    hdus[0].header['WAVELNTH'] = 70.0
    hdus[0].header['DESC'] = 'a long text ' * 12
    return hdus


def test_product(product, tmp_path):
    path = tmp_path / 'map.fits.gz'
    product.writeto(path)
    ccd = read_pacs_map(path)
    assert ccd.unit == u.Jy / u.pix
    assert ccd.meta['OBJECT'] == 'gam Dra'
    assert ccd.meta['WAVELNTH'] == 70
    assert ccd.meta['DESC'].count('long') == 12
    assert 'CRVAL1' not in ccd.meta
    expected = np.zeros((40, 50), dtype=bool)
    expected[:5] = expected[7, 7] = True
    assert_array_equal(ccd.mask, expected)
    assert_array_equal(np.isnan(ccd.data), expected)
    expected[8, 8] = True
    assert_array_equal(np.isnan(ccd.uncertainty.array), expected)
    assert_array_equal(ccd.data[~ccd.mask],
                       product['image'].data[~ccd.mask])
    assert ccd.wcs.has_celestial
    ccd.write(tmp_path / 'again.fits')
    back = CCDData.read(tmp_path / 'again.fits')
    assert_array_equal(back.data, ccd.data)


def test_error_goes_before_stdev(product, tmp_path):
    product.append(fits.ImageHDU(np.full((40, 50), 3.0), name='error'))
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    assert np.nanmedian(ccd.uncertainty.array) == 3


def test_plain_map(product, tmp_path):
    hdu = fits.PrimaryHDU(product['image'].data, product['image'].header)
    hdu.writeto(tmp_path / 'plain.fits')
    ccd = read_pacs_map(tmp_path / 'plain.fits')
    assert ccd.uncertainty is None
    assert ccd.mask.sum() == 1
    assert ccd.data[0, 0] == 0


def _drop_unit(hdus):
    del hdus['image'].header['BUNIT'], hdus['image'].header['QTTY____']


def _drop_wcs(hdus):
    hdus['image'].header['CTYPE1'] = 'LINEAR'
    hdus['image'].header['CTYPE2'] = 'LINEAR'


def _drop_image(hdus):
    del hdus['image']


def _cut_coverage(hdus):
    hdus['coverage'].data = hdus['coverage'].data[:10]


def _stack_image(hdus):
    hdus['image'].data = np.stack([hdus['image'].data] * 2)


@pytest.mark.parametrize(('spoil', 'match'), [
    (_drop_unit, 'no known unit'),
    (_drop_wcs, 'no celestial WCS'),
    (_drop_image, 'it has 0 such HDUs'),
    (_cut_coverage, 'different shapes'),
    (_stack_image, 'no 2-D image'),
])
def test_wrong_products(product, tmp_path, spoil, match):
    spoil(product)
    path = tmp_path / 'map.fits'
    product.writeto(path)
    with pytest.raises(ValueError, match=match):
        read_pacs_map(path)


def test_no_product(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_pacs_map(tmp_path / 'none.fits')
    path = tmp_path / 'text.fits'
    path.write_text('no FITS file')
    with pytest.raises(ValueError, match='no readable FITS file'):
        read_pacs_map(path)


@pytest.mark.parametrize(('pattern', 'wavelength', 'scale'), [
    ('*HPPJSMAPB_blue*', 70, 1.6), ('*HPPJSMAPB_green*', 100, 1.6),
    ('*HPPJSMAPR*', 160, 3.2), ('*HPPHPFMAPB_blue*', 70, 1.6),
    ('helix*b.fits', 70, 1.6), ('helix*r.fits', 160, 3.2)])
def test_real_products(pattern, wavelength, scale, tmp_path):
    ccd = read_pacs_map(get_data_path('pacs', pattern))
    assert ccd.meta['WAVELNTH'] == wavelength
    assert ccd.unit == u.Jy / u.pix
    found = ccd.wcs.proj_plane_pixel_scales()[0].to_value(u.arcsec)
    assert abs(found - scale) < 1e-3
    assert 0.1 < ccd.mask.mean() < 0.6
    assert np.all(np.isfinite(ccd.data[~ccd.mask]))
    assert np.nanmin(ccd.uncertainty.array) > 0
    ccd.write(tmp_path / 'copy.fits')
