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

from compact_removal.nn.augment import RandomTransform
from compact_removal.nn.devices import has_bfloat16, resolve_device
from compact_removal.nn.losses import InpaintingLoss
from compact_removal.nn.models import make_model
from compact_removal.nn.training import TrainingDivergedError, train


class Batches:
    """
    Smooth fields with a hole; the seed and the epoch define them.
    """

    def __init__(self, seed, n_batches=2, n_images=2):
        self.seed = seed
        self.n_batches = n_batches
        self.n_images = n_images

    def epoch(self, index):
        rng = np.random.default_rng([self.seed, index])
        y, x = np.mgrid[:96, :96]
        validity = np.hypot(x - 48, y - 48) > 8
        for _ in range(self.n_batches):
            phase = rng.uniform(0, 6, (3, self.n_images, 1, 1))
            target = np.sin(0.1 * x + phase[0]) + np.sin(0.1 * y + phase[1])
            target *= phase[2]
            batch = {'image': np.where(validity, target, 100.0),
                     'validity': np.broadcast_to(validity, target.shape),
                     'target': target,
                     'aperture': np.broadcast_to(~validity, target.shape)}
            yield {key: plane.astype(np.float32)
                   for key, plane in batch.items()}


class Faulty(Batches):
    """
    Batches of which one is not what it should be.
    """

    def __init__(self, *args, epoch, fault, **kwargs):
        super().__init__(*args, **kwargs)
        self.bad_epoch = epoch
        self.fault = fault

    def epoch(self, index):
        for step, batch in enumerate(super().epoch(index)):
            if index == self.bad_epoch and step == 1:
                batch = self.fault(batch)
            yield batch


def stop(batch):
    raise KeyboardInterrupt


def fast_loss(**kwargs):
    return InpaintingLoss(**{'style': 0, 'ssim': 0} | kwargs)


def run(batches=None, *, seed=1, **kwargs):
    model = make_model('inpainting', width=1, seed=1)
    options = {'n_epochs': 4, 'loss': fast_loss(), 'device': 'cpu'} | kwargs
    batches = Batches(seed) if batches is None else batches
    return model, train(model, batches, Batches(99, 1), **options)


@pytest.mark.slow
def test_loss_falls():
    _, history = run(Batches(1, 5, 4), n_epochs=6, learning_rate=0.01,
                     loss=InpaintingLoss(flux=0.01))
    assert history['epoch'] == list(range(6))
    losses = history['validation_loss']
    assert min(losses) < 0.9 * losses[0]
    assert history['loss'][-1] < 0.7 * history['loss'][0]
    assert history['valid'][-1] < 0.5 * history['valid'][0]
    terms = {'valid', 'hole', 'style', 'ssim', 'source', 'flux'}
    assert set(history) == {
        'epoch', 'learning_rate', 'loss', 'validation_loss', *terms,
        *(f'validation_{term}' for term in terms)}
    assert {len(values) for values in history.values()} == {6}


def test_input_is_not_changed_and_state_is_kept():
    state = torch.get_rng_state()
    batches = list(Batches(1).epoch(0))
    copies = [{key: plane.copy() for key, plane in batch.items()}
              for batch in batches]
    for batch in batches:
        for plane in batch.values():
            plane.flags.writeable = False

    class Fixed:
        def epoch(self, index):
            return batches

    model, _ = run(Fixed(), n_epochs=1, augment=RandomTransform())
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
    options = {'scheduler': scheduler, 'augment': RandomTransform(),
               'patience': 0}
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

        def epoch(self, index):
            for batch in super().epoch(index):
                if index >= 2:
                    batch['target'] = batch['target'] + 30
                yield batch

    model, history = run(Worse(1), n_epochs=5, learning_rate=0.02)
    losses = history['validation_loss']
    assert np.argmin(losses) < 4
    model.eval()
    batch = {key: torch.as_tensor(plane)
             for key, plane in next(Batches(99, 1).epoch(0)).items()}
    with torch.no_grad():
        best = model.compute_loss(batch, fast_loss())[0].item()
    assert best == pytest.approx(min(losses), rel=1e-5)


def test_cosine_and_plateau():
    rates = run(scheduler='cosine')[1]['learning_rate']
    np.testing.assert_allclose(
        rates, 0.0025 * (1 + np.cos(np.pi * np.arange(4) / 4)))

    class Same:
        """
        Validation data that give the same loss again and again.
        """

        def epoch(self, index):
            batch = next(Batches(1).epoch(0))
            batch['target'] = batch['target'] * np.nan
            yield batch

    model = make_model('inpainting', width=1, seed=1)
    history = train(model, Batches(1, 1), Same(), n_epochs=5,
                    loss=fast_loss(source=0), patience=1, factor=0.1,
                    device='cpu')
    np.testing.assert_allclose(history['learning_rate'],
                               [5e-3, 5e-3, 5e-3, 5e-4, 5e-4])


def spoil(batch):
    batch['aperture'][batch['aperture'] > 0] = np.inf
    return batch


def test_diverged(tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    options = {'checkpoint': path, 'loss': fast_loss(flux=1.0)}
    with pytest.raises(TrainingDivergedError,
                       match='epoch 2, step 1.*not finite: flux'):
        run(Faulty(1, epoch=2, fault=spoil), **options)
    with safe_open(path, framework='pt') as file:
        state = json.loads(file.metadata()['state'])
        assert all(torch.isfinite(file.get_tensor(key)).all()
                   for key in file.keys())
    assert state['history']['epoch'] == [0, 1]
    assert run(**options)[1] == run(loss=fast_loss(flux=1.0))[1]
    assert issubclass(TrainingDivergedError, RuntimeError)


def test_diverged_in_validation():
    model = make_model('inpainting', width=1, seed=1)
    with pytest.raises(TrainingDivergedError, match='validation after epoch'):
        train(model, Batches(1, 1), Faulty(1, epoch=0, fault=spoil),
              n_epochs=1, loss=fast_loss(flux=1.0), device='cpu')


def test_gradient_that_is_not_finite():
    plain = fast_loss()

    def steep(*args, **kwargs):
        # itself finite: the slope of the root at zero is not
        total, terms = plain(*args, **kwargs)
        return total + (total - total.detach()).clamp(min=0).sqrt(), terms

    with pytest.raises(TrainingDivergedError,
                       match='step 0: the gradient is not finite .*valid'):
        run(loss=steep)


def test_devices_without_bfloat16():
    assert not has_bfloat16(torch.device('cuda'))


def test_gradient_clipping():
    model = make_model('inpainting', width=1, seed=1)
    before = {key: tensor.clone() for key, tensor
              in model.named_parameters()}
    train(model, Batches(1, 1), Batches(2, 1), n_epochs=1, max_norm=0.0,
          loss=fast_loss(), device='cpu')
    for key, tensor in model.named_parameters():
        assert torch.equal(tensor, before[key])


def test_no_batches():
    with pytest.raises(ValueError, match='^batches must give'):
        run(Batches(1, 0))
    model = make_model('inpainting', width=1, seed=1)
    with pytest.raises(ValueError, match='^validation_batches must give'):
        train(model, Batches(1, 1), Batches(1, 0), n_epochs=1,
              loss=fast_loss(), device='cpu')


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="^scheduler must be 'plateau'"):
        run(scheduler='step')
    with pytest.raises(ValueError, match="^device must be 'auto'"):
        run(device='abacus')
    assert resolve_device('auto').type in ('cpu', 'cuda')


def test_bad_checkpoint(tmp_path):
    path = tmp_path / 'checkpoint.safetensors'
    path.write_bytes(b'not tensors')
    with pytest.raises(ValueError, match='^checkpoint.*not a safetensors'):
        run(checkpoint=path)
    save_file({'a': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='^checkpoint.*not written by'):
        run(checkpoint=path)
    path.unlink()
    run(checkpoint=path, n_epochs=1)
    with pytest.raises(ValueError, match='^checkpoint.*scheduler'):
        run(checkpoint=path, scheduler='cosine')
    model = make_model('inpainting', width=2, seed=1)
    with pytest.raises(ValueError, match='^checkpoint.*must have shape'):
        train(model, Batches(1), Batches(2), checkpoint=path, device='cpu')


def test_progress_bar(capsys):
    run(n_epochs=1, progress_bar=True)
    assert '1/1' in capsys.readouterr().err
    run(n_epochs=1)
    assert capsys.readouterr().err == ''


def test_errors_in_batches_are_raised():
    class Broken:
        def epoch(self, i):
            yield {'image': np.ones((2, 96, 96)),
                   'validity': np.ones((2, 96, 96)),
                   'target': np.ones((2, 96, 96))}
            msg = 'disk on fire'
            raise OSError(msg)

    model = make_model('inpainting', width=1, seed=1)
    with pytest.raises(OSError, match='disk on fire'):
        train(model, Broken(), Broken(), n_epochs=1)
