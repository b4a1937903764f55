# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the finder with the shipped weights.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import (CompactSourceFinder, CompactSourceRemover,
                             decode_flags)
from compact_removal.datasets import (inject_sources, make_background,
                                      make_example_field,
                                      make_source_catalog, read_pacs_map)
from compact_removal.detection import DETECTION_FLAGS
from compact_removal.detection.flags import DETECTION_FLAG
from compact_removal.fitting import SourcePSF, render_sources
from compact_removal.instruments import get_band
from compact_removal.metrics import match_detections
from compact_removal.tests.helpers import get_data_path

BAND = get_band('scanmap', 'blue')
FWHM = float(BAND.psf.fwhm / BAND.pixel_scale.value)


@pytest.fixture(scope='module')
def finder():
    return CompactSourceFinder('scanmap', 'blue')


def make_field(kind='cloud', *, n_sources=0, flux=1.0, noise=0.05, seed=1,
               size=256):
    """
    A field, and its sources.
    """
    image, _ = make_example_field(shape=(size, size), n_sources=0, seed=seed)
    image.data[:] = 1e-3 * make_background(image.shape, kind=kind, fwhm=FWHM,
                                           noise=noise, seed=seed)
    image.uncertainty = None
    if not n_sources:
        return image, None
    catalog = make_source_catalog(image, n_sources, flux * u.Jy,
                                  min_separation=25, border=15, seed=seed)
    return inject_sources(image, catalog, BAND, seed=seed), catalog


@pytest.fixture(scope='module')
def field():
    return make_field(n_sources=25, flux=0.1)


@pytest.fixture(scope='module')
def found(finder, field):
    return finder.find(field[0])


def test_finds_sources(field, found):
    _, catalog = field
    index = match_detections(found['x_center'], found['y_center'],
                             found['probability'], catalog['x_center'],
                             catalog['y_center'], 2)
    assert np.unique(index[index >= 0]).size >= 23
    assert np.mean(index >= 0) >= 0.8
    assert np.all(np.diff(found['probability']) <= 0)
    matched = found[index >= 0]
    truth = catalog[index[index >= 0]]
    pull = (matched['flux'] - truth['flux']) / matched['flux_err']
    assert abs(np.median(pull)) < 0.7
    assert np.mean(np.abs(pull) < 2) > 0.75
    for axis in 'xy':
        offset = matched[f'{axis}_center'] - truth[f'{axis}_center']
        assert np.sqrt(np.mean(offset ** 2)) < 0.2
        assert abs(np.mean(offset)) < 0.05
    assert_allclose(found['sky_center'].separation(
        field[0].wcs.pixel_to_world(found['x_center'], found['y_center'])
    ).arcsec, 0, atol=1e-3)


def test_table(found):
    kinds = [found[f'probability_{kind}']
             for kind in ('compact', 'extended', 'artefact')]
    assert_array_equal(kinds[0], found['probability'])
    assert np.all(sum(kinds) <= 1 + 1e-6)
    assert set(found['kind']) <= {'compact', 'extended', 'artefact'}
    assert np.all((found['flux'] / found['flux_err']).value < found['snr'])
    assert found['flux'].unit.is_equivalent(u.Jy)
    assert found.meta['CRNET'] == 'localization'
    for value in found['flags']:
        decode_flags(value, definitions=DETECTION_FLAGS)


def test_catalog_is_one_for_a_removal(field, found):
    sources = CompactSourceRemover('scanmap', 'blue').remove(
        field[0], found).sources
    assert len(sources) == len(found)
    assert np.isfinite(sources['flux']).all()


@pytest.mark.parametrize('scale', [1e-6, 1e6])
def test_the_unit_does_not_matter(finder, field, found, scale):
    image = field[0].copy()
    image.data *= scale
    other = finder.find(image)
    assert_allclose(other['probability'], found['probability'], atol=1e-3)
    assert_allclose(other['flux'] / scale, found['flux'], rtol=1e-3)
    same = CCDData(field[0].data * 1e3, unit='mJy / pix', wcs=field[0].wcs)
    assert_allclose(finder.find(same)['flux'].to_value('Jy'),
                    found['flux'].to_value('Jy'), rtol=1e-6)


def test_threshold_and_all_candidates(field, found):
    every = CompactSourceFinder('scanmap', 'blue', threshold=0).find(field[0])
    assert len(every) > len(found)
    # what was not fitted has no flux, and is nothing most probably
    alone = every['flags'] & DETECTION_FLAG['not_fitted'] > 0
    assert_array_equal(np.isnan(every['flux']), alone)
    assert 0 < alone.sum() < len(every)
    assert np.all(every['probability'][alone] < 0.05)
    for name in ('flux', 'flags'):
        assert_array_equal(every[:len(found)][name], found[name])
    sure = CompactSourceFinder('scanmap', 'blue', threshold=0.99).find(
        field[0])
    assert np.all(sure['probability'] >= 0.99)
    assert len(sure) <= len(found)


@pytest.mark.parametrize('kind', ['cloud', 'cirrus', 'filaments',
                                  'anisotropic'])
def test_structure_alone(finder, kind):
    # one detection per 10^5 pixels
    image, _ = make_field(kind, seed=5, size=320)
    assert len(finder.find(image)) <= 1


def test_unknown_pixels(finder, field, found):
    image = field[0].copy()
    image.data[100:140] = np.nan
    image.mask = np.zeros(image.shape, dtype=bool)
    image.mask[:, 30:40] = True
    before = image.data.copy(), image.mask.copy()
    other = finder.find(image)
    assert_array_equal(image.data, before[0])
    assert_array_equal(image.mask, before[1])
    lost = np.isnan(image.data) | image.mask
    x, y = (np.rint(other[name]).astype(int)
            for name in ('x_center', 'y_center'))
    rows, columns = np.nonzero(lost)
    for one_x, one_y in zip(x, y, strict=True):
        assert np.hypot(columns - one_x, rows - one_y).min() > FWHM
    # those far away are the same
    far = ((np.abs(found['y_center'] - 120) > 60)
           & (np.abs(found['x_center'] - 35) > 50))
    index = match_detections(other['x_center'], other['y_center'],
                             other['probability'], found['x_center'][far],
                             found['y_center'][far], 0.5)
    assert np.sum(index >= 0) >= 0.9 * far.sum()


def test_nothing_observed(finder, field):
    image = field[0].copy()
    image.data[:] = np.nan
    sources = finder.find(image)
    assert len(sources) == 0
    assert {'sky_center', 'probability', 'kind', 'flags'} <= set(
        sources.colnames)
    image.data[:] = 1.0
    assert len(finder.find(image)) == 0


def test_pairs_are_kept_apart(finder):
    rng = np.random.default_rng(4)
    image, _ = make_field(noise=0.05, seed=2, size=300)
    std = np.std(image.data)
    x, y = (value.ravel() + rng.uniform(-0.5, 0.5, value.size)
            for value in np.meshgrid(np.arange(30, 280, 60),
                                     np.arange(30, 280, 60)))
    angle = rng.uniform(0, np.pi, x.size)
    dx, dy = FWHM / 2 * np.cos(angle), FWHM / 2 * np.sin(angle)
    peak = 30 * std * u.Jy
    catalog = QTable({'sky_center': image.wcs.pixel_to_world(
        np.append(x - dx, x + dx), np.append(y - dy, y + dy))})
    catalog['flux'] = np.full(2 * x.size, peak.value * 12) * u.Jy
    found = finder.find(inject_sources(image, catalog, BAND, seed=1))
    index = match_detections(found['x_center'], found['y_center'],
                             found['probability'], np.append(x - dx, x + dx),
                             np.append(y - dy, y + dy), FWHM / 2)
    both = np.isin(np.arange(2 * x.size), index).reshape(2, -1).all(axis=0)
    assert np.mean(both) >= 0.8
    matched = found['flags'][index >= 0]
    assert np.mean(matched & DETECTION_FLAG['blended'] > 0) > 0.8


def test_as_a_finder_of_photutils(field, found):
    photutils_psf = pytest.importorskip('photutils.psf')
    image, catalog = field
    finder = CompactSourceFinder('scanmap', 'blue')
    data = image.data
    table = finder(data, mask=np.zeros(data.shape, dtype=bool))
    assert_allclose(table['x_centroid'], found['x_center'], atol=0.05)
    photometry = photutils_psf.PSFPhotometry(
        photutils_psf.CircularGaussianPRF(fwhm=FWHM), (5, 5), finder=finder,
        aperture_radius=4)
    assert len(photometry(data)) == len(table)
    with pytest.warns(match='No sources were found'):
        assert finder(np.ones((64, 64))) is None


def test_probability_map(finder, field):
    image, catalog = field
    probability = finder.predict_proba(image)
    assert probability.shape == image.shape
    assert np.all((probability.data >= 0) & (probability.data <= 1))
    rows, columns = (np.rint(catalog[name]).astype(int)
                     for name in ('y_center', 'x_center'))
    near = [probability.data[y - 1:y + 2, x - 1:x + 2].max()
            for x, y in zip(columns, rows, strict=True)]
    assert np.median(near) > 0.5
    assert np.median(near) > 30 * np.median(probability.data)


def test_wrong_calls(finder, field):
    with pytest.raises(ValueError, match='^threshold must be'):
        CompactSourceFinder('scanmap', 'blue', threshold='low').find(field[0])
    with pytest.raises(ValueError, match='^data must be an image'):
        finder(np.ones(5))
    with pytest.raises(ValueError, match='^mask must have the shape'):
        finder(np.ones((64, 64)), mask=np.ones((3, 3)))
    with pytest.raises(TypeError, match='^image'):
        finder.find(np.ones((64, 64)))


@pytest.mark.slow
@pytest.mark.parametrize(('letter', 'band'), [('b', 'blue'), ('r', 'red')])
def test_helix(letter, band):
    image = read_pacs_map(get_data_path('pacs', f'helix_*map{letter}.fits'))
    # the fainter one is below the default threshold at 160 um
    sources = CompactSourceFinder('scanmap', band, threshold=0).find(image)
    known = SkyCoord([337.4237, 337.396], [-20.8389, -20.821], unit='deg')
    for center in known:
        assert center.separation(sources['sky_center'][:5]).min() < (
            4 * u.arcsec)
    _assert_no_borders(image, sources)


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    'hpacs_25HPPJSMAPB_blue_1757_p5129_00_v1.0_1470980842635.fits.gz',
    'hpacs_25HPPHPFMAPB_blue_1757_p5129_00_v1.0_1470980845846.fits.gz'])
def test_gamma_dra(finder, name):
    image = read_pacs_map(get_data_path('pacs', name))
    sources = finder.find(image)
    star = SkyCoord([269.15154], [51.48889], unit='deg')
    assert sources['sky_center'][0].separation(star)[0] < 3 * u.arcsec
    _assert_no_borders(image, sources)


def _assert_no_borders(image, sources):
    """
    No detection lies within a beam of what was not observed.
    """
    lost = ~np.isfinite(image.data)
    if image.mask is not None:
        lost |= image.mask
    rows, columns = np.nonzero(lost)
    for x, y in zip(sources['x_center'], sources['y_center'], strict=True):
        assert np.hypot(columns - x, rows - y).min() > FWHM


def test_pairs_are_kept_apart_where_nothing_else_is(finder):
    # the PSF of such a map cannot be learned from its brightest peaks
    band = get_band('scanmap', 'blue')
    psf = SourcePSF(band, band.pixel_scale)
    rng = np.random.default_rng(11)
    middle = np.array(np.meshgrid(np.arange(20, 190, 32),
                                  np.arange(20, 190, 32))).reshape(2, -1)
    angle = rng.uniform(0, 2 * np.pi, middle.shape[1])
    half = psf.fwhm / 2 * np.array([np.cos(angle), np.sin(angle)])
    x, y = np.hstack([middle + half, middle - half])
    data = rng.normal(size=(200, 200)) + render_sources(
        (200, 200), x, y, np.full(x.size, 30 / psf(0)),
        np.zeros((x.size, 5)), psf)
    found = finder(data)
    index = match_detections(found['x_centroid'], found['y_centroid'],
                             found['probability'], x, y, psf.fwhm / 2)
    seen = np.isin(np.arange(x.size), index).reshape(2, -1).all(axis=0)
    assert seen.mean() > 0.8
