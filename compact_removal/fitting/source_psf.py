# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The PSF as sources are fitted with it.

The nominal PSF of a band is taken as round. What is learned of the PSF
of a map is kept beside it, see `compact_removal.fitting.learn_psf`.
"""

import copy

import astropy.units as u
import numpy as np

from compact_removal.fitting.psf_basis import (HALF_TABLE, KNOTS, basis_prior,
                                               basis_tables, find_places,
                                               look_up)
from compact_removal.psf import as_psf

__all__ = ['SourcePSF']

# Reach of the wings that are modelled, in full widths at half maximum.
_REACH = 15

# Points of the radial profile per full width at half maximum.
_N_POINTS = 40

# Beyond this many full widths the shape of the core has no influence. For
# sources whose log of the width is this much larger than that of the PSF,
# the log of this radius grows by so much times the rest.
_CORE = 2.0
_LARGER = (0.05, 3.5)

# Standard deviations of the priors on shift in x and y (pixels), and on
# the log of the width; those on the elongation follow from that of the
# PSF: a constant, and a factor on half of the log of its axis ratio.
_PRIOR = (0.3, 0.3, 0.08)
_PRIOR_ELONGATION = (0.03, 1.3)

# Error of the model as a share of the peak of the source: of a PSF that
# is known as well as it can be, and what the nominal one adds.
_LEAST_ERROR = 0.01
_NOMINAL_ERROR = 0.023


class SourcePSF:
    """
    PSF for the fit of sources, for one pixel scale.

    The mean of the nominal PSF over position angles, and what is known
    of the shapes of sources.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
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
    slopes : `~numpy.ndarray`
        Change of the mean in x and in y, from the middle of the map to
        its end, see `mean_at`, shape ``(2, 5)``.
    nominal_prior : `~numpy.ndarray`
        The prior before anything is learned, shape ``(5,)``.
    uncertainty : float
        Standard deviation of width and elongation together.
    covariance : `~numpy.ndarray`
        Covariance of the mean and of the coefficients of the functions
        of `basis`, shape ``(5 + k, 5 + k)``.
    scatter : `~numpy.ndarray`
        Standard deviation of the shapes of sources around their mean,
        shape ``(5,)``.

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
        # the second harmonic is about half of the log of the axis ratio
        harmonic = (core * np.exp(2j * angle)).sum() / core.sum()
        self._elongation = min(abs(harmonic), 0.3)
        # round is what stretching makes elongated, not the mean over angles
        turn = np.angle(harmonic) / 2
        weight = np.exp(-(radius / (_CORE * self.fwhm)) ** 2)
        stretch = np.exp(self._elongation * weight)[:, None]
        x, y = (arcsec * np.cos(angle - turn) * stretch,
                arcsec * np.sin(angle - turn) / stretch)
        values = psf.evaluate(x * np.cos(turn) - y * np.sin(turn),
                              x * np.sin(turn) + y * np.cos(turn))
        values = values.mean(axis=1) * scale ** 2
        # as wide as the mean, see `evaluate`
        rise = weight * (np.cosh(2 * self._elongation) ** -1.0 - 1)
        values = (1 + rise) * np.interp(radius * np.sqrt(1 + rise), radius,
                                        values)
        # linear to zero behind the last point
        self._values = np.append(values, [0.0, 0.0])
        self._slopes = np.append(np.diff(self._values), 0.0)
        self._inverse_step = _N_POINTS / self.fwhm
        floor, factor = _PRIOR_ELONGATION
        elongation = floor + factor * float(min(abs(harmonic), 0.5))
        self.mean, self.slopes = np.zeros(5), np.zeros((2, 5))
        self._middle, self._half_side = np.zeros(2), 1.0
        self.prior = np.array([*_PRIOR, elongation, elongation])
        self.nominal_prior = self.prior
        self._table = None
        self.covariance = np.diag(np.concatenate(
            [self.prior, self.basis_prior]) ** 2)
        self.scatter = np.zeros(5)

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
                        _NOMINAL_ERROR * self.uncertainty
                        / float(np.linalg.norm(self.nominal_prior[2:])))

    def mean_at(self, x, y):
        """
        Mean shapes of sources at positions.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Positions on the map (pixels), shape ``(n,)``.

        Returns
        -------
        mean : `~numpy.ndarray`
            The mean and its change across the map, shape ``(n, 5)``.
        """
        return self.mean + self.places(x, y) @ self.slopes

    def places(self, x, y):
        """
        Places of positions on the map that the PSF was learned from.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Positions (pixels), shape ``(n,)``.

        Returns
        -------
        places : `~numpy.ndarray`
            From the middle of the map, over half of its longer side;
            between -1 and 1, shape ``(n, 2)``.
        """
        return np.clip((np.column_stack([x, y]) - self._middle)
                       / self._half_side, -1, 1)

    def on_map(self, shape):
        """
        Make the PSF of a map of some shape.

        Parameters
        ----------
        shape : tuple of int
            ``(ny, nx)``.

        Returns
        -------
        psf : `SourcePSF`
            The same, whose `places` are those of the map.
        """
        psf = copy.copy(self)
        psf._middle = (np.array(shape[::-1]) - 1) / 2
        psf._half_side = max(shape) / 2
        return psf

    def moved(self, dx, dy):
        """
        Move to other pixel coordinates.

        Parameters
        ----------
        dx, dy : float
            What is added to positions (pixels).

        Returns
        -------
        psf : `SourcePSF`
            The same there.
        """
        psf = copy.copy(self)
        psf._middle = self._middle + [dx, dy]
        return psf

    def adapted(self, mean, scatter, coefficients, covariance, *,
                slopes=None):
        """
        Adapt the PSF to what was learned from a map.

        Parameters
        ----------
        mean, scatter : `~numpy.ndarray`
            Mean and standard deviation of shapes, shape ``(5,)``.
        coefficients : `~numpy.ndarray`
            Of the functions of `basis`, shape ``(k,)``.
        covariance : `~numpy.ndarray`
            Of mean and coefficients, shape ``(5 + k, 5 + k)``.
        slopes : `~numpy.ndarray`, optional
            Changes of the mean, shape ``(2, 5)``; default: none.

        Returns
        -------
        psf : `SourcePSF`
            The same nominal PSF, adapted.
        """
        psf = copy.copy(self)
        psf.mean, psf.scatter = np.array(mean), np.array(scatter)
        if slopes is not None:
            psf.slopes = np.array(slopes)
        psf.covariance = np.array(covariance)
        psf.prior = np.sqrt(psf.scatter ** 2 + np.diag(covariance)[:5])
        psf._table = self._values[0] * np.tensordot(coefficients,
                                                    basis_tables(), 1)
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
        places = find_places(dx, dy, shapes, self.fwhm)
        values = [look_up(table, places) for table in basis_tables()]
        return self._values[0] * np.stack(values, axis=-1)

    @property
    def basis_prior(self):
        """
        Standard deviations of the coefficients of `basis`.
        """
        knots = np.array(KNOTS[:-1]) * self.fwhm
        return basis_prior(self(knots) / self._values[0])

    @property
    def basis_light(self):
        """
        Integrals of the functions of `basis`, as fractions of the flux.
        """
        tables = basis_tables()
        step = 2 * HALF_TABLE * self.fwhm / (tables.shape[1] - 1)
        return self._values[0] * tables.sum(axis=(1, 2)) * step ** 2

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
        # a source that is larger than the PSF is so all over
        least, factor = _LARGER
        larger = np.maximum(width - self.mean[2] - least, 0)
        core = _CORE * self.fwhm * np.exp(factor * larger)
        weight = np.exp(-squared / core ** 2)
        size = np.hypot(e1, e2)
        ratio = np.sinh(size) / np.maximum(size, 1e-12)
        # the mean square of the radius stays, up to the nominal elongation
        cosh, shrink = np.cosh(size), np.exp(-width) * np.sqrt(
            np.cosh(2 * np.minimum(size, self._elongation)))
        e1, e2 = e1 * ratio, e2 * ratio
        inner_x = shrink * ((cosh - e1) * x - e2 * y)
        inner_y = shrink * ((cosh + e1) * y - e2 * x)
        squared = squared + weight * (inner_x ** 2 + inner_y ** 2 - squared)
        values = ((1 + weight * (shrink ** 2 - 1))
                  * self(np.sqrt(np.maximum(squared, 0))))
        if self._table is not None:
            values = values + look_up(
                self._table, find_places(dx, dy, shapes, self.fwhm))
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
        half = min(int(np.ceil(HALF_TABLE * self.fwhm)) + 2, size // 2)
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
