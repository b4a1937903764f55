# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of what users may hand over as the image of a PSF.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS
from numpy.testing import assert_allclose
from photutils.psf import GriddedPSFModel, ImagePSF

from compact_removal.instruments import get_band, list_bands
from compact_removal.psf import StampPSF, as_psf, make_psf_stamp
from compact_removal.psf.tests.test_images import gaussian

BLUE = get_band('scanmap', 'blue')
SCALE = 1 * u.arcsec
TRUE = as_psf(gaussian(), pixel_scale=SCALE).encircled_energy([3.0])[0]


def energy(data):
    return as_psf(data, pixel_scale=SCALE).encircled_energy([3.0])[0]


@pytest.mark.parametrize('spoil', [
    lambda a: 0 * a, lambda a: -a, lambda a: 0 * a + 7,
    lambda a: a * np.nan, lambda a: a[:, :23], lambda a: a[18:, 18:],
    lambda a: a[20:, 20:],
    lambda a: a + 0.5 * np.roll(a, 12, axis=1),
    lambda a: a - 0.5 * np.roll(a, 12, axis=1),
    lambda a: np.where(a == 1, np.nan, a), lambda a: (a == 1) * 1.0,
    lambda a: np.where(a < 1e-9, 5.0 * (np.indices(a.shape)[0] == 2)
                       * (np.indices(a.shape)[1] == 3), a),
    lambda a: a[None], lambda a: a[0], lambda a: a + 1j, lambda a: a[:0]])
@pytest.mark.filterwarnings('ignore:psf:astropy.utils.exceptions.'
                            'AstropyUserWarning')
def test_refused_images(spoil):
    data = gaussian()
    with pytest.raises((TypeError, ValueError), match='^psf must') as info:
        as_psf(spoil(data), pixel_scale=SCALE)
    assert info.value.parameter == 'psf'


@pytest.mark.parametrize('level', [0.01, 0.003, 0.3, -0.002, -0.03, 50.0])
@pytest.mark.parametrize('shape', [(41, 41), (61, 40), (128, 128)])
def test_pedestals_are_subtracted(level, shape):
    with pytest.warns(AstropyUserWarning, match='^psf: a pedestal of'):
        found = energy(gaussian(shape) + level)
    assert found == pytest.approx(TRUE, abs=0.01)


@pytest.mark.parametrize('key', [(row['mode'], row['band'])
                                 for row in list_bands()])
def test_wings_are_no_pedestal(key):
    band = get_band(*key)
    for reach in (3, 5, 7.5, 12, 20):
        half = int(reach * band.psf.fwhm)
        stamp = make_psf_stamp(band, pixel_scale=SCALE,
                               shape=(2 * half + 1, 2 * half + 1))
        psf = StampPSF(stamp, SCALE, fraction=stamp.sum())
        assert_allclose(psf.data, stamp, rtol=1e-9)
        with pytest.warns(AstropyUserWarning, match='^data: a pedestal'):
            psf = StampPSF(stamp + 0.02 * stamp.max(), SCALE,
                           fraction=stamp.sum())
        assert_allclose(psf.encircled_energy([6.0]),
                        as_psf(band).encircled_energy([6.0]), atol=0.07)


@pytest.mark.parametrize('beta', [1.5, 2.0, 2.5, 4.765])
def test_moffat_wings_are_no_pedestal(beta):
    y, x = np.mgrid[-60:61, -60:61]
    alpha = 2 / np.sqrt(2 ** (1 / beta) - 1)
    stamp = (1 + (x ** 2 + y ** 2) / alpha ** 2) ** -beta
    assert_allclose(StampPSF(stamp, SCALE).data, stamp / stamp.sum())


def test_small_negative_lobes_pass():
    rng = np.random.default_rng(1)
    data = gaussian() - 0.04 * gaussian(fwhm=9) + 0.002 * rng.normal(
        size=(41, 41))
    assert energy(data) == pytest.approx(TRUE, abs=0.25)
    grid = as_psf(data, pixel_scale=SCALE).encircled_energy(
        np.linspace(0, 40, 50))
    assert np.all((grid >= 0) & (grid <= 1))


@pytest.mark.parametrize('center', [(20, 20), (21.4, 20.2), (19.5, 19.5),
                                    (12.3, 25.1)])
@pytest.mark.parametrize('shape', [(41, 41), (40, 40), (44, 61)])
def test_centres(center, shape):
    psf = as_psf(gaussian(shape, center=center), pixel_scale=SCALE)
    assert_allclose(psf.center, center, atol=0.1)
    assert psf.encircled_energy([3.0])[0] == pytest.approx(TRUE, abs=0.01)


def test_centres_that_contradict():
    data = gaussian(center=(24, 20))
    with pytest.raises(ValueError, match='^data must have its source at'):
        StampPSF(data, SCALE, center=(20, 20))
    with pytest.raises(ValueError, match='^psf must have its source at'):
        as_psf(ImagePSF(data), pixel_scale=SCALE)
    assert as_psf(ImagePSF(data, origin=(24, 20)),
                  pixel_scale=SCALE).center == (24, 20)


def test_wings_beyond_the_edge():
    stamp = make_psf_stamp(BLUE, shape=(15, 15))
    with pytest.warns(AstropyUserWarning, match='^data ends where about'):
        StampPSF(stamp, BLUE.pixel_scale)
    StampPSF(stamp, BLUE.pixel_scale, fraction=0.83)


def test_missing_pixels_far_out():
    data = gaussian()
    data[:3] = np.nan
    with pytest.warns(AstropyUserWarning, match='not finite count as dark'):
        assert energy(data) == pytest.approx(TRUE)


def test_coarse_core():
    with pytest.warns(AstropyUserWarning, match='pixels wide; finer pixels'):
        as_psf(gaussian((21, 21), fwhm=1.35), pixel_scale=SCALE)


def make_wcs(scale=1.0, ratio=1.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.cdelt = -scale / 3600, ratio * scale / 3600
    return wcs


def test_containers(tmp_path):
    data = gaussian()
    header = make_wcs().to_header()
    image = fits.ImageHDU(data[None].astype('>f4'), header)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones(5)), image])
    path = tmp_path / 'psf.fits.gz'
    hdus.writeto(path)
    ccd = CCDData(data, unit='Jy/beam', wcs=make_wcs())
    card = fits.PrimaryHDU(data)
    card.header['PIXELSCL'] = 1.0
    for psf in (path, str(path), hdus, image, ccd, card, list(hdus)):
        assert energy(psf) == pytest.approx(TRUE, rel=1e-5)
        made = StampPSF(psf)
        assert made.pixel_scale == pytest.approx(1)
        assert as_psf(psf).encircled_energy([3.0])[0] == pytest.approx(TRUE)
        band = replace(BLUE, psf=psf, eef_radii=(), eef_values=())
        # the WCS comes before the pixels of the band
        assert as_psf(band).pixel_scale == pytest.approx(1)
        assert band == replace(band)
        stamp = make_psf_stamp(psf, pixel_scale=2 * SCALE, shape=(21, 21))
        assert_allclose(stamp, 4 * made.data[::2, ::2], atol=1e-5)
        with pytest.raises(ValueError, match='^pixel_scale must be that of'):
            StampPSF(psf, 2 * SCALE)


def test_containers_that_are_none(tmp_path):
    path = tmp_path / 'psf.fits'
    with pytest.raises(FileNotFoundError, match='^psf: there is no file'):
        as_psf(path)
    path.write_text('nothing')
    with pytest.raises(ValueError, match='^psf is no readable FITS file'):
        as_psf(path)
    with pytest.raises(ValueError, match='^psf must hold a 2-D image'):
        as_psf(fits.HDUList([fits.PrimaryHDU()]))
    with pytest.raises(ValueError, match='^psf must hold a 2-D image'):
        as_psf(fits.PrimaryHDU(np.ones((3, 9, 9))))
    with pytest.raises(ValueError, match='^pixel_scale is needed'):
        as_psf(fits.PrimaryHDU(gaussian()))
    ccd = CCDData(gaussian(), unit='Jy', wcs=make_wcs(ratio=1.3))
    with pytest.raises(ValueError, match='^psf must have square pixels'):
        as_psf(ccd)


def test_one_psf_of_a_grid():
    grid = np.array([gaussian((25, 25))] * 4)
    ccd = CCDData(grid, unit='', meta={
        'grid_xypos': [(0, 0), (0, 9), (9, 0), (9, 9)], 'oversampling': 1})
    with pytest.raises(TypeError, match='^psf must be one PSF .*data.0.'):
        as_psf(GriddedPSFModel(ccd), pixel_scale=SCALE)


def test_images_of_bands_keep_their_pixels():
    stamp = make_psf_stamp(BLUE, shape=(81, 81))
    band = replace(BLUE, psf=stamp, eef_radii=(), eef_values=())
    fine = band.with_pixel_scale(0.8 * u.arcsec)
    assert as_psf(fine).pixel_scale == 1.6
    assert as_psf(fine) == as_psf(band)
    oversampled = replace(
        band, psf=make_psf_stamp(BLUE, pixel_scale=0.4 * u.arcsec,
                                 shape=(241, 241)),
        psf_pixel_scale=0.4 * u.arcsec)
    assert as_psf(oversampled).fwhm == pytest.approx(as_psf(band).fwhm,
                                                     rel=0.02)
    # taken for pixels of the band, it fits neither holes nor table
    for factor, match in ((4, 'be narrower than the largest'),
                          (2, 'fit the encircled energies')):
        fine = make_psf_stamp(BLUE, pixel_scale=1.6 / factor * u.arcsec,
                              shape=(241, 241))
        with pytest.raises(ValueError, match=f'^psf must {match}'):
            as_psf(replace(BLUE, psf=fine))
    assert as_psf(replace(BLUE, psf=stamp)) == as_psf(band)
