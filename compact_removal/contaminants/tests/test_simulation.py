# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the simulated contaminants.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import ndimage

from compact_removal.contaminants import (CLASS_NAMES, CLASSES, contaminate,
                                          cut_cosmic_rays, find_classes,
                                          make_cosmic_ray)
from compact_removal.contaminants.batches import (ADDED, ContaminatedExposures,
                                                  UserExposure)
from compact_removal.contaminants.defects import draw_dead, draw_hot
from compact_removal.contaminants.light import (make_fringes, make_nebulosity,
                                                make_persistence, make_trails)
from compact_removal.datasets import (ExposureSettings, MoffatPSF,
                                      make_exposure)

QUIET = ExposureSettings(stars=(10.0, 10.0), galaxies=(1.0, 1.0),
                         sky=(1000.0, 1000.0), n_bright=0.0,
                         spike_chance=0.0)


def make_quiet(seed=1, size=128):
    return make_exposure((size, size), settings=QUIET, seed=seed)


def test_the_table_of_classes():
    assert len(CLASSES) == 14
    assert CLASS_NAMES == ('CR', 'HCL', 'DCL', 'HP', 'DP', 'P', 'TRL', 'FR',
                           'NEB', 'SAT', 'SP', 'OV', 'BBG', 'BG')
    # the bits of MaxiMask: powers of two, none for the background
    assert [one.bit for one in CLASSES] == [*(2 ** np.arange(13)), 0]
    assert {one.name for one in CLASSES if not one.unusable} == {
        'NEB', 'BBG', 'BG'}
    for one in CLASSES:
        assert 0 < one.prior < 1
        assert 0 < one.maximask_share < 1
        assert 0 < one.maximask_threshold < 1
        assert one.description
        assert 'Sect. 2.1' in one.reference


def test_names_of_classes():
    assert find_classes('all') == tuple(range(14))
    assert find_classes('CR') == (0,)
    assert find_classes(['BG', 'CR']) == (0, 13)
    for bad in ('XY', ['CR', 'XY'], [], 5):
        with pytest.raises(ValueError, match='^classes must be'):
            find_classes(bad)


@pytest.mark.parametrize('name', ADDED)
def test_each_class_alone(name):
    clean = make_quiet()
    exposure = contaminate(clean, [name], seed=2)
    planes = dict(zip(CLASS_NAMES, exposure.planes, strict=True))
    changed = exposure.image != clean.image
    assert planes[name].any()
    assert changed.any()
    others = set(ADDED) - {name}
    assert not any(planes[other].any() for other in others)
    # what has changed more than the noise is in the truth
    much = np.abs(exposure.image - clean.image) > 3 * clean.noise
    assert not np.any(much & ~planes[name]) or name in ('FR', 'NEB')
    assert_array_equal(planes['BG'], ~np.any(exposure.planes[:-1], axis=0))


def test_inputs_stay():
    clean = make_quiet()
    image, bright = clean.image.copy(), clean.bright.copy()
    contaminate(clean, seed=1)
    assert_array_equal(clean.image, image)
    assert_array_equal(clean.bright, bright)


def test_the_seed_decides():
    clean = make_quiet()
    first, again, other = (contaminate(clean, seed=seed)
                           for seed in (1, 1, 2))
    assert_array_equal(first.image, again.image)
    assert_array_equal(first.truth, again.truth)
    assert not np.array_equal(first.image, other.image)


def test_truth_of_cosmic_rays():
    # Equation 2: what is added, dilated by one pixel; cores above 3 sigma
    clean = make_quiet()
    stamp = np.array([[40 * clean.noise * clean.gain]])
    exposure = contaminate(clean, ['CR'], cosmic_rays=[stamp] * 2, seed=11)
    hits = exposure.light['CR']
    truth = exposure.planes[0]
    assert_array_equal(truth, ndimage.maximum_filter(
        hits > 0.5 * clean.noise, 3))
    core = exposure.core
    assert_array_equal(core == 1, hits > 3 * clean.noise)
    assert np.all(hits[core == 0] <= 0.5 * clean.noise)
    assert np.all(truth[np.isnan(core)])


@pytest.mark.parametrize('seed', range(4))
def test_values_of_defects(seed):
    rng = np.random.default_rng(seed)
    sky, noise = 1000.0, 30.0
    hot = draw_hot(rng, sky, noise)(500)
    assert np.all((hot > sky + 13 * noise) & (hot < sky + 110 * noise))
    assert 0.01 < (hot - sky).std() / (hot - sky).mean() < 0.03
    dead = draw_dead(rng, sky, noise)(500)
    assert np.all(dead < 0.8 * sky)


def test_static_defects_come_last():
    # they decide on the value, whatever light there is
    clean = make_quiet(size=200)
    exposure = contaminate(clean, ['HCL', 'TRL', 'NEB', 'CR'], seed=5)
    hot = exposure.planes[CLASS_NAMES.index('HCL')]
    assert hot.any()
    assert np.all(exposure.image[hot] > clean.sky + 13 * clean.noise)


def test_overscan_has_seen_no_light():
    clean = make_quiet(size=200)
    exposure = contaminate(clean, seed=7)
    hidden = exposure.planes[CLASS_NAMES.index('OV')]
    assert hidden.any()
    for name in ('CR', 'NEB', 'FR', 'TRL', 'P', 'BBG', 'BG', 'SAT', 'SP'):
        assert not exposure.planes[CLASS_NAMES.index(name)][hidden].any()


@given(st.integers(0, 2 ** 31))
def test_cosmic_rays_are_small_and_positive(seed):
    stamp = make_cosmic_ray(seed)
    assert stamp.ndim == 2
    assert max(stamp.shape) < 300
    assert stamp.sum() > 0
    assert np.all(stamp >= 0)
    assert np.all(np.isfinite(stamp))


def test_cosmic_rays_of_darks():
    rng = np.random.default_rng(1)
    dark = rng.normal(300, 3, (80, 90)).astype('f4')
    dark[10, 20:25] += 400
    dark[50, 60] += 900
    dark[70, 70] = np.nan
    stamps = [stamp for stamp in cut_cosmic_rays([dark]) if stamp.sum() > 100]
    assert sorted(round(stamp.sum(), -2) for stamp in stamps) == [900, 2000]
    with pytest.raises(ValueError, match='^darks must have pixels above'):
        cut_cosmic_rays([np.zeros((20, 20))])
    with pytest.raises(ValueError, match='^darks must have shape'):
        cut_cosmic_rays([np.zeros(20)])


@pytest.mark.parametrize('seed', range(5))
def test_light(seed):
    shape, noise = (150, 130), 2.0
    psf = MoffatPSF(3.0)
    rng = np.random.default_rng(seed)
    for make, most in ((make_persistence, 6.1 * noise),
                       (make_fringes, 12 * noise),
                       (make_nebulosity, np.inf)):
        light, mask = make(shape, rng, noise)
        assert light.shape == mask.shape == shape
        assert np.all(np.isfinite(light))
        assert light.max() <= most
        if make is make_persistence:
            assert not light[~mask].any()
    light, mask = make_trails(shape, rng, noise, psf)
    # beyond the truth there is nothing, so that nothing is cut visibly
    assert not light[~mask].any()
    assert light.max() > noise


def test_fringes_of_users():
    pattern = np.add.outer(np.zeros(200), np.sin(np.arange(210)))
    light, mask = make_fringes((100, 100), np.random.default_rng(1), 1.0,
                               patterns=[pattern])
    strong = light[mask].std()
    assert strong > 1.5 * light[~mask].std()
    pattern[:] = np.nan
    light, _ = make_fringes((50, 50), np.random.default_rng(1), 1.0,
                            patterns=[pattern])
    assert np.all(np.isfinite(light))


def test_batches():
    batches = ContaminatedExposures(size=64, batch_size=3, n_batches=2,
                                    seed=5)
    assert len(batches) == 2
    first, again = batches.batch(1, 0), batches.batch(1, 0)
    for name, values in first.items():
        assert values.shape == (3, 64, 64)
        assert_array_equal(values, again[name])
    assert not np.array_equal(first['image'], batches.batch(0, 0)['image'])
    assert np.all(np.isfinite(first['image']))


def test_exposures_of_users():
    rng = np.random.default_rng(1)
    data = rng.normal(500, 4, (90, 70))
    data[30:34, 20:24] += 1000
    data[50, 50] = np.nan
    exposure = UserExposure(data)
    window = exposure.cut((64, 64), rng)
    assert window.image.shape == (64, 64)
    assert np.all(np.isfinite(window.image))
    assert window.bright.sum() <= 16
    assert abs(window.noise - 4) < 0.3
    # larger than the image
    assert exposure.cut((200, 200), rng).image.shape == (200, 200)
