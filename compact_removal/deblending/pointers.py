# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Planes that point from each pixel to the nearest sources.
"""

import numpy as np
from scipy.spatial import cKDTree

__all__ = ['N_PLANES', 'PointerPlanes', 'find_nearest', 'measure_centers',
           'point']

# Planes per source: two of direction, how near it is, how bright.
N_PLANES = 4

# At this distance a source is half as near as one at the pixel (pixels).
_HALF = 8.0

# Half the side of the box in which the brightness of a centre is measured.
_BOX = 1


class PointerPlanes:
    """
    Planes that point to sources, made where they are needed.

    It can be cut like an array of shape ``(4 n, ny, nx)``, so that there
    are never planes of a whole map.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image less its background, over its noise, shape ``(ny,
        nx)``.
    x, y : `~numpy.ndarray`
        Positions of the sources (pixels).
    n_contributions : int
        Each pixel sees so many of the nearest sources, n.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.pointers import PointerPlanes
    >>> planes = PointerPlanes(np.ones((40, 50)), np.array([20.0]),
    ...                        np.array([10.0]), 3)
    >>> planes.shape
    (12, 40, 50)
    >>> planes[..., 10:12, 20:22][:3, 0, 0].tolist()
    [0.0, 0.0, 1.0]
    """

    dtype = np.dtype(np.float32)

    def __init__(self, image, x, y, n_contributions):
        self.shape = (N_PLANES * n_contributions, *image.shape)
        self.ndim = 3
        self._n = n_contributions
        self._x, self._y = x, y
        self._light = measure_centers(image, x, y)

    def __getitem__(self, window):
        rows, columns = (np.arange(*part.indices(n)) for part, n in zip(
            window[-2:], self.shape[-2:], strict=True))
        index = find_nearest(self._x, self._y, rows, columns, self._n)
        return point(self._x, self._y, self._light, rows, columns, index)


def find_nearest(x, y, rows, columns, n):
    """
    Find the nearest sources of each pixel.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(m,)``.
    rows, columns : `~numpy.ndarray`
        Of the pixels, shape ``(ny,)`` and ``(nx,)``.
    n : int
        How many.

    Returns
    -------
    index : `~numpy.ndarray` of int
        The nearest first; m where there are no more. Shape ``(n, ny,
        nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.pointers import find_nearest
    >>> find_nearest(np.array([0.0, 5.0]), np.zeros(2), np.arange(1),
    ...              np.arange(6), 1).ravel()
    array([0, 0, 0, 1, 1, 1])
    """
    shape = n, len(rows), len(columns)
    index = np.full(shape, len(x))
    n = min(n, len(x))
    if n:
        pixels = np.stack(np.meshgrid(rows, columns, indexing='ij'), axis=-1)
        _, found = cKDTree(np.column_stack([y, x])).query(
            pixels.reshape(-1, 2), k=[*range(1, n + 1)])
        index[:n] = found.T.reshape(n, *shape[1:])
    return index


def measure_centers(image, x, y):
    """
    Measure how bright an image is at positions.

    Parameters
    ----------
    image : `~numpy.ndarray`
        See `PointerPlanes`.
    x, y : `~numpy.ndarray`
        Positions (pixels), which may lie outside.

    Returns
    -------
    light : `~numpy.ndarray`
        Mean of nine pixels, shape ``(m,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.pointers import measure_centers
    >>> measure_centers(np.ones((9, 9)), np.array([4.0]), np.array([4.0]))
    array([1.])
    """
    steps = np.arange(-_BOX, _BOX + 1)
    rows, columns = (np.clip(np.rint(values).astype(int)[:, None] + steps, 0,
                             n - 1) for values, n in zip((y, x), image.shape,
                                                         strict=True))
    return image[rows[:, :, None], columns[:, None]].mean(axis=(1, 2))


def point(x, y, light, rows, columns, index):
    """
    Make planes that point to the sources of an index.

    Parameters
    ----------
    x, y, light : `~numpy.ndarray`
        Positions (pixels) and brightness, shape ``(m,)``.
    rows, columns : `~numpy.ndarray`
        Of the pixels, shape ``(ny,)`` and ``(nx,)``.
    index : `~numpy.ndarray` of int
        From `find_nearest`, shape ``(n, ny, nx)``.

    Returns
    -------
    planes : `~numpy.ndarray`
        Direction in y and in x, at most 1; how near, 1 at the source; how
        bright; for each of the sources, 0 where there is none. Shape
        ``(4 n, ny, nx)``, single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.pointers import find_nearest, point
    >>> x, y, rows = np.array([8.0]), np.array([0.0]), np.arange(1)
    >>> point(x, y, np.zeros(1), rows, rows,
    ...       find_nearest(x, y, rows, rows, 1)).ravel().tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    exists = index < len(x)
    x, y, light = (np.append(values, 0).astype(np.float32)[index]
                   for values in (x, y, np.arcsinh(light)))
    dy = y - np.asarray(rows, dtype=np.float32)[:, None]
    dx = x - np.asarray(columns, dtype=np.float32)
    far = _HALF + np.hypot(dx, dy)
    planes = np.stack([dy / far, dx / far, _HALF / far, light], axis=1)
    planes *= exists[:, None]
    return planes.reshape(-1, *index.shape[1:])
