# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import gzip
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.testing import assert_array_equal

from compact_removal.datasets import make_example_field, read_pacs_map
from compact_removal.instruments import get_band
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


def test_history_and_comments(product, tmp_path):
    product[0].header['HISTORY'] = 'observed'
    product[0].header['COMMENT'] = 'bright'
    for text in ('projected', '', 'projected'):
        product['image'].header['HISTORY'] = text
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    expected = ['observed', 'projected', '', 'projected']
    assert list(ccd.meta['HISTORY']) == expected
    assert list(ccd.meta['COMMENT']) == ['bright']
    # the primary header of this one is that of the image
    ccd.write(tmp_path / 'again.fits')
    meta = read_pacs_map(tmp_path / 'again.fits').meta
    assert list(meta['HISTORY']) == expected


CARDS = {'INSTRUME': 'PACS', 'INSTMODE': 'PacsPhoto',
         'CUSMODE': 'PacsPhoto', 'OBS_MODE': 'Scan map', 'WAVELNTH': 70.0}


@pytest.mark.parametrize(('cards', 'mode', 'band'), [
    ({}, 'scanmap', 'blue'),
    ({'WAVELNTH': 100}, 'scanmap', 'green'),
    ({'WAVELNTH': '160'}, 'scanmap', 'red'),
    ({'WAVELNTH': 250.0}, 'scanmap', None),
    ({'WAVELNTH': None}, 'scanmap', None),
    ({'WAVELNTH': 'unknown'}, 'scanmap', None),
    ({'CUSMODE': 'SpirePacsParallel'}, 'parallel', 'blue'),
    ({'INSTMODE': 'SPIREPACSPARALLEL'}, 'parallel', 'blue'),
    ({'OBS_MODE': 'Parallel Mode'}, 'parallel', 'blue'),
    ({'OBS_MODE': 'Large Scan Map'}, 'scanmap', 'blue'),
    ({'OBS_MODE': 'Point source'}, None, 'blue'),
    ({'OBS_MODE': None}, None, 'blue'),
    ({'INSTRUME': 'SPIRE', 'CUSMODE': 'SpirePacsParallel'}, None, None),
    ({'INSTRUME': None}, None, None),
])
def test_mode_and_band(product, tmp_path, cards, mode, band):
    product[0].header.update(CARDS | cards)
    product.writeto(tmp_path / 'map.fits')
    meta = read_pacs_map(tmp_path / 'map.fits').meta
    assert meta.get('PACSMODE') == mode
    assert meta.get('PACSBAND') == band


def test_mode_and_band_of_plain_map(product, tmp_path):
    product[0].header.update(CARDS)
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    ccd.write(tmp_path / 'again.fits')
    meta = read_pacs_map(tmp_path / 'again.fits').meta
    assert (meta['PACSMODE'], meta['PACSBAND']) == ('scanmap', 'blue')


@pytest.mark.parametrize('instrument', ['PACS', 'SPIRE', None])
def test_zeros_without_coverage(product, tmp_path, instrument):
    product[0].header['INSTRUME'] = instrument
    product['image'].data[20, 20] = 0
    product['image'].data[20, 21] = -0.0
    del product['coverage']
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    expected = np.zeros((40, 50), dtype=bool)
    expected[7, 7] = True
    if instrument == 'PACS':
        expected[:5] = expected[20, 20:22] = True
    assert_array_equal(ccd.mask, expected)
    assert_array_equal(np.isnan(ccd.data), expected)


@pytest.mark.parametrize('n_axes', [3, 4])
@pytest.mark.parametrize('is_product', [True, False])
def test_axes_of_length_one(product, tmp_path, n_axes, is_product):
    product.writeto(tmp_path / 'flat.fits')
    flat = read_pacs_map(tmp_path / 'flat.fits')
    for name in ('image', 'coverage', 'stDev'):
        hdu = product[name]
        hdu.data = hdu.data[(None,) * (n_axes - 2)]
        for axis, kind in ((3, 'FREQ'), (4, 'STOKES'))[:n_axes - 2]:
            hdu.header[f'CTYPE{axis}'] = kind
            hdu.header[f'CRPIX{axis}'] = 1.0
            hdu.header[f'CDELT{axis}'] = 1.0
            hdu.header[f'CRVAL{axis}'] = 1.0
        hdu.header['WCSAXES'] = n_axes
    if not is_product:
        product = fits.PrimaryHDU(product['image'].data,
                                  product['image'].header)
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    assert ccd.shape == (40, 50)
    assert ccd.wcs.naxis == 2
    assert (ccd.uncertainty is not None) is is_product
    good = ~flat.mask
    assert_array_equal(ccd.data[good], flat.data[good])
    assert ccd.wcs.pixel_to_world(3, 5) == flat.wcs.pixel_to_world(3, 5)
    assert not any(keyword[-1:] in ('3', '4') for keyword in ccd.meta)
    ccd.write(tmp_path / 'again.fits')
    again = fits.getheader(tmp_path / 'again.fits')
    assert again['WCSAXES'] == 2


def test_wcs_with_more_axes_than_the_image(product, tmp_path):
    header = product['image'].header
    header['WCSAXES'] = 3
    header['CTYPE3'] = 'FREQ'
    fits.PrimaryHDU(product['image'].data, header).writeto(
        tmp_path / 'map.fits')
    assert read_pacs_map(tmp_path / 'map.fits').wcs.naxis == 2


def test_zeros_with_coverage(product, tmp_path):
    product[0].header['INSTRUME'] = 'PACS'
    product['image'].data[20, 20] = 0
    product['coverage'].data[21, 21] = np.nan
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(tmp_path / 'map.fits')
    assert ccd.data[20, 20] == 0
    assert not ccd.mask[20, 20]
    assert ccd.mask[21, 21]


def test_unimap_product(product, tmp_path):
    # further planes with a unit; no stDev
    product['stDev'].name = 'error'
    for name in ('naive', 'gls', 'pgls'):
        product.append(fits.ImageHDU(product['image'].data + 1,
                                     product['image'].header, name=name))
    product.writeto(tmp_path / 'map.fits.gz')
    ccd = read_pacs_map(tmp_path / 'map.fits.gz')
    assert_array_equal(ccd.data[~ccd.mask],
                       product['image'].data[~ccd.mask])
    assert np.nanmax(ccd.uncertainty.array) == 1e-4


@pytest.mark.parametrize('dtype', ['>f4', '>f8'])
def test_native_floats(product, tmp_path, dtype):
    for name in ('image', 'coverage', 'stDev'):
        product[name].data = product[name].data.astype(dtype)
    product.writeto(tmp_path / 'map.fits')
    ccd = read_pacs_map(str(tmp_path / 'map.fits'))
    for array in (ccd.data, ccd.uncertainty.array):
        assert array.dtype == np.dtype(dtype).newbyteorder('=')
        assert array.dtype.isnative


@pytest.mark.parametrize('name', ['map.fits', 'map.fits.gz'])
@pytest.mark.parametrize('part', [0.001, 0.03, 0.3, 0.45, 0.7, 0.95, 0.999])
def test_truncated_files(product, tmp_path, name, part):
    product.writeto(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    path = tmp_path / f'cut_{name}'
    path.write_bytes(content[:int(part * len(content))])
    with warnings.catch_warnings():
        # of cards in a cut header
        warnings.simplefilter('ignore')
        with pytest.raises(ValueError, match='path is no readable FITS'):
            read_pacs_map(path)


def test_truncated_before_it_was_gzipped(product, tmp_path):
    product.writeto(tmp_path / 'map.fits')
    content = (tmp_path / 'map.fits').read_bytes()
    path = tmp_path / 'map.fits.gz'
    path.write_bytes(gzip.compress(content[:len(content) // 2]))
    with pytest.raises(ValueError, match='path is no readable FITS'):
        read_pacs_map(path)


def test_corrupt_gzip(product, tmp_path):
    path = tmp_path / 'map.fits.gz'
    product.writeto(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(ValueError, match='path is no readable FITS'):
        read_pacs_map(path)


def test_headers_without_data(product, tmp_path):
    path = tmp_path / 'map.fits'
    path.write_text(product[0].header.tostring()
                    + product['image'].header.tostring())
    with pytest.raises(ValueError, match='path is no readable FITS'):
        read_pacs_map(path)
    fits.PrimaryHDU(header=product[0].header).writeto(path, overwrite=True)
    with pytest.raises(ValueError, match=r'has none \(it has no images\)'):
        read_pacs_map(path)


def _drop_unit(hdus):
    del hdus['image'].header['BUNIT'], hdus['image'].header['QTTY____']


def _odd_unit(hdus):
    hdus['image'].header['BUNIT'] = 'parrots'


def _spoil_all(hdus):
    _stack_image(hdus)
    del hdus['image'].header['EXTNAME']
    del hdus[2:]
    hdus[0].data = np.ones(3)


def _two_images(hdus):
    hdus[2] = hdus['image'].copy()
    hdus['image'].name = 'A'
    del hdus[2].header['EXTNAME']


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
    (_drop_unit, r'has none \(IMAGE: no BUNIT\)'),
    (_odd_unit, r"has none \(IMAGE: unknown BUNIT 'parrots'\)"),
    (_drop_wcs, r'has none \(IMAGE: no celestial WCS\)'),
    (_drop_image, r'has none \(COVERAGE: no BUNIT; STDEV: no BUNIT\)'),
    (_cut_coverage, 'different shapes'),
    (_stack_image, r'has none \(IMAGE: 3 axes\)'),
    (_spoil_all, r'has none \(primary: 1 axis, no BUNIT, no celestial WCS; '
                 r'HDU 1: 3 axes\)'),
    (_two_images, r'has 2 of them \(A, HDU 2\)'),
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
    path.write_bytes(b'')
    with pytest.raises(ValueError, match='no readable FITS file'):
        read_pacs_map(path)
    with pytest.raises(ValueError, match='no readable FITS file'):
        read_pacs_map(tmp_path)


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


def test_modes_and_bands_of_real_products():
    folder = get_data_path('pacs')
    paths = sorted(folder.glob('*.fits*'))
    assert paths
    for path in paths:
        ccd = read_pacs_map(path)
        band = get_band(ccd.meta['PACSMODE'], ccd.meta['PACSBAND'])
        assert band.mode == 'scanmap'
        assert band.wavelength.to_value(u.um) == ccd.meta['WAVELNTH']
        name = path.name.lower()
        if 'mapr' in name:
            assert band.name == 'red'
        else:
            assert band.name == ('green' if 'green' in name else 'blue')
