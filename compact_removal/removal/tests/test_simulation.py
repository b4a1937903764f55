# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import BackgroundMap, SavedCutouts, save_cutouts
from compact_removal.removal import TrainingCutouts
from compact_removal.datasets._stamps import StampLibrary, make_fast_stamp
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp

SMALL = {'size': 64, 'batch_size': 24, 'n_batches': 2, 'n_fields': 3,
         'field_size': 96, 'n_psfs': 2}


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
            (48,) if name in ('fwhm', 'psf_error') else (48, 64, 64))
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
    # the fitted sources and what the fit has left are nothing but sources
    source = batch['image'] + batch['sources'] - batch['target']
    source = np.where(np.isfinite(source), source, 0)
    scale = np.nanstd(batch['target'], axis=(1, 2))
    assert np.nanmin(source / scale[:, None, None]) > -1e-3
    center = np.nanmax(source[:, 29:36, 29:36], axis=(1, 2))
    assert np.all(center > 0)
    # the central source lies within the position errors
    ratio = center / scale
    assert ratio.min() < 3
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


def test_nothing_to_save(tmp_path):
    class Nothing:
        def epoch(self, number):
            return iter(())

    with pytest.raises(ValueError, match='cutouts has no batches in epoch 2'):
        save_cutouts(tmp_path / 'set', Nothing(), epoch=2)
    assert not (tmp_path / 'set').exists()


def test_map_without_room():
    maps = [BackgroundMap(np.full((80, 80), np.nan))]
    with pytest.raises(ValueError, match='maps have no room'):
        TrainingCutouts('scanmap', maps, **SMALL)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'batch_size': 0}, 'batch_size must be positive'),
    ({'real_fraction': 2}, 'real_fraction must lie'),
    ({'field_size': 32}, 'field_size must be at least'),
    ({'bands': []}, 'bands must name'),
    ({'bands': ['pink']}, 'band must be one of'),
])
def test_errors(kwargs, match):
    with pytest.raises(ValueError, match=match):
        TrainingCutouts('scanmap', **{**SMALL, **kwargs})


def test_stamp_library():
    band = get_band('scanmap', 'green')
    library = StampLibrary(band, 3, 4, 30, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for k in range(12):
        stamp, (dx, dy) = library.draw(k % 3, rng)
        offset = np.arange(-3, 4)
        core = stamp[27:34, 27:34]
        x = (core * offset).sum() / core.sum()
        y = (core * offset[:, None]).sum() / core.sum()
        # the window of 7 pixels pulls the centroid inwards
        assert np.hypot(x - dx, y - dy) < 0.35
        assert x * dx >= -0.02
        assert y * dy >= -0.02
        assert 0.7 < stamp.sum() < 1
    image = np.zeros((20, 20), dtype=np.float32)
    library.add(image, stamp, 2.0, 0, 19)
    assert_allclose(image[19, 0], 2 * stamp[30, 30], rtol=1e-6)
    assert_allclose(image[0, 5], 2 * stamp[11, 35], rtol=1e-6)


@pytest.mark.parametrize('center', [(30.3, 29.6), (2.2, 30), (-25, 80)])
def test_fast_stamp(center):
    band = get_band('scanmap', 'red')
    kwargs = {'pixel_scale': band.pixel_scale, 'shape': (61, 61),
              'center': center, 'position_angle': band.pixel_scale}
    assert_allclose(make_fast_stamp(band, **kwargs),
                    make_psf_stamp(band, **kwargs), rtol=0.02, atol=1e-7)


def test_saved_cutouts(cutouts, batch, tmp_path):
    save_cutouts(tmp_path / 'set', cutouts)
    saved = SavedCutouts(tmp_path / 'set')
    assert len(saved) == 2
    for number, item in enumerate(saved.epoch(3)):
        for name, values in item.items():
            assert_array_equal(values,
                               batch[name][24 * number:24 * (number + 1)])
    shuffled = SavedCutouts(tmp_path / 'set', batch_size=20, seed=1)
    sizes = [len(item['image']) for item in shuffled.epoch(0)]
    assert sizes == [20, 20, 8]
    first, again, other = (
        np.concatenate([item['image'] for item in shuffled.epoch(i)])
        for i in (0, 0, 1))
    assert_array_equal(first, again)
    assert np.any(first != other)
    assert_allclose(np.sort(first, axis=None),
                    np.sort(batch['image'], axis=None))
    with pytest.raises(FileExistsError, match='path holds cutouts'):
        save_cutouts(tmp_path / 'set', cutouts)
    with pytest.raises(FileNotFoundError, match='no saved cutouts'):
        SavedCutouts(tmp_path)
    assert repr(shuffled) == (f"SavedCutouts({str(tmp_path / 'set')!r}, "
                              f'n_cutouts=48, batch_size=20)')
    with pytest.raises(ValueError, match='batch_size must be positive'):
        SavedCutouts(tmp_path / 'set', batch_size=0)
    np.save(tmp_path / 'set' / 'image.npy', np.zeros(3))
    with pytest.raises(ValueError, match='image.npy of shape'):
        SavedCutouts(tmp_path / 'set')
