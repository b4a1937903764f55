# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for scenes and their settings.
"""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import SceneSettings, make_scene
from compact_removal.utils.parameters import ParameterError


@pytest.fixture(name='scene', scope='module')
def _scene():
    settings = SceneSettings(n_psfs=1, loss_chance=1.0)
    return make_scene('scanmap', 'blue', (120, 150), n_sources=12,
                      settings=settings, seed=4)


def test_image_is_background_and_sources(scene):
    assert scene.image.shape == scene.background.shape == (120, 150)
    assert scene.image.dtype == scene.background.dtype == np.float32
    assert_array_equal(np.isfinite(scene.image), scene.known)
    assert not scene.known.all()
    assert np.all(np.isfinite(scene.background))
    light = scene.render()
    scale = np.nanmax(scene.image)
    assert_allclose(scene.image[scene.known],
                    (scene.background + light)[scene.known],
                    atol=1e-5 * scale)
    alone = sum(scene.render(k).astype(float) for k in range(12))
    assert_allclose(light, alone, atol=1e-5 * scale)
    assert scene.image is scene.image


def test_sources_are_where_they_should_be(scene):
    assert len(set(scene.x)) == 12
    assert np.ptp(scene.x) > 60
    assert np.ptp(scene.y) > 50
    for k in range(12):
        light = scene.render(k)
        y, x = np.unravel_index(np.argmax(light), light.shape)
        assert abs(x - scene.x[k]) < 1.01
        assert abs(y - scene.y[k]) < 1.01
        inside = (20 < scene.x[k] < 130) and (20 < scene.y[k] < 100)
        if inside:
            assert 0.85 < light.sum() / scene.flux[k] < 1
        assert_allclose(light.max(),
                        scene.flux[k] * scene.stamps[k].max(), rtol=1e-5)
    ratio = [flux * stamp.max() / std for flux, stamp, std
             in zip(scene.flux, scene.stamps, scene.std, strict=True)]
    assert min(ratio) > 10 ** -0.61
    assert max(ratio) < 10 ** 4.21


def test_map_without_sources():
    scene = make_scene('scanmap', 'red', (60, 50), n_sources=0, seed=1)
    assert scene.stamps == ()
    assert scene.pixels.shape == (0, 2)
    assert_array_equal(scene.image[scene.known],
                       scene.background[scene.known])
    assert np.all(scene.render() == 0)


def test_noise():
    # of white noise, neighbouring pixels differ by its root of two
    scene = make_scene('scanmap', 'blue', (200, 200), n_sources=0, seed=7)
    step = np.std(np.diff(scene.background))
    assert scene.noise > 0
    # it is correlated over 1 to 2 pixels
    assert 0.3 * scene.noise < step < 2 * scene.noise
    assert scene.noise < 2.01 * np.std(scene.background)


def test_same_seed():
    first, again, other = (make_scene('scanmap', 'blue', (64, 64),
                                      n_sources=3, seed=seed)
                           for seed in (1, 1, 2))
    assert_array_equal(first.image, again.image)
    assert np.any(first.image != other.image)


@pytest.mark.parametrize(('kwargs', 'name'), [
    ({'shape': (64,)}, 'shape'), ({'shape': (0, 64)}, 'shape'),
    ({'n_sources': -1}, 'n_sources'), ({'band': 'pink'}, 'band'),
])
def test_bad_maps(kwargs, name):
    arguments = {'mode': 'scanmap', 'band': 'blue', **kwargs}
    with pytest.raises(ValueError, match=f'^{name} must'):
        make_scene(**arguments)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'size': 0}, 'size must be a positive integer'),
    ({'n_psfs': 1.5}, 'n_psfs must be a positive integer'),
    ({'n_fields': True}, 'n_fields must be a positive integer'),
    ({'field_size': 32}, r'field_size must be at least size \(96\)'),
    ({'real_fraction': 2}, r'real_fraction must lie in \[0, 1\]'),
    ({'neighbor_chance': 'often'}, r'neighbor_chance must lie in \[0, 1\]'),
    ({'loss_chance': np.nan}, r'loss_chance must lie in \[0, 1\]'),
    ({'clearance': -1}, 'clearance must be a length'),
    ({'large_error': np.inf}, 'large_error must be a length'),
    ({'offset': (3, 1)}, 'offset must be two finite numbers'),
    ({'log_spread': 1.0}, 'log_spread must be two finite numbers'),
    ({'beam': (0, 1)}, 'beam must be positive'),
    ({'quantiles': (0, 0.5)}, 'quantiles must rise from 0 to 1'),
    ({'log_ratios': (0, 1)}, 'log_ratios must be 6 finite numbers'),
    ({'neighbor_log_ratios': (0, 1, 0, 1, 2, 3)}, 'neighbor_log_ratios must'),
])
def test_bad_settings(kwargs, match):
    with pytest.raises(ParameterError, match=f'^{match}') as caught:
        SceneSettings(**kwargs)
    assert caught.value.parameter in kwargs


def test_settings_are_values():
    settings = SceneSettings(size=64)
    assert settings == replace(SceneSettings(), size=64)
    assert hash(settings) == hash(SceneSettings(size=64))
    with pytest.raises(FrozenInstanceError):
        settings.size = 32
