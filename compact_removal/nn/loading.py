# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of the training, made beside it.
"""

import multiprocessing
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from compact_removal.utils.parameters import ParameterError

__all__ = ['BatchLoader', 'choose_n_workers']

_MOST_WORKERS = 4


def choose_n_workers():
    """
    Choose the number of processes that make batches.

    Returns
    -------
    n_workers : int
        0 where processes cannot be forked: others would run the script
        of the user again.
    """
    if 'fork' not in multiprocessing.get_all_start_methods():
        return 0
    try:
        n_cpus = len(os.sched_getaffinity(0))
    except AttributeError:
        n_cpus = os.cpu_count() or 1
    return min(max(n_cpus - 1, 1), _MOST_WORKERS)


class _Batches(Dataset):
    """
    Batches of several sources, by (source, epoch, number).
    """

    def __init__(self, sources, fields):
        self._sources, self._fields = sources, fields

    def __getitem__(self, index):
        source, epoch, number = index
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
        if n_workers:
            self._loader = DataLoader(
                self._data, sampler=self._order, batch_size=None,
                num_workers=n_workers, persistent_workers=True,
                collate_fn=_as_it_is, multiprocessing_context='fork')

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        # processes end with the object that holds them
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
            yield from self._read_ahead(list(self._order.items))
            return
        with warnings.catch_warnings():
            # of forks beside threads: what workers run needs none
            warnings.filterwarnings('ignore', '.*multi-threaded, use of fork',
                                    DeprecationWarning)
            batches = iter(self._loader)
        yield from batches

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
