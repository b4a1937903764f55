# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests that fluxes of sources on the sky are right on maps of any geometry.
"""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from hypothesis import example, given, settings
from numpy.testing import assert_allclose

from compact_removal import CompactSourceRemover
from compact_removal.datasets import inject_sources
from compact_removal.instruments import get_band
from compact_removal.maps import read_pacs_map
from compact_removal.maps.products import write_products
from compact_removal.tests.any_wcs import SkyMap, make_sky_map, sky_maps

# A map around b = 60 deg, as CAR has it: pixels are 2:1 on the sky.
CAR = SkyMap(code='CAR', frame='GLON GLAT', lat=60.0, off_lat=np.nan)


@pytest.fixture(scope='module')
def remover():
    return CompactSourceRemover('scanmap', 'blue')


def check_flux(remover, kind, *, refused=False):
    """
    The flux is right within 4 errors or 2 percent, or the map is refused.
    """
    image, position = make_sky_map(kind)
    if image is None:
        return None
    row, message = None, 'image'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try:
            (row,) = remover.remove(image, position).sources
        except ValueError as error:
            message = str(error)
    assert message.startswith('image')
    if row is None:
        assert refused is not False
        return None
    flux, error = (row[name].to_value(u.Jy) for name in ('flux', 'flux_err'))
    assert refused is not True
    assert row['flags'] == 0
    assert error < 0.05
    assert abs(flux - 1) < max(4 * error, 0.02)
    return flux


@settings(max_examples=12)
@given(kind=sky_maps())
@example(kind=CAR)
def test_any_geometry(remover, kind):
    check_flux(remover, kind, refused=None)


@pytest.mark.slow
@settings(max_examples=60)
@given(kind=sky_maps())
def test_many_geometries(remover, kind):
    check_flux(remover, kind, refused=None)


@pytest.mark.parametrize('kind', [
    CAR, SkyMap(off_lat=35.0), SkyMap(code='SFL', off_lon=60.0, lat=40.0),
    SkyMap(code='ZEA', off_lat=80.0)])
def test_refused(remover, kind):
    check_flux(remover, kind, refused=True)


@pytest.mark.parametrize('kind', [
    SkyMap(code='MER', lat=60.0, off_lat=np.nan, scale=3.2),
    SkyMap(code='STG', off_lat=60.0), SkyMap(off_lat=12.0),
    SkyMap(distortion='SIP', strength=0.06),
    SkyMap(distortion='TPV', strength=-0.05),
    SkyMap(distortion='lookup', strength=0.05),
    SkyMap(frame='ELON ELAT', swapped=True, lat=90.0),
    SkyMap(frame='SLON SLAT', code='CAR', lat=3.0, off_lat=np.nan,
           off_lon=180.0)])
def test_measured(remover, kind):
    check_flux(remover, kind, refused=False)


def test_other_pixels_do_not_matter(remover):
    # square where the source is, far from it in a corner
    kind = SkyMap(distortion='SIP', strength=0.5)
    image, position = make_sky_map(kind, shape=(96, 200))
    source = image.wcs.pixel_to_world([100.0], [50.0]).icrs
    blank = CCDData(np.random.default_rng(1).normal(0.1, 0.01, image.shape),
                    unit='MJy/sr', wcs=image.wcs)
    catalog = QTable({'sky_center': source, 'flux': [1] * u.Jy})
    injected = inject_sources(blank, catalog, get_band('scanmap', 'blue'))
    found = remover.remove(injected, source).sources['flux'][0]
    assert_allclose(found.to_value(u.Jy), 1, rtol=0.02)
    corner = image.wcs.pixel_to_world([5.0], [50.0]).icrs
    for positions in (corner, SkyCoord([source[0], corner[0]])):
        with pytest.raises(ValueError, match='^image must have square '
                                             'pixels .* at x = 5.0'):
            remover.remove(injected, positions)
    with pytest.raises(ValueError, match='^ccd must have square pixels'):
        inject_sources(blank, QTable({'sky_center': corner,
                                      'flux': [1] * u.Jy}),
                       get_band('scanmap', 'blue'))


def test_sizes_that_differ(remover):
    # Mercator: pixels shrink with the latitude, 3.5 % over the map
    kind = SkyMap(code='MER', lat=60.0, off_lat=np.nan, scale=3.0)
    image, _ = make_sky_map(kind, shape=(4096, 96))
    x, y = np.full(3, 48.0), np.array([60.0, 2000, 4036])
    sky = image.wcs.pixel_to_world(x, y).icrs
    blank = CCDData(np.random.default_rng(1).normal(0.1, 0.01, image.shape),
                    unit='MJy/sr', wcs=image.wcs)
    alone, ratios = [], []
    injected = blank
    for row in range(3):
        injected = inject_sources(injected, QTable({
            'sky_center': sky[row:row + 1], 'flux': [1] * u.Jy}),
            get_band('scanmap', 'blue'), position_angle=0 * u.deg)
        found = remover.remove(injected, sky[row:row + 1]).sources
        alone.append(found['flux'][0].to_value(u.Jy))
    found = remover.remove(injected, sky).sources
    assert np.all(found['aperture_radius'] == found['aperture_radius'][0])
    ratios = found['flux'].to_value(u.Jy)
    assert_allclose(ratios, 1, rtol=0.02)
    assert_allclose(ratios, alone, rtol=0.01)


def test_tables_of_distortions_are_kept(remover, tmp_path):
    kind = SkyMap(distortion='lookup', strength=0.05)
    image, position = make_sky_map(kind)
    paths = {'image': tmp_path / 'map.fits'}
    write_products({'image': image}, paths)
    read = read_pacs_map(paths['image'])
    assert list(read.meta) == []
    one, two = (remover.remove(ccd, position) for ccd in (image, read))
    assert_allclose(two.sources['x_center'], one.sources['x_center'])
    assert_allclose(two.sources['flux'], one.sources['flux'], rtol=1e-3)
    write_products({'image': two.background}, paths, overwrite=True,
                   history='sources removed')
    again = read_pacs_map(paths['image'])
    assert_allclose(again.wcs.all_pix2world([[5.0, 90]], 0),
                    image.wcs.all_pix2world([[5.0, 90]], 0), rtol=1e-12)
    # as an extension of a product
    primary, *tables = image.wcs.to_fits(relax=True)
    primary.header['BUNIT'] = 'MJy/sr'
    extension = fits.ImageHDU(image.data, primary.header, name='image')
    product = fits.HDUList([fits.PrimaryHDU(), extension, *tables])
    product.writeto(tmp_path / 'product.fits')
    assert read_pacs_map(tmp_path / 'product.fits').wcs.cpdis1 is not None
    product[:2].writeto(tmp_path / 'bad.fits')
    with pytest.raises(ValueError, match='distortion tables are missing'):
        read_pacs_map(tmp_path / 'bad.fits')
    # astropy reads no tables
    lost = CCDData.read(paths['image'])
    with pytest.raises(ValueError, match='^image must have a WCS with the '
                                         r'distortion tables .*CPDIS1'):
        remover.remove(lost, position)
