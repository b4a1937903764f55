# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sums of pixels in apertures.
"""

import numpy as np

from compact_removal.maps.cutouts import chunk_slices, extract_valid

__all__ = ['aperture_sums', 'aperture_weights', 'soft_aperture_weights']


def aperture_weights(x, y, radii, corners, size):
    """
    Compute the exact overlap of the pixels of cutouts with circles.

    Parameters
    ----------
    x, y, radii : array_like
        Positions and radii in pixels, shape ``(n,)``.
    corners : array_like
        ``(x, y)`` of the first pixel of each cutout, shape ``(n, 2)``.
    size : int
        Side of the cutouts in pixels.

    Returns
    -------
    weights : `~numpy.ndarray`
        Values in [0, 1], shape ``(n, size, size)``.

    Examples
    --------
    >>> from compact_removal.photometry import aperture_weights
    >>> weights = aperture_weights([4], [4], [2], [[0, 0]], 9)
    >>> print(weights.sum().round(3))
    12.566
    """
    # here, as all of photutils takes long to import
    from photutils.geometry import circular_overlap_grid

    weights = np.empty((len(corners), size, size))
    for weight, (left, low), xi, yi, radius in zip(weights, corners, x, y,
                                                   radii, strict=True):
        left, low = left - 0.5 - xi, low - 0.5 - yi
        weight[...] = circular_overlap_grid(left, left + size, low,
                                            low + size, size, size, radius,
                                            1, 1)
    return weights


def soft_aperture_weights(x, y, radii, size):
    """
    Compute weights of pixels in circles, falling to 0 over one pixel.

    An approximation of `aperture_weights` for training data: pixels half
    a pixel inside the circle count in full, those half a pixel outside
    not at all.

    Parameters
    ----------
    x, y, radii : array_like
        Positions in pixels of each cutout, and radii in pixels, shape
        ``(n,)``.
    size : int
        Side of the cutouts in pixels.

    Returns
    -------
    weights : `~numpy.ndarray`
        Values in [0, 1], shape ``(n, size, size)``.

    Examples
    --------
    >>> from compact_removal.photometry import soft_aperture_weights
    >>> weights = soft_aperture_weights([4], [4], [2], 9)
    >>> print(weights[0, 4])
    [0.  0.  0.5 1.  1.  1.  0.5 0.  0. ]
    """
    grid = np.arange(size)
    x, y, radii = (np.asarray(value, dtype=float)[:, None, None]
                   for value in (x, y, radii))
    distance = np.hypot(grid - x, grid[:, None] - y)
    return np.clip(radii + 0.5 - distance, 0, 1)


def aperture_sums(data, x, y, radii, *, mask=None, error=None):
    """
    Sum pixels in circles, with the exact overlap of circle and pixel.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y, radii : array_like
        Positions and radii in pixels, shape ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``; pixels
        that are not finite are never used.
    error : array_like, optional
        Standard deviation per pixel, shape ``(ny, nx)``. Values that
        are not positive and finite are unknown.

    Returns
    -------
    sums, sum_errors, areas : `~numpy.ndarray`
        Sums in the unit of ``data``, their errors, and the summed area
        in pixels, shape ``(n,)``. What is masked or off the map is
        missing from sum and area. Pixels of unknown error count with
        the mean variance of the others in the aperture; an error of
        which nothing is known is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import aperture_sums
    >>> sums, errors, areas = aperture_sums(np.ones((9, 9)), [4], [4], [2])
    >>> print(sums.round(3))
    [12.566]
    """
    x, y, radii = (np.asarray(value, dtype=float) for value in (x, y, radii))
    sums, areas = np.zeros((2, x.size))
    variances = np.full(x.size, np.nan)
    size = 2 * int(np.ceil(radii.max(initial=0))) + 3
    for part in chunk_slices(x.size, size):
        stack, corners = extract_valid(data, x[part], y[part], size,
                                       mask=mask)
        weights = aperture_weights(x[part], y[part], radii[part], corners,
                                   size)
        good = np.isfinite(stack)
        weights[~good] = 0
        areas[part] = weights.sum(axis=(1, 2))
        sums[part] = (weights * np.where(good, stack, 0)).sum(axis=(1, 2))
        if error is not None:
            deviation, _ = extract_valid(error, x[part], y[part], size)
            known = deviation > 0
            variance = np.where(known, deviation, 0) ** 2
            share = (weights * known).sum(axis=(1, 2))
            share = np.divide(areas[part], share, where=share > 0,
                              out=np.full_like(share, np.nan))
            variances[part] = share * (weights * variance).sum(axis=(1, 2))
    return sums, np.sqrt(variances), areas
