# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Stamps around sources, as the networks see them.
"""

import numpy as np
from astropy.nddata import block_reduce
from scipy import ndimage
from scipy.spatial import cKDTree

from compact_removal.maps import extract_cutouts

__all__ = ['STAMP_SIZE', 'choose_scales', 'cut_planes', 'cut_stamps',
           'measure_significance']

# Side of the stamps, in pixels of theirs.
STAMP_SIZE = 64

# The light of a source should reach no further than this (pixels of the
# stamp). It reaches as far as the image, smoothed with a Gaussian of this
# width (pixels), is above so many standard deviations.
_REACH, _SMOOTH, _LEVEL = 20.0, 1.5, 2.0

# Widths of the Gaussians with which the light at a position is sought
# (pixels of the stamp); what is more significant than this is a source; the
# least significance.
_WINDOWS, _SURE, _LEAST = (1.5, 3.0, 6.0), 7.0, 0.3

# The largest pixels of stamps, in those of the image.
_COARSEST = 16

# Width of what stands for a position in a plane (pixels of the stamp).
_SPOT = 1.0


def choose_scales(image, x, y):
    """
    Choose how many pixels of an image are one of a stamp, per source.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image less its background, over its noise, finite, shape
        ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.

    Returns
    -------
    scales : `~numpy.ndarray` of int
        At least 1, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.stamps import choose_scales
    >>> x = np.arange(200) - 100
    >>> image = 50.0 * (x ** 2 + x[:, None] ** 2 < 60 ** 2)
    >>> choose_scales(image, np.array([100.0]), np.array([100.0]))
    array([4])
    """
    if not len(x):
        return np.zeros(0, dtype=int)
    smooth = ndimage.gaussian_filter(image, _SMOOTH)
    # smoothed white noise has this much less
    level = _LEVEL / (2 * np.sqrt(np.pi) * _SMOOTH)
    labels, _ = ndimage.label(smooth > level)
    rows, columns = np.nonzero(labels)
    scales = np.ones(len(x), dtype=int)
    if not rows.size:
        return scales
    _, nearest = cKDTree(np.column_stack([x, y])).query(
        np.column_stack([columns, rows]))
    inside = [np.clip(np.rint(values).astype(int), 0, n - 1)
              for values, n in zip((y, x), image.shape, strict=True)]
    own = labels[tuple(inside)]
    mine = own[nearest] == labels[rows, columns]
    if not mine.any():
        return scales
    distance = np.hypot(columns - x[nearest], rows - y[nearest])
    # a few far pixels do not count
    reach = ndimage.labeled_comprehension(
        distance[mine], nearest[mine], np.arange(len(x)),
        lambda part: np.percentile(part, 95), float, 0.0)
    return np.clip(np.ceil(reach / _REACH), 1, _COARSEST).astype(int)


def cut_stamps(image, x, y, numbers, scales):
    """
    Cut stamps around some of the positions.

    Parameters
    ----------
    image : `~numpy.ndarray`
        See `choose_scales`.
    x, y : `~numpy.ndarray`
        All positions (pixels), shape ``(n,)``.
    numbers : sequence of int
        The positions to cut around, m of them.
    scales : `~numpy.ndarray` of int
        From `choose_scales`, shape ``(n,)``.

    Returns
    -------
    stamps : dict of `~numpy.ndarray`
        ``image``, sums of pixels over their noise; ``target`` and
        ``others``, spots at the position and at all others, shape ``(m,
        64, 64)``, single precision.
    corners : list of tuple of int
        Row and column of the first pixel of the image in each stamp,
        which may be negative.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.stamps import cut_stamps
    >>> stamps, corners = cut_stamps(
    ...     np.ones((100, 100)), np.array([50.0, 60.0]), np.array([50.0] * 2),
    ...     [0], np.array([1, 1]))
    >>> stamps['image'].shape, float(stamps['others'][0, 32, 42]), corners
    ((1, 64, 64), 1.0, [(18, 18)])
    """
    shape = (len(numbers), STAMP_SIZE, STAMP_SIZE)
    sides = [int(scales[number]) * STAMP_SIZE for number in numbers]
    # mirror images have mirrored stamps
    corners = [(round(float(y[number]) - (side - 1) / 2),
                round(float(x[number]) - (side - 1) / 2))
               for number, side in zip(numbers, sides, strict=True)]
    spots = {name: np.zeros(shape, dtype=np.float32)
             for name in ('target', 'others')}
    tree = cKDTree(np.column_stack([x, y])) if len(numbers) else None
    for k, (number, side, corner) in enumerate(zip(numbers, sides, corners,
                                                   strict=True)):
        scale = scales[number]
        for other in tree.query_ball_point((x[number], y[number]), side):
            plane = spots['target' if other == number else 'others'][k]
            _add_spot(plane, *((value - low - (scale - 1) / 2) / scale
                               for value, low in ((x[other], corner[1]),
                                                  (y[other], corner[0]))))
    return {'image': cut_planes(image, corners, scales[numbers]),
            **spots}, corners


def cut_planes(image, corners, scales):
    """
    Cut stamps at known places.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Any image, shape ``(ny, nx)``.
    corners : sequence of tuple of int
        From `cut_stamps`.
    scales : sequence of int
        So many pixels of the image are one of a stamp.

    Returns
    -------
    planes : `~numpy.ndarray`
        Sums of pixels over the scale, so that their white noise is that
        of the image; 0 beyond its edges. Shape ``(m, 64, 64)``, single
        precision.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.stamps import cut_planes
    >>> float(cut_planes(np.ones((200, 200)), [(0, 0)], [2]).max())
    2.0
    """
    planes = np.zeros((len(corners), STAMP_SIZE, STAMP_SIZE), np.float32)
    for plane, (low, left), scale in zip(planes, corners, scales,
                                         strict=True):
        side = scale * STAMP_SIZE
        (part,), _ = extract_cutouts(image, left + side // 2,
                                     low + side // 2, side, fill=0)
        plane[:] = part if scale == 1 else block_reduce(part, scale) / scale
    return planes


def _add_spot(plane, x, y):
    """
    Put a spot of height 1 on a plane, where there is none that is higher.
    """
    if not (-4 < x < STAMP_SIZE + 3 and -4 < y < STAMP_SIZE + 3):
        return
    window, offsets = [], []
    for value in (y, x):
        low = max(round(value) - 4, 0)
        high = min(round(value) + 5, STAMP_SIZE)
        window.append(slice(low, high))
        offsets.append(np.arange(low, high) - value)
    spot = np.exp(-0.5 * (offsets[0][:, None] ** 2 + offsets[1] ** 2)
                  / _SPOT ** 2)
    part = plane[tuple(window)]
    np.maximum(part, spot, out=part)


def measure_significance(stamps, other_share):
    """
    Measure how significant the light at positions is.

    It needs no network but for the light of others, so that noise does
    not look like a source.

    Parameters
    ----------
    stamps : dict of `~numpy.ndarray`
        From `cut_stamps`.
    other_share : `~numpy.ndarray`
        Share of others in each pixel, shape ``(m, 64, 64)``.

    Returns
    -------
    significance : `~numpy.ndarray`
        The largest signal-to-noise ratio in Gaussian windows, at least
        0.3; infinite where it is above 7. Shape ``(m,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.stamps import (cut_stamps,
    ...     measure_significance)
    >>> image = np.zeros((100, 100))
    >>> place = np.array([50.0])
    >>> stamps, _ = cut_stamps(image, place, place, [0], np.array([1]))
    >>> measure_significance(stamps, np.zeros((1, 64, 64)))
    array([0.3])
    """
    light = stamps['image'] * (1 - other_share)
    weight = stamps['target'] / stamps['target'].sum(axis=(1, 2),
                                                     keepdims=True)
    found = []
    for sigma in _WINDOWS:
        smooth = ndimage.gaussian_filter(light, (0, sigma, sigma))
        # the spot at the position smooths, too
        noise = 1 / (2 * np.sqrt(np.pi * (sigma ** 2 + _SPOT ** 2)))
        found.append((smooth * weight).sum(axis=(1, 2)) / noise)
    found = np.max(found, axis=0)
    return np.where(found > _SURE, np.inf, np.maximum(found, _LEAST))
