# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Significance of a source at each pixel, by matched filters.

The background is a Gaussian random field, as in the fit of sources
(`compact_removal.fitting`), whose noise may be weak, as strong as the
structure, or all there is. The flux of the best fit at each pixel is then
a convolution; over its local scatter it is a significance. The scale of a
map has no influence.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import (binary_dilation, gaussian_filter, map_coordinates,
                           median_filter)

from compact_removal.fitting.covariance import make_covariance

__all__ = ['LEVELS', 'SCATTER_BOX', 'FilteredMap', 'filter_flux',
           'filter_map', 'local_scatter', 'make_kernel']

# Noise over structure of the backgrounds that filters are made for: numbers
# of `compact_removal.fitting.covariance.NOISE_LEVELS`.
LEVELS = (0, 2, 5)

# Radius of the filters, and side of the boxes in which their scatter is
# measured (full widths).
_RADIUS = 2.0
SCATTER_BOX = 10

# Boxes with fewer known pixels than this share have the scatter of others.
_LEAST_KNOWN = 0.3

# Unknown areas grow by this many full widths where they are not single
# pixels: nothing is found along the edge of what was observed. Of the array,
# this share of a width is left out, where there is less than half of a source.
_EDGE = 1.0
_RIM = 0.3


class FilteredMap(NamedTuple):
    """
    What `filter_map` returns.

    Attributes
    ----------
    planes : `~numpy.ndarray`
        Significances for the backgrounds, float32, 0 where they are not
        known, shape ``(3, ny, nx)``.
    scatter : `~numpy.ndarray`
        Scatter of the flux with medium noise, float32, shape
        ``(ny, nx)``; 0 where it is not known.
    known : `~numpy.ndarray` of bool
        Where a source may be found, shape ``(ny, nx)``.
    """

    planes: np.ndarray
    scatter: np.ndarray
    known: np.ndarray


def filter_map(data, psf):
    """
    Significance of a source of the PSF at each pixel.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, NaN where unknown, shape ``(ny, nx)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF.

    Returns
    -------
    filtered : `FilteredMap`
        Significances for weak, medium and strong noise, and where they
        hold.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.filters import filter_map
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> band = get_band('scanmap', 'blue')
    >>> data = np.random.default_rng(1).normal(size=(80, 90))
    >>> data += 200 * make_psf_stamp(band, shape=data.shape, center=(60, 30))
    >>> planes, _, known = filter_map(data, SourcePSF(band, band.pixel_scale))
    >>> [int(i) for i in np.unravel_index(planes[2].argmax(), known.shape)]
    [30, 60]
    """
    measured = np.isfinite(data)
    known = ~_borders(measured, psf.fwhm)
    rim = round(_RIM * psf.fwhm)
    inside = np.zeros(data.shape, dtype=bool)
    inside[tuple(slice(rim, n - rim) for n in data.shape)] = True
    known &= inside
    planes, scatters = np.zeros((2, len(LEVELS), *data.shape),
                                dtype=np.float32)
    if known.any():
        filled = _fill(data, measured, psf.fwhm)
        box = round(SCATTER_BOX * psf.fwhm)
        for plane, scatter, level in zip(planes, scatters, LEVELS,
                                         strict=True):
            flux = filter_flux(filled, psf, level)
            flux[~known] = np.nan
            scatter[:] = local_scatter(flux, box)
            np.divide(flux, scatter, out=plane, where=known & (scatter > 0))
    return FilteredMap(planes, scatters[1], known)


def filter_flux(data, psf, level):
    """
    Flux of the best fit of a source at each pixel.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, finite, shape ``(ny, nx)``; it goes on beyond its edges
        as in a mirror.
    psf, level : object
        See `make_kernel`.

    Returns
    -------
    flux : `~numpy.ndarray`
        Shape ``(ny, nx)``.
    """
    # it loads scipy.stats
    from scipy.signal import oaconvolve

    kernel = make_kernel(psf, level)
    padded = np.pad(data, kernel.shape[0] // 2, mode='symmetric')
    return oaconvolve(padded, kernel, mode='valid')


@lru_cache(maxsize=128)
def make_kernel(psf, level):
    """
    Make the filter that gives the flux of a source.

    Parameters
    ----------
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF.
    level : int
        Number of the noise, see
        `~compact_removal.fitting.covariance.make_covariance`.

    Returns
    -------
    kernel : `~numpy.ndarray`
        To convolve with; it does not see a constant, and gives 1 for a
        source of flux 1. Shape ``(m, m)`` with an odd m.
    """
    offsets, covariance = make_covariance(psf.fwhm, level, _RADIUS)
    middle = (offsets.max(axis=1) + offsets.min(axis=1)) // 2
    rows, columns = offsets - middle[:, None]
    profile = psf(np.hypot(rows, columns))
    design = np.stack([profile, np.ones_like(profile)], axis=1)
    solved = np.linalg.solve(covariance, design)
    weights = np.linalg.solve(design.T @ solved, solved.T)[0]
    half = int(rows.max())
    kernel = np.zeros((2 * half + 1,) * 2)
    # turned by half a turn, as convolutions do it back
    kernel[half - rows, half - columns] = weights
    kernel.flags.writeable = False
    return kernel


def local_scatter(values, box):
    """
    Half of the 16-84 % range in boxes, interpolated.

    Parameters
    ----------
    values : `~numpy.ndarray`
        NaN where unknown, shape ``(ny, nx)``.
    box : int
        Side of the boxes (pixels).

    Returns
    -------
    scatter : `~numpy.ndarray`
        Shape ``(ny, nx)``; 0 if nothing is known.
    """
    sizes = [max(1, round(n / box)) for n in values.shape]
    coarse = _box_scatter(values, sizes)
    if not np.isfinite(coarse).any():
        return np.zeros(values.shape)
    # unknown boxes get the median of the others
    coarse = np.where(np.isfinite(coarse), coarse, np.nanmedian(coarse))
    coarse = median_filter(coarse, 3, mode='nearest')
    places = [(np.arange(n) + 0.5) / n * size - 0.5
              for n, size in zip(values.shape, sizes, strict=True)]
    return map_coordinates(coarse, np.meshgrid(*places, indexing='ij'),
                           order=1, mode='nearest')


def _box_scatter(values, sizes):
    """
    Half of the 16-84 % range in a grid of boxes; NaN where little is known.
    """
    edges = [np.linspace(0, n, size + 1).astype(int)
             for n, size in zip(values.shape, sizes, strict=True)]
    largest = [np.diff(edge).max() for edge in edges]
    padded = np.pad(values, [(0, 1), (0, 1)], constant_values=np.nan)
    # pixels beyond the end of a box are the last ones, which are not known
    rows, columns = (
        np.where(edge[:-1, None] + np.arange(n) < edge[1:, None],
                 edge[:-1, None] + np.arange(n), edge[-1])
        for edge, n in zip(edges, largest, strict=True))
    boxes = np.sort(padded[rows[:, None, :, None], columns[:, None, :]]
                    .reshape(*sizes, -1), axis=2)
    n_known = np.isfinite(boxes).sum(axis=2)
    n_pixels = np.multiply.outer(*(np.diff(edge) for edge in edges))
    limits = []
    for level in (0.16, 0.84):
        place = level * np.maximum(n_known - 1, 0)
        low = place.astype(int)
        one, other = (np.take_along_axis(
            boxes, np.minimum(index, boxes.shape[2] - 1)[..., None],
            axis=2)[..., 0] for index in (low, low + 1))
        limits.append(np.where(place > low, one + (place - low)
                               * (other - one), one))
    enough = n_known > np.maximum(_LEAST_KNOWN * n_pixels, 8)
    return np.where(enough, (limits[1] - limits[0]) / 2, np.nan)


def _borders(measured, fwhm):
    """
    Pixels next to areas that were not measured.
    """
    if measured.all():
        return np.zeros(measured.shape, dtype=bool)
    lost = np.pad(~measured, 1, mode='edge')
    # single pixels and thin lines are interpolated
    wide = ~binary_dilation(~lost, np.ones((3, 3)))
    steps = int(np.ceil(_EDGE * fwhm)) + 1
    return binary_dilation(wide, _disc(1), iterations=1 + steps)[1:-1, 1:-1]


@lru_cache(maxsize=8)
def _disc(radius):
    """
    A round structuring element.
    """
    y, x = np.indices((2 * radius + 1,) * 2) - radius
    return np.hypot(x, y) <= radius + 0.5


def _fill(data, measured, fwhm):
    """
    The map with smooth values where nothing was measured.
    """
    level = np.median(data[measured])
    if measured.all():
        return data - level
    values = np.where(measured, data - level, 0.0)
    filled, known = values.copy(), measured.astype(float)
    result, rest = values, ~measured
    for sigma in (0.5 * fwhm, 2 * fwhm, 8 * fwhm):
        weight = gaussian_filter(known, sigma)
        smooth = gaussian_filter(filled, sigma)
        enough = rest & (weight > 0.05)
        result = np.where(enough, smooth / np.maximum(weight, 0.05), result)
        rest = rest & ~enough
    return result
