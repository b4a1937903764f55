# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The background below sources as a Gaussian random field.

It is structure with a power law for a spectrum, seen with the beam, plus
noise, most of it correlated. How strong the noise is over the structure
is one of a few levels, so that a map needs few matrices.
"""

from functools import lru_cache

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma

__all__ = ['NOISE_LEVELS', 'expected_noise_ratio', 'make_covariance',
           'make_whitener']

# Noise over structure in the covariances that sources may get.
NOISE_LEVELS = (0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 20.0)

# Slope of the power spectrum, its outer scale (full widths), width of the
# noise (pixels), and white share of its variance.
_SLOPE = 3.0
_OUTER_SCALE = 8.0
_NOISE_FWHM = 1.5
_WHITE_SHARE = 0.1


def make_whitener(fwhm, level, radius, *, step=1):
    """
    Make the matrix that makes the background of a patch white.

    Parameters
    ----------
    fwhm : float
        Width of the PSF (pixels).
    level : int
        Index into `NOISE_LEVELS`.
    radius : float
        Radius of the patch (full widths).
    step : int, optional
        Every which pixel of a row and of a column is taken.

    Returns
    -------
    offsets : `~numpy.ndarray` of int
        Row and column of the pixels of the patch, from the corner of the
        box around it, shape ``(2, p)``.
    matrix : `~numpy.ndarray`
        Shape ``(p, p)``.

    Examples
    --------
    >>> from compact_removal.fitting.covariance import make_whitener
    >>> offsets, matrix = make_whitener(3.0, 0, 1.0)
    >>> offsets.shape, matrix.shape
    ((2, 29), (29, 29))
    """
    return _whitener(round(fwhm, 3), level, radius, step)


@lru_cache(maxsize=256)
def _whitener(fwhm, level, radius, step):
    """
    See `make_whitener`.
    """
    offsets, covariance = make_covariance(fwhm, level, radius, step=step)
    whitener = np.linalg.inv(np.linalg.cholesky(covariance))
    whitener.flags.writeable = False
    return offsets, whitener


def make_covariance(fwhm, level, radius, *, step=1):
    """
    Make the covariance of the background of a patch.

    Parameters
    ----------
    fwhm, level, radius, step
        See `make_whitener`.

    Returns
    -------
    offsets : `~numpy.ndarray` of int
        See `make_whitener`.
    covariance : `~numpy.ndarray`
        Covariance of the pixels, each of unit variance, shape ``(p,
        p)``.

    Examples
    --------
    >>> from compact_removal.fitting.covariance import make_covariance
    >>> _, covariance = make_covariance(3.0, 0, 1.0)
    >>> print(covariance[0, :3].round(2))
    [1.   0.84 0.93]
    """
    return _patch_covariance(round(fwhm, 3), level, radius, step)


@lru_cache(maxsize=256)
def _patch_covariance(fwhm, level, radius, step):
    """
    See `make_covariance`.
    """
    pixels = max(radius * fwhm, 3.0)
    half = int(np.ceil(pixels / step))
    rows, columns = step * (np.indices((2 * half + 1,) * 2) - half)
    offsets = step * np.array(np.nonzero(np.hypot(rows, columns) <= pixels))
    covariance = _covariance(fwhm, NOISE_LEVELS[level])
    rows, columns = np.abs(offsets[:, :, None] - offsets[:, None, :])
    matrix = covariance[rows, columns] + 1e-6 * np.eye(rows.shape[0])
    offsets.flags.writeable = matrix.flags.writeable = False
    return offsets, matrix


def expected_noise_ratio(fwhm):
    """
    Compute the rms of pixels minus their neighbours over that of pixels.

    Parameters
    ----------
    fwhm : float
        Width of the PSF (pixels).

    Returns
    -------
    ratio : `~numpy.ndarray`
        The rms of pixels minus the mean of their four neighbours, over
        the standard deviation of the pixels: one value for each of the
        `NOISE_LEVELS`, in growing order.

    Examples
    --------
    >>> from compact_removal.fitting.covariance import expected_noise_ratio
    >>> print(expected_noise_ratio(3.0).round(2))
    [0.11 0.19 0.34 0.5  0.6  0.63 0.65]
    """
    return _noise_ratio(round(fwhm, 3))


@lru_cache(maxsize=256)
def _noise_ratio(fwhm):
    """
    See `expected_noise_ratio`.
    """
    expected = []
    for noise in NOISE_LEVELS:
        c = _covariance(fwhm, noise)
        # of a pixel minus the mean of its four neighbours
        near, diagonal, far = c[0, 1], c[1, 1], c[0, 2]
        expected.append(1 - 2 * near + (4 + 8 * diagonal + 4 * far) / 16)
    ratio = np.sqrt(expected)
    ratio.flags.writeable = False
    return ratio


def _covariance(fwhm, noise, size=256):
    """
    Covariance of two pixels by their distance along y and x.

    Of unit variance: structure with a power spectrum and a beam, plus
    noise, ``noise`` times stronger, most of it correlated.
    """
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    outer = np.maximum(k, 1 / (_OUTER_SCALE * fwhm))
    structure = outer ** -_SLOPE * _beam(k, 1.1 * fwhm)
    structure[0, 0] = 0
    grain = _beam(k, _NOISE_FWHM)
    grain = ((1 - _WHITE_SHARE) * grain / grain.sum()
             + _WHITE_SHARE / grain.size)
    power = structure / structure.sum() + noise ** 2 * grain
    return np.fft.ifft2(power / power.sum()).real * power.size


def _beam(k, fwhm):
    """
    Power of a Gaussian beam at wave numbers.
    """
    sigma = fwhm * gaussian_fwhm_to_sigma
    return np.exp(-4 * (np.pi * sigma * k) ** 2)
