# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Aperture-corrected fluxes and their errors.
"""

import astropy.units as u
import numpy as np

from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_valid)
from compact_removal.psf import as_psf

__all__ = ['annulus_background', 'aperture_correction', 'aperture_scatter',
           'aperture_sums', 'aperture_weights']

# Apertures on the circle around a source that sample its surroundings.
_N_SAMPLES = 12

# Standard deviation of a normal distribution per median absolute
# deviation.
_SIGMA_PER_MAD = 1.482602218505602


def aperture_correction(band, radius):
    """
    Compute the fraction of the flux of a point source in an aperture.

    The aperture sum divided by it is the flux (paper, Sect. 3.4). The
    table of the band is used where there is one, otherwise the
    encircled energy of the band's PSF.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    radius : `~astropy.units.Quantity`
        Aperture radius (angle), of any shape.

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in (0, 1], of the shape of ``radius``.

    Raises
    ------
    ValueError
        If a radius is not positive or larger than those of the table.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.photometry import aperture_correction
    >>> print(aperture_correction(get_band('scanmap', 'blue'),
    ...                           [6, 12] * u.arcsec).round(3))
    [0.642 0.804]
    """
    if band.eef_radii:
        return np.asarray(band.encircled_energy(radius))
    radius = np.asarray(u.Quantity(radius).to_value(u.arcsec))
    if np.any(radius <= 0):
        msg = f'radius must be positive, got {radius} arcsec'
        raise ValueError(msg)
    return as_psf(band).encircled_energy(radius)


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
        Standard deviation per pixel, shape ``(ny, nx)``.

    Returns
    -------
    sums, sum_errors, areas : `~numpy.ndarray`
        Sums in the unit of ``data``, their errors (0 without
        ``error``), and the summed area in pixels, shape ``(n,)``. What
        is masked or off the map is missing from sum and area.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import aperture_sums
    >>> sums, errors, areas = aperture_sums(np.ones((9, 9)), [4], [4], [2])
    >>> print(sums.round(3))
    [12.566]
    """
    x, y, radii = (np.asarray(value, dtype=float) for value in (x, y, radii))
    sums, variances, areas = np.zeros((3, x.size))
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
            variances[part] = (weights * np.nan_to_num(deviation) ** 2).sum(
                axis=(1, 2))
    return sums, np.sqrt(variances), areas


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
        ring = np.isfinite(stack) & (radius >= inner) & (radius <= outer)
        number = ring.sum(axis=(1, 2))
        some = number > 0
        divisor = np.where(some, number, np.nan)
        level = np.where(ring, stack, 0).sum(axis=(1, 2)) / divisor
        deviation = np.where(ring, stack - level[:, None, None], 0)
        count[part], mean[part] = number, level
        std[part] = np.sqrt((deviation ** 2).sum(axis=(1, 2)) / divisor)
    return mean, std, count


def aperture_scatter(data, x, y, radius, distance, *, mask=None):
    """
    Measure the scatter of aperture sums around sources.

    Twelve apertures of the same radius are laid on a circle around the pixel
    of the source. Their scatter (scaled median absolute deviation) tells
    how much an aperture sum varies with the noise *and* with the
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
