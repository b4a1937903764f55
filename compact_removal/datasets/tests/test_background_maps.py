# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for real maps as backgrounds.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (BackgroundMap, find_compact_sources,
                                      load_background_maps, make_background,
                                      read_pacs_map)
from compact_removal.tests.helpers import get_data_path
from compact_removal.utils.parameters import ParameterError


def _gaussian(shape, x0, y0, fwhm):
    y, x = np.indices(shape)
    return np.exp(-4 * np.log(2) * ((x - x0) ** 2 + (y - y0) ** 2)
                  / fwhm ** 2)


def test_finds_sources_on_structure():
    shape = (150, 150)
    data = make_background(shape, kind='cirrus', seed=2)
    true = np.array([[30, 40], [100, 60], [75, 120]])
    for x, y in true:
        data += 3 * _gaussian(shape, x, y, 3.5)
    found = find_compact_sources(data)
    distance = np.hypot(*(true[:, None] - found[None]).T)
    assert np.all(distance.min(axis=0) <= 1.5)
    assert len(found) < 15


def test_finds_nothing_in_nothing():
    assert len(find_compact_sources(np.zeros((50, 50)))) == 0
    data = np.full((50, 50), np.nan)
    data[:25] = 1.0
    assert len(find_compact_sources(data)) == 0


def test_edges_and_gaps_are_no_sources():
    rng = np.random.default_rng(8)
    y, x = np.indices((220, 240))
    for noise in ('even', 'rising'):
        data = rng.normal(size=y.shape)
        # coverage that ends on a slope, with more noise where it thins out
        edge = np.minimum(x + y - 90, 420 - x - y)
        if noise == 'rising':
            data *= 1 + 6 * np.exp(-edge / 6)
        data[edge < 0] = np.nan
        data[100:130, 110:140] = np.nan
        data[rng.random(data.shape) < 0.02] = np.nan
        data[60] = np.nan
        true = np.array([[80, 100], [150, 70]])
        for place in true:
            data += 12 * _gaussian(data.shape, *place, 3.5)
        found = find_compact_sources(data)
        distance = np.hypot(*(true[:, None] - found[None]).T)
        assert len(found) == 2
        assert np.all(distance.min(axis=0) < 1.5)


@pytest.mark.parametrize('kind', ['cloud', 'filaments', 'cirrus'])
def test_structure_does_not_flood(kind):
    data = make_background((256, 256), kind=kind, fwhm=3.5, noise=0.02,
                           seed=4)
    assert len(find_compact_sources(data)) <= 4


def test_noise_has_few_sources():
    data = np.random.default_rng(2).normal(size=(500, 500))
    assert len(find_compact_sources(data)) <= 2
    assert len(find_compact_sources(np.full((60, 60), np.nan))) == 0
    assert len(find_compact_sources(data[:5, :4])) == 0


@pytest.mark.parametrize('band', ['b', 'r'])
def test_sources_of_the_helix(band):
    image = read_pacs_map(get_data_path('pacs', f'helix_*map{band}.fits'))
    data = np.where(image.mask, np.nan, image.data)
    scale = image.wcs.proj_plane_pixel_scales()[0].to_value('arcsec')
    fwhm = {'b': 5.0, 'r': 9.6}[band] / scale
    found = find_compact_sources(data, fwhm=fwhm)
    true = np.transpose(image.wcs.world_to_pixel(SkyCoord(
        [337.4237, 337.396], [-20.8389, -20.821], unit='deg')))
    distance = np.hypot(*(true[:, None] - found[None]).T)
    assert np.all(distance.min(axis=0) < 2)
    assert len(found) < 8


def test_load(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.normal(10, 5, (120, 100))
    data[:20, :30] = np.nan
    fits.writeto(tmp_path / 'a_6as.fits', data)
    fits.writeto(tmp_path / 'small.fits', data[:40, :40])
    fits.writeto(tmp_path / 'cube.fits', np.zeros((2, 100, 100)))
    maps = load_background_maps(tmp_path)
    assert [item.name for item in maps] == ['a_6as.fits']
    loaded = maps[0].data
    assert loaded.dtype == np.float32
    assert np.array_equal(np.isnan(loaded), np.isnan(data))
    assert_allclose(np.nanmedian(loaded), 0, atol=1e-6)
    # smoothed to a beam of 3 pixels
    flat = loaded[30:, :]
    lag = np.corrcoef(flat[:, 1:].ravel(), flat[:, :-1].ravel())[0, 1]
    assert_allclose(lag, np.exp(-1 / (4 * (3 / 2.3548) ** 2)), atol=0.06)


def test_load_without_padding(tmp_path):
    path = tmp_path / 'map.fits'
    fits.writeto(path, np.arange(1e4, dtype='>f4').reshape(100, 100))
    content = path.read_bytes()
    path.write_bytes(content[:2880 + 40000])
    assert np.all(np.isfinite(load_background_maps(path)[0].data))


def test_load_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='path does not exist'):
        load_background_maps(tmp_path / 'none')
    with pytest.raises(ValueError, match='path holds no 2-D FITS image'):
        load_background_maps(tmp_path)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'data': np.zeros(3)}, 'data must be 2-D'),
    ({'positions': np.zeros(3)}, 'positions must have shape'),
    ({'pixel_scale': 1.6}, 'pixel_scale must be a positive angle'),
    ({'pixel_scale': -1 * u.arcsec}, 'pixel_scale must be a positive angle'),
    ({'pixel_scale': 2 * u.m}, 'pixel_scale must be a positive angle'),
    ({'pixel_scale': [1, 2] * u.arcsec}, 'pixel_scale must be a positive'),
])
def test_background_map_errors(kwargs, match):
    with pytest.raises(ParameterError, match=f'^{match}') as caught:
        BackgroundMap(**{'data': np.zeros((3, 3)), **kwargs})
    assert caught.value.parameter in kwargs


def test_real_map():
    path = get_data_path('backgrounds', 'OMC_SCUBA2_850um_4as.fits')
    item, = load_background_maps(path)
    assert item.data.shape == (300, 300)
    assert 5 < len(item.positions) < 60


def test_smoothed():
    data = np.random.default_rng(2).normal(size=(80, 90)).astype(np.float32)
    data[30:40, 20:25] = np.nan
    background = BackgroundMap(data, [[3.0, 4.0]], 'mine', 2.0,
                               pixel_scale=2 * u.arcsec, band='blue')
    wider = background.smoothed(4.0)
    assert wider.fwhm == 4.0
    assert (wider.name, wider.band) == ('mine', 'blue')
    assert wider.pixel_scale == 2 * u.arcsec
    assert_array_equal(wider.positions, [[3.0, 4.0]])
    assert_array_equal(np.isnan(wider.data), np.isnan(data))
    # white noise times a Gaussian of the difference of the beams
    sigma = np.sqrt(16 - 4) / np.sqrt(8 * np.log(2))
    expected = 1 / (2 * np.sqrt(np.pi) * sigma)
    assert abs(np.nanstd(wider.data[10:-10, 30:]) / expected - 1) < 0.15
    assert background.smoothed(2.0) is background
    unknown = BackgroundMap(data)
    assert unknown.smoothed(9.0) is unknown
