# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of what region-based detectors need, without torchvision.
"""

import sys

import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from compact_removal import RegionDetector
from compact_removal.detection.kinds import REGION_KINDS
from compact_removal.detection.region_fields import (SKIES, RegionFields,
                                                     find_boxes)
from compact_removal.detection.region_labels import (LabelledImages,
                                                     read_labels)
from compact_removal.detection.region_search import (find_regions,
                                                     make_segmentation,
                                                     measure_centers)


class Peaks:
    """
    A model that finds all that is connected and bright.
    """

    config = {'kinds': ['compact', 'extended']}

    def __init__(self, masks=True):
        self.masks = masks

    def predict_regions(self, image, *, device='auto'):
        labels, n = ndimage.label(image > 5)
        boxes, scores, masks = [], [], []
        for number, (rows, columns) in enumerate(
                ndimage.find_objects(labels), 1):
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
            peak = image[labels == number].max()
            scores.append(peak / (peak + 10))
            masks.append(np.full((14, 14), 0.9))
        found = {'boxes': np.array(boxes, float).reshape(-1, 4),
                 'labels': np.full(n, 2), 'scores': np.array(scores)}
        if self.masks:
            found['masks'] = np.array(masks).reshape(-1, 14, 14)
        return found


@pytest.fixture(scope='module')
def fields():
    return RegionFields(size=96, batch_size=4, n_batches=1, seed=1,
                        n_galaxies=4, n_distinct=1, masks=True)


@pytest.mark.parametrize('sky', SKIES)
def test_fields(fields, sky):
    field, again = (fields.field(3, sky=sky) for _ in range(2))
    assert_array_equal(field.image, again.image)
    assert set(field.kind) <= set(REGION_KINDS)
    assert len(field.kind) == len(field.masks) == len(field.boxes)
    assert np.all(field.masks.sum(axis=(1, 2)) >= 4)
    # the light is where the masks are
    for mask, x, y in zip(field.masks, field.x, field.y, strict=True):
        rows, columns = np.nonzero(mask)
        assert np.hypot(rows - y, columns - x).min() < 12


def test_batches_are_turned(fields):
    first, turned = (fields.batch(epoch, 0) for epoch in (0, 1))
    assert_allclose(np.sort(first['image'], axis=None),
                    np.sort(turned['image'], axis=None))
    assert not np.array_equal(first['image'], turned['image'])
    for batch in (first, turned):
        boxes = batch['boxes'].reshape(4, -1, 4)
        for labels, some, masks in zip(batch['labels'], boxes,
                                       batch['masks'], strict=True):
            n = int(np.sum(labels > 0))
            assert not some[n:].any()
            assert_allclose(some[:n], find_boxes(masks[:n] > 0) + 0.5)
    assert_array_equal(np.sort(first['labels'], axis=None),
                       np.sort(turned['labels'], axis=None))


def make_squares(shape, places, side=5):
    image = np.zeros(shape)
    for number, (x, y) in enumerate(places):
        image[y:y + side, x:x + side] = 20 + number
    return image


@pytest.mark.parametrize('masks', [True, False])
def test_search(masks):
    rng = np.random.default_rng(1)
    places = np.array([[20, 30], [380, 200], [700, 40], [382, 382]])
    image = make_squares((500, 760), places)
    found = find_regions(Peaks(masks), image, 0.0)
    # each once, also where parts of the image meet
    assert len(found.kind) == 4
    assert np.all(np.diff(found.score) <= 0)
    x, y = measure_centers(image, found)
    assert_allclose(np.column_stack([x, y]), places[::-1] + 2)
    assert_array_equal(found.limits[0], [382, 382, 386, 386])
    segments = make_segmentation(found, image.shape)
    assert_array_equal(segments.labels, [1, 2, 3, 4])
    assert_array_equal(segments.data > 0, image > 0)
    assert len(find_regions(Peaks(), image, 0.68).kind) == 2
    nothing = find_regions(Peaks(), rng.normal(0, 1, (70, 50)), 0.0)
    assert nothing.boxes.shape == (0, 4)
    assert measure_centers(image, nothing).shape == (2, 0)
    assert not make_segmentation(nothing, (70, 50)).data.any()


def test_one_of_two_boxes_of_a_source():
    class Twice(Peaks):
        def predict_regions(self, image, *, device='auto'):
            found = super().predict_regions(image)
            other = {name: values.copy() for name, values in found.items()}
            other['boxes'] += [0, 0, 1, 1]
            other['scores'] -= 0.1
            other['labels'][:] = 1
            return {name: np.concatenate([found[name], other[name]])
                    for name in found}

    found = find_regions(Twice(), make_squares((60, 60), [[20, 30]]), 0.0)
    assert found.kind == ['extended']


def test_labels_of_users():
    image = make_squares((80, 90), [[20, 30], [60, 50]])
    boxes = QTable({'kind': ['a', 'b'], 'bbox_xmin': [20, 60],
                    'bbox_xmax': [24, 64], 'bbox_ymin': [30, 50],
                    'bbox_ymax': [34, 54]})
    segments = QTable({'id': [7, 9], 'kind': ['a', 'b']})
    labels = np.zeros(image.shape, dtype=int)
    labels[30:35, 20:25], labels[50:55, 60:65] = 7, 9
    segments.meta['segmentation'] = labels
    for table in (boxes, segments):
        field, = read_labels([image], [table])
        assert field.kind == ('a', 'b')
        assert_allclose(field.boxes, [[19.5, 29.5, 24.5, 34.5],
                                      [59.5, 49.5, 64.5, 54.5]])
        assert_allclose(field.x, [22, 62])
    parts = LabelledImages([field], size=64, batch_size=3, seed=1,
                           kinds=['a', 'b'])
    batch = parts.batch(0, 0)
    assert set(np.unique(batch['labels'])) <= {0, 1, 2}
    assert batch['labels'].any()
    assert read_labels(None, None) is None


@pytest.mark.parametrize(('images', 'labels', 'message'), [
    (None, [], 'labels must be None without'),
    ([np.ones((9, 9))], None, 'labels must have one table per image'),
    ([np.ones((9, 9))], [[1]], 'labels must be tables'),
    ([np.ones((9, 9))], [QTable({'id': [1]})], 'labels must have the column'),
    ([np.ones((9, 9))], [QTable({'kind': ['a']})], 'labels must have the'),
    ([np.ones((9, 9))], [QTable({'kind': ['a'], 'id': [1]}, meta={
        'segmentation': np.ones((3, 3))})], 'labels: the segmentation'),
])
def test_labels_that_are_none(images, labels, message):
    with pytest.raises((TypeError, ValueError), match=f'^{message}'):
        read_labels(images, labels)


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    for name in list(sys.modules):
        if name.startswith('torchvision.') or name.endswith('network_rcnn'):
            monkeypatch.delitem(sys.modules, name)
    for call in (lambda one: one.detect(np.ones((64, 64))),
                 lambda one: one.detect(None),
                 lambda one: one.fit(),
                 lambda one: one.check_params(),
                 lambda one: one.experiment(n_maps=0)):
        with pytest.raises(ImportError, match=r'extra \[rcnn\]'):
            call(RegionDetector(batch_size=0, weights='none'))
    # other estimators do without it
    assert 'torchvision' not in RegionDetector(network='other').get_params()
    with pytest.raises(ValueError, match='^network must be'):
        RegionDetector(network='other').check_params()
