# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The PSF as sources are fitted with it, and the background below them.

The nominal PSF of a band is taken as round. What a map tells of its own
PSF is kept beside it, see `compact_removal.fitting`.
"""

import copy
from functools import lru_cache

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import gaussian_filter, map_coordinates

from compact_removal.psf import as_psf

__all__ = ['SourcePSF', 'expected_graininess', 'noise_levels']


# Reach of the wings that are modelled, in full widths at half maximum.
_REACH = 15

# Points of the radial profile per full width at half maximum.
_N_POINTS = 40

# Beyond this many full widths the shape of the core has no influence.
_CORE = 2.0

# Standard deviations of the priors on shift in x and y (pixels), and on
# the log of the width; those on the elongation follow from that of the
# PSF: a constant, and a factor on half of the log of its axis ratio.
_PRIOR = (0.3, 0.3, 0.08)
_PRIOR_ELONGATION = (0.03, 1.3)

# What a map may tell beyond the shape: knots (full widths) of functions
# that are linear between them, the last one zero, and then smoothed, as
# a PSF has no kinks; the largest angular harmonic; standard deviations
# of the priors, as a share of the profile and of its peak, for the
# profile and for the harmonics.
_KNOTS = np.array([0, 0.35, 0.7, 1.05, 1.4, 1.75, 2.1, 2.6, 3.2])
_SMOOTHING = 0.33
_N_HARMONICS = 3
_PROFILE_PRIOR = (0.05, 0.0005)
_HARMONIC_PRIOR = (0.04, 0.004)

# Steps per full width of the tables in which it is kept, and their half
# size (full widths).
_N_STEPS = 20
_HALF_TABLE = 4

# Error of the model as a share of the peak of the source: of a PSF that
# is known as well as it can be, and what the nominal one adds.
_LEAST_ERROR = 0.01
_NOMINAL_ERROR = 0.023

# The background: slope of the power spectrum, its outer scale (full
# widths), width of the noise (pixels), and white share of its variance.
_SLOPE = 3.0
_OUTER_SCALE = 8.0
_NOISE_FWHM = 1.5
_WHITE_SHARE = 0.1

# Noise over structure in the covariances that sources may get.
_NOISE_LEVELS = (0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 20.0)


class SourcePSF:
    """
    PSF for the fit of sources, for one pixel scale.

    The mean of the nominal PSF over position angles, and what is known
    of the shapes of sources.

    Parameters
    ----------
    band : Band
        The band.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Attributes
    ----------
    fwhm : float
        Full width at half maximum of the nominal core (pixels).
    mean, prior : `~numpy.ndarray`
        Mean and standard deviation of the prior on the shapes of
        sources, see `evaluate`, shape ``(5,)``.
    uncertainty : float
        Standard deviation of width and elongation together.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.fitting import SourcePSF
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> round(psf.fwhm, 1), bool(psf(0) > 2 * psf(psf.fwhm))
    (3.1, True)
    """

    def __init__(self, band, pixel_scale):
        psf = as_psf(band)
        scale = pixel_scale.to_value(u.arcsec)
        self.fwhm = float(psf.fwhm / scale)
        self.reach = _REACH * self.fwhm
        radius = np.linspace(0, self.reach, _N_POINTS * _REACH + 1)
        angle = np.arange(24) * (2 * np.pi / 24)
        arcsec = radius[:, None] * scale
        values = psf.evaluate(arcsec * np.cos(angle), arcsec * np.sin(angle))
        core = values[:_N_POINTS + 1] * (radius[:_N_POINTS + 1, None]
                                         * scale) ** 3
        values = values.mean(axis=1) * scale ** 2
        # linear to zero behind the last point
        self._values = np.append(values, [0.0, 0.0])
        self._slopes = np.append(np.diff(self._values), 0.0)
        self._inverse_step = _N_POINTS / self.fwhm
        # half of the log of the axis ratio, from the second harmonic
        harmonic = np.abs((core * np.exp(2j * angle)).sum()) / core.sum()
        floor, factor = _PRIOR_ELONGATION
        elongation = floor + factor * float(np.clip(harmonic, 0, 0.5))
        self.mean = np.zeros(5)
        self.prior = np.array([*_PRIOR, elongation, elongation])
        self._nominal = self.uncertainty
        self._table = None

    def __call__(self, radius):
        """
        Fraction of the flux per pixel at a radius, for the nominal PSF.

        Parameters
        ----------
        radius : array_like
            Radii (pixels).

        Returns
        -------
        values : `~numpy.ndarray`
            Values >= 0; 0 beyond 15 full widths.
        """
        place = np.asarray(radius) * self._inverse_step
        place = np.minimum(place, self._values.size - 1)
        index = place.astype(np.intp)
        return self._values[index] + self._slopes[index] * (place - index)

    def radius_of(self, flux, level):
        """
        Find where the wings of sources fall below a level for good.

        Parameters
        ----------
        flux, level : array_like
            Fluxes, and levels in the same unit per pixel, shape ``(n,)``.

        Returns
        -------
        radius : `~numpy.ndarray`
            For the nominal PSF (pixels), shape ``(n,)``.
        """
        flux, level = np.asarray(flux, dtype=float), np.asarray(level)
        radius = np.linspace(0, self.reach, _N_POINTS * _REACH + 1)
        # the largest value further out, so that dark rings do not count
        profile = np.maximum.accumulate(self(radius)[::-1])[::-1]
        share = np.divide(np.nan_to_num(level), flux,
                          out=np.full(flux.shape, np.inf), where=flux > 0)
        return np.interp(-share, -profile, radius)

    @property
    def uncertainty(self):
        """
        Standard deviation of width and elongation together.
        """
        return float(np.linalg.norm(self.prior[2:]))

    @property
    def model_error(self):
        """
        Error of the model as a share of the peak of a source.
        """
        return np.hypot(_LEAST_ERROR,
                        _NOMINAL_ERROR * self.uncertainty / self._nominal)

    def adapted(self, mean, prior, coefficients):
        """
        Adapt the PSF to what a map tells of it.

        Parameters
        ----------
        mean, prior : `~numpy.ndarray`
            Mean and standard deviation of shapes, shape ``(5,)``.
        coefficients : `~numpy.ndarray`
            Of the functions of `basis`, shape ``(k,)``.

        Returns
        -------
        psf : SourcePSF
            The same nominal PSF, adapted.
        """
        psf = copy.copy(self)
        psf.mean, psf.prior = np.array(mean), np.array(prior)
        psf._table = self._values[0] * np.tensordot(coefficients,
                                                    _basis_tables(), 1)
        return psf

    def basis(self, dx, dy, shapes):
        """
        Evaluate functions by which the PSF of a map may differ.

        Parameters
        ----------
        dx, dy, shapes : array_like
            See `evaluate`; the elongation has no influence.

        Returns
        -------
        values : `~numpy.ndarray`
            In units of fraction of the flux per pixel, shape ``(...,
            k)``.
        """
        place = self._place(dx, dy, shapes)
        values = [_look_up(table, place)
                  for table in _basis_tables()]
        return self._values[0] * np.stack(values, axis=-1)

    @property
    def basis_prior(self):
        """
        Standard deviations of the coefficients of `basis`.
        """
        profile = self(_KNOTS[:-1] * self.fwhm) / self._values[0]
        share, floor = _PROFILE_PRIOR
        deviations = [share * profile + floor]
        share, floor = _HARMONIC_PRIOR
        harmonic = np.repeat(share * profile[1:] + floor, 2)
        return np.concatenate(deviations + _N_HARMONICS * [harmonic])

    def _place(self, dx, dy, shapes):
        """
        Places in the tables, rows first, shape ``(2, ...)``.
        """
        shift_x, shift_y, width = np.moveaxis(np.asarray(shapes), -1, 0)[:3]
        unit = _N_STEPS * np.exp(-width) / self.fwhm
        place = np.broadcast_arrays((dy - shift_y) * unit,
                                    (dx - shift_x) * unit)
        return np.stack(place) + _N_STEPS * _HALF_TABLE

    def evaluate(self, dx, dy, shapes):
        """
        Evaluate the PSF, shifted, broadened and stretched.

        Only the core takes part in broadening and stretching, not the
        wings.

        Parameters
        ----------
        dx, dy : array_like
            Offsets (pixels) from the catalogue position.
        shapes : array_like
            Shift in x and in y (pixels), log of the width, and the two
            components of the elongation: half of the log of the axis
            ratio times cosine and sine of twice the position angle.
            Shape ``(..., 5)`` such that each broadcasts with ``dx``.

        Returns
        -------
        values : `~numpy.ndarray`
            Fraction of the flux per pixel.
        """
        shift_x, shift_y, width, e1, e2 = np.moveaxis(np.asarray(shapes),
                                                      -1, 0)
        x, y = dx - shift_x, dy - shift_y
        squared = x ** 2 + y ** 2
        weight = np.exp(-squared / (_CORE * self.fwhm) ** 2)
        size = np.hypot(e1, e2)
        ratio = np.sinh(size) / np.maximum(size, 1e-12)
        cosh, shrink = np.cosh(size), np.exp(-width)
        e1, e2 = e1 * ratio, e2 * ratio
        inner_x = shrink * ((cosh - e1) * x - e2 * y)
        inner_y = shrink * ((cosh + e1) * y - e2 * x)
        squared = squared + weight * (inner_x ** 2 + inner_y ** 2 - squared)
        values = ((1 + weight * (shrink ** 2 - 1))
                  * self(np.sqrt(np.maximum(squared, 0))))
        if self._table is not None:
            values = values + _look_up(self._table,
                                       self._place(dx, dy, shapes))
        return values

    def evaluate_stamps(self, dx, dy, shapes):
        """
        Evaluate the PSF on grids around sources.

        As `evaluate`, but beyond four full widths, where width and
        elongation have next to no influence, the round PSF is taken.

        Parameters
        ----------
        dx, dy : `~numpy.ndarray`
            Offsets of the columns and of the rows (pixels), evenly
            around 0, shape ``(n, m)``.
        shapes : `~numpy.ndarray`
            Shape ``(n, 5)``.

        Returns
        -------
        values : `~numpy.ndarray`
            Fraction of the flux per pixel, shape ``(n, m, m)``.
        """
        size = dx.shape[1]
        half = min(int(np.ceil(_HALF_TABLE * self.fwhm)) + 2, size // 2)
        core = slice(size // 2 - half, size // 2 + half + 1)
        if size > 2 * half + 1:
            values = self(np.sqrt(
                ((dx - shapes[:, :1]) ** 2)[:, None, :]
                + ((dy - shapes[:, 1:2]) ** 2)[:, :, None]))
        else:
            values = np.empty((len(dx), size, size))
        values[:, core, core] = self.evaluate(
            dx[:, None, core], dy[:, core, None], shapes[:, None, None])
        return values

    def whitener(self, level, radius):
        """
        Get the matrix that makes the background of a patch white.

        Parameters
        ----------
        level : int
            Index into `noise_levels`.
        radius : float
            Radius of the patch (full widths).

        Returns
        -------
        offsets : `~numpy.ndarray` of int
            Row and column of the pixels of the patch, shape ``(2, p)``.
        matrix : `~numpy.ndarray`
            Shape ``(p, p)``.
        """
        return _whitener(round(self.fwhm, 3), level, radius)


@lru_cache(maxsize=64)
def _whitener(fwhm, level, radius):
    """
    See `SourcePSF.whitener`.
    """
    pixels = max(radius * fwhm, 3.0)
    half = int(np.ceil(pixels))
    rows, columns = np.indices((2 * half + 1,) * 2) - half
    offsets = np.array(np.nonzero(np.hypot(rows, columns) <= pixels))
    covariance = _covariance(fwhm, _NOISE_LEVELS[level])
    rows, columns = np.abs(offsets[:, :, None] - offsets[:, None, :])
    matrix = covariance[rows, columns] + 1e-6 * np.eye(rows.shape[0])
    whitener = np.linalg.inv(np.linalg.cholesky(matrix))
    offsets.flags.writeable = whitener.flags.writeable = False
    return offsets, whitener


@lru_cache(maxsize=1)
def _basis_tables():
    """
    Tables of the functions of `SourcePSF.basis`, shape ``(k, m, m)``.
    """
    half = _N_STEPS * _HALF_TABLE
    axis = np.arange(-half, half + 1) / _N_STEPS
    radius = np.hypot(axis, axis[:, None])
    hats = [np.interp(radius, _KNOTS, row, right=0)
            for row in np.eye(_KNOTS.size)[:-1]]
    tables = list(hats)
    direction = (axis + 1j * axis[:, None]) / np.maximum(radius, 1e-9)
    for m in range(1, _N_HARMONICS + 1):
        wave = direction ** m
        for hat in hats[1:]:
            tables += [hat * wave.real, hat * wave.imag]
    return np.array([gaussian_filter(table, _SMOOTHING * _N_STEPS)
                     for table in tables])


def _look_up(table, place):
    """
    Values of a table between its points; 0 outside.
    """
    inside = np.all((place > 0) & (place < table.shape[0] - 1), axis=0)
    values = np.zeros(inside.shape)
    values[inside] = map_coordinates(table, place[:, inside], order=1,
                                     prefilter=False)
    return values


def noise_levels():
    """
    List the ratios of noise to structure of which covariances are kept.

    Returns
    -------
    levels : `~numpy.ndarray`
        In growing order.

    Examples
    --------
    >>> from compact_removal.fitting.source_psf import noise_levels
    >>> print(noise_levels())
    [ 0.15  0.3   0.6   1.2   2.5   5.   20.  ]
    """
    return np.array(_NOISE_LEVELS)


@lru_cache(maxsize=64)
def expected_graininess(fwhm):
    """
    Compute the rms of pixels minus the mean of their neighbours.

    Parameters
    ----------
    fwhm : float
        Width of the PSF (pixels).

    Returns
    -------
    graininess : `~numpy.ndarray`
        Over the standard deviation of the pixels, one value for each of
        the `noise_levels`; in growing order.

    Examples
    --------
    >>> from compact_removal.fitting.source_psf import expected_graininess
    >>> print(expected_graininess(3.0).round(2))
    [0.11 0.19 0.34 0.5  0.6  0.63 0.65]
    """
    expected = []
    for noise in _NOISE_LEVELS:
        c = _covariance(fwhm, noise)
        # of a pixel minus the mean of its four neighbours
        near, diagonal, far = c[0, 1], c[1, 1], c[0, 2]
        expected.append(1 - 2 * near + (4 + 8 * diagonal + 4 * far) / 16)
    return np.sqrt(expected)


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
