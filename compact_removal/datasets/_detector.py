# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What detectors do to an exposure: bleeding and rounding.
"""

import numpy as np

__all__ = ['bleed', 'quantize']


def bleed(electrons, level, rng):
    """
    Spill what pixels cannot hold along their columns, in place.

    Parameters
    ----------
    electrons : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    level : float
        What a pixel can hold.
    rng : `numpy.random.Generator`
        Decides on the direction of the transfer, columns or rows, and on
        the share that is lost.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets._detector import bleed
    >>> image = np.zeros((9, 9))
    >>> image[4, 4] = 50
    >>> bleed(image, 10, np.random.default_rng(1))
    >>> int((image >= 10).sum()) > 1
    True
    """
    if rng.random() < 0.5:
        electrons = electrons.T
    share = rng.uniform(0.3, 1.0)
    full = electrons > level
    for column in np.flatnonzero(full.any(axis=0)):
        values = electrons[:, column]
        rows = np.flatnonzero(full[:, column])
        for group in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            excess = share * (values[group] - level).sum()
            values[group] = level
            parts = rng.uniform(0.35, 0.65)
            for step, start, amount in (
                    (-1, group[0] - 1, parts * excess),
                    (1, group[-1] + 1, (1 - parts) * excess)):
                _spill(values, level, start, step, amount)


def _spill(values, level, row, step, amount):
    """
    Fill pixels one after the other.
    """
    while amount > 0 and 0 <= row < len(values):
        room = level - values[row]
        if room > 0:
            values[row] += min(room, amount)
            amount -= room
        row += step


def quantize(image, rng):
    """
    Round to whole counts, as converters do; not in all exposures.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image (counts).
    rng : `numpy.random.Generator`
        Decides whether.

    Returns
    -------
    image : `~numpy.ndarray`
        Single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets._detector import quantize
    >>> quantize(np.array([1.2]), np.random.default_rng(1)).dtype
    dtype('float32')
    """
    if rng.random() < 0.5:
        image = np.rint(image)
    return image.astype(np.float32)
