# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training cutouts on disk.
"""

import json
from pathlib import Path

import numpy as np

__all__ = ['SavedCutouts', 'save_cutouts']

_DESCRIPTION = 'cutouts.json'


def save_cutouts(path, cutouts, *, epoch=0, overwrite=False):
    """
    Write one epoch of training cutouts to a folder.

    Each array becomes a ``.npy`` file (paper, Sect. 2.4.1), beside a
    JSON file that describes them.

    Parameters
    ----------
    path : str or path-like
        The folder; made if it does not exist.
    cutouts : `TrainingCutouts` or any object with ``epoch(i)``
        What to save; ``epoch(i)`` gives dicts of arrays with the same
        keys each time.
    epoch : int, optional
        Number of the epoch.
    overwrite : bool, optional
        Whether to replace cutouts that the folder holds.

    Raises
    ------
    FileExistsError
        If the folder holds cutouts and ``overwrite`` is False.
    ValueError
        If the epoch has no batches.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.removal import TrainingCutouts
    >>> from compact_removal.datasets import save_cutouts
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=32,
    ...                           batch_size=2, n_batches=1, n_fields=1,
    ...                           field_size=64, n_psfs=2, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_cutouts(folder, cutouts)
    ...     names = sorted(path.name for path in Path(folder).iterdir())
    >>> names[:3]
    ['aperture.npy', 'cutouts.json', 'fwhm.npy']
    """
    path = Path(path)
    if (path / _DESCRIPTION).exists() and not overwrite:
        msg = f'path holds cutouts and overwrite is False: {path}'
        raise FileExistsError(msg)
    batches = list(cutouts.epoch(epoch))
    if not batches:
        msg = f'cutouts has no batches in epoch {epoch}'
        raise ValueError(msg)
    path.mkdir(parents=True, exist_ok=True)
    shapes = {}
    for name in sorted(batches[0]):
        stack = np.concatenate([batch[name] for batch in batches])
        np.save(path / f'{name}.npy', stack.astype(np.float32))
        shapes[name] = stack.shape[1:]
    (path / _DESCRIPTION).write_text(json.dumps(
        {'arrays': shapes, 'n_cutouts': len(stack),
         'batch_size': len(batches[0][name]), 'epoch': epoch,
         'source': repr(cutouts)}, indent=2) + '\n', encoding='utf-8')


class SavedCutouts:
    """
    Batches of cutouts from a folder that `save_cutouts` wrote.

    The files are memory mapped: only what a batch needs is read.

    Parameters
    ----------
    path : str or path-like
        The folder.
    batch_size : int, optional
        Cutouts per batch, the last may be smaller; default: as saved.
    seed : int, optional
        Seed of the order, which differs from epoch to epoch; `None`:
        always the order in which they were saved.

    Raises
    ------
    FileNotFoundError
        If the folder holds no cutouts.
    ValueError
        If the files do not fit their description, or ``batch_size`` is
        not positive.

    Examples
    --------
    >>> import tempfile
    >>> from compact_removal.datasets import SavedCutouts, save_cutouts
    >>> from compact_removal.removal import TrainingCutouts
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=32,
    ...                           batch_size=4, n_batches=1, n_fields=1,
    ...                           field_size=64, n_psfs=2, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_cutouts(folder, cutouts)
    ...     saved = SavedCutouts(folder, batch_size=2, seed=1)
    ...     [batch['image'].shape for batch in saved.epoch(0)]
    [(2, 32, 32), (2, 32, 32)]
    """

    def __init__(self, path, *, batch_size=None, seed=None):
        self.path = Path(path)
        description = self.path / _DESCRIPTION
        if not description.exists():
            msg = f'path holds no saved cutouts: {path}'
            raise FileNotFoundError(msg)
        self.description = json.loads(description.read_text('utf-8'))
        self.batch_size = (self.description['batch_size']
                           if batch_size is None else batch_size)
        if self.batch_size < 1:
            msg = f'batch_size must be positive, got {batch_size!r}'
            raise ValueError(msg)
        self.seed = seed
        self.n_cutouts = self.description['n_cutouts']
        self._arrays = {}
        for name, shape in self.description['arrays'].items():
            shape = (self.n_cutouts, *shape)
            array = np.load(self.path / f'{name}.npy', mmap_mode='r')
            if array.shape != shape:
                msg = (f'path has {name}.npy of shape {array.shape}, '
                       f'expected {shape}: {path}')
                raise ValueError(msg)
            self._arrays[name] = array

    def __repr__(self):
        return (f'{type(self).__name__}({str(self.path)!r}, '
                f'n_cutouts={self.n_cutouts}, batch_size={self.batch_size})')

    def __len__(self):
        return -(-self.n_cutouts // self.batch_size)

    def epoch(self, i):
        """
        Read the batches of one epoch.

        Parameters
        ----------
        i : int
            Number of the epoch, from 0.

        Yields
        ------
        batch : dict of `~numpy.ndarray`
            Float32, see `TrainingCutouts.epoch`.
        """
        order = np.arange(self.n_cutouts)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, i]).permutation(order)
        for start in range(0, self.n_cutouts, self.batch_size):
            part = np.sort(order[start:start + self.batch_size])
            yield {name: np.array(array[part])
                   for name, array in self._arrays.items()}
