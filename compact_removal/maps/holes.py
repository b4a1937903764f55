# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Source masks whose radius grows with the signal-to-noise ratio.
"""

import astropy.units as u
import numpy as np

from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_valid, stack_statistics)
from compact_removal.utils.parameters import ParameterError

__all__ = ['ANNULUS_FWHM', 'draw_discs', 'mask_radius', 'scale_factor',
           'scale_radii', 'source_snr']

# Annulus of signal-to-noise ratios in full widths of the PSF, where there
# is no band that gives it in pixels.
ANNULUS_FWHM = (3.2, 7.0)

# Maps whose pixels differ by more than this factor from the nominal
# ones are refused: masks and networks were made for the nominal scale.
_MAX_SCALE_RATIO = 2.0


def source_snr(data, x, y, *, source_radius, annulus_radii, mask=None):
    """
    Measure signal-to-noise ratios of sources (paper, equation 1).

    The ratio of Sect. 2.4.4 is ``(peak - mean) / std``: peak within the
    source circle, mean and standard deviation within the annulus. Pixels
    that are not finite, masked, or off the map are left out.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    source_radius : float
        Radius of the source circle in pixels of this map.
    annulus_radii : tuple of float
        Inner and outer radius of the annulus in pixels of this map.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    snr, mean, std : `~numpy.ndarray`
        Ratio, and mean and standard deviation of the annulus in the
        unit of ``data``, shape ``(n,)``; NaN where there are no pixels
        for it.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps import source_snr
    >>> data = np.random.default_rng(0).normal(size=(61, 61))
    >>> data[30, 30] = 50.0
    >>> snr, mean, std = source_snr(data, [30], [30], source_radius=8,
    ...                             annulus_radii=(10, 22))
    >>> print(snr.round(0))
    [51.]
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    y = np.atleast_1d(np.asarray(y, dtype=float))
    results = np.full((3, x.size), np.nan)
    inner, outer = annulus_radii
    size = 2 * int(np.ceil(max(outer, source_radius))) + 3
    for part in chunk_slices(x.size, size):
        stack, corners = extract_valid(data, x[part], y[part], size,
                                       mask=mask)
        radius = cutout_radii(x[part], y[part], corners, size)
        circle = np.isfinite(stack) & (radius <= source_radius)
        mean, std, count = stack_statistics(
            stack, (radius >= inner) & (radius <= outer))
        usable = (count > 1) & circle.any(axis=(1, 2)) & (std > 0)
        peak = np.where(circle, stack, -np.inf).max(axis=(1, 2))
        snr = np.divide(peak - mean, std, out=np.full_like(mean, np.nan),
                        where=usable)
        results[:, part] = snr, mean, std
    return tuple(results)


def mask_radius(snr, band, *, pixel_scale=None):
    """
    Look up mask radii for signal-to-noise ratios (paper, Table 3).

    Parameters
    ----------
    snr : array_like
        Signal-to-noise ratios, of any shape; NaN gets the smallest
        radius.
    band : `~compact_removal.instruments.Band`
        The band.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of the map (angle); default: nominal.

    Returns
    -------
    radius : `~numpy.ndarray`
        Radii in pixels of the map, of the shape of ``snr``.

    Raises
    ------
    ValueError
        If ``pixel_scale`` is more than a factor of 2 away from the
        nominal one.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps import mask_radius
    >>> print(mask_radius([3, 4, 300], get_band('scanmap', 'green')))
    [ 5.  6. 13.]
    """
    scale = scale_factor(band, pixel_scale)
    thresholds = np.asarray(band.snr_thresholds)
    radii = np.asarray(band.mask_radii)
    snr = np.asarray(snr, dtype=float)
    rank = np.sum(np.nan_to_num(snr, nan=-np.inf)[..., None] < thresholds,
                  axis=-1)
    return radii[rank] * scale


def scale_factor(band, pixel_scale):
    """
    Compute the number of pixels of a map per nominal pixel of a band.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    pixel_scale : `~astropy.units.Quantity` or None
        Size of the pixels of the map (angle); `None`: nominal.

    Returns
    -------
    factor : float
        By which radii in nominal pixels are multiplied.

    Raises
    ------
    ValueError
        If ``pixel_scale`` is more than a factor of 2 away from the
        nominal one.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.holes import scale_factor
    >>> band = get_band('scanmap', 'blue')
    >>> print(band.pixel_scale, scale_factor(band, 0.8 * u.arcsec))
    1.6 arcsec 2.0
    """
    if pixel_scale is None:
        return 1.0
    ratio = float((band.pixel_scale / pixel_scale).to_value(
        u.dimensionless_unscaled))
    if not (1 - 1e-6) / _MAX_SCALE_RATIO <= ratio <= (
            (1 + 1e-6) * _MAX_SCALE_RATIO):
        nominal = band.pixel_scale
        msg = (f'pixel_scale must lie between '
               f'{nominal / _MAX_SCALE_RATIO:.2g} and '
               f'{nominal * _MAX_SCALE_RATIO:.2g} for band {band.name!r} of '
               f'mode {band.mode!r}, got {pixel_scale.to(nominal.unit):.3g}')
        raise ParameterError(msg, 'pixel_scale')
    return ratio


def scale_radii(band, pixel_scale):
    """
    Compute the radii for signal-to-noise ratios in pixels of a map.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Returns
    -------
    source_radius : float
        Radius of the source circle (pixels).
    annulus_radii : tuple of float
        Inner and outer radius of the annulus (pixels).

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.holes import scale_radii
    >>> scale_radii(get_band('scanmap', 'blue'), 0.8 * u.arcsec)
    (16.0, (20.0, 44.0))
    """
    factor = scale_factor(band, pixel_scale)
    return (band.source_radius * factor,
            tuple(radius * factor for radius in band.annulus_radii))


def draw_discs(shape, x, y, radii):
    """
    Draw filled circles.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y, radii : array_like
        Centres and radii in pixels, shape ``(n,)``.

    Returns
    -------
    count : `~numpy.ndarray` of int
        Number of circles that cover each pixel centre, shape ``(ny,
        nx)``.

    Examples
    --------
    >>> from compact_removal.maps import draw_discs
    >>> int((draw_discs((9, 9), [4], [4], [1.5]) > 0).sum())
    9
    """
    count = np.zeros(shape, dtype=np.int32)
    ny, nx = shape
    for xi, yi, radius in zip(np.atleast_1d(x), np.atleast_1d(y),
                              np.atleast_1d(radii), strict=True):
        x0, x1 = max(0, int(xi - radius)), min(nx, int(xi + radius) + 2)
        y0, y1 = max(0, int(yi - radius)), min(ny, int(yi + radius) + 2)
        if x0 >= x1 or y0 >= y1:
            continue
        dx = np.arange(x0, x1) - xi
        dy = np.arange(y0, y1) - yi
        count[y0:y1, x0:x1] += (dx ** 2 + dy[:, None] ** 2) <= radius ** 2
    return count
