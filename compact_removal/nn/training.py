# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training with validation, checkpoints and exact resumption.
"""

import contextlib
import copy
import logging
import math
import sys
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from compact_removal.nn.checkpoints import load_checkpoint, save_checkpoint
from compact_removal.nn.devices import resolve_device
from compact_removal.nn.loading import BatchLoader
from compact_removal.nn.settings import TrainingSettings
from compact_removal.utils.files import resolve_path
from compact_removal.utils.progress import bar_shape

__all__ = ['TrainingDivergedError', 'train']

_log = logging.getLogger(__name__)

# After so many steps losses are checked: each look waits for the device.
_CHECK_EVERY = 10


class TrainingDivergedError(RuntimeError):
    """
    The loss, one of its terms or its gradient is not finite.

    Examples
    --------
    >>> from compact_removal.nn import TrainingDivergedError
    >>> raise TrainingDivergedError('the loss is nan')
    Traceback (most recent call last):
    ...
    compact_removal.nn.training.TrainingDivergedError: the loss is nan
    """


def train(model, batches, validation_batches, settings=None, *, loss=None,
          augment=None, description=None, progress_bar=False, seed=0,
          device='auto'):
    """
    Train a model; keep the weights that are best on validation data.

    Adam with a learning rate that falls (Section 3.5 of the paper). An
    epoch depends on the state at its start, ``seed`` and its number
    only. So a run that was killed and is called again with the same
    arguments continues from its checkpoint and gives the same history
    as one that was not.

    Parameters
    ----------
    model : `Model`
        The model. Changed in place: ends with the best weights, in
        evaluation mode, on ``device``.
    batches : object
        ``len(batches)`` is the number of batches of an epoch, and
        ``batches.batch(epoch, number)`` returns one: a dict of arrays
        with the names in ``model.inputs`` and ``model.targets``. It is
        called in worker processes, in any order.
    validation_batches : object
        The same; epoch 0 is used every time.
    settings : `TrainingSettings`, optional
        How to train.
    loss : callable, optional
        Default: ``model.make_loss()``.
    augment : callable, optional
        ``augment(batch, rng, fields)`` returns a changed batch of
        tensors, see `~compact_removal.nn.RandomTransform`; its ``repr``
        says what it does.
    description : dict, optional
        What else decides on the result, such as the data. A checkpoint
        with another one is refused. JSON must be able to hold it.
    progress_bar : bool, optional
        Whether to show progress.
    seed : int, optional
        Seed of the augmentation and of random numbers in the model, with
        the numbers of epoch and step.
    device : str, optional
        See `~compact_removal.nn.resolve_device`.

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
    ParameterError
        If an argument is not allowed or the checkpoint is not one of
        this training.

    Examples
    --------
    >>> from compact_removal import nn
    >>> from compact_removal.removal import TrainingCutouts, build_model
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=48,
    ...                           batch_size=2, n_batches=1, n_fields=1,
    ...                           field_size=64, n_psfs=2, seed=1)
    >>> history = nn.train(build_model('separation', width=1, seed=1),
    ...                    cutouts, cutouts, nn.TrainingSettings(n_epochs=1))
    >>> history['epoch']
    [0]
    """
    settings = TrainingSettings() if settings is None else settings
    run = _Run(model, settings, resolve_device(device), int(seed),
               model.make_loss() if loss is None else loss, augment,
               {} if description is None else description)
    checkpoint = settings.checkpoint
    if checkpoint is not None:
        checkpoint = resolve_path(checkpoint)
        if checkpoint.exists():
            load_checkpoint(checkpoint, run)
    sources = {'batches': batches, 'validation_batches': validation_batches}
    start, n_epochs = len(run.history['epoch']), settings.n_epochs
    with (BatchLoader(sources, run.fields,
                      n_workers=settings.n_workers) as loader,
          tqdm(total=n_epochs, initial=start, unit='epoch', miniters=0,
               disable=not progress_bar, **bar_shape(sys.stderr)) as bar):
        for epoch in range(start, n_epochs):
            record = run.train_epoch(loader, epoch, bar)
            record |= run.validate(loader, epoch)
            run.finish_epoch(record)
            if checkpoint is not None:
                save_checkpoint(checkpoint, run)
            bar.update()
            bar.set_postfix(loss=record['loss'],
                            validation=record['validation_loss'])
            _log.info('epoch %d of %d: loss %.4g, validation loss %.4g',
                      epoch + 1, n_epochs, record['loss'],
                      record['validation_loss'])
    if run.best is not None:
        model.load_state_dict(run.best)
    model.eval()
    return run.history


@dataclass
class _Run:
    """
    The state of a training.
    """

    model: torch.nn.Module
    settings: TrainingSettings
    device: torch.device
    seed: int
    loss: object
    augment: object
    description: dict
    history: dict = field(default_factory=lambda: {'epoch': []})
    best: dict | None = None
    best_loss: float = math.inf

    def __post_init__(self):
        self.fields = {**self.model.inputs, **self.model.targets}
        if isinstance(self.loss, torch.nn.Module):
            self.loss = self.loss.to(self.device)
        self.model.to(device=self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.model.parameters(),
                                          lr=self.settings.learning_rate)
        if self.settings.scheduler == 'plateau':
            self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
                self.optimizer, patience=self.settings.patience,
                factor=self.settings.factor)
        else:
            self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
                self.optimizer, T_max=self.settings.n_epochs)

    def describe(self):
        """
        All that decides on the result.
        """
        return {**self.settings.to_dict(), 'seed': self.seed,
                'augment': None if self.augment is None
                else repr(self.augment),
                'config': dict(self.model.config), **self.description}

    def train_epoch(self, loader, epoch, bar):
        """
        Take one step per batch and return the means.
        """
        model, optimizer = self.model, self.optimizer
        record = {'epoch': epoch,
                  'learning_rate': optimizer.param_groups[0]['lr']}
        model.train()
        means = _Means(f'in epoch {epoch}, step')
        with (self._own_random_numbers(epoch),
              contextlib.closing(loader.epoch('batches', epoch)) as batches):
            for step, batch in enumerate(batches):
                batch = self._to_device(batch)
                if self.augment is not None:
                    rng = np.random.default_rng([self.seed, epoch, step])
                    batch = self.augment(batch, rng, self.fields)
                with torch.autocast(self.device.type, dtype=torch.bfloat16,
                                    enabled=self.settings.mixed_precision):
                    total, terms = model.compute_loss(batch, self.loss)
                optimizer.zero_grad(set_to_none=True)
                total.backward()
                norm = torch.nn.utils.clip_grad_norm_(
                    model.parameters(), self.settings.max_norm)
                optimizer.step()
                means.add(total, terms, _count(batch), norm)
                bar.set_postfix(step=step, loss=means.last, refresh=False)
                bar.update(0)
        return record | means.get()

    @contextlib.contextmanager
    def _own_random_numbers(self, epoch):
        """
        Random numbers of PyTorch that the seed and the epoch decide.

        Layers such as dropout draw them. Those of the user stay.
        """
        devices = [self.device] if self.device.type == 'cuda' else []
        seed = np.random.SeedSequence([self.seed, epoch])
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(seed.generate_state(1)[0]))
            yield

    def validate(self, loader, epoch):
        """
        Return the means over the validation batches.
        """
        self.model.eval()
        means = _Means(f'in validation after epoch {epoch}, step')
        with (torch.no_grad(), self._own_random_numbers(0),
              contextlib.closing(
                  loader.epoch('validation_batches', 0)) as batches):
            for batch in batches:
                batch = self._to_device(batch)
                total, terms = self.model.compute_loss(batch, self.loss)
                means.add(total, terms, _count(batch))
        return means.get('validation_')

    def finish_epoch(self, record):
        """
        Keep the record, the best weights, and the next learning rate.
        """
        for key, value in record.items():
            self.history.setdefault(key, []).append(value)
        current = record['validation_loss']
        if current < self.best_loss:
            self.best_loss = current
            self.best = copy.deepcopy(self.model.state_dict())
        if self.settings.scheduler == 'plateau':
            self.schedule.step(current)
        else:
            self.schedule.step()

    def _to_device(self, batch):
        """
        Move the tensors of a batch.
        """
        return {name: value.to(self.device) for name, value in batch.items()}


def _count(batch):
    """
    Number of cutouts of a batch.
    """
    return len(next(iter(batch.values())))


class _Means:
    """
    Means of the loss and its terms, weighted by the batch size.

    Values are looked at every few steps.
    """

    def __init__(self, where):
        self.last = math.nan
        self._where = where
        self._sums, self._count, self._n_steps = {}, 0, 0
        self._waiting = []

    def add(self, total, terms, n_images, norm=None):
        """
        Add the values of a step.
        """
        values = {'loss': total, **terms}
        values = {name: value.detach().double()
                  for name, value in values.items()}
        for name, value in values.items():
            self._sums[name] = (self._sums.get(name, 0.0)
                                + value * n_images)
        self._count += n_images
        if norm is not None:
            values['gradient'] = norm.detach().double()
        self._waiting.append(torch.stack(list(values.values())))
        self._names = list(values)
        self._n_steps += 1
        if len(self._waiting) == _CHECK_EVERY:
            self._check()

    def _check(self):
        """
        Raise an error that names the first values that are not finite.
        """
        if not self._waiting:
            return
        rows = torch.stack(self._waiting).cpu().numpy()
        first = self._n_steps - len(rows)
        self._waiting = []
        self.last = float(rows[-1, 0])
        finite = np.isfinite(rows)
        if finite.all():
            return
        step = int(np.argmin(finite.all(axis=1)))
        bad = [name for name, good in zip(self._names, finite[step],
                                          strict=True) if not good]
        where = f'{self._where} {first + step}'
        if bad == ['gradient']:
            terms = [name for name in self._names
                     if name not in ('loss', 'gradient')]
            msg = (f'training diverged {where}: the gradient is not finite '
                   f'(terms: {", ".join(terms)})')
            raise TrainingDivergedError(msg)
        terms = [name for name in bad if name not in ('loss', 'gradient')]
        msg = (f'training diverged {where}: the loss is {rows[step, 0]}; '
               f'terms that are not finite: {", ".join(terms) or "none"}')
        raise TrainingDivergedError(msg)

    def get(self, prefix=''):
        """
        Return the means, with a prefix to their names.
        """
        self._check()
        return {prefix + name: float(value) / self._count
                for name, value in self._sums.items()}
