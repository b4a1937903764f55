# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The surroundings of sources: annuli, and apertures around them.
"""

import numpy as np

from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_cutouts, extract_valid,
                                          stack_statistics)
from compact_removal.maps.holes import draw_discs
from compact_removal.photometry.apertures import aperture_weights

__all__ = ['annulus_background', 'annulus_mean', 'aperture_scatter']

# Apertures on the circle around a source that sample its surroundings.
_N_SAMPLES = 12

# Standard deviation of a normal distribution per median absolute
# deviation.
_SIGMA_PER_MAD = 1.482602218505602

# Pixels further from the median than so many standard deviations are
# left out, at most so many times.
_CLIP = 3.0
_N_CLIPS = 10

# Variance of the median over that of the mean, of normal values.
_MEDIAN_VARIANCE = np.pi / 2


def annulus_background(data, x, y, inner, outer, *, mask=None, holes=None):
    """
    Measure the background in annuli by a sigma-clipped median.

    Pixels more than three standard deviations from the median are left
    out, until there are none. Faint sources in an annulus have little
    influence then; bright ones are left out with ``holes``.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    inner, outer : float
        Radii in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.
    holes : array_like, optional
        Radius around each position, in pixels, shape ``(n,)``. An
        annulus leaves out the pixels within these radii of the *other*
        positions.

    Returns
    -------
    level, level_err, std : `~numpy.ndarray`
        Median of the pixels that are left, its standard error if their
        noise is independent, and their standard deviation, in the unit
        of ``data``, shape ``(n,)``; NaN without pixels.

    See Also
    --------
    annulus_mean : The mean of all pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import annulus_background
    >>> data = np.ones((19, 19))
    >>> data[9, 3] = 50
    >>> level, level_err, std = annulus_background(data, [9], [9], 5, 8)
    >>> print(level, level_err, std)
    [1.] [0.] [0.]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    covered = None
    if holes is not None:
        holes = np.asarray(holes, dtype=float)
        covered = draw_discs(np.shape(data), x, y, holes)
    level, error, std = np.full((3, x.size), np.nan)
    for part, stack, radius, corners in _annulus_stacks(data, x, y, outer,
                                                        mask):
        stack[(radius < inner) | (radius > outer)] = np.nan
        if covered is not None:
            others, _ = extract_cutouts(covered, x[part], y[part],
                                        stack.shape[-1], fill=0)
            # the disc of the source itself counts once within it
            own = _own_disc(x[part], y[part], holes[part], corners,
                            stack.shape[-1])
            stack[others > own] = np.nan
        level[part], error[part], std[part] = _clipped_median(
            stack.reshape(len(stack), -1))
    return level, error, std


def annulus_mean(data, x, y, inner, outer, *, mask=None):
    """
    Measure mean and standard deviation of all pixels in annuli.

    This is the background of standard photometry in the paper. Sources
    in the annulus count; `annulus_background` is better.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    inner, outer : float
        Radii in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.

    Returns
    -------
    mean, std, count : `~numpy.ndarray`
        Mean and standard deviation in the unit of ``data`` (NaN without
        pixels), and number of pixels, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import annulus_mean
    >>> mean, std, count = annulus_mean(np.ones((19, 19)), [9], [9], 5, 8)
    >>> print(mean, std)
    [1.] [0.]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    mean, std = np.full((2, x.size), np.nan)
    count = np.zeros(x.size, dtype=int)
    for part, stack, radius, _ in _annulus_stacks(data, x, y, outer, mask):
        mean[part], std[part], count[part] = stack_statistics(
            stack, (radius >= inner) & (radius <= outer))
    return mean, std, count


def _annulus_stacks(data, x, y, outer, mask):
    """
    Cutouts around positions, part by part, and distances of their pixels.
    """
    size = 2 * int(np.ceil(outer)) + 3
    for part in chunk_slices(x.size, size):
        stack, corners = extract_valid(data, x[part], y[part], size,
                                       mask=mask)
        yield part, stack, cutout_radii(x[part], y[part], corners,
                                        size), corners


def _own_disc(x, y, radii, corners, size):
    """
    Pixels of cutouts in the disc of their source, as `draw_discs` draws it.
    """
    own = np.zeros((len(corners), size, size), dtype=np.int32)
    for disc, xi, yi, radius, (left, low) in zip(own, x, y, radii, corners,
                                                 strict=True):
        disc[...] = draw_discs(disc.shape, xi - left, yi - low, radius)
    return own


def _clipped_median(values):
    """
    Median, its error and standard deviation of rows, clipped.

    NaN is left out.
    """
    # sorted, the values that are left are a range of each row
    values = np.sort(values, axis=1)
    first = np.zeros(len(values), dtype=int)
    stop = np.isfinite(values).sum(axis=1)
    # small numbers, so that the squares do not lose digits
    offset = _middle(values, first, stop)[:, None]
    values = values - offset
    sums = np.cumsum(np.nan_to_num(values), axis=1)
    squares = np.cumsum(np.nan_to_num(values) ** 2, axis=1)
    sums, squares = (np.pad(total, ((0, 0), (1, 0)))
                     for total in (sums, squares))
    rows = np.arange(len(values))
    for _ in range(_N_CLIPS):
        count = stop - first
        divisor = np.where(count > 0, count, np.nan)
        mean, square = ((total[rows, stop] - total[rows, first]) / divisor
                        for total in (sums, squares))
        std = np.sqrt(np.maximum(square - mean ** 2, 0))
        middle = _middle(values, first, stop)
        reach = _CLIP * std
        # NaN compares as false
        below = (values < (middle - reach)[:, None]).sum(axis=1)
        within = (values <= (middle + reach)[:, None]).sum(axis=1)
        empty = count == 0
        new = (np.where(empty, first, np.maximum(first, below)),
               np.where(empty, stop, np.minimum(stop, within)))
        if (new[0] == first).all() and (new[1] == stop).all():
            break
        first, stop = new
    middle = _spread_ties(values, first, stop, middle)
    error = std * np.sqrt(_MEDIAN_VARIANCE / divisor)
    return middle + offset[:, 0], error, std


def _middle(values, first, stop):
    """
    Median of a range of each row, sorted; NaN of an empty one.
    """
    rows = np.arange(len(values))
    low = np.minimum((first + stop - 1) // 2, values.shape[1] - 1)
    high = np.minimum((first + stop) // 2, values.shape[1] - 1)
    return np.where(stop > first, 0.5 * (values[rows, low]
                                         + values[rows, high]), np.nan)


def _spread_ties(values, first, stop, middle):
    """
    Median where many values are equal to it, as after rounding.

    Those that are equal stand for all values nearer to it than to the
    next smaller and larger ones.
    """
    rows = np.arange(len(values))
    below = np.maximum((values < middle[:, None]).sum(axis=1), first)
    within = np.minimum((values <= middle[:, None]).sum(axis=1), stop)
    last = values.shape[1] - 1
    down = np.where(below > first, middle - values[rows, below - 1], np.nan)
    up = np.where(within < stop,
                  values[rows, np.minimum(within, last)] - middle, np.nan)
    # at an end, both sides are alike; if all are equal there is no width
    down, up = (np.nan_to_num(np.where(np.isnan(one), other, one))
                for one, other in ((down, up), (up, down)))
    ties = within - below
    share = ((first + stop) / 2 - below) / np.maximum(ties, 1)
    return middle + np.where(ties > 1, (share * (down + up) - down) / 2, 0)


def aperture_scatter(data, x, y, radius, distance, *, mask=None,
                     local=False):
    """
    Measure the scatter of aperture sums around sources.

    Twelve apertures of the same radius are laid on a circle around the pixel
    of the source. Their scatter (scaled median absolute deviation) is
    what an aperture sum varies by with the noise *and* with the
    structure of the background on the scale of the aperture.

    Parameters
    ----------
    data : array_like
        The map without the sources, shape ``(ny, nx)``.
    x, y, radius : array_like
        Positions and radii in pixels, shape ``(n,)``.
    distance : float
        Radius of the circle in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.
    local : bool, optional
        Whether to measure how far the sums lie from what those beside
        them lead to (a line or a cubic; scaled, so that white noise
        gives the same). Structure that is larger than the gaps between
        them does not count then.

    Returns
    -------
    scatter : `~numpy.ndarray`
        In the unit of ``data``, shape ``(n,)``; NaN where fewer than
        three apertures lie on usable pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import aperture_scatter
    >>> noise = np.random.default_rng(1).normal(size=(61, 61))
    >>> scatter = aperture_scatter(noise, [30], [30], [3], 19)
    >>> bool(2 < scatter[0] < 10)
    True
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    radius = np.asarray(radius, dtype=float)
    scatter = np.full(x.size, np.nan)
    for value in np.unique(radius):
        rows = np.flatnonzero(radius == value)
        size = 2 * int(np.ceil(distance + value)) + 3
        samples = _ring_of_apertures(value, distance, size)
        full = np.pi * value ** 2
        for part in chunk_slices(rows.size, size):
            chunk = rows[part]
            stack, _ = extract_valid(data, x[chunk], y[chunk], size,
                                     mask=mask)
            stack = stack.reshape(chunk.size, -1)
            good = np.isfinite(stack)
            areas = good.astype(float) @ samples
            sums = np.where(good, stack, 0) @ samples
            sums = np.divide(sums * full, areas,
                             out=np.full_like(sums, np.nan),
                             where=areas > 0.7 * full)
            scatter[chunk] = (_scatter_beside(sums, value, distance) if local
                              else _median_deviation(sums, np.nanmedian))
    return scatter


def _median_deviation(sums, middle=None):
    """
    Scaled median absolute deviation of rows; NaN with less than three.
    """
    scatter = np.full(len(sums), np.nan)
    enough = np.isfinite(sums).sum(axis=1) >= 3
    chosen = sums[enough]
    if middle is not None:
        chosen = chosen - middle(chosen, axis=1, keepdims=True)
    scatter[enough] = _SIGMA_PER_MAD * np.nanmedian(np.abs(chosen), axis=1)
    return scatter


def _scatter_beside(sums, radius, distance):
    """
    Scatter of sums around what those beside them lead to.

    A line through one on each side, or a cubic through two: what has less
    scatter. The cubic follows smooth structure, and more of its values
    are wrong where something else lies on the circle.
    """
    step = _steps_apart(radius, distance)
    near, far = (np.roll(sums, k * step, axis=1)
                 + np.roll(sums, -k * step, axis=1) for k in (1, 2))
    return np.fmin(_median_deviation((sums - near / 2) / np.sqrt(1.5)),
                   _median_deviation((sums - (4 * near - far) / 6)
                                     / np.sqrt(1 + 34 / 36)))


def _steps_apart(radius, distance):
    """
    Steps on the circle to the next aperture that does not overlap.
    """
    sine = np.sin(np.arange(1, _N_SAMPLES // 4 + 1) * np.pi / _N_SAMPLES)
    apart = np.flatnonzero(distance * sine >= radius)
    return 1 + (apart[0] if apart.size else sine.size - 1)


def _ring_of_apertures(radius, distance, size):
    """
    Weights of apertures on a circle around the pixel of a source.

    One column for each aperture, shape ``(size ** 2, n)``.
    """
    angle = np.arange(_N_SAMPLES) * (2 * np.pi / _N_SAMPLES)
    weights = aperture_weights(
        size // 2 + distance * np.cos(angle),
        size // 2 + distance * np.sin(angle), np.full(_N_SAMPLES, radius),
        np.zeros((_N_SAMPLES, 2)), size)
    return weights.reshape(_N_SAMPLES, -1).T
