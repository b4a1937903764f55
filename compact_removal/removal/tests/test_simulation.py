# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the training cutouts.
"""

import pickle

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import BackgroundMap
from compact_removal.instruments import get_band
from compact_removal.removal import TrainingCutouts
from compact_removal.utils.parameters import ParameterError

SMALL = {'size': 64, 'batch_size': 24, 'n_batches': 2, 'n_fields': 3,
         'field_size': 96, 'n_psfs': 2, 'with_snr': True}


@pytest.fixture(name='cutouts', scope='module')
def _cutouts():
    return TrainingCutouts('scanmap', seed=1, **SMALL)


@pytest.fixture(name='batch', scope='module')
def _batch(cutouts):
    batches = list(cutouts.epoch(0))
    return {name: np.concatenate([batch[name] for batch in batches])
            for name in batches[0]}


def test_arrays(batch, cutouts):
    assert len(cutouts) == 2
    for name, values in batch.items():
        assert values.dtype == np.float32
        assert values.shape == (
            (48,) if name in ('fwhm', 'psf_error', 'snr')
            else (48, 64, 64))
    known = np.isfinite(batch['image'])
    assert not known.all()
    assert np.all(batch['validity'][~known] == 0)
    assert np.all(np.isfinite(batch['sources']))
    assert len(set(np.round(10 * batch['fwhm']))) > 1
    assert set(np.round(10 * batch['fwhm'])) <= {30, 31, 38}
    assert np.all((batch['psf_error'] > 0) & (batch['psf_error'] < 0.4))
    # what is known of the PSF is the same for four cutouts
    assert_array_equal(np.diff(batch['psf_error'].reshape(-1, 4), axis=1), 0)
    assert len(set(batch['psf_error'])) > 3
    assert set(np.unique(batch['validity'])) == {0, 1}
    assert batch['aperture'].min() == 0
    assert batch['aperture'].max() == 1
    assert np.all(batch['validity'][:, 32, 32] == 0)


def test_sources_are_positive(batch):
    # the fitted sources and what the fit has left are nothing but sources,
    # of which faint ones are shown brighter than they are
    source = batch['image'] + batch['sources'] - batch['target']
    source = np.where(np.isfinite(source), source, 0)
    scale = np.nanstd(batch['target'], axis=(1, 2))
    assert np.nanmin(source / scale[:, None, None]) > -0.1
    center = np.nanmax(source[:, 29:36, 29:36], axis=(1, 2))
    assert np.all(center > 0)
    # the central source lies within the position errors
    ratio = center / scale
    assert batch['snr'].min() < 3
    assert ratio.min() > 2
    assert ratio.max() > 50
    # the fit takes most of the light
    rest = np.abs(np.where(source > 0, batch['image'] - batch['target'], 0))
    bright = ratio > 30
    share = (np.nanmax(rest, axis=(1, 2)) / center)[bright]
    assert 0 < np.median(share) < 0.1


@pytest.mark.slow
def test_deterministic(batch, cutouts):
    again = TrainingCutouts('scanmap', seed=1, **SMALL)
    second = list(again.epoch(1))
    first = list(again.epoch(0))
    for name in batch:
        assert_array_equal(batch[name][:24], first[0][name])
        assert_array_equal(list(cutouts.epoch(1))[1][name], second[1][name])
    assert np.any(first[0]['image'] != second[0]['image'])
    other = TrainingCutouts('scanmap', seed=2, **SMALL)
    assert np.any(next(other.epoch(0))['image'] != first[0]['image'])


def test_batch_by_number(batch, cutouts):
    # in any order, by another object, with one map in memory
    options = {'seed': 1, 'cache_size': 1, **SMALL}
    for other in (TrainingCutouts('scanmap', **options),
                  pickle.loads(pickle.dumps(cutouts))):
        for number in (1, 0):
            again = other.batch(0, number)
            assert again.keys() == batch.keys()
            for name, values in again.items():
                part = slice(24 * number, 24 * (number + 1))
                assert_array_equal(values, batch[name][part])


def test_memory():
    cutouts = TrainingCutouts('scanmap', seed=1, cache_size=200_000,
                              **{**SMALL, 'n_fields': 100})
    for _ in cutouts.epoch(0):
        # four of about 50 kB
        assert cutouts.simulator.cache_bytes < 205_000
    assert cutouts.simulator.cache_bytes > 140_000
    full = len(pickle.dumps(cutouts))
    assert full < 50_000 * len(cutouts.bands)


def test_aperture(batch):
    # its centroid is the catalogue position, and its radius that of a band
    area = batch['aperture'].sum(axis=(1, 2))
    expected = [np.pi * float(band.default_aperture / band.pixel_scale) ** 2
                for band in (get_band('scanmap', name)
                             for name in ('blue', 'green', 'red'))]
    closest = np.abs(area[:, None] / expected - 1).min(axis=1)
    assert closest.max() < 0.02
    grid = np.arange(64)
    for axis in (1, 2):
        center = (batch['aperture'].sum(axis=axis) * grid).sum(axis=1) / area
        assert np.all(np.abs(center - 32) < 0.52)


def test_positions_have_errors(batch):
    # the fit starts at the catalogue's position; the light is elsewhere
    light = batch['image'] + batch['sources'] - batch['target']
    light = np.nan_to_num(light)[:, 24:41, 24:41]
    aperture = batch['aperture'][:, 24:41, 24:41]
    scale = np.nanstd(batch['target'], axis=(1, 2))
    bright = light.max(axis=(1, 2)) > 20 * scale
    assert bright.sum() > 8
    y, x = np.indices((17, 17))
    offsets = []
    for shown, weight in zip(light[bright], aperture[bright], strict=True):
        peak = np.unravel_index(np.argmax(shown), shown.shape)
        core = np.where(np.hypot(x - peak[1], y - peak[0]) < 3, shown, 0)
        offsets.append(np.hypot(
            (x * core).sum() / core.sum() - (x * weight).sum() / weight.sum(),
            (y * core).sum() / core.sum() - (y * weight).sum()
            / weight.sum()))
    assert 0.1 < np.median(offsets) < 0.6
    assert max(offsets) > 0.5


def test_neighbors_are_there(batch):
    # holes other than that in the centre
    y, x = np.indices((64, 64)) - 32
    far = np.hypot(x, y) > 17
    known = np.isfinite(batch['image'])
    holes = (batch['validity'] == 0) & known & far
    share = np.mean(holes.sum(axis=(1, 2)) > 20)
    assert 0.25 < share < 0.7
    light = np.nan_to_num(batch['image'] + batch['sources']
                          - batch['target']) * far
    assert np.mean(light.max(axis=(1, 2))
                   > np.nanstd(batch['target'], axis=(1, 2))) > 0.2


def _map(scale, **kwargs):
    data = np.random.default_rng(3).normal(size=(150, 150))
    return BackgroundMap(data, pixel_scale=scale * u.arcsec, **kwargs)


def test_pixels_of_the_maps():
    # the PSF of blue is 5 arcsec wide
    cutouts = TrainingCutouts('scanmap', [_map(0.8)], bands=['blue'],
                              real_fraction=1.0, seed=1, **SMALL)
    batch = cutouts.batch(0, 0)
    assert_allclose(batch['fwhm'], 6.2, atol=0.05)
    radius = np.sqrt(batch['aperture'].sum(axis=(1, 2)) / np.pi)
    band = get_band('scanmap', 'blue')
    assert_allclose(radius, band.default_aperture.to_value(u.arcsec) / 0.8,
                    rtol=0.01)
    # the smallest hole has twice the radius
    holes = (batch['validity'] == 0).sum(axis=(1, 2))
    assert holes.min() > 0.9 * np.pi * (2 * band.mask_radii[-1]) ** 2


def test_pixels_of_two_bands():
    maps = [_map(0.8, band='blue'), _map(3.2, band='red')]
    cutouts = TrainingCutouts('scanmap', maps, bands=['blue', 'red'],
                              real_fraction=1.0, seed=1, **SMALL)
    width = cutouts.batch(0, 0)['fwhm']
    red = get_band('scanmap', 'red')
    expected = red.psf.fwhm / 3.2
    assert {round(float(value), 1) for value in width} == {
        6.2, round(expected, 1)}


def test_nominal_pixels_change_nothing():
    data = np.random.default_rng(3).normal(size=(150, 150))
    plain, scaled = (
        TrainingCutouts('scanmap', [BackgroundMap(data, **kwargs)],
                        bands=['blue'], seed=4, **SMALL).batch(2, 1)
        for kwargs in ({}, {'pixel_scale': 1.60001 * u.arcsec,
                            'band': 'blue'}))
    for name, values in plain.items():
        assert_array_equal(values, scaled[name])


def test_holes_have_radii_of_the_table():
    cutouts = TrainingCutouts('parallel', bands=['blue'], seed=3, **SMALL)
    radii = set(get_band('parallel', 'blue').mask_radii)
    found = set()
    for hole in 1 - next(cutouts.epoch(0))['validity']:
        if hole.sum() < 20 or hole.sum() > 280:
            continue
        y, x = np.nonzero(hole)
        spread = np.hypot(x - x.mean(), y - y.mean()).max()
        if spread < 10:  # a single source
            radius = np.sqrt(hole.sum() / np.pi)
            nearest = min(radii, key=lambda r, area=radius: abs(r - area))
            assert abs(radius - nearest) < 0.35
            found.add(nearest)
    assert len(found) >= 3


@pytest.mark.slow
def test_real_maps():
    # real sources leave only the left half, which is constant
    data = np.zeros((100, 200))
    data[:, 100:] = 1e4
    data[:40, :40] = np.nan
    positions = np.array([(x, y) for x in range(100, 200, 10)
                          for y in range(0, 100, 10)])
    maps = [BackgroundMap(data, positions)]
    cutouts = TrainingCutouts('scanmap', maps, real_fraction=1, seed=0,
                              **SMALL)
    batch = next(cutouts.epoch(0))
    target = batch['target']
    unknown = np.isnan(target)
    assert unknown.any()
    assert np.all(batch['validity'][unknown] == 0)
    assert np.all(np.isnan(batch['image'][unknown]))
    assert np.any(np.nanstd(target, axis=(1, 2)) > 0)
    assert_array_equal(target[:, 32, 32], np.nanmin(target, axis=(1, 2)))


@pytest.mark.slow
def test_maps_get_the_beam_of_the_band():
    # white noise: the wider the beam, the closer the neighbours
    data = np.random.default_rng(1).normal(size=(200, 200))
    steps = []
    for band in ('blue', 'red'):
        wide = get_band('scanmap', band).with_pixel_scale(
            get_band('scanmap', 'blue').pixel_scale)
        cutouts = TrainingCutouts(
            'scanmap', [BackgroundMap(data, fwhm=1.0)], bands=[wide],
            real_fraction=1, seed=0, **{**SMALL, 'batch_size': 4})
        target = next(cutouts.epoch(0))['target']
        steps.append(np.nanstd(np.diff(target)) / np.nanstd(target))
    assert steps[1] < 0.8 * steps[0]
    assert steps[0] < 0.8 * np.sqrt(2)


def test_map_without_room():
    maps = [BackgroundMap(np.full((80, 80), np.nan))]
    with pytest.raises(ValueError, match='maps have no room'):
        TrainingCutouts('scanmap', maps, **SMALL)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'batch_size': 0}, 'batch_size must be a positive integer'),
    ({'n_batches': 0.5}, 'n_batches must be a positive integer'),
    ({'n_fields': 0}, 'n_fields must be a positive integer'),
    ({'sise': 32}, 'sise is no setting of scenes'),
    ({'real_fraction': 2}, 'real_fraction must lie'),
    ({'field_size': 32}, 'field_size must be at least'),
    ({'bands': []}, 'bands must name'),
])
def test_errors(kwargs, match):
    with pytest.raises(ParameterError, match=match) as caught:
        TrainingCutouts('scanmap', **{**SMALL, **kwargs})
    assert caught.value.parameter in kwargs
