# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training with validation, checkpoints and exact resumption.
"""

import copy
import json
import logging
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from compact_removal.nn.devices import resolve_device
from compact_removal.nn.losses import InpaintingLoss
from compact_removal.nn.weights import check_state, to_saveable
from compact_removal.utils.files import replace_file
from compact_removal.utils.progress import bar_shape

__all__ = ['TrainingDivergedError', 'train']

_log = logging.getLogger(__name__)

_CHECKPOINT_FORMAT = 'compact_removal training checkpoint 1'
_KEYS = ('image', 'validity', 'target', 'aperture', 'sources', 'fwhm',
         'psf_error')


class TrainingDivergedError(RuntimeError):
    """
    The loss, one of its terms or its gradient is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from compact_removal.nn.models import make_model
    >>> from compact_removal.nn.training import TrainingDivergedError, train
    >>> class Batches:
    ...     def epoch(self, i):
    ...         ones = np.ones((2, 96, 96), dtype=np.float32)
    ...         yield {'image': ones, 'validity': ones, 'target': ones}
    >>> def loss(*args):
    ...     return torch.tensor(torch.nan), {'hole': torch.tensor(torch.nan)}
    >>> try:
    ...     train(make_model('inpainting', width=1), Batches(), Batches(),
    ...           loss=loss)
    ... except TrainingDivergedError as error:
    ...     print(error)
    training diverged in epoch 0, step 0: the loss is nan; terms that are
    not finite: hole
    """


def train(model, batches, validation_batches, *, loss=None, n_epochs=100,
          learning_rate=0.005, scheduler='plateau', patience=5, factor=0.5,
          max_norm=1.0, mixed_precision=False, augment=None, checkpoint=None,
          progress_bar=False, seed=0, device='auto'):
    """
    Train a model; keep the weights that are best on validation data.

    Adam with a learning rate that falls (Section 3.5 of the paper). An
    epoch depends on the state at its start, ``seed`` and its number
    only. So a run that was killed and is called again with the same
    arguments continues from its checkpoint and gives the same history
    as one that was not.

    Parameters
    ----------
    model : `torch.nn.Module`
        From `~compact_removal.removal.make_model`. Changed in place:
        ends with the best weights, in evaluation mode, on ``device``.
    batches : object
        ``batches.epoch(i)`` gives the batches of epoch i (from 0): dicts
        of float32 arrays ``image``, ``validity``, ``target`` and
        optionally ``aperture``, each (n, ny, nx) with n >= 2; for
        separation also ``sources``, (n, ny, nx), and ``fwhm`` and
        ``psf_error``, (n,). The target is NaN where the background is
        not known.
    validation_batches : object
        The same; ``epoch(0)`` is used every time.
    loss : callable, optional
        By default `~compact_removal.removal.InpaintingLoss` with the
        weights of the paper.
    n_epochs : int, optional
        Number of epochs in all, those before a resumption included.
    learning_rate : float, optional
        The first learning rate.
    scheduler : {'plateau', 'cosine'}, optional
        ``'plateau'`` multiplies the learning rate by ``factor`` when
        the validation loss has not fallen for more than ``patience``
        epochs; ``'cosine'`` lets it fall to zero over ``n_epochs``.
    patience : int, optional
        For ``'plateau'``.
    factor : float, optional
        For ``'plateau'``.
    max_norm : float, optional
        Gradients with a larger norm are scaled down to it.
    mixed_precision : bool, optional
        Whether convolutions run in bfloat16, which is faster on
        processors that have it. Weights stay in single precision.
    augment : callable, optional
        ``augment(batch, rng)`` returns a changed batch of tensors; see
        `compact_removal.nn.augment`.
    checkpoint : str or path-like, optional
        A safetensors file, replaced after every epoch. If it exists,
        training continues from it.
    progress_bar : bool, optional
        Whether to show progress.
    seed : int, optional
        Seed of the augmentation.
    device : str, optional
        See `~compact_removal.nn.devices.resolve_device`.

    Returns
    -------
    history : dict of list
        One entry per epoch: ``epoch``, ``learning_rate``, ``loss``,
        ``validation_loss`` and the terms, ``<term>`` and
        ``validation_<term>``.

    Raises
    ------
    TrainingDivergedError
        If the loss is not finite. The checkpoint holds the last good
        epoch.
    ValueError
        If an argument is not allowed or the checkpoint is not one of
        this model.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn.models import make_model
    >>> from compact_removal.nn.training import train
    >>> class Batches:
    ...     def epoch(self, i):
    ...         image = np.random.default_rng(i).normal(size=(2, 96, 96))
    ...         image = image.astype(np.float32)
    ...         yield {'image': image, 'validity': np.ones_like(image),
    ...                'target': image}
    >>> model = make_model('inpainting', width=1, seed=1)
    >>> history = train(model, Batches(), Batches(), n_epochs=1)
    >>> history['epoch']
    [0]
    """
    device = resolve_device(device)
    loss = InpaintingLoss() if loss is None else loss
    if isinstance(loss, torch.nn.Module):
        loss = loss.to(device)
    model.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = _make_scheduler(scheduler, optimizer, n_epochs=n_epochs,
                               patience=patience, factor=factor)
    run = {'model': model, 'optimizer': optimizer, 'schedule': schedule,
           'history': {'epoch': []}, 'best': None,
           'best_loss': math.inf, 'scheduler': scheduler, 'seed': int(seed)}
    if checkpoint is not None and os.path.exists(checkpoint):
        _load_checkpoint(checkpoint, run)

    history = run['history']
    start = len(history['epoch'])
    with tqdm(total=n_epochs, initial=start, unit='epoch', miniters=0,
              disable=not progress_bar, **bar_shape(sys.stderr)) as bar:
        for epoch in range(start, n_epochs):
            record = {'epoch': epoch,
                      'learning_rate': optimizer.param_groups[0]['lr']}
            record |= _train_epoch(model, batches, epoch, loss=loss,
                                   optimizer=optimizer, max_norm=max_norm,
                                   mixed_precision=mixed_precision,
                                   augment=augment, seed=seed,
                                   device=device, bar=bar)
            record |= _validate(model, validation_batches, epoch,
                                loss=loss, device=device)
            for key, value in record.items():
                history.setdefault(key, []).append(value)
            current = record['validation_loss']
            if current < run['best_loss']:
                run['best_loss'] = current
                run['best'] = copy.deepcopy(model.state_dict())
            if scheduler == 'plateau':
                schedule.step(current)
            else:
                schedule.step()
            if checkpoint is not None:
                _save_checkpoint(checkpoint, run)
            bar.update()
            bar.set_postfix(loss=record['loss'], validation=current)
            _log.info('epoch %d of %d: loss %.4g, validation loss %.4g',
                      epoch + 1, n_epochs, record['loss'], current)

    if run['best'] is not None:
        model.load_state_dict(run['best'])
    model.eval()
    return history


def _make_scheduler(name, optimizer, *, n_epochs, patience, factor):
    """
    Make the schedule of learning rates.
    """
    if name == 'plateau':
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, patience=patience, factor=factor)
    if name == 'cosine':
        return torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=max(n_epochs, 1))
    msg = f"scheduler must be 'plateau' or 'cosine', got {name!r}"
    raise ValueError(msg)


def _to_tensors(batch, device):
    """
    Turn the arrays of a batch into float32 tensors.
    """
    # Copies: an array of the caller may be read-only.
    return {key: torch.as_tensor(np.array(batch[key], dtype=np.float32),
                                 device=device)
            for key in _KEYS if batch.get(key) is not None}


def _prefetch(batches):
    """
    Iterate in a thread that is one item ahead.
    """
    with ThreadPoolExecutor(1) as executor:
        batches = iter(batches)
        future = executor.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = executor.submit(next, batches, None)
            yield batch


def _check_finite(total, terms, *, where):
    """
    Raise an error that names the first term that is not finite.
    """
    if torch.isfinite(total):
        return
    bad = [name for name, term in terms.items() if not torch.isfinite(term)]
    msg = (f'training diverged {where}: the loss is {total.item()}; terms '
           f'that are not finite: {", ".join(bad) or "none"}')
    raise TrainingDivergedError(msg)


class _Means:
    """
    Means of the loss and its terms, weighted by the batch size.
    """

    def __init__(self):
        self.sums = {}
        self.count = 0

    def add(self, total, terms, n_images):
        values = {'loss': total, **terms}
        for name, value in values.items():
            value = value.detach().double() * n_images
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += n_images

    def get(self, prefix=''):
        return {prefix + name: float(value) / self.count
                for name, value in self.sums.items()}


def _train_epoch(model, batches, epoch, *, loss, optimizer, max_norm,
                 mixed_precision, augment, seed, device, bar):
    """
    Take one step per batch and return the means.
    """
    model.train()
    rng = np.random.default_rng([int(seed), epoch])
    means = _Means()
    for step, batch in enumerate(_prefetch(batches.epoch(epoch))):
        batch = _to_tensors(batch, device)
        if augment is not None:
            batch = augment(batch, rng)
        with torch.autocast(device.type, dtype=torch.bfloat16,
                            enabled=mixed_precision):
            total, terms = model.compute_loss(batch, loss)
        where = f'in epoch {epoch}, step {step}'
        _check_finite(total, terms, where=where)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        if not torch.isfinite(norm):
            msg = (f'training diverged {where}: the gradient is not finite '
                   f'(terms: {", ".join(terms)})')
            raise TrainingDivergedError(msg)
        optimizer.step()
        means.add(total, terms, len(batch['image']))
        bar.set_postfix(step=step, loss=total.item(), refresh=False)
        bar.update(0)
    if means.count == 0:
        msg = f'batches must give at least one batch, epoch {epoch} has none'
        raise ValueError(msg)
    return means.get()


def _validate(model, batches, epoch, *, loss, device):
    """
    Return the means over the validation batches.
    """
    model.eval()
    means = _Means()
    with torch.no_grad():
        for step, batch in enumerate(_prefetch(batches.epoch(0))):
            batch = _to_tensors(batch, device)
            total, terms = model.compute_loss(batch, loss)
            _check_finite(total, terms,
                          where=f'in validation after epoch {epoch}, '
                                f'step {step}')
            means.add(total, terms, len(batch['image']))
    if means.count == 0:
        msg = 'validation_batches must give at least one batch'
        raise ValueError(msg)
    return means.get('validation_')


def _save_checkpoint(path, run):
    """
    Write tensors as safetensors and everything else as JSON, atomically.
    """
    tensors = {f'model.{key}': value
               for key, value in run['model'].state_dict().items()}
    tensors |= {f'best.{key}': value
                for key, value in (run['best'] or {}).items()}
    state = run['optimizer'].state_dict()
    for index, values in state['state'].items():
        tensors |= {f'optimizer.{index}.{key}': torch.as_tensor(value)
                    for key, value in values.items()}
    header = {'history': run['history'], 'best_loss': run['best_loss'],
              'param_groups': state['param_groups'],
              'scheduler': run['scheduler'], 'seed': run['seed'],
              'schedule': run['schedule'].state_dict()}
    metadata = {'format': _CHECKPOINT_FORMAT, 'state': json.dumps(header)}
    with replace_file(path) as temporary:
        save_file(to_saveable(tensors), temporary, metadata=metadata)


def _load_checkpoint(path, run):
    """
    Restore the state of a run.
    """
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        msg = f'checkpoint {path} is not a safetensors file ({error})'
        raise ValueError(msg) from error
    if metadata.get('format') != _CHECKPOINT_FORMAT:
        msg = f'checkpoint {path} was not written by train()'
        raise ValueError(msg)
    header = json.loads(metadata['state'])
    for key in ('scheduler', 'seed'):
        if header[key] != run[key]:
            msg = (f'checkpoint {path} has {key}={header[key]!r}, but '
                   f'{key}={run[key]!r} was asked for')
            raise ValueError(msg)

    parts = {'model': {}, 'best': {}, 'optimizer': {}}
    for key, value in tensors.items():
        part, key = key.split('.', 1)
        parts[part][key] = value
    check_state(run['model'], parts['model'], name=f'checkpoint {path}')
    run['model'].load_state_dict(parts['model'])
    run['best'] = parts['best'] or None
    state = {}
    for key, value in parts['optimizer'].items():
        index, key = key.split('.', 1)
        state.setdefault(int(index), {})[key] = value
    run['optimizer'].load_state_dict(
        {'state': state, 'param_groups': header['param_groups']})
    run['schedule'].load_state_dict(header['schedule'])
    run['history'] = header['history']
    run['best_loss'] = header['best_loss']
