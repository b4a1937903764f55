# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The light of sources within apertures, by the PSF of the map.

Aperture corrections are tabulated for the nominal PSF. The PSF of a map
is another one, and that of a source may differ from it again. What they
have within an aperture, over what the nominal PSF has there, corrects the
tabulated value. Both are compared within four full widths: beyond it the
light of sources is not seen well enough to be learned.
"""

import numpy as np

from compact_removal.fitting.psf_basis import HALF_TABLE

__all__ = ['ApertureFraction']

# Grid of log widths, of radii (steps per full width), and of angles.
_LOG_WIDTHS = np.linspace(-0.6, 0.6, 13)
_N_RADII = 30
_N_ANGLES = 16

# Relative error of the fraction that nothing removes: the pixels, and the
# functions by which PSFs are described.
_LEAST_ERROR = 0.0105


class ApertureFraction:
    """
    Fractions of light in apertures, over those of the nominal PSF.

    Parameters
    ----------
    psf : SourcePSF
        The PSF of the map; the nominal one belongs to it.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.fitting.aperture_fraction import ApertureFraction
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> fraction = ApertureFraction(psf)
    >>> broad = np.array([[0, 0, 0.1, 0, 0]])
    >>> ratio, error = fraction(np.array([3.75]), broad, np.array([0.02]))
    >>> print(ratio.round(2), error.round(2))
    [0.98] [0.03]
    """

    def __init__(self, psf):
        self._psf, limit = psf, HALF_TABLE * psf.fwhm
        self._radius = np.linspace(0, limit, HALF_TABLE * _N_RADII + 1)
        angle = np.arange(_N_ANGLES) * (2 * np.pi / _N_ANGLES)
        dx, dy = (self._radius[:, None] * f(angle) for f in (np.cos, np.sin))
        self._nominal = self._cumulate(psf(np.sqrt(dx ** 2 + dy ** 2)))
        self._grid = np.array([
            self._cumulate(psf.evaluate(dx, dy, np.concatenate(
                [[0, 0, width], psf.mean[3:]]))) for width in _LOG_WIDTHS])
        shape = np.concatenate([[0, 0], psf.mean[2:]])
        self._basis = self._cumulate(psf.basis(dx, dy, shape))
        self._profile = psf.evaluate(dx, dy, shape).mean(axis=1)

    def __call__(self, radius, shapes, width_err):
        """
        Fractions in apertures around the positions of sources.

        Parameters
        ----------
        radius : `~numpy.ndarray`
            Radii (pixels), shape ``(n,)``.
        shapes : `~numpy.ndarray`
            Shapes of the sources, shape ``(n, 5)``; by their shifts
            they are off the centres of the apertures.
        width_err : `~numpy.ndarray`
            Errors of the logs of their widths, shape ``(n,)``.

        Returns
        -------
        ratio : `~numpy.ndarray`
            Fraction of the flux in the aperture over that of a nominal
            source in the middle, shape ``(n,)``.
        error : `~numpy.ndarray`
            Relative error of it, shape ``(n,)``.
        """
        radius = np.minimum(radius, self._radius[-1])
        width = np.clip(shapes[:, 2], _LOG_WIDTHS[0], _LOG_WIDTHS[-1])
        step = _LOG_WIDTHS[1] - _LOG_WIDTHS[0]
        place = np.clip((width - _LOG_WIDTHS[0]) / step, 0,
                        _LOG_WIDTHS.size - 1.001)
        index = place.astype(int)
        inside = np.array([np.interp(radius, self._radius, row)
                           for row in self._grid])
        logs = np.log(np.maximum(inside / self._grid[:, -1:], 1e-9))
        each = np.arange(radius.size)
        low, high = logs[index, each], logs[index + 1, each]
        slope = (high - low) / step
        fraction = np.exp(low + (place - index) * step * slope)
        usual = (np.interp(radius, self._radius, self._nominal)
                 / self._nominal[-1])
        # what is off the centre: second order in the shift
        edge = np.interp(radius, self._radius,
                         np.gradient(self._profile, self._radius))
        total = self._grid[np.rint(place).astype(int), -1]
        squared = np.sum(shapes[:, :2] ** 2, axis=1)
        fraction = fraction + squared / 2 * np.pi * radius * edge / total
        # a PSF that is broader as a whole has less light within the
        # limit, too; half of it is taken
        outer = self._outer_slope() * (1 - radius / self._radius[-1])
        half = -0.5 * width * outer
        ratio = np.maximum(fraction, 0.05) / usual * np.exp(half)
        return ratio, np.sqrt(
            self._common_variance(radius, slope)
            + (slope * width_err) ** 2 + half ** 2 + _LEAST_ERROR ** 2)

    def normalization(self, width):
        """
        Light of the PSF over that of the nominal one.

        Parameters
        ----------
        width : `~numpy.ndarray`
            Logs of the widths, shape ``(n,)``.

        Returns
        -------
        factor : `~numpy.ndarray`
            What makes total fluxes of fitted ones, shape ``(n,)``.
        """
        return np.interp(width, _LOG_WIDTHS,
                         self._grid[:, -1]) / self._nominal[-1]

    def _common_variance(self, radius, slope):
        """
        Relative variance by what is unknown of the PSF of the map.
        """
        inside = np.array([np.interp(radius, self._radius, column)
                           for column in self._basis.T])
        row = self._grid[np.abs(_LOG_WIDTHS - self._psf.mean[2]).argmin()]
        light = np.interp(radius, self._radius, row)
        gradient = np.zeros((radius.size, 5 + inside.shape[0]))
        gradient[:, 2] = slope
        gradient[:, 5:] = (inside / light
                           - self._basis[-1][:, None] / row[-1]).T
        return np.einsum('ni,ij,nj->n', gradient, self._psf.covariance,
                         gradient)

    def _outer_slope(self):
        """
        Change of the log of the light within the limit with its log.
        """
        rise = np.log(self._nominal[-1] / self._nominal[-1 - _N_RADII])
        span = np.log(self._radius[-1] / self._radius[-1 - _N_RADII])
        return rise / span

    def _cumulate(self, values):
        """
        Integrals over discs, of values at radii and angles.
        """
        ring = values.mean(axis=1)
        density = 2 * np.pi * (ring.T * self._radius).T
        steps = 0.5 * (density[1:] + density[:-1]) * self._radius[1]
        return np.concatenate([np.zeros_like(steps[:1]),
                               np.cumsum(steps, axis=0)])
