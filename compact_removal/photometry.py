# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Aperture-corrected fluxes and their errors.
"""

import astropy.units as u
import numpy as np
from photutils.aperture import CircularAnnulus, CircularAperture

from compact_removal.psf import as_psf

__all__ = ['annulus_background', 'aperture_correction', 'aperture_scatter',
           'aperture_sums']

# Apertures on the circle around a source that sample its surroundings.
_N_SAMPLES = 12

# Standard deviation of a normal distribution per median absolute
# deviation.
_SIGMA_PER_MAD = 1.482602218505602


def aperture_correction(band, radius):
    """
    Fraction of the flux of a point source inside an aperture.

    The aperture sum divided by it is the flux (paper, Sect. 3.4). The
    table of the band is used where there is one, otherwise the
    encircled energy of the band's PSF.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    radius : `~astropy.units.Quantity`
        Aperture radius (angle).

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in (0, 1].

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


def aperture_sums(data, x, y, radii, *, mask=None, error=None):
    """
    Sums in circles, with exact overlap of circle and pixels.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y, radii : array_like
        Positions and radii in pixels, shape ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used; pixels that are not finite
        are never used.
    error : array_like, optional
        Standard deviation per pixel, shape ``(ny, nx)``.

    Returns
    -------
    sums, sum_errors, areas : `~numpy.ndarray`
        Sums in the unit of ``data``, their errors (0 without
        ``error``), and the summed area in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import aperture_sums
    >>> sums, errors, areas = aperture_sums(np.ones((9, 9)), [4], [4], [2])
    >>> print(sums.round(3))
    [12.566]
    """
    data, bad = _clean(data, mask)
    squared = None
    if error is not None:
        squared = np.nan_to_num(np.asarray(error, dtype=float), nan=0.0,
                                posinf=0.0, neginf=0.0) ** 2
        squared[bad] = 0
    n_sources = np.size(x)
    sums, variances, areas = np.zeros((3, n_sources))
    good = (~bad).astype(float)
    for i, (xi, yi, radius) in enumerate(zip(x, y, radii, strict=True)):
        weights = CircularAperture((xi, yi), radius).to_mask(method='exact')
        large, small = weights.get_overlap_slices(data.shape)
        if large is None:
            continue
        weight = weights.data[small]
        sums[i] = np.sum(data[large] * weight)
        areas[i] = np.sum(good[large] * weight)
        if squared is not None:
            variances[i] = np.sum(squared[large] * weight)
    return sums, np.sqrt(variances), areas


def annulus_background(data, x, y, inner, outer, *, mask=None):
    """
    Mean and standard deviation of pixels in annuli.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions in pixels, shape ``(n,)``.
    inner, outer : float
        Radii in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used; pixels that are not finite
        are never used.

    Returns
    -------
    mean, std, count : `~numpy.ndarray`
        Mean, standard deviation (NaN without pixels) and number of
        pixels, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.photometry import annulus_background
    >>> mean, std, count = annulus_background(np.ones((19, 19)), [9], [9],
    ...                                       5, 8)
    >>> print(mean, std)
    [1.] [0.]
    """
    data, bad = _clean(data, mask)
    mean, std = np.full((2, np.size(x)), np.nan)
    count = np.zeros(np.size(x), dtype=int)
    for i, (xi, yi) in enumerate(zip(x, y, strict=True)):
        ring = CircularAnnulus((xi, yi), inner, outer).to_mask(
            method='center')
        large, small = ring.get_overlap_slices(data.shape)
        if large is None:
            continue
        values = data[large][(ring.data[small] > 0) & ~bad[large]]
        count[i] = values.size
        if values.size:
            mean[i], std[i] = values.mean(), values.std()
    return mean, std, count


def aperture_scatter(data, x, y, radius, distance, *, mask=None):
    """
    Scatter of aperture sums around a source.

    Apertures of the same radius are laid on a circle around the source.
    Their scatter (scaled median absolute deviation) tells how much an
    aperture sum varies with the noise *and* with the structure of the
    background on the scale of the aperture.

    Parameters
    ----------
    data : array_like
        The map without the sources, shape ``(ny, nx)``.
    x, y, radius : array_like
        Positions and radii in pixels, shape ``(n,)``.
    distance : float
        Radius of the circle in pixels.
    mask : array_like of bool, optional
        True where a pixel must not be used.

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
    angle = np.arange(_N_SAMPLES) * (2 * np.pi / _N_SAMPLES)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    radius = np.asarray(radius, dtype=float)
    around_x = (x[:, None] + distance * np.cos(angle)).ravel()
    around_y = (y[:, None] + distance * np.sin(angle)).ravel()
    around_radius = np.repeat(radius, _N_SAMPLES)
    sums, _, areas = aperture_sums(data, around_x, around_y, around_radius,
                                   mask=mask)
    full = np.pi * around_radius ** 2
    usable = areas > 0.7 * full
    sums = np.divide(sums * full, areas, out=np.full_like(sums, np.nan),
                     where=usable).reshape(-1, _N_SAMPLES)
    enough = np.isfinite(sums).sum(axis=1) >= 3
    scatter = np.full(x.size, np.nan)
    chosen = sums[enough]
    middle = np.nanmedian(chosen, axis=1, keepdims=True)
    scatter[enough] = _SIGMA_PER_MAD * np.nanmedian(np.abs(chosen - middle),
                                                    axis=1)
    return scatter


def _clean(data, mask):
    """
    The map with unusable pixels set to 0, and where these are.
    """
    data = np.asarray(data, dtype=float)
    bad = ~np.isfinite(data)
    if mask is not None:
        bad |= np.asarray(mask, dtype=bool)
    return np.where(bad, 0.0, data), bad
