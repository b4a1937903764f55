# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the training module.
"""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from compact_removal.nn import (RandomTransform, TrainingDivergedError,
                                TrainingSettings, resolve_device, train)
from compact_removal.nn.devices import has_bfloat16
from compact_removal.removal import build_model
from compact_removal.removal.loss_paper import PaperLoss


class Batches:
    """
    Smooth fields with a hole; the seed and the epoch define them.
    """

    def __init__(self, seed, n_batches=2, n_images=2):
        self.seed = seed
        self.n_batches = n_batches
        self.n_images = n_images

    def __len__(self):
        return self.n_batches

    def batch(self, epoch, number):
        rng = np.random.default_rng([self.seed, epoch, number])
        y, x = np.mgrid[:96, :96]
        validity = np.hypot(x - 48, y - 48) > 8
        phase = rng.uniform(0, 6, (3, self.n_images, 1, 1))
        target = np.sin(0.1 * x + phase[0]) + np.sin(0.1 * y + phase[1])
        target *= phase[2]
        batch = {'image': np.where(validity, target, 100.0),
                 'validity': np.broadcast_to(validity, target.shape),
                 'target': target}
        return {key: plane.astype(np.float32) for key, plane in batch.items()}


class Faulty(Batches):
    """
    Batches of which one is not what it should be.
    """

    def __init__(self, *args, epoch, fault, **kwargs):
        super().__init__(*args, **kwargs)
        self.bad_epoch = epoch
        self.fault = fault

    def batch(self, epoch, number):
        batch = super().batch(epoch, number)
        if (epoch, number) == (self.bad_epoch, 1):
            batch = self.fault(batch)
        return batch


def stop(batch):
    raise KeyboardInterrupt


def fast_loss(**kwargs):
    return PaperLoss(**{'style': 0, 'ssim': 0} | kwargs)


def run(batches=None, validation=None, *, network='paper', seed=1,
        width=1, loss=None, augment=None, checkpoint=None,
        progress_bar=False, device='cpu', description=None, **kwargs):
    model = build_model(network, width=width, seed=1)
    settings = TrainingSettings(**{
        'n_epochs': 4, 'n_workers': 0, 'checkpoint': checkpoint} | kwargs)
    return model, train(
        model, Batches(seed) if batches is None else batches,
        Batches(99, 1) if validation is None else validation, settings,
        loss=fast_loss() if loss is None else loss, augment=augment,
        progress_bar=progress_bar, device=device, description=description)


@pytest.mark.slow
def test_loss_falls():
    # this network does not begin with a fill that is good already
    _, history = run(Batches(1, 5, 4), network='paper', n_epochs=9,
                     learning_rate=0.01, loss=PaperLoss())
    assert history['epoch'] == list(range(9))
    losses = history['validation_loss']
    assert min(losses) < 0.9 * losses[0]
    assert history['loss'][-1] < 0.7 * history['loss'][0]
    assert history['valid'][-1] < 0.5 * history['valid'][0]
    terms = {'valid', 'hole', 'style', 'ssim', 'source'}
    assert set(history) == {
        'epoch', 'learning_rate', 'loss', 'validation_loss', *terms,
        *(f'validation_{term}' for term in terms)}
    assert {len(values) for values in history.values()} == {9}


def test_input_is_not_changed_and_state_is_kept():
    state = torch.get_rng_state()
    batches = [Batches(1).batch(0, i) for i in range(2)]
    copies = [{key: plane.copy() for key, plane in batch.items()}
              for batch in batches]
    for batch in batches:
        for plane in batch.values():
            plane.flags.writeable = False

    class Fixed(Batches):
        def batch(self, epoch, number):
            return batches[number]

    model, _ = run(Fixed(1), n_epochs=1, augment=RandomTransform())
    assert not model.training
    assert torch.equal(torch.get_rng_state(), state)
    for batch, copy in zip(batches, copies, strict=True):
        for key, plane in batch.items():
            np.testing.assert_array_equal(plane, copy[key])


@pytest.mark.slow
def test_deterministic():
    first_model, first = run(augment=RandomTransform(), seed=3)
    second_model, second = run(augment=RandomTransform(), seed=3)
    assert first == second
    for key, tensor in first_model.state_dict().items():
        assert torch.equal(tensor, second_model.state_dict()[key])
    assert run(seed=4)[1] != first


@pytest.mark.parametrize('scheduler', ['plateau', 'cosine'])
def test_resume(scheduler, tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    options = {'scheduler': scheduler, 'augment': RandomTransform()}
    if scheduler == 'plateau':
        options['patience'] = 0
    expected_model, expected = run(**options)
    with pytest.raises(KeyboardInterrupt):
        run(Faulty(1, epoch=2, fault=stop), checkpoint=path, **options)
    assert path.exists()
    model, history = run(checkpoint=path, **options)
    assert history == expected
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected_model.state_dict()[key])
    # A finished run is not repeated.
    assert run(Faulty(1, epoch=3, fault=stop), checkpoint=path,
               **options)[1] == expected
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_checkpoint_has_no_pickle(tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    run(checkpoint=path, n_epochs=1)
    with safe_open(path, framework='pt') as file:
        state = json.loads(file.metadata()['state'])
        parts = {key.split('.')[0] for key in file.keys()}
    assert len(state['history']['loss']) == 1
    assert parts == {'model', 'best', 'optimizer'}


def test_best_weights_are_kept(tmp_path):
    class Worse(Batches):
        """
        From epoch 2 on, the target is far from that of the validation.
        """

        def batch(self, epoch, number):
            batch = super().batch(epoch, number)
            if epoch >= 2:
                batch['target'] = batch['target'] + 3000
            return batch

    model, history = run(Worse(1), n_epochs=5, learning_rate=0.02)
    losses = history['validation_loss']
    assert np.argmin(losses) < 4
    model.eval()
    batch = {key: torch.as_tensor(plane)
             for key, plane in Batches(99, 1).batch(0, 0).items()}
    with torch.no_grad():
        best = model.compute_loss(batch, fast_loss())[0].item()
    assert best == pytest.approx(min(losses), rel=1e-5)


def test_cosine_and_plateau():
    rates = run(scheduler='cosine')[1]['learning_rate']
    np.testing.assert_allclose(
        rates, 0.0025 * (1 + np.cos(np.pi * np.arange(4) / 4)))

    class Same(Batches):
        """
        Validation data that give the same loss again and again.
        """

        def batch(self, epoch, number):
            batch = super().batch(epoch, number)
            batch['target'] = batch['target'] * np.nan
            return batch

    _, history = run(Batches(1, 1), Same(1, 1), n_epochs=5, patience=1,
                     factor=0.1, loss=fast_loss(source=0))
    np.testing.assert_allclose(history['learning_rate'],
                               [5e-3, 5e-3, 5e-3, 5e-4, 5e-4])


def spoil(batch):
    # finite, but the sum is not
    batch['target'][batch['validity'] == 0] = 1e38
    return batch


def test_diverged(tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    options = {'checkpoint': path, 'loss': fast_loss()}
    with pytest.raises(TrainingDivergedError,
                       match='epoch 2, step 1.*not finite: hole'):
        run(Faulty(1, epoch=2, fault=spoil), **options)
    with safe_open(path, framework='pt') as file:
        state = json.loads(file.metadata()['state'])
        assert all(torch.isfinite(file.get_tensor(key)).all()
                   for key in file.keys())
    assert state['history']['epoch'] == [0, 1]
    assert run(**options)[1] == run(loss=fast_loss())[1]
    assert issubclass(TrainingDivergedError, RuntimeError)


def test_diverged_in_validation():
    with pytest.raises(TrainingDivergedError,
                       match='validation after epoch 0, step 1'):
        run(Batches(1, 1), Faulty(1, epoch=0, fault=spoil), n_epochs=1,
            loss=fast_loss())


def test_gradient_that_is_not_finite():
    plain = fast_loss()

    def steep(*args, **kwargs):
        # itself finite: the slope of the root at zero is not
        total, terms = plain(*args, **kwargs)
        return total + (total - total.detach()).clamp(min=0).sqrt(), terms

    with pytest.raises(TrainingDivergedError,
                       match='step 0: the gradient is not finite .*valid'):
        run(loss=steep)


@pytest.mark.parametrize(('isa', 'expected'), [
    (None, True), ('ALL', True), ('avx512_core_amx', True),
    ('AVX512_CORE', False), ('AVX512_CORE_BF16', False), ('AVX2', False)])
def test_only_matrix_units_are_fast_in_bfloat16(monkeypatch, isa, expected):
    monkeypatch.setattr(torch.cpu, '_is_amx_tile_supported', lambda: True,
                        raising=False)
    monkeypatch.delenv('ONEDNN_MAX_CPU_ISA', raising=False)
    if isa is not None:
        monkeypatch.setenv('ONEDNN_MAX_CPU_ISA', isa)
    assert has_bfloat16(torch.device('cpu')) == expected
    assert not has_bfloat16(torch.device('cuda'))
    monkeypatch.setattr(torch.cpu, '_is_amx_tile_supported', lambda: False,
                        raising=False)
    assert not has_bfloat16(torch.device('cpu'))


def test_gradient_clipping():
    # Adam does not see the size of gradients but beside its epsilon
    before = build_model('paper', width=1, seed=1).state_dict()
    model, _ = run(Batches(1, 1), n_epochs=1, max_norm=1e-20)
    for key, tensor in model.named_parameters():
        torch.testing.assert_close(tensor, before[key], rtol=0, atol=1e-8)


def test_no_batches():
    with pytest.raises(ValueError, match='^batches must give'):
        run(Batches(1, 0))
    with pytest.raises(ValueError, match='^validation_batches must give'):
        run(Batches(1, 1), Batches(1, 0), n_epochs=1)


def test_devices():
    with pytest.raises(ValueError, match="^device must be 'auto'"):
        run(device='abacus')
    assert resolve_device('auto').type in ('cpu', 'cuda')


def test_bad_checkpoint(tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    path.write_bytes(b'not tensors')
    with pytest.raises(ValueError, match='^checkpoint.*not a safetensors'):
        run(checkpoint=path)
    save_file({'a': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='^checkpoint.*no checkpoint'):
        run(checkpoint=path)
    path.unlink()
    run(checkpoint=path, n_epochs=1)
    with pytest.raises(ValueError, match='^checkpoint.*scheduler'):
        run(checkpoint=path, n_epochs=1, scheduler='cosine')
    with pytest.raises(ValueError, match='^checkpoint.*config'):
        run(checkpoint=path, width=2)


def test_progress_bar(capsys):
    run(n_epochs=1, progress_bar=True)
    assert '1/1' in capsys.readouterr().err
    run(n_epochs=1)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('n_workers', [0, 1])
def test_errors_in_batches_are_raised(n_workers):
    def burn(batch):
        msg = 'disk on fire'
        raise OSError(msg)

    with pytest.raises(OSError, match='disk on fire'):
        run(Faulty(1, epoch=0, fault=burn), n_workers=n_workers)


@pytest.mark.parametrize('n_workers', [1, 2])
def test_workers_have_no_influence(n_workers):
    expected_model, expected = run(n_epochs=2)
    model, history = run(n_epochs=2, n_workers=n_workers)
    assert history == expected
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected_model.state_dict()[key])


@pytest.mark.parametrize(('change', 'match'), [
    (lambda batch: batch.pop('target'), 'missing: target'),
    (lambda batch: batch.update(labels=1), 'not expected: labels')])
def test_batches_have_the_fields_of_the_model(change, match):
    def fault(batch):
        change(batch)
        return batch

    with pytest.raises(ValueError, match=f'^batches must give .*{match}'):
        run(Faulty(1, epoch=0, fault=fault))


def test_default_loss_is_that_of_the_model():
    model = build_model('paper', width=1, seed=1)
    history = train(model, Batches(1, 1), Batches(2, 1),
                    TrainingSettings(n_epochs=1, n_workers=0))
    assert {'style', 'ssim', 'hole'} <= set(history)


def test_extended_training(tmp_path):
    # a plateau does not depend on the length, a cosine does
    path = tmp_path / 'a.safetensors'
    run(checkpoint=path, n_epochs=2)
    _, history = run(checkpoint=path, n_epochs=4)
    assert history == run(n_epochs=4)[1]
    path.unlink()
    run(checkpoint=path, n_epochs=2, scheduler='cosine')
    with pytest.raises(ValueError, match='^checkpoint.*n_epochs=2'):
        run(checkpoint=path, n_epochs=4, scheduler='cosine')


@pytest.mark.parametrize('change', [
    {'learning_rate': 0.05}, {'max_norm': 3.0}, {'patience': 1},
    {'augment': RandomTransform()}, {'description': {'maps': 2}}])
def test_other_settings_do_not_continue(change, tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    run(checkpoint=path, n_epochs=1)
    name, = change
    with pytest.raises(ValueError, match=f'^checkpoint.*{name.split()[0]}'
                       if name != 'description' else '^checkpoint.*maps=2'):
        run(checkpoint=path, n_epochs=2, **change)


def test_random_numbers_of_a_model_are_those_of_seed_and_epoch(tmp_path):
    # layers such as dropout draw them
    class Noisy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.loss, self.drawn = fast_loss(), []

        def forward(self, *args):
            self.drawn.append(torch.rand(1).item())
            total, terms = self.loss(*args)
            return total * (1 + 0.1 * self.drawn[-1]), terms

    first, second = Noisy(), Noisy()
    state = torch.get_rng_state()
    _, expected = run(loss=first)
    torch.manual_seed(7)
    path = tmp_path / 'a.checkpoint'
    with pytest.raises(KeyboardInterrupt):
        run(Faulty(1, epoch=2, fault=stop), loss=Noisy(), checkpoint=path)
    assert run(loss=second, checkpoint=path)[1] == expected
    # two steps and one of the validation in each of four epochs
    steps = [first.drawn[i:i + 2] for i in range(0, len(first.drawn), 3)]
    assert len({tuple(pair) for pair in steps}) == 4
    assert len({first.drawn[i] for i in range(2, 12, 3)}) == 1
    torch.set_rng_state(state)


def test_augmentation_differs_between_epochs_and_steps():
    drawn = []

    def augment(batch, rng, fields):
        drawn.append(rng.random())
        return batch

    run(augment=augment, n_epochs=3)
    assert len(set(drawn)) == len(drawn) == 6
