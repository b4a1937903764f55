# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of training through the estimator, on tiny networks.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.wcs import WCS
from numpy.testing import assert_array_equal

from compact_removal import CompactSourceRemover, nn
from compact_removal.instruments import get_band
from compact_removal.removal import TRAINING_DEFAULTS, training
from compact_removal.removal.training import choose_settings
from compact_removal.utils.parameters import ParameterError

TINY = {'n_epochs': 1, 'n_batches': 2, 'n_validation_batches': 1,
        'width': 1, 'learning_rate': 0.01, 'n_workers': 0}
SIMULATED = {**TINY, 'n_fields': 2}


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
        seed=np.random.default_rng(seed)).fit(None, training=SIMULATED)
        for seed in (5, 5, 6)]
    assert found[0].info_['data'] == 'simulated backgrounds'
    assert found[0].history_ == found[1].history_
    assert found[0].history_ != found[2].history_


@pytest.mark.slow
def test_another_network_needs_another_fit(tmp_path):
    image, = make_maps()
    catalog = image.wcs.pixel_to_world([70.0], [60.0])
    remover = make_remover('separation').fit(None, training=SIMULATED)
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
    make_remover().fit(None, training=SIMULATED).save(path)
    remover = make_remover().set_params(weights=path)
    # the network of the weights has a width of its own
    with pytest.raises(ParameterError, match='^training: width must be None'):
        remover.fit(None, training=SIMULATED)
    settings = {key: value for key, value in SIMULATED.items()
                if key != 'width'}
    remover.fit(None, training=settings)
    assert remover.info_['started_from'] == 'start.safetensors'
    assert remover.info_['training']['width'] == 1
    assert remover.model_.config == {'width': 1}
    assert remover.history_['learning_rate'][0] == TINY['learning_rate']


def test_default_learning_rate():
    for network, defaults in TRAINING_DEFAULTS.items():
        for has_weights, factor in ((False, 1), (True, 10)):
            found = choose_settings(network, {'n_epochs': 3}, has_maps=False,
                                    has_weights=has_weights)
            assert found.to_dict() == {
                **defaults.to_dict(), 'n_epochs': 3, 'n_fields': 400,
                'learning_rate': defaults.learning_rate / factor}


@pytest.mark.parametrize(('settings', 'match'), [
    ({'speed': 1}, 'training must only have the keys n_epochs, .*speed'),
    ({'n_epochs': -3}, 'training: n_epochs must be a positive integer'),
    ({'n_batches': 0}, 'training: n_batches must be a positive integer'),
    ({'max_norm': -1.0}, 'training: max_norm must be a positive number'),
    ({'factor': 0.5}, "training: factor must be None with scheduler 'cos"),
    ({'loss': 3}, 'training: loss must be None or a dict'),
    ({'loss': {'foo': 1}}, "training: loss of network 'separation': .*foo"),
    ({'loss': {'hole': 'a'}}, "training: loss of network 'separation'"),
    ({'checkpoint': 3}, 'training: checkpoint must be None or the path'),
    ({'augment': 'yes'}, 'training: augment must be True or False'),
    ({'n_fields': 3}, 'training: n_fields must be None where backgrounds')])
def test_settings_are_checked_before_anything_runs(settings, match):
    remover = make_remover('separation')
    with pytest.raises(ParameterError, match=match) as error:
        remover.fit(make_maps(), training={**TINY, **settings})
    assert error.value.parameter == 'training'
    assert not hasattr(remover, 'model_')


def test_provenance_is_what_ran(tmp_path):
    remover = make_remover('separation').fit(None, training=SIMULATED)
    info = remover.info_
    assert info['training'] == {
        **TRAINING_DEFAULTS['separation'].to_dict(),
        **{key: value for key, value in SIMULATED.items()
           if key != 'n_workers'}}
    assert info['config'] == {'width': 1}
    assert info['sha256'] == nn.hash_weights(remover.model_)
    image, = make_maps()
    position = image.wcs.pixel_to_world([70.0], [60.0])
    result = remover.remove(image, position)
    assert result.background.meta['CRSHA256'] == info['sha256']
    # and so it is in a file
    remover.save(tmp_path / 'mine.safetensors')
    again = CompactSourceRemover.load(tmp_path / 'mine.safetensors')
    assert again.info_['sha256'] == info['sha256']
    assert result.background.meta['CRWEIGHT'] == 'fitted'


@pytest.fixture
def made(monkeypatch):
    """
    The training sets that a fit makes, in order.
    """
    made = []

    class Spy(training.TrainingCutouts):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(training, 'TrainingCutouts', Spy)
    return made


def test_training_validation_and_calibration_differ(made, monkeypatch):
    used = {}

    def measure_errors(predict, batches):
        used['calibration'] = [batch['image'] for batch in batches]
        return {}

    monkeypatch.setattr(training, 'measure_errors', measure_errors)
    # of the same maps, as by default
    make_remover('separation').fit(make_maps(), training=TINY)
    batches, validation, calibration = made
    images = [one.batch(0, 0)['image'] for one in made]
    for i, first in enumerate(images):
        for second in images[:i]:
            # no cutout is in two of them
            assert not any(np.array_equal(one, other, equal_nan=True)
                           for one in first for other in second)
    assert len(used['calibration']) == len(calibration)
    assert_array_equal(used['calibration'][0], images[2])
    assert len(batches) == 2
    assert len(validation) == 1


def test_errors_are_those_of_the_rounded_network(monkeypatch):
    hashes = []

    def make_predict(model, **kwargs):
        hashes.append(nn.hash_weights(model))
        # rounding again changes nothing
        before = {key: value.clone() for key, value
                  in model.state_dict().items()}
        nn.round_weights(model)
        for key, value in model.state_dict().items():
            assert_array_equal(value, before[key])
        return

    monkeypatch.setattr(training, 'make_predict', make_predict)
    monkeypatch.setattr(training, 'measure_errors', lambda *args: {})
    remover = make_remover('separation').fit(None, training=SIMULATED)
    assert hashes == [remover.info_['sha256']]


def test_maps_with_other_pixels(made):
    maps = make_maps()
    maps[0].wcs.wcs.cdelt = maps[0].wcs.wcs.cdelt / 2
    make_remover('separation').fit(maps, training=TINY)
    fwhm = made[0].batch(0, 0)['fwhm']
    nominal = make_remover('separation').fit(make_maps(), training=TINY)
    assert nominal is not None
    np.testing.assert_allclose(fwhm, 2 * made[3].batch(0, 0)['fwhm'][0],
                               rtol=0.02)


def test_several_bands(made):
    blue, red = make_maps(2)
    red.wcs.wcs.cdelt = 2 * red.wcs.wcs.cdelt
    remover = make_remover('separation')
    remover.fit({'blue': [blue], 'red': [red]}, training=TINY)
    assert remover.info_['bands'] == ['blue', 'red']
    assert remover.info_['data'] == 'blue: maps: 1, red: maps: 1'
    batches = made[0]
    widths = {float(width) for i in range(8)
              for width in batches.batch(i, 0)['fwhm']}
    assert len(widths) == 2


def test_augmentation(network):
    found = [make_remover(network).fit(
        None, training={**SIMULATED, 'augment': augment})
        for augment in (True, True, False)]
    assert found[0].history_ == found[1].history_
    assert found[0].history_ != found[2].history_
    assert found[0].info_['training']['augment'] is True


def test_resumption_notices_other_data(tmp_path):
    settings = {**TINY, 'n_epochs': 1,
                'checkpoint': str(tmp_path / 'run.checkpoint')}
    maps = make_maps(2)
    make_remover().fit(maps[:1], training=settings)
    with pytest.raises(ParameterError, match='^checkpoint .* has maps='):
        make_remover().fit(maps[1:], training=settings)
    with pytest.raises(ParameterError, match='^checkpoint .* has seed=3'):
        make_remover().set_params(seed=4).fit(maps[:1], training=settings)
    with pytest.raises(ParameterError, match='^checkpoint .* has valid.*map'):
        make_remover().fit(maps[:1], validation=maps[1:], training=settings)
    band = get_band('scanmap', 'blue').with_pixel_scale(1.5 * u.arcsec)
    with pytest.raises(ParameterError, match='^checkpoint .* has bands='):
        make_remover().set_params(band=band).fit(maps[:1], training=settings)
    with pytest.raises(ParameterError, match='^seed must be given with a ch'):
        make_remover().set_params(seed=None).fit(maps, training=settings)


@pytest.mark.parametrize('name', ['weights', 'band'])
def test_changes_after_the_fit_are_told(name):
    image, = make_maps()
    position = image.wcs.pixel_to_world([70.0], [60.0])
    remover = make_remover('separation').fit(None, training=SIMULATED)
    remover.set_params(**{name: {'weights': 'separation',
                                 'band': 'green'}[name]})
    with pytest.warns(UserWarning, match=f'^{name}: changed after the fit'):
        remover.remove(image, position)


def test_each_device_has_a_network_of_its_own(monkeypatch):
    first = CompactSourceRemover('scanmap', 'blue', device='cpu')
    second = CompactSourceRemover('scanmap', 'green', device='cpu')
    assert first._model()[0] is second._model()[0]
    monkeypatch.setattr(nn, 'resolve_device', lambda device: 'cuda:0')
    other = CompactSourceRemover('scanmap', 'blue', device='cuda')._model()[0]
    monkeypatch.undo()
    assert other is not first._model()[0]


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'backgrounds': []}, 'backgrounds must be None or hold'),
    ({'backgrounds': [np.ones((9, 9))]}, 'backgrounds must be an astropy'),
    ({'backgrounds': make_maps(), 'catalogs': []}, 'catalogs must have one'),
])
def test_bad_arguments(kwargs, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make_remover().fit(**kwargs)


def test_bad_seed():
    remover = make_remover().set_params(seed=-1)
    with pytest.raises(ValueError, match='seed must be'):
        remover.fit(None, training=SIMULATED)
