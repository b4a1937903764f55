# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of counts of photons, and of several channels.
"""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from numpy.testing import assert_array_equal

from compact_removal import CompactSourceFinder, CompactSourceRemover
from compact_removal.datasets.examples import make_wcs
from compact_removal.detection.batches import DetectionScenes
from compact_removal.detection.channels import stretch_counts
from compact_removal.fitting import SourcePSF, render_sources
from compact_removal.instruments import get_band
from compact_removal.metrics import match_detections

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
SHAPE = (200, 210)
TRAINING = {'n_epochs': 1, 'n_batches': 1, 'size': 64, 'width': 1,
            'n_validation_batches': 1, 'n_workers': 0, 'n_scenes': 6,
            'scene_size': 128}


def make_counts(unit='ct', *, level=3.0):
    """
    Photons of sources on a sky that is not the same everywhere.
    """
    rng = np.random.default_rng(6)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(30.0, 200, 50),
                                                 np.arange(30.0, 190, 50)))
    light = render_sources(SHAPE, x, y, np.full(x.size, 400.0),
                           np.zeros((x.size, 5)), PSF)
    sky = level * (1 + np.linspace(0, 2, SHAPE[1]))
    return CCDData(rng.poisson(light + sky), unit=unit,
                   wcs=make_wcs(SHAPE, BAND.pixel_scale)), x, y


@pytest.fixture(scope='module')
def several():
    finder = CompactSourceFinder('scanmap', 'blue', weights=None, seed=1,
                                 threshold=0, batch_size=2)
    return finder.fit(training={**TRAINING, 'n_channels': 2, 'counts': True})


@pytest.mark.parametrize('unit', ['ct', 'ph', 'ct / pix'])
def test_photons_are_found(unit):
    image, x, y = make_counts(unit)
    before = image.data.copy()
    found = CompactSourceFinder('scanmap', 'blue').find(image)
    assert_array_equal(image.data, before)
    index = match_detections(found['x_center'], found['y_center'],
                             found['probability'], x, y, 2)
    assert np.isin(np.arange(x.size), index).mean() > 0.8
    assert np.mean(index >= 0) > 0.8
    assert found['flux'].unit == u.Unit(unit.split()[0])
    assert np.median(found['flux'][index >= 0].value) == pytest.approx(
        400, rel=0.15)


def test_counts_of_zero_are_values():
    image, *_ = make_counts(level=0.03)
    assert np.mean(image.data == 0) > 0.8
    found = CompactSourceFinder('scanmap', 'blue').find(image)
    assert len(found) > 7


def test_a_removal_does_not_take_counts():
    image, x, y = make_counts()
    with pytest.raises(ValueError, match='image must have as unit a flux'):
        CompactSourceRemover('scanmap', 'blue').remove(
            image, image.wcs.pixel_to_world(x, y))


def test_a_bright_sky_has_the_noise_of_a_dark_one():
    counts = np.random.default_rng(1).poisson([[4.0], [1e4]], (2, 20000))
    assert stretch_counts(counts).std(axis=1) == pytest.approx(1, rel=0.1)


def test_scenes_of_photons():
    scenes = DetectionScenes([BAND], size=96, batch_size=2, n_batches=1,
                             seed=5, n_psfs=2, n_fields=2, n_channels=3,
                             counts=True)
    assert scenes.batch(0, 0)['significance'].shape == (2, 9, 96, 96)
    ratios = []
    for number in range(8):
        scene = scenes.scene(number)
        assert len(scene.channels) == 3
        for channel in scene.channels:
            assert channel.counts
            assert np.nanmin(channel.data) >= 0
        first, second, _ = (channel.data for channel in scene.channels)
        known = np.isfinite(second)
        assert np.all(second[known] % 1 == 0)
        assert not np.array_equal(first, second)
        ratios.append(np.nanmean(second) / np.nanmean(first))
    # from one to the next the sky becomes darker
    assert 0.4 < np.median(ratios) < 0.9


@pytest.mark.slow
def test_several_channels(several, tmp_path):
    image, *_ = make_counts()
    other, *_ = make_counts(level=2.0)
    found = several.find([image, other])
    assert np.isfinite(found['flux']).sum() > 2
    assert found['flux'].unit == u.ct
    probability = several.predict_proba([image, other])
    assert probability.shape == SHAPE
    swapped = several.predict_proba([other, image])
    assert not np.array_equal(probability.data, swapped.data)
    path = tmp_path / 'two.safetensors'
    several.save(path)
    again = CompactSourceFinder.load(path).set_params(threshold=0)
    assert_array_equal(again.find([image, other])['flux'], found['flux'])
    assert several.experiment(n_maps=1, size=96, seed=1).candidates


@pytest.mark.slow
def test_channels_are_those_of_the_network(several):
    image, *_ = make_counts()
    moved = image.copy()
    moved.wcs.wcs.crpix = moved.wcs.wcs.crpix + [1, 0]
    cut = image[:100]
    for images, message in (
            (image, 'image must be a list of 2 maps'),
            ([image] * 3, 'image must be a list of 2 maps'),
            ([image, moved], 'image: map 2 must have the pixels of the first'),
            ([image, cut], 'image: map 2 must have the pixels of the first')):
        with pytest.raises(ValueError, match=message):
            several.find(images)
    flux = CCDData(image.data.astype(float), unit='Jy / pix', wcs=image.wcs)
    with pytest.raises(ValueError, match=r'image must be counts \(ct or'):
        several.find([image, flux])
    with pytest.raises(ValueError, match='data must be a list of 2 maps'):
        several(image.data)
    with pytest.raises(ValueError, match='image must be one map'):
        CompactSourceFinder('scanmap', 'blue').find([image, image])


def test_training_of_channels_is_checked():
    flux = CCDData(np.zeros(SHAPE), unit='Jy/pix',
                   wcs=make_wcs(SHAPE, BAND.pixel_scale))
    finder = CompactSourceFinder('scanmap', 'blue', weights=None)
    for training in ({'n_channels': 2}, {'counts': True}):
        with pytest.raises(ValueError, match='^backgrounds must be None for'):
            finder.fit([flux], training=training)
    with pytest.raises(ValueError, match='^training: n_channels must be None'):
        CompactSourceFinder('scanmap', 'blue').fit(
            training={'n_channels': 2})
    with pytest.raises(ValueError, match='counts must be'):
        finder.fit(training={'counts': 'yes'})
