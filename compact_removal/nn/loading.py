# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of the training, made beside it.
"""

import multiprocessing
import sys
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from compact_removal.utils.parameters import ParameterError
from compact_removal.utils.processors import count_cpus

__all__ = ['BatchLoader', 'choose_n_workers']

_MOST_WORKERS = 4


def choose_n_workers():
    """
    Choose the number of processes that make batches.

    Returns
    -------
    n_workers : int
        0 where processes cannot be forked.
    """
    if not _can_fork():
        return 0
    return min(max(count_cpus() - 1, 1), _MOST_WORKERS)


def _can_fork():
    """
    Whether this process may make others by forking.

    Those that are made in other ways would run the script of the user
    again. On macOS forks are not safe; daemons have no children.
    """
    return (sys.platform == 'linux'
            and not multiprocessing.current_process().daemon)


class _Batches(Dataset):
    """
    Batches of several sources, by (source, epoch, number).
    """

    def __init__(self, sources, fields):
        self._sources, self._fields = sources, fields

    def __getitem__(self, index):
        # an error is returned: as it is, it loses its attributes on the way
        try:
            return self._make(*index)
        except Exception as error:  # whatever a batch raises
            error.add_note(traceback.format_exc())
            return error

    def _make(self, source, epoch, number):
        """
        Make a batch of tensors.
        """
        batch = self._sources[source].batch(epoch, number)
        if set(batch) != set(self._fields):
            missing = [name for name in self._fields if name not in batch]
            odd = [name for name in batch if name not in self._fields]
            msg = (f'{source} must give {", ".join(self._fields)}; missing: '
                   f'{", ".join(missing) or "none"}, not expected: '
                   f'{", ".join(odd) or "none"}')
            raise ParameterError(msg, source)
        # copies: an array may be read-only
        return {name: torch.as_tensor(np.array(batch[name],
                                               dtype=field.dtype))
                for name, field in self._fields.items()}


class _Order:
    """
    The batches that are wanted next; the processes live on.
    """

    def __init__(self):
        self.items = []

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


def _raise_error(batch):
    """
    A batch, or the error that came in its place.
    """
    if isinstance(batch, Exception):
        raise batch
    return batch


def _as_it_is(batch):
    """
    Leave a batch alone; it is one already.
    """
    return batch


class BatchLoader:
    """
    Get batches from worker processes, ahead of their use.

    Parameters
    ----------
    sources : dict of object
        By name. ``len(source)`` is the number of batches of an epoch,
        ``source.batch(epoch, number)`` returns a dict of arrays, which
        depends on nothing but its arguments.
    fields : dict of str to `~compact_removal.nn.Field`
        What each batch has.
    n_workers : int, optional
        See `~compact_removal.nn.TrainingSettings`.

    Raises
    ------
    ParameterError
        If processes are asked for where they cannot be forked.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import Field
    >>> from compact_removal.nn.loading import BatchLoader
    >>> class Ones:
    ...     def __len__(self):
    ...         return 2
    ...     def batch(self, epoch, number):
    ...         return {'image': np.full((3, 4, 4), epoch + number)}
    >>> with BatchLoader({'a': Ones()}, {'image': Field('plane')}) as loader:
    ...     [batch['image'][0, 0, 0].item() for batch in loader.epoch('a', 5)]
    [5.0, 6.0]
    """

    def __init__(self, sources, fields, *, n_workers=None):
        self._sources = sources
        self._data = _Batches(sources, fields)
        self._order = _Order()
        self._loader = None
        n_workers = choose_n_workers() if n_workers is None else n_workers
        if n_workers and not _can_fork():
            msg = (f'n_workers must be 0 here, as this process cannot fork '
                   f'others, got {n_workers}')
            raise ParameterError(msg, 'n_workers')
        if n_workers:
            # one batch ahead per process: the shared memory may be small
            self._loader = DataLoader(
                self._data, sampler=self._order, batch_size=None,
                num_workers=n_workers, persistent_workers=True,
                prefetch_factor=1, collate_fn=_as_it_is,
                multiprocessing_context='fork', generator=torch.Generator())

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        iterator = getattr(self._loader, '_iterator', None)
        if iterator is not None:
            # now, not when the last reference to it is gone
            iterator._shutdown_workers()
        self._loader = None

    def epoch(self, source, number):
        """
        Get the batches of an epoch.

        Parameters
        ----------
        source : str
            Name of the source.
        number : int
            Number of the epoch.

        Yields
        ------
        batch : dict of `torch.Tensor`
            In order, on the CPU.

        Raises
        ------
        ParameterError
            If a batch does not have the fields, or there is none.
        """
        self._order.items = [(source, number, i)
                             for i in range(len(self._sources[source]))]
        if not self._order.items:
            msg = f'{source} must give at least one batch'
            raise ParameterError(msg, source)
        if self._loader is None:
            for batch in self._read_ahead(list(self._order.items)):
                yield _raise_error(batch)
            return
        with warnings.catch_warnings():
            # of forks beside threads: what workers run needs none
            warnings.filterwarnings('ignore', '.*multi-threaded, use of fork',
                                    DeprecationWarning)
            batches = iter(self._loader)
        for batch in batches:
            yield _raise_error(batch)

    def _read_ahead(self, items):
        """
        Make batches in a thread that is one ahead.
        """
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(self._data.__getitem__, items[0])
            for item in [*items[1:], None]:
                batch = future.result()
                if item is not None:
                    future = executor.submit(self._data.__getitem__, item)
                yield batch
