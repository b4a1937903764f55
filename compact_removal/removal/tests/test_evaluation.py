# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the experiment, with removers that know the truth or do nothing.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import CompactSourceRemover
from compact_removal.datasets import FLUX_LEVELS, make_test_fields
from compact_removal.instruments import get_band
from compact_removal.metrics import fit_power_law
from compact_removal.photometry import aperture_correction, aperture_sums
from compact_removal.psf import AnalyticPSF
from compact_removal.removal import (RemovalResult, decode_flags,
                                     evaluate_removal, evaluate_remover)
from compact_removal.removal.injection import _choose_levels
from compact_removal.removal.quality_flags import QUALITY_FLAGS

RADIUS = 6 * u.arcsec


class Known:
    """
    A remover that knows the truth of one map.
    """

    def __init__(self, truth, mode='scanmap', band='blue'):
        self.truth, self.mode, self.band = truth, mode, band

    def background(self, image):
        return self.truth.copy()

    def remove(self, image, positions):
        assert isinstance(positions, SkyCoord)
        background = self.background(image)
        x, y = image.wcs.world_to_pixel(positions)
        band = get_band(self.mode, self.band)
        fraction = aperture_correction(band, RADIUS)
        pixel = image.wcs.proj_plane_pixel_scales()[0]
        sums, _, _ = aperture_sums(image.data - background.data, x, y,
                                   np.full(len(x), float(RADIUS / pixel)))
        flux = (sums * image.unit * u.pix / fraction).to(u.Jy)
        n = len(x)
        return RemovalResult(background, QTable({
            'id': np.arange(n) + 1, 'sky_center': positions,
            'x_center': x, 'y_center': y, 'snr': np.full(n, 20.0),
            'mask_radius': np.full(n, 8.0), 'flux': flux,
            'flux_err': 0.1 * flux,
            'aperture_radius': np.full(n, RADIUS.value) * u.arcsec,
            'aperture_correction': np.full(n, fraction),
            'annulus_flux': 0.5 * flux, 'annulus_flux_err': 0.1 * flux,
            'flags': np.zeros(n, dtype=int)}))


class Idle(Known):
    """
    A remover that leaves the map as it is.
    """

    def background(self, image):
        return image.copy()


@pytest.fixture(scope='module', name='field')
def _field():
    fields = make_test_fields('scanmap', 'blue', n_fields=2,
                              shape=(150, 160), seed=4)
    return list(fields.values())[1]


def test_truth(field):
    evaluation = evaluate_remover(Known(field), field, n_sources=12,
                                  flux_levels=4, seed=2)
    ratios = evaluation.flux_ratios
    network = ratios[ratios['method'] == 'network']
    assert len(network) == 4
    assert_array_equal(network['n'], 12)
    # neighbours at 15 pixels add a little
    assert_allclose(network['median'], 1, atol=0.01)
    assert_allclose(network['iqr'], 0, atol=0.02)
    assert_array_equal(network['outlier_fraction'], 0)
    annulus = ratios[ratios['method'] == 'annulus']
    assert_allclose(annulus['median'], 0.5, atol=0.01)
    row = evaluation.summary[0]
    assert row['n_ratios'] == 48
    assert row['n_significant'] > 6
    assert row['power_before'] > 3
    # the errors of the stand-in are a tenth of the flux
    assert row['within_1'] == row['within_196'] == 1
    assert_allclose(row['median_ratio'], 1, atol=0.01)
    for name in ('hole_error', 'power_change', 'delta_variance_change',
                 'ks_distance'):
        assert row[name] == 0
    assert row['wasserstein_distance'] == 0 * u.Jy / u.pix
    assert row['completeness'] == 1
    assert row['reliability'] == 1
    statistics = evaluation.pixel_statistics
    assert list(statistics['map']) == ['original', 'predicted']
    for name in ('mean', 'std', 'median', 'mad', 'skewness', 'iqr'):
        assert statistics[name][0] == statistics[name][1]
    (entry,) = evaluation.maps.values()
    assert not np.any(entry.spectrum_difference['relative_difference'])


def test_sources_left_in(field):
    evaluation = evaluate_remover(Idle(field), field, n_sources=12,
                                  flux_levels=4, seed=2)
    network = evaluation.flux_ratios[:4]
    assert_array_equal(network['median'], 0)
    assert_array_equal(network['outlier_fraction'], 1)
    row = evaluation.summary[0]
    assert row['hole_error'] > 0.1
    assert row['power_change'] == row['power_before'] > 3
    # errors of 0 are as wrong as can be
    assert row['median_ratio'] == row['within_196'] == 0
    assert row['delta_variance_change'] > 1
    assert row['ks_distance'] > 0.1
    assert row['wasserstein_distance'].value > 1e-4
    assert row['completeness'] == 0
    assert np.isnan(row['reliability'])
    (entry,) = evaluation.maps.values()
    with_sources, predicted = (
        entry.power_spectra[name]['power']
        for name in ('with sources', 'predicted'))
    assert_array_equal(with_sources.value, predicted.value)


def test_spectra_are_those_of_the_map(field):
    result = Known(field).remove(field, field.wcs.pixel_to_world([80], [75]))
    entry = evaluate_removal(field, result, field)
    for tables in (entry.power_spectra, entry.delta_variances):
        one, two = (fit_power_law(tables[name])
                    for name in ('original', 'predicted'))
        assert one.index == two.index
    assert entry.holes.sum() == entry.pixel_comparison.n_pixels
    assert_allclose(entry.holes.sum(), np.pi * 64, rtol=0.1)


@pytest.mark.slow
def test_reproducible_by_seed(field):
    before = field.data.copy()
    kwargs = {'n_sources': 5, 'flux_levels': [300, 3000] * u.mJy}
    one, two, three = (
        evaluate_remover(Known(field), {'a': field}, seed=seed, **kwargs)
        for seed in (1, 1, 2))
    assert_array_equal(one.sources['x_center'], two.sources['x_center'])
    assert_array_equal(one.sources['flux'].value, two.sources['flux'].value)
    assert not np.any(one.sources['x_center'] == three.sources['x_center'])
    assert set(one.sources['field']) == {'a'}
    assert_array_equal(np.unique(one.sources['injected_flux'].value),
                       [300, 3000])
    assert_array_equal(field.data, before)
    assert one.parameters['seed'] == 1


def test_levels_of_table_one(field):
    evaluation = evaluate_remover(Known(field), field, n_sources=2,
                                  flux_levels=5, seed=2)
    levels = np.unique(evaluation.sources['injected_flux'].value)
    assert levels.size == 5
    assert set(levels) <= set(FLUX_LEVELS.value)
    # a hundred times fainter map in another unit: beyond the table
    faint = CCDData(field.data / 1e3, unit=field.unit, wcs=field.wcs)
    evaluation = evaluate_remover(Known(faint), faint, n_sources=2,
                                  flux_levels=5, seed=2)
    low = np.unique(evaluation.sources['injected_flux'].value)
    assert low.size == 5
    assert_allclose(low * 1e3, levels, rtol=0.3)


def test_real_sources_and_gaps_are_avoided(field):
    ccd = field.copy()
    ccd.mask = np.zeros(ccd.shape, dtype=bool)
    ccd.mask[:, :50] = True
    real = ccd.wcs.pixel_to_world([110], [75])
    evaluation = evaluate_remover(Known(ccd), [ccd], catalogs=[real],
                                  n_sources=15, flux_levels=3, seed=1)
    x, y = (np.asarray(evaluation.sources[name])
            for name in ('x_center', 'y_center'))
    largest = get_band('scanmap', 'blue').mask_radii[0]
    assert np.hypot(x - 110, y - 75).min() > largest - 1
    assert x.min() > 50 + 3
    assert x.max() < 159 - 3
    assert evaluation.summary['field'][0].startswith('map 1 (simulated')


def test_another_psf(field):
    band = get_band('scanmap', 'blue')
    psf = AnalyticPSF(band.psf).vary(broadening=1.3)
    evaluation = evaluate_remover(Known(field), field, psf=psf, n_sources=8,
                                  flux_levels=[2000] * u.mJy, seed=2)
    sources = evaluation.sources
    ratio = (sources['flux'] / sources['injected_flux']).to_value('')
    # the stand-in corrects with the PSF of the band, which is too narrow;
    # nobody knows which one was injected
    assert np.median(ratio) < 0.95
    row = evaluation.summary[0]
    for median in (row['median_ratio'], evaluation.flux_ratios[0]['median']):
        assert_allclose(median, np.median(ratio))
    assert_allclose(row['annulus_median_ratio'], np.median(ratio) / 2)
    pull = ((sources['flux'] - sources['injected_flux'])
            / sources['flux_err']).to_value('')
    assert_allclose(sources['pull'], pull)
    assert row['within_1'] == np.mean(np.abs(pull) < 1)
    assert row['within_1'] < row['within_196']
    assert evaluation.parameters['psf'] == 'AnalyticPSF'


def test_columns_of_a_broad_psf():
    fields = make_test_fields('scanmap', 'blue', n_fields=1,
                              shape=(160, 160), seed=8)
    psf = AnalyticPSF(get_band('scanmap', 'blue').psf).vary(broadening=1.07)
    remover = CompactSourceRemover('scanmap', 'blue')
    evaluation = evaluate_remover(remover, fields, psf=psf, n_sources=12,
                                  flux_levels=[300, 3000] * u.mJy, seed=3)
    sources, row = evaluation.sources, evaluation.summary[0]
    truth = sources['injected_flux'].to_value(u.Jy)
    for start, flux, error in (
            ('', 'flux', 'flux_err'), ('fit_', 'flux_fit', 'flux_fit_err'),
            ('annulus_', 'annulus_flux', 'annulus_flux_err')):
        values = sources[flux].to_value(u.Jy)
        pull = np.abs(values - truth) / sources[error].to_value(u.Jy)
        assert_allclose(row[f'{start}within_1'], np.mean(pull < 1))
        assert_allclose(row[f'{start}within_196'], np.mean(pull < 1.96))
        low, middle, high = np.percentile(values / truth, [25, 50, 75])
        assert_allclose(row[f'{start}median_ratio'], middle)
        assert_allclose(row[f'{start}iqr'], high - low)
    limit = sources['upper_limit'].to_value(u.Jy)
    assert_allclose(row['below_limit'], np.mean(truth <= limit))
    flags = decode_flags(sources['flags'])
    for name in QUALITY_FLAGS:
        assert_allclose(row[name], np.mean([name in mine for mine in flags]))
    assert_allclose(row['false_alarms'], np.mean(
        [bool(set(mine) & set(QUALITY_FLAGS)) for mine in flags]))


def test_estimator_and_default_fields(capsys):
    remover = CompactSourceRemover('scanmap', 'red',
                                   apertures=[8, 12] * u.arcsec)
    fields = make_test_fields('scanmap', 'red', n_fields=1, shape=(96, 96))
    evaluation = evaluate_remover(remover, fields, n_sources=3,
                                  flux_levels=2, seed=1, progress_bar=True)
    ratios = evaluation.flux_ratios
    assert list(ratios['method']) == (['network'] * 4 + ['annulus'] * 2
                                      + ['fit'] * 2)
    assert_array_equal(ratios['aperture_radius'].value,
                       [8, 8, 12, 12, 8, 8, np.nan, np.nan])
    for name in ('flux_ratio', 'flux_ratio_1', 'annulus_flux_ratio',
                 'flux_fit_ratio', 'pull', 'pull_1', 'annulus_pull',
                 'fit_pull'):
        assert np.all(np.isfinite(evaluation.sources[name]))
    assert evaluation.parameters['CRNET'] == 'separation'
    assert '3/3' in capsys.readouterr().err


@pytest.mark.parametrize(('args', 'error', 'match'), [
    ({'n_sources': 0}, ValueError, 'n_sources must be a positive integer'),
    ({'n_sources': 2.5}, ValueError, 'n_sources must be a positive'),
    ({'flux_levels': [10, 20]}, ValueError, 'flux_levels must be a pos'),
    ({'flux_levels': 0}, ValueError, 'flux_levels must be a positive'),
    ({'flux_levels': [0, 1] * u.Jy}, ValueError, 'flux_levels must be pos'),
    ({'catalogs': [None, None]}, ValueError, 'catalogs must have one entry'),
    ({'backgrounds': []}, ValueError, 'backgrounds must be None or hold'),
    ({'backgrounds': [3]}, TypeError, 'backgrounds must be CCDData'),
    ({'backgrounds': CCDData(np.ones((9, 9)), unit='Jy/pix')}, ValueError,
     'backgrounds must have a celestial WCS'),
    ({'backgrounds': None, 'catalogs': []}, ValueError,
     'catalogs must be None'),
])
def test_bad_arguments(field, args, error, match):
    args = {'backgrounds': field, **args}
    with pytest.raises(error, match=match):
        evaluate_remover(Known(field), **args)


def test_no_room_and_flat_maps(field):
    with pytest.raises(ValueError, match='backgrounds must have at least 16'):
        evaluate_remover(Known(field), field[:12], n_sources=1)
    flat = field.copy()
    flat.data[...] = 1
    with pytest.raises(ValueError, match='flux_levels must be given'):
        evaluate_remover(Known(flat), flat, n_sources=2)
    full = field.copy()
    full.mask = np.ones(full.shape, dtype=bool)
    with pytest.raises(ValueError, match='has no room for sources'):
        evaluate_remover(Known(full), full, n_sources=2)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-3, 1e5), st.floats(1.5, 100), st.integers(1, 20))
def test_levels_are_distinct_and_in_range(low, factor, n_levels):
    levels = _choose_levels(low, low * factor, n_levels)
    assert levels.size == np.unique(levels).size <= n_levels
    assert levels[0] > 0.65 * low
    assert levels[-1] < 1.5 * low * factor
    table = FLUX_LEVELS.value
    n_there = np.count_nonzero((low < table) & (table < low * factor))
    if 15 < low and 30 <= factor and low * factor < 4e4:
        assert levels.size == n_levels
        if n_levels <= n_there:
            assert np.isin(levels, table).all()


@pytest.mark.slow
def test_many_sources_and_far_catalogs(field):
    far = SkyCoord([10], [10], unit='deg')
    with pytest.warns(AstropyUserWarning, match='no position lies on map'):
        evaluation = evaluate_remover(Known(field), field, catalogs=[far],
                                      n_sources=10 ** 6, seed=1,
                                      flux_levels=[900] * u.mJy)
    assert 50 < evaluation.summary['n_sources'][0] < 500


@pytest.mark.slow
def test_units(field):
    remover = CompactSourceRemover('scanmap', 'blue', network='inpainting')
    area = 1.6 ** 2 * u.arcsec ** 2 / u.pix
    beam = np.pi / (4 * np.log(2)) * 36 * u.arcsec ** 2 / u.beam
    images = [field, CCDData(
        (field.data * field.unit / area * beam).to('Jy/beam'), wcs=field.wcs,
        meta={'BMAJ': 6 / 3600, 'BMIN': 6 / 3600})]
    first, second = (evaluate_remover(
        remover, image, n_sources=3, flux_levels=2, seed=1).summary
        for image in images)
    for name in ('flux_min', 'flux_max', 'median_ratio', 'annulus_iqr',
                 'hole_error'):
        assert_allclose(first[name], second[name], rtol=2e-3, err_msg=name)
