# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions that are given as images.
"""

import astropy.units as u
import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from compact_removal.utils.parameters import ParameterError

__all__ = ['StampPSF', 'as_arcsec']

# Points across the core of an image when its width is measured.
_N_ACROSS = 129


def as_arcsec(name, value):
    """
    Convert an angle that the user gave.

    Parameters
    ----------
    name : str
        The name of the parameter.
    value : `~astropy.units.Quantity`
        The angle, of any shape.

    Returns
    -------
    value : float or `~numpy.ndarray`
        The angle in arcsec.

    Raises
    ------
    ValueError
        If it has no unit of angle.
    """
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(
            u.arcsec):
        msg = f'{name} must be a Quantity with a unit of angle, got {value!r}'
        raise ParameterError(msg, name)
    return value.to_value(u.arcsec)


class StampPSF:
    """
    A PSF given as an image.

    Parameters
    ----------
    data : array_like
        The image, shape ``(ny, nx)``, finite. It is divided by its sum
        and multiplied by ``fraction``.
    pixel_scale : `~astropy.units.Quantity`
        Size of its pixels (angle). A quarter of those of the map or
        less is good, as encircled energies are sums of pixels.
    fraction : float, optional
        Share of the total flux that falls on the image; smaller than 1
        when the image cuts the wings.
    center : tuple of float, optional
        The centre ``(x, y)`` in pixels; default: the flux-weighted
        centroid of the pixels above a tenth of the peak.

    Raises
    ------
    ValueError
        If the image is no finite 2-D array with a positive sum,
        ``pixel_scale`` is no angle, or ``fraction`` is outside (0, 1].

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from compact_removal.psf import StampPSF
    >>> y, x = np.mgrid[-10:11, -10:11]
    >>> stamp = np.exp(-(x ** 2 + y ** 2) / 8)
    >>> psf = StampPSF(stamp, 1.2 * u.arcsec)
    >>> print(psf.encircled_energy([20.0]).round(3))
    [1.]
    >>> bool(psf.vary(broadening=1.5).fwhm > psf.fwhm)
    True
    """

    def __init__(self, data, pixel_scale, *, fraction=1.0, center=None):
        data = np.asarray(data, dtype=float)
        if data.ndim != 2 or not np.all(np.isfinite(data)) or data.sum() <= 0:
            msg = 'data must be a finite 2-D image with a positive sum'
            raise ParameterError(msg, 'data')
        if not 0 < fraction <= 1:
            msg = f'fraction must lie in (0, 1], got {fraction}'
            raise ParameterError(msg, 'fraction')
        self.pixel_scale = float(as_arcsec('pixel_scale', pixel_scale))
        self.fraction = float(fraction)
        self.data = data / data.sum() * fraction
        y, x = np.indices(data.shape)
        core = np.where(data > 0.1 * data.max(), data, 0)
        if center is None:
            center = ((core * x).sum() / core.sum(),
                      (core * y).sum() / core.sum())
        self.center = (float(center[0]), float(center[1]))
        self._spline = spline_filter(self.data, order=3)
        self.data.flags.writeable = False

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __repr__(self):
        ny, nx = self.data.shape
        return (f'{type(self).__name__}(<{ny}x{nx} image>, '
                f'pixel_scale={self.pixel_scale:g} arcsec, '
                f'fraction={self.fraction:g})')

    def _key(self):
        """
        What two equal PSFs share.
        """
        return (self.data.shape, self.data.tobytes(), self.pixel_scale,
                self.fraction, self.center)

    @property
    def fwhm(self):
        """
        Width of a circle as large as what exceeds half the peak (arcsec).
        """
        # between the pixels, so that coarse ones do not make it coarse
        lines = [np.linspace(found.min() - 1, found.max() + 1, _N_ACROSS)
                 for found in np.nonzero(self.data > self.data.max() / 4)]
        values = map_coordinates(self._spline,
                                 np.meshgrid(*lines, indexing='ij'),
                                 order=3, prefilter=False)
        steps = [line[1] - line[0] for line in lines]
        area = np.count_nonzero(values >= values.max() / 2) * np.prod(steps)
        return float(2 * np.sqrt(area / np.pi) * self.pixel_scale)

    def vary(self, *, broadening=1.0, elongation=1.0, lobes=1.0, wings=1.0):
        """
        Change width or elongation.

        Parameters
        ----------
        broadening, elongation : float, optional
            Factors on the width, and on the ratio of the widths along x
            and y.
        lobes, wings : float, optional
            Without effect: a stamp has no such parameters.

        Returns
        -------
        psf : `StampPSF`
            The new PSF.
        """
        del lobes, wings
        ratio = np.sqrt(elongation)
        ny, nx = self.data.shape
        y, x = np.indices((ny, nx), dtype=float)
        x0, y0 = self.center
        data = map_coordinates(
            self._spline, [(y - y0) / broadening * ratio + y0,
                           (x - x0) / broadening / ratio + x0],
            order=3, prefilter=False)
        return StampPSF(data, self.pixel_scale * u.arcsec,
                        fraction=self.fraction, center=self.center)

    def evaluate(self, dx, dy):
        """
        Surface brightness at offsets from the centre.

        Parameters
        ----------
        dx, dy : float or array_like
            Offsets (arcsec) along the axes of the image; they are
            broadcast.

        Returns
        -------
        brightness : `~numpy.ndarray`
            Fraction of the flux per square arcsec, of the shape of the
            offsets; 0 off the image.
        """
        dx, dy = np.broadcast_arrays(np.asarray(dx, dtype=float),
                                     np.asarray(dy, dtype=float))
        x = dx / self.pixel_scale + self.center[0]
        y = dy / self.pixel_scale + self.center[1]
        values = map_coordinates(self._spline, [y.ravel(), x.ravel()],
                                 order=3, prefilter=False)
        return values.reshape(x.shape) / self.pixel_scale ** 2

    def encircled_energy(self, radii):
        """
        Fraction of the flux within circles around the centre.

        Parameters
        ----------
        radii : array_like
            Radii (arcsec), shape ``(n,)``.

        Returns
        -------
        fraction : `~numpy.ndarray`
            Values in [0, 1], shape ``(n,)``.
        """
        oversampling = 5
        ny, nx = self.data.shape
        offsets = (np.arange(oversampling) + 0.5) / oversampling - 0.5
        x = (np.arange(nx)[:, None] + offsets).ravel() - self.center[0]
        y = (np.arange(ny)[:, None] + offsets).ravel() - self.center[1]
        radius = np.hypot(x, y[:, None]) * self.pixel_scale
        flux = np.kron(self.data, np.full((oversampling,) * 2,
                                          1 / oversampling ** 2))
        order = np.argsort(radius, axis=None)
        total = np.concatenate([[0], np.cumsum(flux.ravel()[order])])
        grid = np.concatenate([[0], radius.ravel()[order]])
        return np.interp(np.asarray(radii, dtype=float), grid, total)
