# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of ``compact-removal train``, on tiny networks.
"""

import functools
import json
import re
import shlex
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from compact_removal import CompactSourceRemover, cli, nn
from compact_removal.cli import train
from compact_removal.cli.options import format_options
from compact_removal.datasets import make_example_field
from compact_removal.removal import TrainingCutouts
from compact_removal.removal import TRAINING_DEFAULTS, build_model

MODE = ['--mode', 'scanmap', '--band', 'blue']
TINY = [*MODE, '--weights', 'tiny.safetensors', '--n-epochs', '2',
        '--n-batches', '1', '--batch-size', '2']
SIMULATED = [*TINY, '--n-fields', '1']


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    """
    A folder with weights, a map and a catalogue.
    """
    folder = tmp_path_factory.mktemp('inputs')
    nn.save_weights(build_model('separation', width=1, seed=1),
                    folder / 'tiny.safetensors')
    image, catalog = make_example_field(shape=(128, 128), n_sources=2)
    image.write(folder / 'map.fits')
    catalog.write(folder / 'catalog.ecsv')
    sky = catalog['sky_center'].icrs
    Table({'ra': sky.ra.deg, 'dec': sky.dec.deg}).write(
        folder / 'catalog.csv')
    return folder


@pytest.fixture
def folder(inputs, tmp_path, monkeypatch):
    """
    The current folder, with copies of them; validation is short.
    """
    for path in inputs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    quick = {name: replace(defaults, n_validation_batches=1, n_workers=0)
             for name, defaults in TRAINING_DEFAULTS.items()}
    monkeypatch.setattr('compact_removal.removal.training.TRAINING_DEFAULTS',
                        quick)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_training(monkeypatch):
    """
    Training fails.
    """
    @functools.wraps(CompactSourceRemover.fit)
    def fit(self, *args, **kwargs):
        msg = 'it was trained'
        raise AssertionError(msg)

    monkeypatch.setattr(CompactSourceRemover, 'fit', fit)


def run(*args):
    return cli.main(['train', *map(str, args)])


def fails(capsys, *args, status=2):
    """
    Run, check status and that one line tells the error, return that line.
    """
    assert run(*args) == status
    out, err = capsys.readouterr()
    assert out == ''
    *progress, message = err.splitlines(keepends=True)
    assert all(line.startswith(('epoch ', 'resuming ')) for line in progress)
    assert message.startswith('compact-removal: error: ')
    return message


def interrupt(monkeypatch, number):
    """
    Press Ctrl-C in an epoch; batches of validation are of epoch 0.
    """
    def batch(self, epoch, i):
        if epoch == number:
            raise KeyboardInterrupt
        return original(self, epoch, i)

    original = TrainingCutouts.batch
    monkeypatch.setattr(TrainingCutouts, 'batch', batch)


def tensors(path):
    """
    What a safetensors file holds behind its header.
    """
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], 'little'):]


@pytest.mark.slow
def test_train_and_use_it(folder, capsys):
    assert run('map.fits', '--catalog', 'catalog.ecsv', '--validation',
               'map.fits', '--output', 'new/mine.safetensors', '--aperture',
               '5', *TINY) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r'(epoch [12] of 2: loss \S+, validation loss \S+\n)'
                        '{2}', err)
    assert sorted(path.name for path in (folder / 'new').iterdir()) == [
        'mine.safetensors', 'mine_history.ecsv', 'mine_history.png']
    assert out.startswith('network separation, mode scanmap, band blue; '
                          'epochs: 2; maps: 1; started from tiny.safetensors')
    history = QTable.read('new/mine_history.ecsv')
    assert list(history['epoch']) == [0, 1]
    best = int(np.argmin(history['validation_loss']))
    (row,) = [line.split() for line in out.splitlines()
              if line.strip().startswith('best')]
    assert row == ['best', str(best), f'{history["loss"][best]:.5g}',
                   f'{history["validation_loss"][best]:.5g}']
    assert 'Too few sources for validation' in out
    assert (folder / 'new' / 'mine_history.png').read_bytes().startswith(
        b'\x89PNG')
    loaded = CompactSourceRemover.load('new/mine.safetensors')
    assert loaded.apertures.value.tolist() == [5]

    # the command that it prints
    command = shlex.split(out.splitlines()[-1])
    assert command[-2:] == ['--aperture', '5']
    assert cli.main(command[1:]) == 0
    assert fits.getheader('map_background.fits')['CRWEIGHT'] == (
        'mine.safetensors')
    assert cli.main(['evaluate', 'map.fits', *MODE, '--weights',
                     'new/mine.safetensors', '--flux', '500', '--n-sources',
                     '2']) == 0


@pytest.mark.slow
def test_defaults(folder, capsys):
    # simulated maps, random weights, name of mode and band
    args = [entry if entry != 'tiny.safetensors' else 'none'
            for entry in SIMULATED]
    remover = []
    original = CompactSourceRemover.fit

    @functools.wraps(original)
    def fit(self, backgrounds, **kwargs):
        assert self.weights is None
        self.weights = 'tiny.safetensors'
        remover.append((backgrounds, kwargs))
        return original(self, backgrounds, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CompactSourceRemover, 'fit', fit)
        assert run(*args, '--learning-rate', '0.01') == 0
    ((backgrounds, kwargs),) = remover
    assert backgrounds is None
    assert kwargs == {'catalogs': None, 'validation': None, 'training': {
        'n_epochs': 2, 'n_batches': 1, 'n_fields': 1, 'learning_rate': 0.01,
        'checkpoint': 'scanmap_blue.safetensors.checkpoint'}}
    assert '; simulated maps; ' in capsys.readouterr().out
    message = fails(capsys, *args)
    assert 'scanmap_blue.safetensors exists; use --overwrite' in message
    assert run(*args, '--overwrite', '--weights', 'tiny.safetensors') == 0


@pytest.mark.slow
def test_resume_is_exact(folder, capsys, monkeypatch):
    assert run('--output', 'whole.safetensors', *SIMULATED) == 0
    args = ['--output', 'mine.safetensors', *SIMULATED]
    checkpoint = folder / 'mine.safetensors.checkpoint'
    with monkeypatch.context() as patch:
        interrupt(patch, 0)
        capsys.readouterr()
        message = fails(capsys, *args, status=130)
        assert message.endswith('interrupted in the first epoch; the same '
                                'command starts from the beginning\n')
        assert not checkpoint.exists()
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        message = fails(capsys, *args, status=130)
        assert message.endswith('interrupted; the same command resumes the '
                                'training from mine.safetensors.checkpoint\n')
    assert not (folder / 'mine.safetensors').exists()
    content = checkpoint.read_bytes()
    rubbish = folder / '.writing-1-00-mine.safetensors.checkpoint'
    other = folder / '.writing-1-00-not-mine.safetensors.checkpoint'
    for path in (rubbish, other):
        path.touch()

    # other settings
    message = fails(capsys, *args, '--seed', '3', '--n-epochs', '5')
    assert ('mine.safetensors.checkpoint is of a training with other settings '
            '(seed, n_epochs); use --overwrite to begin anew') in message
    (folder / 'catalog.csv').write_text('ra,dec\n1,2\n')
    message = fails(capsys, 'map.fits', *args)
    assert '(maps)' in message
    assert checkpoint.read_bytes() == content

    assert run(*args, '--overwrite') == 0
    resumed, epoch = capsys.readouterr().err.splitlines()
    assert resumed == 'resuming the training of mine.safetensors.checkpoint'
    assert epoch.startswith('epoch 2 of 2: ')
    assert not rubbish.exists()
    other.unlink()
    assert not list(folder.glob('*checkpoint*'))
    for name in ('history.ecsv', 'history.png'):
        assert ((folder / f'mine_{name}').read_bytes()
                == (folder / f'whole_{name}').read_bytes())
    assert tensors(folder / 'mine.safetensors') == tensors(
        folder / 'whole.safetensors')


@pytest.mark.slow
def test_overwrite_begins_anew(folder, capsys, monkeypatch):
    args = ['--output', 'mine.safetensors', *SIMULATED]
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        fails(capsys, *args, status=130)
    settings = folder / 'mine.safetensors.checkpoint.json'
    assert json.loads(settings.read_text())['seed'] == 0
    assert run(*args, '--seed', '3', '--overwrite') == 0
    assert CompactSourceRemover.load('mine.safetensors').info_['seed'] == 3
    assert not list(folder.glob('*checkpoint*'))


def test_divergence(folder, capsys):
    message = fails(capsys, *SIMULATED, '--learning-rate', '1e30',
                    '--n-epochs', '3')
    assert 'error: training diverged in ' in message
    assert '; try a lower --learning-rate' in message
    assert not (folder / 'scanmap_blue.safetensors').exists()


@pytest.mark.parametrize(('args', 'expected'), [
    ([], '--mode is not given, and no header of a map has it'),
    ([*MODE, '--n-epochs', '0'],
     '--n-epochs must be a positive integer, got 0'),
    ([*MODE, '--n-batches', '-1'],
     '--n-batches must be a positive integer, got'),
    ([*MODE, '--n-fields', '0'],
     '--n-fields must be a positive integer, got 0'),
    ([*MODE, '--batch-size', '1'], '--batch-size must be at least 2, got 1'),
    ([*MODE, '--learning-rate', 'nan'], '--learning-rate must be a positive'),
    ([*MODE, '--seed', '-3'], '--seed must not be negative, got -3'),
    ([*MODE, '--aperture', '99'], '--aperture must be at most 18 arcsec'),
    ([*MODE, '--network', 'mine'], '--network must be'),
    ([*MODE, '--output', 'mine.fits'],
     '--output must end with .safetensors, got mine.fits'),
    ([*MODE, '--output', 'map.fits/mine.safetensors'], 'is not a folder'),
    ([*MODE, '--output', 'tiny.safetensors'],
     'tiny.safetensors exists; use --overwrite'),
    ([*MODE, '--catalog', 'catalog.ecsv'],
     '--catalog must name one file per MAP (0), got 1'),
    (['no.fits', *MODE], 'map: there is no file no.fits'),
    (['map.fits', *MODE, '--validation', 'no.fits'],
     'map: there is no file no.fits'),
    (['catalog.csv', *MODE], 'map is no readable FITS file: catalog.csv'),
    (['map.fits', *MODE, '--catalog', 'no.csv'],
     'catalog: there is no file no.csv'),
])
def test_errors_before_the_training(folder, no_training, capsys, args,
                                    expected):
    before = sorted(folder.iterdir())
    assert expected in fails(capsys, *args)
    assert sorted(folder.iterdir()) == before


def test_validation_figures(capsys):
    train._print_validation({
        'flux_error': {'snr': [4.1, 20.0], 'factor': [0.9, 1.25]},
        'hole_error': {'snr': [4.1, 20.0], 'factor': [1.0, 1.1]}})
    title, header, _, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith('Validation: factors on the errors')
    assert header.split() == ['snr', 'flux_error', 'hole_error']
    assert rows[1].split() == ['20.0', '1.25', '1.1']


def test_options_of_values():
    words = format_options(CompactSourceRemover, {
        'mode': 'parallel', 'band': 'red', 'weights': 'my network',
        'network': 'inpainting', 'apertures': [5.0, 8.5] * u.arcsec,
        'batch_size': 64, 'cutout_size': 96, 'recenter': True,
        'progress_bar': True})
    assert shlex.join(words) == (
        '--mode parallel --band red --network inpainting --weights '
        "'my network' --aperture 5 8.5 --cutout-size 96 --recenter")


@pytest.mark.parametrize(('args', 'expected'), [
    (['--weights', 'nothing'], '--weights must be a file or the name of'),
    (['--weights', 'tiny.safetensors', '--network', 'inpainting'],
     "are of network 'separation'"),
    (['--device', 'abacus'], '--device must be'),
])
def test_errors_of_the_library(folder, capsys, args, expected):
    assert expected in fails(capsys, *SIMULATED, *args)
    assert not list(folder.glob('*checkpoint*'))
