# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The partial contribution representation of blended sources (Hausen &
Robertson 2022, Sect. 2): which share of a pixel is light of which source.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from scipy.spatial import cKDTree

from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['Contributions', 'SourceParts', 'decode', 'encode', 'find_centers',
           'find_window', 'split_light']

# Width of the Gaussians of the map of centres (pixels), the least value of a
# centre, and how far apart centres are (pixels).
_SIGMA, _LEAST, _APART = 8.0, 0.1, 7

# Shares of a pixel that are less are left out of a part.
_SMALLEST = 1e-4


@dataclass(frozen=True, eq=False)
class Contributions:
    """
    Shares of the light of each pixel.

    Parameters
    ----------
    centers : `~numpy.ndarray`
        1 at the centres of sources, falling around them, shape ``(ny,
        nx)``.
    vectors : `~numpy.ndarray`
        From each pixel to the centres of the n sources that it may belong
        to, in y and x (pixels), shape ``(n, 2, ny, nx)``. They are the
        same for all bands.
    shares : `~numpy.ndarray`
        Share of each of these in the light of the pixel, shape ``(n, ny,
        nx)`` or ``(n, n_bands, ny, nx)``; at most 1 in all. What is
        missing to 1 is light of no source.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending import encode
    >>> found = encode([np.ones((5, 5))], [(2, 3)], [5], [4], (16, 20))
    >>> found.vectors.shape, found.shares.shape
    ((3, 2, 16, 20), (3, 16, 20))
    """

    centers: np.ndarray
    vectors: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class SourceParts:
    """
    Parts of an image that belong to sources.

    Parameters
    ----------
    parts : list of `~numpy.ndarray`
        Light of each source in a window of the image, shape ``(h, w)`` or
        ``(n_bands, h, w)``; without pixels where there is none.
    corners : list of tuple of int
        Row and column of the first pixel of each window.
    unassigned : `~numpy.ndarray`
        Light that belongs to no source, shape of the image. With all
        parts it adds up to the image.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending import decode, encode
    >>> star = np.outer([1, 2, 1], [1, 2, 1.0])
    >>> image = np.pad(star, ((2, 3), (3, 2)))
    >>> parts = decode(image, encode([star], [(2, 3)], [4], [3], (8, 8)),
    ...                [4], [3])
    >>> parts.flux
    array([16.])
    """

    parts: list
    corners: list
    unassigned: np.ndarray

    @property
    def flux(self):
        """
        Sum of each part, shape ``(n,)`` or ``(n, n_bands)``.
        """
        return np.array([part.sum(axis=(-2, -1)) for part in self.parts])


def encode(parts, corners, x, y, shape, *, n_contributions=3, diffuse=None,
           sigma=_SIGMA):
    """
    Write sources as contributions.

    Parameters
    ----------
    parts : sequence of array_like
        Light of each source in a window, without noise, shape ``(h, w)``
        or ``(n_bands, h, w)``. What is negative counts as 0.
    corners : sequence of tuple of int
        Row and column of the first pixel of each window; windows lie on
        the image.
    x, y : array_like
        Centres (pixels), shape ``(n,)``.
    shape : tuple of int
        Rows and columns of the image.
    n_contributions : int, optional
        Each pixel may belong to so many of the nearest sources. The light
        of others is left out, and shares are those of what remains.
    diffuse : array_like, optional
        Light of no source, shape of the image or of its bands.
    sigma : float, optional
        Width of the map of centres (pixels). The default is that of the
        program of the paper.

    Returns
    -------
    contributions : `Contributions`
        Where there is no light at all, shares are equal. With fewer
        sources than ``n_contributions``, the farthest stands for the
        missing ones, too, and they divide its share.

    Raises
    ------
    ParameterError
        If arguments do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending import encode
    >>> found = encode([np.ones((4, 4)), np.ones((4, 6))], [(0, 0), (0, 2)],
    ...                [1, 6], [1, 1], (4, 8), n_contributions=2)
    >>> found.shares[:, 0, 3]
    array([0.5, 0.5], dtype=float32)
    """
    n_contributions = check_positive_integer('n_contributions',
                                             n_contributions)
    x, y = _read_centers(x, y)
    parts = [np.maximum(np.asarray(part, dtype=float), 0) for part in parts]
    if not len(parts) == len(corners) == len(x):
        msg = (f'parts must have one entry per position and corner, got '
               f'{len(parts)}, {len(x)} and {len(corners)}')
        raise ParameterError(msg, 'parts')
    bands = parts[0].shape[:-2] if parts else (
        np.shape(diffuse)[:-2] if diffuse is not None else ())
    rows, columns = np.indices(shape)
    if not parts:
        empty = np.zeros((n_contributions, *bands, *shape), np.float32)
        return Contributions(
            np.zeros(shape, np.float32),
            np.zeros((n_contributions, 2, *shape), np.float32), empty)
    n = min(n_contributions, len(x))
    distance, index = cKDTree(np.column_stack([y, x])).query(
        np.column_stack([rows.ravel(), columns.ravel()]), k=[*range(1, n + 1)])
    index = index.T.reshape(n, *shape)
    light = np.zeros((n, *bands, *shape))
    for number, (part, corner) in enumerate(zip(parts, corners, strict=True)):
        window = _check_window(part, corner, shape, bands)
        slot, row, column = np.nonzero(index[:, *window] == number)
        # pixels first, then bands
        light[slot, ..., row + corner[0], column + corner[1]] = part[
            ..., row, column].T
    total = light.sum(axis=0)
    if diffuse is not None:
        total = total + np.maximum(np.asarray(diffuse, dtype=float), 0)
    with np.errstate(invalid='ignore', divide='ignore'):
        shares = np.where(total > 0, light / total, 1 / n)
    vectors = np.stack([y[index] - rows, x[index] - columns], axis=1)
    if n < n_contributions:
        # the last one stands for those that are missing
        times = n_contributions - n + 1
        shares[-1] /= times
        shares, vectors = (np.concatenate([values, np.repeat(
            values[-1:], times - 1, axis=0)]) for values in (shares, vectors))
    centers = np.exp(-0.5 * (distance[:, 0].reshape(shape) / sigma) ** 2)
    return Contributions(*(values.astype(np.float32)
                           for values in (centers, vectors, shares)))


def decode(image, contributions, x, y, *, reach=None):
    """
    Take an image apart.

    Parameters
    ----------
    image : array_like
        The image less its background, shape ``(ny, nx)`` or ``(n_bands,
        ny, nx)``.
    contributions : `Contributions`
        From `encode` or a network.
    x, y : array_like
        Centres (pixels), from `find_centers`, a catalogue, or any finder.
    reach : float, optional
        Light whose vector ends farther from all centres belongs to none
        (pixels). Default: it belongs to the nearest.

    Returns
    -------
    parts : `SourceParts`
        In the order of the centres. With ``unassigned`` they add up to
        the image.

    Raises
    ------
    ParameterError
        If arguments do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending import decode, encode
    >>> one, other = 2 * np.ones((4, 5)), np.ones((4, 5))
    >>> found = encode([one, other], [(0, 0), (0, 3)], [2, 5], [1, 1], (4, 8))
    >>> image = np.pad(one, ((0, 0), (0, 3))) + np.pad(other,
    ...                                                ((0, 0), (3, 0)))
    >>> parts = decode(image, found, [2, 5], [1, 1])
    >>> print(parts.flux.round(4), bool(abs(parts.unassigned).max() < 1e-6))
    [40. 20.] True
    """
    image = np.asarray(image, dtype=float)
    vectors, shares = contributions.vectors, contributions.shares
    x, y = _read_centers(x, y)
    shape, bands = image.shape[-2:], image.shape[:-2]
    n = len(shares)
    if (vectors.shape != (n, 2, *shape)
            or shares.shape != (n, *bands, *shape)):
        msg = (f'contributions must have the shape of image {image.shape}, '
               f'got {vectors.shape} and {shares.shape}')
        raise ParameterError(msg, 'contributions')
    if not len(x):
        return SourceParts([], [], image.copy())
    rows, columns = np.indices(shape)
    ends = np.stack([vectors[:, 0] + rows, vectors[:, 1] + columns], axis=-1)
    seen = shares if not bands else shares.max(axis=1)
    where = np.nonzero(seen > _SMALLEST)
    distance, found = cKDTree(np.column_stack([y, x])).query(ends[where])
    owner = np.full((n, *shape), -1)
    owner[where] = found if reach is None else np.where(distance <= reach,
                                                        found, -1)
    return split_light(image, shares, owner, len(x))


def split_light(image, shares, owner, n_sources):
    """
    Give the light of each pixel to its sources.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image less its background, shape ``(ny, nx)`` or ``(n_bands,
        ny, nx)``.
    shares : `~numpy.ndarray`
        See `Contributions`.
    owner : `~numpy.ndarray` of int
        The source that each share belongs to, from 0, or -1: none; shape
        ``(n, ny, nx)``.
    n_sources : int
        Number of sources.

    Returns
    -------
    parts : `SourceParts`
        The light of each.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.contributions import split_light
    >>> split_light(np.ones((2, 2)), np.full((1, 2, 2), 0.5),
    ...             np.array([[[0, 1], [1, -1]]]), 2).flux
    array([0.5, 1. ])
    """
    bands, shape = image.shape[:-2], image.shape[-2:]
    slot, row, column = np.nonzero(owner >= 0)
    mine = owner[slot, row, column]
    order = np.argsort(mine, kind='stable')
    slot, row, column = (values[order] for values in (slot, row, column))
    bounds = np.searchsorted(mine[order], np.arange(n_sources + 1))
    parts, corners, unassigned = [], [], image.copy()
    for low, high in pairwise(bounds):
        part, corner = _gather(image, shares, slot[low:high], row[low:high],
                               column[low:high])
        window = _check_window(part, corner, shape, bands)
        unassigned[..., *window] -= part
        parts.append(part)
        corners.append(corner)
    return SourceParts(parts, corners, unassigned)


def find_centers(centers, *, threshold=_LEAST):
    """
    Find the peaks of a map of centres.

    Parameters
    ----------
    centers : `~numpy.ndarray`
        Of `Contributions`, shape ``(ny, nx)``.
    threshold : float, optional
        The least value of a peak.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Positions (pixels), that of the highest peak first.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending import encode, find_centers
    >>> found = encode([np.ones((1, 1))] * 2, [(9, 8), (9, 31)], [8.3, 31],
    ...                [9, 9], (24, 40))
    >>> x, y = find_centers(found.centers)
    >>> sorted(x.round(1).tolist())
    [8.3, 31.0]
    """
    from photutils.centroids import centroid_quadratic
    from photutils.detection import find_peaks

    padded = np.pad(np.asarray(centers, dtype=float), _APART)
    table = None
    if padded.max(initial=0) > threshold:
        table = find_peaks(padded, threshold, box_size=_APART)
    if table is None:
        return np.zeros(0), np.zeros(0)
    table.sort('peak_value', reverse=True)
    places = []
    for column, row in zip(table['x_peak'], table['y_peak'], strict=True):
        part = padded[row - 2:row + 3, column - 2:column + 3]
        with warnings.catch_warnings():
            # a peak at an edge stays where it is
            warnings.simplefilter('ignore', AstropyUserWarning)
            dx, dy = centroid_quadratic(part) - 2
        good = np.hypot(dx, dy) < 1
        places.append((column - _APART + (dx if good else 0),
                       row - _APART + (dy if good else 0)))
    x, y = np.array(places).T
    return x, y


def find_window(part, corner):
    """
    Find where a part is on its image.

    Parameters
    ----------
    part : `~numpy.ndarray`
        Light in a window, shape ``(h, w)`` or ``(n_bands, h, w)``.
    corner : tuple of int
        Row and column of its first pixel.

    Returns
    -------
    window : tuple of slice
        Rows and columns.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.contributions import find_window
    >>> find_window(np.ones((2, 3)), (4, 5))
    (slice(4, 6, None), slice(5, 8, None))
    """
    return tuple(slice(low, low + side) for low, side in zip(
        corner, part.shape[-2:], strict=True))


def _read_centers(x, y):
    """
    Positions as arrays of the same length.
    """
    x, y = (np.atleast_1d(np.asarray(values, dtype=float))
            for values in (x, y))
    if x.shape != y.shape or x.ndim != 1 or not np.all(
            np.isfinite(x) & np.isfinite(y)):
        msg = 'x and y must be finite and have the same length'
        raise ParameterError(msg, 'x')
    return x, y


def _check_window(part, corner, shape, bands):
    """
    The window of a part, which must lie on the image.
    """
    sides = part.shape[-2:]
    if part.shape[:-2] != bands or any(
            low < 0 or low + side > n for low, side, n in zip(
                corner, sides, shape, strict=True)):
        msg = (f'parts must lie on the image of shape {shape}, got '
               f'{part.shape} at {tuple(corner)}')
        raise ParameterError(msg, 'parts')
    return find_window(part, corner)


def _gather(image, shares, slot, row, column):
    """
    The part of one source, from its pixels and slots.
    """
    bands = image.shape[:-2]
    if not len(row):
        return np.zeros((*bands, 0, 0)), (0, 0)
    corner = int(row.min()), int(column.min())
    weight = np.zeros((*bands, row.max() - corner[0] + 1,
                       column.max() - corner[1] + 1))
    inside = row - corner[0], column - corner[1]
    np.add.at(weight, (..., *inside), shares[slot, ..., row, column].T)
    window = np.s_[..., corner[0]:corner[0] + weight.shape[-2],
                   corner[1]:corner[1] + weight.shape[-1]]
    return weight * image[window], corner
