# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The surroundings of sources: annuli, and apertures around them.
"""

import numpy as np

from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_valid, stack_statistics)
from compact_removal.photometry.apertures import aperture_weights

__all__ = ['annulus_background', 'aperture_scatter']

# Apertures on the circle around a source that sample its surroundings.
_N_SAMPLES = 12

# Standard deviation of a normal distribution per median absolute
# deviation.
_SIGMA_PER_MAD = 1.482602218505602


def annulus_background(data, x, y, inner, outer, *, mask=None):
    """
    Measure mean and standard deviation of pixels in annuli.

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
    >>> from compact_removal.photometry import annulus_background
    >>> mean, std, count = annulus_background(np.ones((19, 19)), [9], [9],
    ...                                       5, 8)
    >>> print(mean, std)
    [1.] [0.]
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    mean, std = np.full((2, x.size), np.nan)
    count = np.zeros(x.size, dtype=int)
    size = 2 * int(np.ceil(outer)) + 3
    for part in chunk_slices(x.size, size):
        stack, corners = extract_valid(data, x[part], y[part], size,
                                       mask=mask)
        radius = cutout_radii(x[part], y[part], corners, size)
        mean[part], std[part], count[part] = stack_statistics(
            stack, (radius >= inner) & (radius <= outer))
    return mean, std, count


def aperture_scatter(data, x, y, radius, distance, *, mask=None):
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
            enough = np.isfinite(sums).sum(axis=1) >= 3
            chosen = sums[enough]
            middle = np.nanmedian(chosen, axis=1, keepdims=True)
            scatter[chunk[enough]] = _SIGMA_PER_MAD * np.nanmedian(
                np.abs(chosen - middle), axis=1)
    return scatter


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
