# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of a training made of others.
"""

import numpy as np

__all__ = ['RecalledFields', 'SelectedFields']


class SelectedFields:
    """
    Batches with some of their fields.

    Parameters
    ----------
    batches : object
        See `compact_removal.nn.train`.
    names : iterable of str
        The fields that stay.

    Examples
    --------
    >>> from compact_removal.nn.batches import SelectedFields
    >>> class Batches:
    ...     def __len__(self):
    ...         return 1
    ...     def batch(self, epoch, number):
    ...         return {'image': 1, 'snr': 2}
    >>> SelectedFields(Batches(), ['image']).batch(0, 0)
    {'image': 1}
    """

    def __init__(self, batches, names):
        self._batches, self._names = batches, tuple(names)

    def __len__(self):
        return len(self._batches)

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch, number : int
            Which one.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            The fields that stay.
        """
        batch = self._batches.batch(epoch, number)
        return {name: batch[name] for name in self._names}


class RecalledFields(SelectedFields):
    """
    Batches with some of their fields, used again in other orientations.

    Parameters
    ----------
    batches : object
        See `compact_removal.nn.train`.
    names : iterable of str
        The fields that stay.
    sizes : tuple of int or None
        Sides of the cutouts, which take turns; `None`: whole ones, which
        are square.
    n_distinct : int
        So many epochs are made; the next ones show them again, turned
        and mirrored.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn.batches import RecalledFields
    >>> class Batches:
    ...     def __len__(self):
    ...         return 1
    ...     def batch(self, epoch, number):
    ...         return {'image': epoch + np.eye(8)[None]}
    >>> batches = RecalledFields(Batches(), ['image'], [4], 1)
    >>> [int(batches.batch(epoch, 0)['image'][0, 0, 0]) for epoch in (0, 1)]
    [1, 0]
    """

    def __init__(self, batches, names, sizes, n_distinct):
        super().__init__(batches, names)
        self._sizes, self._n_distinct = sizes, n_distinct
        self._kept = {}

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch, number : int
            Which one.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            The fields that stay.
        """
        again, distinct = divmod(epoch, self._n_distinct)
        key = distinct, number
        if key not in self._kept:
            self._kept[key] = super().batch(*key)
        size = (None if self._sizes is None
                else self._sizes[(again + number) % len(self._sizes)])
        return {name: _turn_and_crop(values, (again + number) % 8, size)
                for name, values in self._kept[key].items()}


def _turn_and_crop(values, symmetry, size):
    """
    Turned and mirrored cutouts around the same centre.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Cutouts, shape ``(n, ny, nx)``, or numbers, which stay as they
        are.
    symmetry : int
        One of the eight of a square.
    size : int or None
        Side of the result (pixels), less than that of the cutouts;
        `None`: theirs.

    Returns
    -------
    values : `~numpy.ndarray`
        Shape ``(n, size, size)``.
    """
    if values.ndim < 3:
        return values
    if size is None:
        forth = np.arange(values.shape[-1])
        back = forth[::-1]
    else:
        center = values.shape[-1] // 2
        forth = np.arange(size) - size // 2 + center
        back = center - (np.arange(size) - size // 2)
    rows, columns = (back if symmetry & bit else forth for bit in (1, 2))
    values = values[..., rows[:, None], columns]
    return np.ascontiguousarray(
        values.swapaxes(-1, -2) if symmetry & 4 else values)
