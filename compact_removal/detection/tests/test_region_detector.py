# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the detector itself, which need torchvision.
"""

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import CompactSourceRemover, RegionDetector
from compact_removal.cli import main
from compact_removal.datasets import make_example_field
from compact_removal.detection.tests.recipe_regions import TINY, make_labelled

NETWORKS = ['mask_rcnn', 'faster_rcnn']


@pytest.fixture(scope='module', params=NETWORKS)
def learned(request):
    """
    A detector that has learned one image by heart.
    """
    images, labels = zip(*(make_labelled(seed) for seed in range(2)),
                         strict=True)
    detector = RegionDetector(network=request.param, weights=None, seed=1,
                              batch_size=4)
    return detector.fit(images, labels, training={
        **TINY, 'n_epochs': 8, 'n_batches': 8, 'learning_rate': 0.003})


@pytest.mark.slow
def test_it_learns(learned):
    losses = learned.history_['loss']
    assert losses[-1] < 0.7 * losses[0]
    image, labels = make_labelled(seed=0)
    table = learned.set_params(threshold=0).detect(image)
    best = table[:len(labels)]
    assert set(best['kind']) == {'star'}
    middle = (labels['bbox_xmin'] + labels['bbox_xmax']) / 2
    assert np.abs(np.subtract.outer(np.asarray(best['x_center']),
                                    np.asarray(middle))).min(axis=1).max() < 4
    assert np.all(np.diff(table['score']) <= 0)
    for row, mask in zip(table, table.meta['masks'], strict=True):
        assert mask.shape == (row['bbox_ymax'] - row['bbox_ymin'] + 1,
                              row['bbox_xmax'] - row['bbox_xmin'] + 1)
        assert mask.any()
    segments = table.meta['segmentation']
    assert segments.shape == image.shape
    assert set(segments.labels) <= set(table['id'])


@pytest.fixture(scope='module', params=NETWORKS)
def tiny(request):
    return RegionDetector(network=request.param, weights=None, seed=1,
                          batch_size=2, threshold=0).fit(training=TINY)


def test_images_of_all_kinds(tiny):
    rng = np.random.default_rng(1)
    for image in (np.zeros((64, 64)), np.full((70, 60), 7, dtype='u2'),
                  rng.normal(0, 1, (50, 50)), np.full((64, 64), np.nan),
                  rng.normal(0, 1, (40, 31)).astype('>f8'), np.ones((1, 1)),
                  rng.normal(0, 1, (70, 500))):
        before = image.copy()
        table = tiny.detect(image)
        assert_array_equal(image, before)
        assert table.meta['segmentation'].shape == image.shape
        for low, high, n in (('bbox_xmin', 'bbox_xmax', image.shape[1]),
                             ('bbox_ymin', 'bbox_ymax', image.shape[0])):
            assert np.all((table[low] >= 0) & (table[high] < n)
                          & (table[low] <= table[high]))
    with pytest.raises(ValueError, match='^image must have two dim'):
        tiny.detect(np.zeros(7))
    none = RegionDetector(network=tiny.network, weights=None, seed=1)
    none._set_fitted(tiny.model_, tiny.info_)
    assert len(none.set_params(threshold=1.0).detect(before)) == 0


def test_many_and_unknown_pixels(tiny):
    image, _ = make_labelled(n_sources=500, shape=(400, 400))
    image.mask = np.zeros(image.shape, dtype=bool)
    image.mask[:, :200] = True
    table = tiny.detect(image)
    assert np.all(np.isfinite(table['x_center']))
    masked = table['bbox_xmin'] < 200
    assert np.all(table['flags'][masked] & 2)
    assert not np.any(table['flags'][~masked] & 2)


def test_remove_takes_what_was_detected(tiny):
    image, catalog = make_example_field(shape=(128, 128), n_sources=3)
    table = tiny.detect(image)
    assert len(table)
    separation = image.wcs.pixel_to_world(
        table['x_center'], table['y_center']).separation(table['sky_center'])
    assert separation.arcsec.max() < 1e-3
    result = CompactSourceRemover('scanmap', 'blue').remove(image, table[:3])
    assert len(result.sources) == 3


def test_kinds_of_users():
    image, labels = make_labelled()
    labels['kind'] = ['comet', 'comet', 'moon', 'moon']
    detector = RegionDetector(network='faster_rcnn', weights=None, seed=1,
                              batch_size=2, threshold=0)
    detector.fit([image], [labels], training=TINY)
    assert set(detector.detect(image)['kind']) <= {'comet', 'moon'}


def test_command(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image, _ = make_labelled()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.cdelt = -1e-4, 1e-4
    CCDData(image, wcs=wcs).write('image.fits')
    tiny.save('tiny.safetensors')
    assert main(['batch', 'image.fits', '--estimator', 'RegionDetector',
                 '--network', tiny.network, '--weights', 'tiny.safetensors',
                 '--threshold', '0', '--jobs', '1', '--output-dir',
                 'out']) == 0
    assert (tmp_path / 'out' / 'image_regions.ecsv').is_file()
    assert (tmp_path / 'out' / 'image_segmentation.fits').is_file()
    capsys.readouterr()


def test_saved_files_keep_results(tiny, tmp_path):
    image, _ = make_labelled()
    tiny.save(tmp_path / 'tiny.safetensors')
    again = RegionDetector.load(tmp_path / 'tiny.safetensors')
    assert_allclose(again.detect(image)['score'],
                    tiny.detect(image)['score'])
