# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of sources that blend, with the shipped weights.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import CompactSourceRemover
from compact_removal.datasets import inject_sources, make_test_fields
from compact_removal.fitting import solver
from compact_removal.instruments import get_band
from compact_removal.removal.flags import SOURCE_FLAGS

BLUE = get_band('scanmap', 'blue')
FLAG = {flag.name: flag.value for flag in SOURCE_FLAGS}
FWHM = 3.15


@pytest.fixture(scope='module')
def remover():
    return CompactSourceRemover('scanmap', 'blue')


@pytest.fixture(scope='module')
def field():
    fields = make_test_fields('scanmap', 'blue', n_fields=3,
                              shape=(300, 300), seed=3)
    return fields['field 2 (cloud)']


def add_sources(field, x, y, flux):
    catalog = QTable({
        'x_center': x, 'y_center': y, 'flux': flux * u.Jy,
        'sky_center': field.wcs.pixel_to_world(x, y),
        'position_angle': np.full(np.size(x), 20) * u.deg})
    return inject_sources(field, catalog, BLUE, seed=1), catalog


def make_pairs(field, separation, flux):
    y, x = (axis.ravel() for axis in np.mgrid[30:290:40, 30:290:40])
    rng = np.random.default_rng(2)
    angle = rng.uniform(0, 2 * np.pi, x.size)
    dx, dy = (separation * FWHM / 2 * f(angle) for f in (np.cos, np.sin))
    return add_sources(field, np.concatenate([x - dx, x + dx]),
                       np.concatenate([y - dy, y + dy]),
                       np.full(2 * x.size, flux))


@pytest.mark.slow
@pytest.mark.parametrize('separation', [0.7, 1.5, 2.0])
def test_pairs(remover, field, separation):
    flux = 200 * np.std(field.data)
    alone, catalog = make_pairs(field, 6.0, flux)
    alone = remover.remove(alone, catalog['sky_center']).sources['flux']
    image, catalog = make_pairs(field, separation, flux)
    table = remover.remove(image, catalog['sky_center']).sources
    assert not np.any(table['flags'] & FLAG['duplicate'])
    assert np.mean(table['flags'] & FLAG['not_converged'] > 0) < 0.05
    ratio = (table['flux'] / np.median(alone)).value.reshape(2, -1)
    # the standard error of the medians is near 0.6 %
    assert abs(np.median(ratio.mean(axis=0)) - 1) < 0.03
    if separation >= 1.5:
        assert_allclose(np.median(ratio, axis=1), 1, atol=0.03)
    pull = ((table['flux'] - np.median(alone)) / table['flux_err']).value
    assert 0.5 < np.mean(np.abs(pull) < 1) < 0.95


@pytest.fixture(scope='module')
def cluster(field):
    rng = np.random.default_rng(4)
    x, y = (150 + rng.normal(0, 55, (2, 200))).clip(3, 296)
    flux = np.std(field.data) * np.exp(rng.uniform(*np.log([10, 3e3]), 200))
    return add_sources(field, x, y, flux)


@pytest.mark.slow
def test_cluster(remover, field, cluster):
    image, catalog = cluster
    background, sources = remover.remove(image, catalog['sky_center'])
    bright = ((catalog['flux'].value > 100 * np.std(field.data))
              & (sources['flags'] & FLAG['duplicate'] == 0))
    ratio = (sources['flux'] / catalog['flux']).to_value('')[bright]
    assert abs(np.median(ratio) - 1) < 0.02
    assert np.mean(np.abs(ratio - 1) < 0.1) > 0.9
    # wings that were left would add up around the cluster
    filled = background.flags > 0
    rest = (background.data - field.data) / np.std(field.data)
    assert np.sqrt(np.mean(rest[filled] ** 2)) < 0.15
    assert abs(np.mean(rest[~filled])) < 0.05
    # the order of the rows has no influence
    order = np.random.default_rng(1).permutation(len(catalog))
    again = remover.remove(image, catalog['sky_center'][order])
    assert_array_equal(again.background.data, background.data)
    assert_array_equal(again.sources['flux'], sources['flux'][order])
    assert_array_equal(again.sources['flags'], sources['flags'][order])


def test_duplicates_are_merged(remover, field):
    std = np.std(field.data)
    image, catalog = add_sources(field, [100.2, 200.0], [100.4, 200.0],
                                 [300 * std, 200 * std])
    single = remover.remove(image, catalog['sky_center']).sources
    x = [100.2, 101.4, 99.3, 100.2, 200.0, 202.0]
    y = [100.4, 100.4, 100.9, 100.4, 200.0, 200.0]
    for order in (np.arange(6), np.array([5, 2, 4, 1, 3, 0])):
        positions = field.wcs.pixel_to_world(np.array(x)[order],
                                             np.array(y)[order])
        background, table = remover.remove(image, positions)
        row = np.argsort(order)
        duplicate = (table['flags'] & FLAG['duplicate'] > 0)[row]
        # one of those at the brightest pixel stands for the other three
        assert duplicate[:4].sum() == 3
        assert not duplicate[[0, 3]].all()
        merged = (table['flags'] & FLAG['merged'] > 0)[row]
        assert_array_equal(merged[:4], ~duplicate[:4])
        assert_array_equal(merged[4:], False)
        assert_array_equal(duplicate[4:], False)
        flux = table['flux'][row].value
        assert_array_equal(flux[:4], flux[0])
        assert_allclose(flux[0], single['flux'][0].value, rtol=0.01)
        # two positions at 0.63 beams share what is there
        assert_allclose(flux[4] + flux[5], single['flux'][1].value, rtol=0.1)


def test_many_at_the_same_place(remover, field):
    image, catalog = add_sources(field, [150.0], [150.0], [0.5])
    positions = catalog['sky_center'][np.zeros(3000, dtype=int)]
    background, table = remover.remove(image, positions)
    alone = remover.remove(image, catalog['sky_center'])
    assert_array_equal(table['flux'], alone.sources['flux'][0])
    assert np.sum(table['flags'] & FLAG['duplicate'] > 0) == 2999
    assert_array_equal(background.data, alone.background.data)


@pytest.mark.slow
def test_little_background(remover, field):
    x, y = (axis.ravel().astype(float) for axis in np.mgrid[96:204:5,
                                                            96:204:5])
    flux = np.full(x.size, 40 * np.std(field.data))
    image, catalog = add_sources(field, x, y, flux)
    background, table = remover.remove(image, catalog['sky_center'])
    assert np.all(np.isfinite(background.data))
    assert np.all(np.isfinite(table['flux']))
    middle = np.hypot(x - 150, y - 150) < 20
    flagged = table['flags'] & FLAG['little_background'] > 0
    assert flagged[middle].all()
    assert not flagged[(x < 98) & (y < 98)].any()
    assert_allclose(np.median(table['flux'].value / flux), 1, atol=0.1)


@pytest.mark.slow
def test_not_converged(remover, field, monkeypatch):
    image, catalog = make_pairs(field, 0.8, 100 * np.std(field.data))
    monkeypatch.setattr(solver, '_CAREFUL',
                        solver._CAREFUL._replace(n_rounds=0))
    table = remover.remove(image, catalog['sky_center']).sources
    assert np.all(table['flags'] & FLAG['not_converged'])
    # a source that stands alone has nothing to agree with
    table = remover.remove(image, catalog['sky_center'][:1]).sources
    assert table['flags'][0] & FLAG['not_converged'] == 0


def test_off_center(remover, field):
    image, catalog = add_sources(field, [80.0, 200.0], [150.0, 150.0],
                                 np.full(2, 500 * np.std(field.data)))
    positions = field.wcs.pixel_to_world([81.2, 200.2], [150.0, 150.0])
    table = remover.remove(image, positions).sources
    assert_array_equal(table['flags'] & FLAG['off_center'] > 0,
                       [True, False])


def test_parts_that_were_not_observed(remover, field):
    # padded with zeros that nobody masked
    image, catalog = add_sources(field, [30.0, 50.0, 200.0],
                                 [150.0, 150.0, 150.0],
                                 np.full(3, 300 * np.std(field.data)))
    image.data[:, :65] = 0
    with pytest.warns(AstropyUserWarning, match='pixels of exactly 0'):
        table = remover.remove(image, catalog['sky_center']).sources
    assert_array_equal(np.isfinite(table['flux']), [False, False, True])
    assert np.all(table['flags'][:2] > 0)
    assert_allclose(table['flux'][2:].value, catalog['flux'][2:].value,
                    rtol=0.05)


def test_pixel_flags(remover, field):
    image, catalog = add_sources(field, [150.0], [150.0], [5.0])
    background, table = remover.remove(image, catalog['sky_center'])
    y, x = np.indices(image.shape)
    distance = np.hypot(x - 150, y - 150)
    radius = table['mask_radius'][0]
    assert_array_equal(background.flags[distance <= radius], 1)
    assert_array_equal(background.flags[(distance > radius + 0.01)
                                        & (distance < radius + 2.9)], 2)
    wings = background.flags == 4
    assert wings.sum() > 500
    assert np.all(distance[wings] > radius + 2)
    difference = image.data - background.data
    assert np.all(difference[background.flags == 0] == 0)
    assert 0 < difference[wings].mean() < difference[distance < 5].mean()
