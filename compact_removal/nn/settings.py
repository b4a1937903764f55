# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Settings of the training, checked when they are made.
"""

import math
import os
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from compact_removal.utils.files import resolve_path
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_choice,
                                              check_positive_integer)

__all__ = ['TrainingSettings']

_SCHEDULERS = ('plateau', 'cosine')
_PLATEAU = {'patience': 5, 'factor': 0.5}


@dataclass(frozen=True)
class TrainingSettings:
    """
    How a model is trained.

    Parameters
    ----------
    n_epochs : int, optional
        Number of epochs in all, those before a resumption included.
    learning_rate : float, optional
        The first learning rate.
    scheduler : {'plateau', 'cosine'}, optional
        ``'plateau'`` multiplies the learning rate by ``factor`` when
        the validation loss has not fallen for more than ``patience``
        epochs; ``'cosine'`` lets it fall to zero over ``n_epochs``.
    patience : int, optional
        For ``'plateau'`` only; default: 5.
    factor : float, optional
        For ``'plateau'`` only; default: 0.5.
    max_norm : float, optional
        Gradients with a larger norm are scaled down to it.
    mixed_precision : bool, optional
        Whether to run convolutions in bfloat16, which is faster on
        processors that have it. Weights stay in single precision.
    n_workers : int, optional
        Processes that make the batches. 0: a thread of this process.
        Default: one less than there are processors, at least 1 and at
        most 4; where processes cannot be forked, 0. It has no influence
        on the result. Each process holds its own copy of what the
        simulator keeps.
    checkpoint : str, optional
        A safetensors file, replaced after every epoch. If it exists,
        training continues from it.

    Raises
    ------
    ParameterError
        If a value is not allowed, or has no effect.

    Examples
    --------
    >>> from compact_removal.nn import TrainingSettings
    >>> TrainingSettings(n_epochs=3).patience
    5
    >>> TrainingSettings(scheduler='cosine', patience=3)
    Traceback (most recent call last):
    ...
    compact_removal.utils.parameters.ParameterError: patience must be None
    with scheduler 'cosine', got 3
    """

    n_epochs: int = 100
    learning_rate: float = 0.005
    scheduler: str = 'plateau'
    patience: int | None = None
    factor: float | None = None
    max_norm: float = 1.0
    mixed_precision: bool = False
    n_workers: int | None = None
    checkpoint: str | None = None

    def __post_init__(self):
        check_positive_integer('n_epochs', self.n_epochs)
        check_choice('scheduler', self.scheduler, _SCHEDULERS)
        for name, default in _PLATEAU.items():
            value = getattr(self, name)
            if self.scheduler == 'plateau':
                if value is None:
                    object.__setattr__(self, name, default)
            elif value is not None:
                msg = (f'{name} must be None with scheduler '
                       f'{self.scheduler!r}, got {value!r}')
                raise ParameterError(msg, name)
        for name in ('learning_rate', 'max_norm'):
            self._check_number(name, math.inf)
        if self.factor is not None:
            self._check_number('factor', 1.0)
        for name in ('patience', 'n_workers'):
            value = getattr(self, name)
            if value is not None and (
                    not isinstance(value, (int, np.integer))
                    or isinstance(value, bool) or value < 0):
                msg = f'{name} must be an integer >= 0, got {value!r}'
                raise ParameterError(msg, name)
        check_boolean('mixed_precision', self.mixed_precision)
        if self.checkpoint is not None and (
                not isinstance(self.checkpoint, (str, os.PathLike))
                or resolve_path(self.checkpoint).is_dir()):
            msg = ('checkpoint must be None or the path of a file, got '
                   f'{self.checkpoint!r}')
            raise ParameterError(msg, 'checkpoint')

    def _check_number(self, name, limit):
        """
        Refuse what is not between 0 and a limit.
        """
        value = getattr(self, name)
        if (not isinstance(value, (int, float, np.number))
                or isinstance(value, bool) or not 0 < value < limit):
            below = '' if limit == math.inf else f' below {limit:g}'
            msg = f'{name} must be a positive number{below}, got {value!r}'
            raise ParameterError(msg, name)

    def _check_counts(self, *names, optional=()):
        """
        Refuse what is no positive integer, or None where that may be.
        """
        for name in (*names, *(name for name in optional
                               if getattr(self, name) is not None)):
            check_positive_integer(name, getattr(self, name))

    @classmethod
    def names(cls):
        """
        List the settings.

        Returns
        -------
        names : list of str
            Their names.
        """
        return [field.name for field in fields(cls)]

    def updated(self, changes, *, parameter='training'):
        """
        Make settings of which some are changed.

        Parameters
        ----------
        changes : dict or None
            New values by name.
        parameter : str, optional
            What the user calls the dict, for messages.

        Returns
        -------
        settings : `~compact_removal.nn.TrainingSettings`
            The new settings.

        Raises
        ------
        ParameterError
            If there is no such setting, or a value is not allowed.
        """
        changes = {} if changes is None else dict(changes)
        unknown = sorted(set(changes) - set(self.names()))
        if unknown:
            msg = (f'{parameter} must only have the keys '
                   f'{", ".join(self.names())}; got {", ".join(unknown)}')
            raise ParameterError(msg, parameter)
        if changes.get('scheduler', self.scheduler) != self.scheduler:
            # those of the other schedule mean nothing
            changes = {**dict.fromkeys(_PLATEAU), **changes}
        try:
            return replace(self, **changes)
        except ParameterError as error:
            msg = f'{parameter}: {error}'
            raise ParameterError(msg, parameter) from error

    def to_dict(self):
        """
        Make plain values of the settings that decide on the result.

        Returns
        -------
        values : dict
            Values by name; JSON can hold them.
        """
        values = asdict(self)
        for name in ('n_workers', 'checkpoint'):
            values.pop(name)
        return {name: value.item() if isinstance(value, np.generic) else value
                for name, value in values.items()}
