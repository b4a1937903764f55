# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of training through the estimator, on tiny networks.
"""

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.wcs import WCS
from numpy.testing import assert_array_equal

from compact_removal import CompactSourceRemover
from compact_removal.removal import TRAINING_DEFAULTS
from compact_removal.removal.training import training_settings

TINY = {'n_epochs': 1, 'n_batches': 2, 'n_validation_batches': 1,
        'n_fields': 2, 'width': 1, 'learning_rate': 0.01}


def make_maps(n_maps=1):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 83.8, -5.4
    wcs.wcs.crpix = 60, 60
    wcs.wcs.cdelt = -1.6 / 3600, 1.6 / 3600
    rng = np.random.default_rng(0)
    return [CCDData(rng.normal(size=(130, 140)), unit='Jy/pix', wcs=wcs)
            for _ in range(n_maps)]


@pytest.fixture(params=['inpainting', 'separation'])
def network(request):
    return request.param


def make_remover(network='inpainting'):
    return CompactSourceRemover('scanmap', 'blue', network=network,
                                weights=None, batch_size=2, seed=3)


@pytest.mark.slow
def test_fit_on_maps(tmp_path, network):
    maps = make_maps()
    catalog = maps[0].wcs.pixel_to_world([70.0], [60.0])
    remover = make_remover(network)
    remover.fit(maps, catalogs=[catalog], validation=make_maps(),
                training=TINY)
    assert np.all(np.isfinite(remover.history_['loss']))
    background, sources = remover.remove(maps[0], catalog)
    assert np.isfinite(sources['flux'][0])
    remover.save(tmp_path / 'mine.safetensors')
    again = CompactSourceRemover.load(tmp_path / 'mine.safetensors')
    found = again.remove(maps[0], catalog)
    assert_array_equal(found.background.data, background.data)
    assert_array_equal(found.sources['flux'], sources['flux'])


@pytest.mark.slow
def test_fit_on_simulated_maps():
    found = [make_remover('separation').set_params(
        seed=np.random.default_rng(seed)).fit(None, training=TINY)
        for seed in (5, 5, 6)]
    assert found[0].info_['data'] == 'simulated backgrounds'
    assert found[0].history_ == found[1].history_
    assert found[0].history_ != found[2].history_


@pytest.mark.slow
def test_another_network_needs_another_fit(tmp_path):
    image, = make_maps()
    catalog = image.wcs.pixel_to_world([70.0], [60.0])
    remover = make_remover('separation').fit(None, training=TINY)
    remover.set_params(network='inpainting')
    for call in (lambda: remover.remove(image, catalog),
                 lambda: remover.save(tmp_path / 'mine.safetensors')):
        with pytest.raises(ValueError, match='^network must be .*separation'):
            call()
    remover.set_params(network='separation')
    assert len(remover.remove(image, catalog).sources) == 1


@pytest.mark.slow
def test_fit_from_weights(tmp_path):
    path = tmp_path / 'start.safetensors'
    make_remover().fit(None, training=TINY).save(path)
    remover = make_remover().set_params(weights=path)
    remover.fit(None, training={**TINY, 'width': 32})
    assert remover.info_['started_from'] == 'start.safetensors'
    assert remover.model_.width == 1
    assert remover.history_['learning_rate'][0] == TINY['learning_rate']


def test_default_learning_rate():
    for network, defaults in TRAINING_DEFAULTS.items():
        for weights, factor in ((None, 1), ('default', 10)):
            remover = CompactSourceRemover('scanmap', 'blue', network=network,
                                           weights=weights)
            found = training_settings(remover, {'n_epochs': 3})
            assert found == {
                **defaults, 'n_epochs': 3,
                'learning_rate': defaults['learning_rate'] / factor}


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'backgrounds': []}, 'backgrounds must be None or hold'),
    ({'backgrounds': [np.ones((9, 9))]}, 'image must be an astropy'),
    ({'backgrounds': None, 'training': {'speed': 1}}, 'training must only'),
    ({'backgrounds': make_maps(), 'catalogs': []}, 'catalogs must have one'),
])
def test_bad_arguments(kwargs, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make_remover().fit(**kwargs)


def test_bad_seed():
    remover = make_remover().set_params(seed=-1)
    with pytest.raises(ValueError, match='seed must be'):
        remover.fit(None, training=TINY)
