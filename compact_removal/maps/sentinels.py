# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Values that stand for missing pixels, such as 0 or -999.
"""

import numpy as np
from scipy.ndimage import binary_dilation

__all__ = ['find_sentinels']

# A block is a square of this side, or a line of pixels of this length.
_SIDE, _LENGTH = 3, 9

# Values that are looked at, the most frequent ones.
_MAX_VALUES = 8

# Further from the median than all others by this factor; upwards, where
# pixels are in no block, as hot ones may be far, too.
_FAR, _VERY_FAR = 10.0, 1e6

# So many pixels of one value need not be in a block, if it is far.
_MIN_SCATTERED = 4

# Largest share of equal neighbours, where values are not rounded.
_MAX_EQUAL = 0.1

# Smallest share of local minima in noise (white noise: 0.2).
_MIN_NOISE = 0.005

# Smallest share of a map that is a field.
_MIN_FIELD = 0.2

# Pixels for statistics.
_SAMPLE = 1_000_000


def find_sentinels(data, mask=None):
    """
    Find values that stand for missing pixels.

    Mappers and other programs write such a value where there is no
    measurement. It fills blocks (a square of 3 pixels, or 9 pixels in a
    line) of exactly one value, and either lies far outside of all other
    values, or these are noisy, which blocks of a measured value would
    be, too. A value far below all others, or a million times as far
    above, need not fill blocks. The zero background of a simulation
    without noise is none, nor is the flat top of a saturated star, nor
    are rounded values.

    Parameters
    ----------
    data : `~numpy.ndarray`
        A map, shape ``(ny, nx)``.
    mask : `~numpy.ndarray` of bool, optional
        True where a pixel is known to be missing, of the same shape.

    Returns
    -------
    values : list of float
        The values, the one furthest from the other pixels first.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.sentinels import find_sentinels
    >>> data = np.random.default_rng(0).normal(size=(50, 60))
    >>> find_sentinels(data)
    []
    >>> data[:, :20] = -999
    >>> find_sentinels(data)
    [-999.0]
    """
    good = np.isfinite(data)
    if mask is not None:
        good &= ~mask
    found = []
    for find, factor in ((np.min, _FAR), (np.max, _VERY_FAR)):
        value = float(find(data, where=good, initial=0))
        scattered = good & (data == value)
        if np.count_nonzero(scattered) >= _MIN_SCATTERED and _is_far(
                value, _sample(data[good & ~scattered]).astype(float),
                factor):
            found.append(value)
            good &= ~scattered
    candidates = _list_repeated(data, ~good)
    if not candidates or not good.any():
        return found
    center = np.median(_sample(data[good]))
    for value in sorted(candidates, key=lambda value: -abs(value - center)):
        block = good & (data == value)
        rest = good & ~block
        if _is_far(value, _sample(data[rest]).astype(float)) or (
                _is_in_noise(data, value, block, rest)):
            found.append(value)
            good = rest
    return found


def _list_repeated(data, mask):
    """
    Values that fill blocks, the most frequent ones.
    """
    counts = {}
    ny, nx = data.shape
    step = max(_LENGTH, _SAMPLE // nx)
    for start in range(0, ny, step):
        # parts overlap, so that no block is cut
        part = data[start:start + step + _LENGTH - 1]
        across = part[:, 1:] == part[:, :-1]
        down = part[1:] == part[:-1]
        if not (across.any() or down.any()):
            continue
        good = ~mask[start:start + step + _LENGTH - 1]
        corner = np.zeros(part.shape, dtype=bool)
        for equal, axis in ((across, 1), (down, 0)):
            line = _in_a_row(equal, _LENGTH - 1, axis)
            corner[:line.shape[0], :line.shape[1]] |= line
        square = (_in_a_row(_in_a_row(across, _SIDE - 1, 1), _SIDE, 0),
                  _in_a_row(_in_a_row(down, _SIDE - 1, 0), _SIDE, 1))
        ny_part, nx_part = np.min([item.shape for item in square], axis=0)
        corner[:ny_part, :nx_part] |= (square[0][:ny_part, :nx_part]
                                       & square[1][:ny_part, :nx_part])
        values, numbers = np.unique(part[corner & good], return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(),
                                 strict=True):
            counts[value] = counts.get(value, 0) + number
    return sorted(counts, key=counts.get, reverse=True)[:_MAX_VALUES]


def _in_a_row(values, number, axis):
    """
    Where so many are true, from here along an axis.
    """
    length = values.shape[axis] - number + 1
    if length < 1:
        return np.zeros((0, 0), dtype=bool)
    result = values.take(range(length), axis=axis)
    for shift in range(1, number):
        result &= values.take(range(shift, shift + length), axis=axis)
    return result


def _sample(values):
    """
    At most so many of the values.
    """
    return values[::max(1, values.size // _SAMPLE)]


def _is_far(value, others, factor=_FAR):
    """
    Whether a value lies far outside of all others.
    """
    if others.size == 0:
        return False
    lowest, center, highest = np.quantile(others, [0, 0.5, 1])
    if lowest == highest:
        return False
    if value > highest:
        return value - center > factor * (highest - center)
    # half of the others may be the lowest, as counts are
    return (value < lowest and center - value > factor * (center - lowest)
            and (center > lowest or value < 0 <= lowest))


def _is_in_noise(data, value, block, rest):
    """
    Whether a value fills blocks among pixels that are noisy.
    """
    if np.count_nonzero(rest) < 4 * _LENGTH:
        return False
    around = data[binary_dilation(block) & rest].astype(float) - value
    others = _sample(data[rest]).astype(float) - value
    if around.size == 0 or _share_of_equal(data, rest) > _MAX_EQUAL:
        return False
    if 0 > np.quantile(others, 0.99) and (
            np.median(around) - np.median(others)
            > -0.1 * np.median(others)):
        # the flat top of a star
        return False
    both_signs = 0.1 < np.mean(around > 0) < 0.9
    # stamps of sources without noise may end abruptly
    jump = (np.count_nonzero(rest) > _MIN_FIELD * data.size
            and np.quantile(np.abs(around), 0.05)
            > 0.5 * np.median(np.abs(others)))
    return bool(both_signs or jump
                or _share_of_minima(data, rest) > _MIN_NOISE)


def _share_of_equal(data, rest):
    """
    Share of pixels that are equal to the next one.
    """
    both = rest[:, 1:] & rest[:, :-1]
    equal = both & (data[:, 1:] == data[:, :-1])
    return np.count_nonzero(equal) / max(1, np.count_nonzero(both))


def _share_of_minima(data, rest):
    """
    Share of local minima among pixels with four neighbours.
    """
    inner = np.s_[1:-1, 1:-1]
    valid, lower = rest[inner].copy(), rest[inner].copy()
    for neighbour in (np.s_[:-2, 1:-1], np.s_[2:, 1:-1], np.s_[1:-1, :-2],
                      np.s_[1:-1, 2:]):
        valid &= rest[neighbour]
        lower &= data[inner] < data[neighbour]
    return np.count_nonzero(valid & lower) / max(1, np.count_nonzero(valid))
