# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cut postage stamps out of a map, and blend them back.
"""

import numpy as np

__all__ = ['blend_cutouts', 'cutout_radii', 'disc_weights',
           'extract_cutouts']


def extract_cutouts(data, x, y, size, *, fill):
    """
    Cut squares around positions out of a map.

    The pixel nearest to the position becomes pixel ``size // 2`` of the
    square along each axis.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    size : int
        Side of the squares in pixels.
    fill : scalar
        Value of pixels off the map.

    Returns
    -------
    cutouts : `~numpy.ndarray`
        Shape ``(n, size, size)``, dtype of ``data``.
    corners : `~numpy.ndarray` of int
        ``(x, y)`` of the first pixel of each square in the map, shape
        ``(n, 2)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.cutouts import extract_cutouts
    >>> cutouts, corners = extract_cutouts(np.arange(16).reshape(4, 4),
    ...                                    [0], [1], 3, fill=-1)
    >>> print(cutouts[0])
    [[-1  0  1]
     [-1  4  5]
     [-1  8  9]]
    """
    data = np.asarray(data)
    corners = np.stack([np.rint(np.atleast_1d(x)), np.rint(np.atleast_1d(y))],
                       axis=1).astype(int) - size // 2
    cutouts = np.full((len(corners), size, size), fill, dtype=data.dtype)
    for cutout, corner in zip(cutouts, corners, strict=True):
        large, small = _overlap(data.shape, corner, size)
        cutout[small] = data[large]
    return cutouts, corners


def _overlap(shape, corner, size):
    """
    Slices of the map and of the cutout where the two overlap.
    """
    large, small = [], []
    for length, start in zip(shape, corner[::-1], strict=True):
        low = min(max(0, start), length)
        high = max(low, min(length, start + size))
        large.append(slice(low, high))
        small.append(slice(low - start, high - start))
    return tuple(large), tuple(small)


def cutout_radii(x, y, corners, size):
    """
    Distance of each pixel of cutouts from a position.

    Parameters
    ----------
    x, y : array_like
        Positions in pixels of the map, shape ``(n,)``.
    corners : array_like
        ``(x, y)`` of the first pixel of each cutout, shape ``(n, 2)``.
    size : int
        Side of the cutouts in pixels.

    Returns
    -------
    radius : `~numpy.ndarray`
        Distances in pixels, shape ``(n, size, size)``.

    Examples
    --------
    >>> from compact_removal.cutouts import cutout_radii
    >>> print(cutout_radii([5], [5], [[5, 2]], 4)[0, :, 0])
    [3. 2. 1. 0.]
    """
    grid = np.arange(size)
    corners = np.asarray(corners)
    dx = corners[:, 0, None] + grid - np.asarray(x, dtype=float)[:, None]
    dy = corners[:, 1, None] + grid - np.asarray(y, dtype=float)[:, None]
    return np.hypot(dx[:, None, :], dy[:, :, None])


def disc_weights(x, y, radii, corners, size, *, taper):
    """
    Weights of cutouts: 1 in the mask circle, falling softly outside.

    The weight follows half a cosine from 1 at the mask radius to 0 at
    ``taper`` pixels further out, so that a filled hole has no seam.

    Parameters
    ----------
    x, y, radii : array_like
        Positions and mask radii in pixels, shape ``(n,)``.
    corners : array_like
        ``(x, y)`` of the first pixel of each cutout, shape ``(n, 2)``.
    size : int
        Side of the cutouts in pixels.
    taper : float
        Width of the soft edge in pixels.

    Returns
    -------
    weights : `~numpy.ndarray`
        Values in [0, 1], float32, shape ``(n, size, size)``.

    Examples
    --------
    >>> from compact_removal.cutouts import disc_weights
    >>> weights = disc_weights([5], [5], [2], [[0, 0]], 11, taper=2)
    >>> print(weights[0, 5, 5:10])
    [1.  1.  1.  0.5 0. ]
    """
    radius = cutout_radii(x, y, corners, size)
    phase = (radius - np.asarray(radii, dtype=float)[:, None, None]) / taper
    return (0.5 + 0.5 * np.cos(np.pi * np.clip(phase, 0, 1))).astype(
        np.float32)


def blend_cutouts(data, cutouts, weights, corners):
    """
    Put cutouts into a copy of a map, with soft edges.

    Where several cutouts meet, their weighted mean is used, and the
    largest of their weights decides between them and the map. The
    result does not depend on the order of the cutouts but for rounding.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    cutouts, weights : array_like
        Shape ``(n, size, size)``; weights in [0, 1].
    corners : array_like
        ``(x, y)`` of the first pixel of each cutout, shape ``(n, 2)``.

    Returns
    -------
    blended : `~numpy.ndarray`
        The new map, shape ``(ny, nx)``, in float64. Pixels without
        weight keep their value.
    weight : `~numpy.ndarray`
        Largest weight on each pixel, shape ``(ny, nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.cutouts import blend_cutouts
    >>> blended, weight = blend_cutouts(
    ...     np.zeros((3, 3)), np.ones((1, 1, 1)), np.ones((1, 1, 1)), [[1, 1]])
    >>> print(blended)
    [[0. 0. 0.]
     [0. 1. 0.]
     [0. 0. 0.]]
    """
    blended = np.array(data, dtype=float)
    total = np.zeros(blended.shape)
    mean = np.zeros(blended.shape)
    largest = np.zeros(blended.shape, dtype=np.float32)
    size = np.shape(cutouts)[-1]
    for cutout, weight, corner in zip(cutouts, weights, corners, strict=True):
        large, small = _overlap(blended.shape, corner, size)
        total[large] += weight[small]
        mean[large] += weight[small] * cutout[small].astype(float)
        largest[large] = np.maximum(largest[large], weight[small])
    touched = total > 0
    share = largest[touched].astype(float)
    blended[touched] = ((1 - share) * blended[touched]
                        + share * mean[touched] / total[touched])
    return blended, largest
