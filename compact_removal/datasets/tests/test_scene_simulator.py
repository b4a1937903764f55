# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the simulator: what is drawn, and how often.
"""

import pickle
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (BackgroundMap, SceneSettings,
                                      SceneSimulator)
from compact_removal.instruments import get_band
from compact_removal.utils.parameters import ParameterError

BLUE = get_band('scanmap', 'blue')
RED = get_band('scanmap', 'red')
SMALL = SceneSettings(size=48, field_size=64, n_fields=3, n_psfs=2)
N_SCENES = 600


@pytest.fixture(name='scenes', scope='module')
def _scenes():
    simulator = SceneSimulator([BLUE], settings=SMALL, seed=1)
    return [simulator.scene(index) for index in range(N_SCENES)]


def _share(values):
    """
    Mean of booleans, for comparison with a probability.
    """
    return pytest.approx(np.mean(values), abs=0.06)


def test_errors_of_catalogue_positions(scenes):
    x_err, y_err = (np.concatenate([getattr(scene, name)
                                    - getattr(scene, f'{name}_catalog')
                                    for scene in scenes]) for name in 'xy')
    radius = np.hypot(x_err, y_err)
    assert radius.max() < 1.21
    # a quarter lies anywhere in a circle of radius 1.2, the others scatter
    # by 0.2 in x and in y: shares below some radii
    for limit in (0.1, 0.2, 0.4, 0.8, 1.0):
        expected = (0.75 * (1 - np.exp(-0.5 * (limit / 0.2) ** 2))
                    + 0.25 * (limit / 1.2) ** 2)
        assert expected == _share(radius < limit)
    variance = 0.75 * 0.2 ** 2 + 0.25 * 1.2 ** 2 / 4
    for error in (x_err, y_err):
        assert abs(error.mean()) < 0.05
        assert np.std(error) == pytest.approx(np.sqrt(variance), rel=0.1)
    assert abs(np.corrcoef(x_err, y_err)[0, 1]) < 0.1


def test_no_errors_of_positions():
    settings = replace(SMALL, small_error=0, large_error_chance=0)
    simulator = SceneSimulator([BLUE], settings=settings, seed=1)
    for index in range(10):
        scene = simulator.scene(index)
        assert_array_equal(scene.x, scene.x_catalog)
        assert_array_equal(scene.y, scene.y_catalog)


def test_number_and_places_of_neighbors(scenes):
    number = np.array([scene.flux.size - 1 for scene in scenes])
    assert 0.5 == _share(number == 0)
    for n_neighbors in range(1, 5):
        assert 0.125 == _share(number == n_neighbors)
    assert number.max() == 4
    distance = np.concatenate([
        np.hypot(scene.x - 24, scene.y - 24)[1:] for scene in scenes])
    # 1.5 times the smallest hole, but for rounding and sub-pixel position
    assert 6 < distance.min() < 9
    assert distance.max() < 24 * np.sqrt(2) + 2
    assert 0.35 < np.mean(distance < 13) < 0.65


def test_center(scenes):
    for name in 'xy':
        catalog = np.array([getattr(scene, f'{name}_catalog')[0]
                            for scene in scenes])
        assert np.all(np.abs(catalog - 24) <= 0.5 + 1e-9)
        assert np.std(catalog) > 0.2
        true = np.array([getattr(scene, name)[0] for scene in scenes])
        assert np.all(np.abs(true - 24) < 1.71)


def test_fluxes(scenes):
    log_ratio = [np.log10([
        flux * stamp.max() / std for flux, stamp, std
        in zip(scene.flux, scene.stamps, scene.std, strict=True)])
        for scene in scenes]
    for name, values in (
            ('log_ratios', [one[0] for one in log_ratio]),
            ('neighbor_log_ratios',
             np.concatenate([one[1:] for one in log_ratio]))):
        for quantile, limit in zip(SMALL.quantiles, getattr(SMALL, name),
                                   strict=True):
            assert quantile == _share(np.array(values) < limit)


def test_backgrounds(scenes):
    spread = np.log10([np.nanstd(scene.background) for scene in scenes])
    assert_allclose(np.quantile(spread, [0, 0.5, 1]), [-1, 0, 1], atol=0.15)
    mean = np.array([np.nanmean(scene.background, dtype=float)
                     for scene in scenes])
    assert_allclose(np.quantile(mean, [0, 0.5, 1]), [-1, 1, 3], atol=0.3)
    for scene in scenes:
        y, x = np.indices((48, 48)) - 24
        radius = np.hypot(x, y)
        ring = (radius >= 10) & (radius <= 22)
        assert_allclose(scene.std, np.nanstd(scene.background[ring]),
                        rtol=1e-4)
    # the noise is at most twice as large as the structure, and changes from
    # pixel to pixel
    noise = np.array([scene.noise for scene in scenes])
    assert np.all(noise < 3 * 10 ** spread)
    step = [np.nanstd(np.diff(scene.background)) for scene in scenes]
    assert np.all(noise < 4 * np.array(step))
    # and is scaled as all else
    assert np.corrcoef(np.log(noise), spread)[0, 1] > 0.5


def test_lost_pixels(scenes):
    lost = np.array([np.any(np.isfinite(scene.background) & ~scene.known)
                     for scene in scenes])
    off = np.array([np.isnan(scene.background).any() for scene in scenes])
    # some edges lose nothing
    assert 0.03 < lost.mean() < 0.11
    assert 0.03 < off.mean() < 0.11
    never = SceneSimulator([BLUE], seed=1,
                           settings=replace(SMALL, loss_chance=0,
                                            edge_chance=0))
    assert all(never.scene(index).known.all() for index in range(30))


def test_bright_and_alone():
    simulator = SceneSimulator([BLUE], settings=SMALL, seed=1)
    bright = replace(SMALL, neighbor_chance=0, loss_chance=0,
                     log_ratios=(2.0,) * 6)
    rng = np.random.default_rng(1)
    for _ in range(20):
        scene = simulator.draw(rng, 0, 1, settings=bright)
        assert scene.flux.size == 1
        assert scene.psf == 1
        assert scene.flux[0] * scene.stamps[0].max() == pytest.approx(
            100 * scene.std[0])


def test_scenes_do_not_depend_on_others(scenes):
    settings = SMALL
    # one map is kept at a time
    small = SceneSimulator([BLUE], settings=settings, seed=1, cache_size=1)
    for index in (5, 3, 5):
        again = small.scene(index)
        assert_array_equal(again.image, scenes[index].image)
        assert_array_equal(again.flux, scenes[index].flux)
    other = SceneSimulator([BLUE], settings=settings, seed=2)
    assert np.any(other.scene(5).image != scenes[5].image)


def test_cache_is_bounded():
    # five maps of 64 x 64 pixels fit
    simulator = SceneSimulator([BLUE, RED], seed=1, cache_size=120_000,
                               settings=replace(SMALL, n_fields=40))
    sizes = []
    for index in range(60):
        simulator.scene(index)
        sizes.append(simulator.cache_bytes)
    assert 90_000 < max(sizes) <= 120_000 + 2000


def test_pickle(scenes):
    simulator = SceneSimulator([BLUE], settings=SMALL, seed=1)
    empty = len(pickle.dumps(simulator))
    simulator.scene(0)
    assert simulator.cache_bytes > 0
    # what was made is not handed over
    assert len(pickle.dumps(simulator)) < empty + 100
    copy = pickle.loads(pickle.dumps(simulator))
    assert copy.cache_bytes == 0
    assert_array_equal(copy.scene(8).image, scenes[8].image)


def _flat(level, **kwargs):
    """
    A map whose level shows in each piece: its gradient.
    """
    y, x = np.indices((140, 160))
    return BackgroundMap((x + level * y).astype(np.float32), **kwargs)


def _slope(scene):
    """
    Which of these maps a scene shows.
    """
    dx = np.abs(np.diff(scene.background, axis=1)).mean()
    dy = np.abs(np.diff(scene.background, axis=0)).mean()
    return round(float(max(dx, dy) / min(dx, dy)))


def test_maps_decide_the_pixels():
    maps = [_flat(3, pixel_scale=0.8 * u.arcsec),
            _flat(5, pixel_scale=1.6 * u.arcsec, band='blue'),
            _flat(7, pixel_scale=1.6003 * u.arcsec),
            _flat(9, band='blue')]
    settings = replace(SMALL, real_fraction=1.0, edge_chance=0.0)
    simulator = SceneSimulator([BLUE], maps, settings=settings, seed=1)
    scales = [band.pixel_scale.to_value(u.arcsec) for band in simulator.bands]
    # the dimensionless map is in both
    assert_allclose(sorted(scales), [0.8, 1.6])
    found = {}
    for index in range(60):
        scene = simulator.scene(index)
        scale = scene.band.pixel_scale.to_value(u.arcsec)
        found.setdefault(round(scale, 2), []).append(_slope(scene))
    assert {scale: set(slopes) for scale, slopes in found.items()} == {
        0.8: {3, 9}, 1.6: {5, 7, 9}}
    # radii in pixels follow
    fine = simulator.bands[int(np.argmin(scales))]
    assert fine.mask_radii[0] == pytest.approx(2 * BLUE.mask_radii[0])
    # and so do the PSFs
    rng = np.random.default_rng(1)
    peaks = [np.median([simulator.draw(rng, k, 0).stamps[0].max()
                        for _ in range(20)]) for k in np.argsort(scales)]
    assert peaks[1] / peaks[0] == pytest.approx(4, rel=0.4)


def test_clearance_follows_the_pixels():
    positions = np.array([[80.0, 70.0]])
    least = []
    for scale in (0.8, 1.6):
        data = np.arange(140.0 * 160).reshape(140, 160)
        simulator = SceneSimulator(
            [BLUE], [BackgroundMap(data, positions,
                                   pixel_scale=scale * u.arcsec)],
            settings=replace(SMALL, real_fraction=1.0), seed=1)
        # from the centres of the pieces that may be taken
        places = simulator._original(0, 1.6 / scale)
        rng = np.random.default_rng(1)
        centers = np.array([places.draw(rng, (3, 3))[1, 1]
                            for _ in range(2000)])
        y, x = np.divmod(centers, 160)
        least.append(np.hypot(x - 80, y - 70).min())
    assert 24 < least[0] < 26
    assert 12 < least[1] < 14


def test_maps_of_two_bands():
    maps = [_flat(3, band='blue'), _flat(5, band='red'), _flat(7)]
    settings = replace(SMALL, real_fraction=1.0, edge_chance=0.0)
    simulator = SceneSimulator([BLUE, RED], maps, settings=settings, seed=1)
    found = {'blue': set(), 'red': set()}
    names = []
    for index in range(60):
        scene = simulator.scene(index)
        names.append(scene.band.name)
        found[names[-1]].add(_slope(scene))
    assert found == {'blue': {3, 7}, 'red': {5, 7}}
    assert 15 < names.count('red') < 45
    with pytest.raises(ParameterError, match="got one of band 'red'"):
        SceneSimulator([BLUE], maps, settings=settings)


def test_bands_are_drawn_equally_often():
    # the finer pixels of blue have a third of its maps
    maps = [_flat(3, band='blue', pixel_scale=scale * u.arcsec)
            for scale in (0.8, 1.6, 1.6)] + [_flat(5, band='red')]
    simulator = SceneSimulator([BLUE, RED], maps, settings=SMALL, seed=1)
    rng = np.random.default_rng(1)
    drawn = [simulator.bands[simulator.draw_psf(rng)[0]]
             for _ in range(1200)]
    counts = {}
    for band in drawn:
        key = band.name, round(band.pixel_scale.to_value(u.arcsec), 1)
        counts[key] = counts.get(key, 0) + 1
    expected = {('blue', 0.8): 200, ('blue', 1.6): 400}
    for key, count in expected.items():
        assert counts[key] == pytest.approx(count, abs=60)
    assert sum(counts.values()) - counts['blue', 0.8] - counts[
        'blue', 1.6] == pytest.approx(600, abs=60)


def test_whole_map_from_a_real_one():
    settings = replace(SMALL, real_fraction=1.0, loss_chance=0.0)
    simulator = SceneSimulator([BLUE], [_flat(3)], settings=settings, seed=1)
    scene = simulator.draw_map(np.random.default_rng(1), 0, 0,
                               shape=(100, 110), n_sources=5)
    assert scene.image.shape == (100, 110)
    assert scene.known.all()
    assert _slope(scene) == 3
    assert np.isnan(scene.noise)
    large = simulator.draw_map(np.random.default_rng(1), 0, 0,
                               shape=(200, 180), n_sources=5)
    assert np.isfinite(large.background).sum() < 140 * 160
    assert_array_equal(large.known, np.isfinite(large.background))


@pytest.mark.parametrize(('bands', 'maps', 'options', 'match'), [
    ([], [], {}, '^bands must hold'),
    ([BLUE], [BackgroundMap(np.full((80, 80), np.nan))], {},
     '^maps have no room'),
    ([BLUE, RED], [_flat(1, band='blue'),
                   BackgroundMap(np.full((80, 80), np.nan), band='red')],
     {}, "^maps have no room .* in band 'red'"),
    ([BLUE], [], {'cache_size': 0}, '^cache_size must be a positive'),
])
def test_errors(bands, maps, options, match):
    with pytest.raises(ParameterError, match=match):
        SceneSimulator(bands, maps, settings=SMALL, **options)


def test_pixels_that_are_too_different():
    with pytest.raises(ValueError, match='pixel_scale must lie between'):
        SceneSimulator([BLUE], [_flat(1, pixel_scale=5 * u.arcsec)],
                       settings=SMALL)


def test_repr():
    simulator = SceneSimulator([BLUE, RED], [_flat(3)], settings=SMALL)
    assert repr(simulator) == (
        '<SceneSimulator: bands blue, red; 1 maps; size 48>')
