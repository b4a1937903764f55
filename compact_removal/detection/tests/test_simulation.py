# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the scenes that networks of the detection learn from.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compact_removal.detection.batches import DetectionScenes, make_truth
from compact_removal.instruments import get_band


@pytest.fixture(scope='module')
def scenes():
    return DetectionScenes([get_band('scanmap', 'blue')], size=160,
                           batch_size=2, n_batches=3, seed=2, n_psfs=2,
                           n_fields=2)


def test_same_numbers_same_batch(scenes):
    again = DetectionScenes([get_band('scanmap', 'blue')], size=160,
                            batch_size=2, n_batches=3, seed=2, n_psfs=2,
                            n_fields=2)
    first, second, other = scenes.batch(1, 2), again.batch(1, 2), (
        scenes.batch(1, 1))
    for name, values in first.items():
        assert_array_equal(values, second[name])
    assert not np.array_equal(first['truth'], other['truth'])
    assert len(scenes) == 3


def test_truth_is_at_the_centers(scenes):
    seen = set()
    for number in range(12):
        scene = scenes.scene(0, 0, number)
        truth = make_truth(scene)
        inside = ((scene.x > 0) & (scene.x < 159) & (scene.y > 0)
                  & (scene.y < 159) & (scene.significance >= 2))
        for x, y, kind in zip(scene.x[inside], scene.y[inside],
                              scene.kind[inside], strict=True):
            value = truth[kind, round(y), round(x)]
            assert value == 1 or np.isnan(scene.image[round(y), round(x)])
            seen.add(int(kind))
        assert np.nanmin(truth) >= 0
    assert seen == {0, 1, 2}


def test_faint_sources_do_not_count(scenes):
    n_faint = 0
    for number in range(12):
        scene = scenes.scene(0, 1, number)
        truth = make_truth(scene)
        bright = scene.significance >= 2
        for x, y in zip(scene.x[~bright], scene.y[~bright], strict=True):
            near = np.hypot(scene.x[bright] - x, scene.y[bright] - y)
            if near.size == 0 or near.min() > 8:
                row, column = (np.clip(round(v), 0, 159) for v in (y, x))
                assert np.isnan(truth[:, row, column]).all()
                n_faint += 1
    assert n_faint > 5


def test_image_is_background_and_sources(scenes):
    scene = scenes.scene(0, 2, 1)
    known = np.isfinite(scene.image)
    assert np.isfinite(scene.background[known]).all()
    assert known.mean() > 0.3
    if scene.flux.any():
        assert np.nansum(scene.image - scene.background) > 0
