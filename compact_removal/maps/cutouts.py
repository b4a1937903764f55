# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cut postage stamps out of a map, and blend them back.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ['LARGEST', 'DiscBlender', 'add_cutouts', 'chunk_slices',
           'cutout_radii', 'drop_unusable', 'extract_cutouts',
           'extract_valid', 'stack_statistics']

# Values from which on squares may overflow.
LARGEST = 1e100

# Pixels of cutouts that are handled at a time: bounds the memory.
_CHUNK_PIXELS = 2_000_000


def chunk_slices(n, size):
    """
    Split a list of positions into parts whose cutouts fit into memory.

    Parameters
    ----------
    n : int
        Number of positions.
    size : int
        Side of the cutouts in pixels.

    Returns
    -------
    slices : list of slice
        They cover ``range(n)``.

    Examples
    --------
    >>> from compact_removal.maps.cutouts import chunk_slices
    >>> chunk_slices(300, 100)
    [slice(0, 200, None), slice(200, 300, None)]
    """
    step = max(1, _CHUNK_PIXELS // size ** 2)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def add_cutouts(data, cutouts, left, low):
    """
    Add rectangles to a map, in place.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, shape ``(ny, nx)``.
    cutouts : `~numpy.ndarray` or iterable of `~numpy.ndarray`
        The rectangles, each of shape ``(my, mx)``; what is off the map
        is left out.
    left, low : array_like of int
        Column and row of their first pixels in the map, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps import add_cutouts
    >>> data = np.zeros((2, 3))
    >>> add_cutouts(data, np.ones((1, 2, 2)), [2], [0])
    >>> print(data)
    [[0. 0. 1.]
     [0. 0. 1.]]
    """
    for cutout, corner in zip(cutouts, zip(left, low, strict=True),
                              strict=True):
        large, small = _overlap(data.shape, corner, cutout.shape)
        data[large] += cutout[small]


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
    >>> from compact_removal.maps import extract_cutouts
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
    inside = np.zeros(len(corners), dtype=bool)
    if min(data.shape) >= size:
        last = np.array(data.shape[::-1]) - size
        inside = np.all((corners >= 0) & (corners <= last), axis=1)
        windows = sliding_window_view(data, (size, size))
        cutouts[inside] = windows[corners[inside, 1], corners[inside, 0]]
    for i in np.flatnonzero(~inside):
        large, small = _overlap(data.shape, corners[i], (size, size))
        cutouts[i][small] = data[large]
    return cutouts, corners


def drop_unusable(data):
    """
    Set values to NaN that cannot be computed with, in place.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Float64, of any shape. Infinities and magnitudes of 1e100 and
        more, whose squares may overflow, become NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.cutouts import drop_unusable
    >>> data = np.array([1.0, np.inf, -1e200])
    >>> drop_unusable(data)
    >>> print(data)
    [ 1. nan nan]
    """
    # NaN compares as false
    data[~(np.abs(data) < LARGEST)] = np.nan


def extract_valid(data, x, y, size, *, mask=None):
    """
    Cut squares out of a map, with NaN where a pixel cannot be used.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    size : int
        Side of the squares in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    cutouts : `~numpy.ndarray`
        Float64, NaN off the map and at pixels that are masked or not
        finite; shape ``(n, size, size)``.
    corners : `~numpy.ndarray` of int
        See `extract_cutouts`.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.cutouts import extract_valid
    >>> cutouts, _ = extract_valid(np.array([[1, np.inf], [3, 4]]), [1], [1],
    ...                            3, mask=[[True, False], [False, False]])
    >>> print(cutouts[0])
    [[nan nan nan]
     [ 3.  4. nan]
     [nan nan nan]]
    """
    data = np.asarray(data)
    fill = np.nan if data.dtype.kind == 'f' else 0
    cutouts, corners = extract_cutouts(data, x, y, size, fill=fill)
    cutouts = cutouts.astype(float)
    drop_unusable(cutouts)
    if fill == 0 and mask is None:
        mask = np.broadcast_to(False, data.shape)
    if mask is not None:
        hidden, _ = extract_cutouts(mask, x, y, size, fill=True)
        cutouts[hidden] = np.nan
    return cutouts, corners


def _overlap(shape, corner, sides):
    """
    Slices of the map and of the cutout where the two overlap.
    """
    large, small = [], []
    for length, start, side in zip(shape, corner[::-1], sides, strict=True):
        low = min(max(0, start), length)
        high = max(low, min(length, start + side))
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
    >>> from compact_removal.maps.cutouts import cutout_radii
    >>> print(cutout_radii([5], [5], [[5, 2]], 4)[0, :, 0])
    [3. 2. 1. 0.]
    """
    grid = np.arange(size)
    corners = np.asarray(corners)
    dx = corners[:, 0, None] + grid - np.asarray(x, dtype=float)[:, None]
    dy = corners[:, 1, None] + grid - np.asarray(y, dtype=float)[:, None]
    return np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)


def stack_statistics(stack, chosen):
    """
    Mean and standard deviation of chosen pixels of each cutout.

    Parameters
    ----------
    stack : `~numpy.ndarray`
        The cutouts, shape ``(n, size, size)``; pixels that are not finite
        are left out.
    chosen : `~numpy.ndarray` of bool
        True where a pixel counts, of the shape of the cutouts.

    Returns
    -------
    mean, std : `~numpy.ndarray`
        In the unit of the cutouts, shape ``(n,)``; NaN without pixels.
    count : `~numpy.ndarray` of int
        Number of pixels, shape ``(n,)``.
    """
    chosen = chosen & np.isfinite(stack)
    count = chosen.sum(axis=(1, 2))
    divisor = np.where(count > 0, count, np.nan)
    mean = np.where(chosen, stack, 0).sum(axis=(1, 2)) / divisor
    deviation = np.where(chosen, stack - mean[:, None, None], 0)
    std = np.sqrt((deviation ** 2).sum(axis=(1, 2)) / divisor)
    return mean, std, count


class DiscBlender:
    """
    Put round parts of overlapping cutouts into maps, with soft edges.

    The weight of a cutout is 1 in its disc and follows half a cosine to
    0 at ``taper`` pixels further out, so that a filled hole has no
    seam. Where several cutouts meet, their weighted mean is used, and
    the largest of their weights decides between them and the map.

    Parameters
    ----------
    shape : tuple of int
        Shape of the maps, ``(ny, nx)``.
    n_maps : int
        Number of maps that are blended alike.
    taper : float
        Width of the soft edge in pixels.

    Attributes
    ----------
    weight : `~numpy.ndarray`
        The largest weight on each pixel, float32, shape ``(ny, nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.cutouts import DiscBlender
    >>> blender = DiscBlender((1, 7), 1, taper=2)
    >>> blender.add([np.ones((1, 7, 7))], [3], [0], [1], [[0, -3]])
    >>> print(blender.weight)
    [[0.  0.5 1.  1.  1.  0.5 0. ]]
    >>> data = np.full((1, 7), 9.0)
    >>> blender.blend(0, data)
    >>> print(data)
    [[9. 5. 1. 1. 1. 5. 9.]]
    """

    def __init__(self, shape, n_maps, *, taper):
        self.weight = np.zeros(shape, dtype=np.float32)
        self._taper = taper
        self._total = np.zeros(shape)
        self._touched = None
        self._sums = np.zeros((n_maps, *shape))

    def add(self, cutouts, x, y, radii, corners):
        """
        Add cutouts.

        Parameters
        ----------
        cutouts : sequence of array_like
            One stack for each map, shape ``(n, size, size)``.
        x, y, radii : array_like
            Centres and radii of the discs in pixels, shape ``(n,)``.
        corners : array_like
            ``(x, y)`` of the first pixel of each cutout in the maps,
            shape ``(n, 2)``.
        """
        size = np.shape(cutouts[0])[-1]
        self._touched = None
        for i, corner in enumerate(corners):
            large, small = _overlap(self.weight.shape, corner, (size, size))
            large, small = _shrink(large, small, x[i], y[i],
                                   radii[i] + self._taper)
            dy = np.arange(large[0].start, large[0].stop) - y[i]
            dx = np.arange(large[1].start, large[1].stop) - x[i]
            radius = np.sqrt(dy[:, None] ** 2 + dx ** 2)
            phase = (radius - radii[i]) / self._taper
            weight = 0.5 + 0.5 * np.cos(np.pi * np.clip(phase, 0, 1))
            self._total[large] += weight
            self.weight[large] = np.maximum(self.weight[large], weight)
            for sums, stack in zip(self._sums, cutouts, strict=True):
                sums[large] += weight * stack[i][small]

    def blend(self, index, data):
        """
        Put the cutouts into a map, in place.

        Parameters
        ----------
        index : int
            Which of the maps.
        data : `~numpy.ndarray`
            The map, shape ``(ny, nx)``; pixels without weight keep
            their value. NaN is no value: where there is any weight, that
            of the cutouts takes its place.
        """
        if self._touched is None:
            self._touched = np.flatnonzero(self._total)
        if self._touched.size == 0:
            return
        share, total, sums, old = (
            values.ravel()[self._touched] for values in
            (self.weight, self._total, self._sums[index], data))
        share = share.astype(float)
        new = sums / total
        old = np.where(np.isnan(old), new, old)
        data.flat[self._touched] = (1 - share) * old + share * new


def _shrink(large, small, x, y, radius):
    """
    Slices of the map and of the cutout, cut to the box of a circle.
    """
    wide, narrow = [], []
    for outer, inner, middle in zip(large, small, (y, x), strict=True):
        low = min(max(outer.start, int(np.floor(middle - radius))),
                  outer.stop)
        high = max(low, min(outer.stop, int(np.ceil(middle + radius)) + 1))
        offset = inner.start - outer.start
        wide.append(slice(low, high))
        narrow.append(slice(low + offset, high + offset))
    return tuple(wide), tuple(narrow)
