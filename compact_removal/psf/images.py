# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions that are given as images.
"""

import astropy.units as u
import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from compact_removal.psf.reading import find_stamp, is_container
from compact_removal.psf.stamps import check_stamp
from compact_removal.utils.parameters import ParameterError

__all__ = ['StampPSF', 'as_arcsec', 'choose_scale', 'make_stamp_psf']

# Points across the core of an image when its width is measured.
_N_ACROSS = 129

# Pixel scales that differ by less are the same.
_SAME_SCALE = 0.02


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


def choose_scale(given, found):
    """
    Choose between the pixel scale of a user and that of a file.

    Parameters
    ----------
    given, found : `~astropy.units.Quantity` or None
        Sizes of a pixel (angle).

    Returns
    -------
    pixel_scale : `~astropy.units.Quantity` or None
        What was given, otherwise what was found.

    Raises
    ------
    ValueError
        If both are known, and they differ.
    """
    if given is None or found is None:
        return found if given is None else given
    if abs(as_arcsec('pixel_scale', given) / found.to_value(u.arcsec)
           - 1) > _SAME_SCALE:
        msg = (f'pixel_scale must be that of the WCS of the image, {found:.4g}'
               f', got {given}; leave it out')
        raise ParameterError(msg, 'pixel_scale')
    return given


class StampPSF:
    """
    A PSF given as an image.

    Parameters
    ----------
    data : array_like, str, path-like, HDU, HDUList or NDData
        The image, shape ``(ny, nx)``, or what holds it (a FITS file, for
        example). It must show one source, whose centre may lie between
        pixels. It is divided by its sum and multiplied by ``fraction``.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of its pixels (angle); default: that of the WCS of a file,
        HDU or NDData. A quarter of those of the map or less is good, as
        encircled energies are sums of pixels.
    fraction : float, optional
        Share of the total flux that falls on the image; smaller than 1
        when the image cuts the wings.
    center : tuple of float, optional
        The centre ``(x, y)`` in pixels; default: the flux-weighted
        centroid of the pixels above a tenth of the peak.

    Raises
    ------
    TypeError, ValueError
        If the image is no 2-D image of one source, which must reach 1.5
        full widths from its centre; if ``pixel_scale`` is missing or no
        angle, or ``fraction`` is outside (0, 1].

    Warns
    -----
    AstropyUserWarning
        If a pedestal was subtracted, pixels in the wings are missing, the
        core is coarse, or the image ends close to it.

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

    def __init__(self, data, pixel_scale=None, *, fraction=1.0,
                 center=None):
        self._read(data, pixel_scale, fraction, center, name='data')

    def _read(self, data, pixel_scale, fraction, center, *, name):
        """
        Check what a user gave, and keep it.
        """
        if is_container(data):
            data, found = find_stamp(data, name=name)
            pixel_scale = choose_scale(pixel_scale, found)
        if pixel_scale is None:
            msg = ('pixel_scale is needed for a PSF that is an image without '
                   'a celestial WCS (an angle)')
            raise ParameterError(msg, 'pixel_scale')
        scale = as_arcsec('pixel_scale', pixel_scale)
        if np.ndim(scale) or not 0 < scale < np.inf:
            msg = f'pixel_scale must be one positive angle, got {pixel_scale}'
            raise ParameterError(msg, 'pixel_scale')
        if not 0 < fraction <= 1:
            msg = f'fraction must lie in (0, 1], got {fraction}'
            raise ParameterError(msg, 'fraction')
        data, center = check_stamp(data, name=name, fraction=fraction,
                                   center=center)
        self._set(data, float(scale), float(fraction), center)

    def _set(self, data, pixel_scale, fraction, center):
        """
        Keep an image that was checked.
        """
        self.pixel_scale = pixel_scale
        self.fraction = fraction
        self.data = data / data.sum() * fraction
        self.center = center
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
        psf = object.__new__(type(self))
        psf._set(data, self.pixel_scale, self.fraction, self.center)
        return psf

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
            Radii (arcsec), of any shape.

        Returns
        -------
        fraction : `~numpy.ndarray`
            Values in [0, 1], of the shape of the radii.
        """
        # here, as it takes as long to import as all of this module
        from photutils.geometry import circular_overlap_grid

        radii = np.asarray(radii, dtype=float)
        (x0, y0), (ny, nx) = self.center, self.data.shape
        box = -0.5 - x0, nx - 0.5 - x0, -0.5 - y0, ny - 0.5 - y0
        energy = [np.sum(self.data * circular_overlap_grid(
            *box, nx, ny, radius, 1, 1)) if radius > 0 else 0.0
            for radius in np.ravel(radii / self.pixel_scale)]
        # dark lobes may bring sums above the total
        return np.clip(energy, 0, self.fraction).reshape(radii.shape)


def make_stamp_psf(psf, pixel_scale, *, center=None):
    """
    Make a `StampPSF` of what is called ``psf`` elsewhere.

    Parameters
    ----------
    psf, pixel_scale, center : object
        See `StampPSF`.

    Returns
    -------
    psf : `StampPSF`
        The PSF. Errors and warnings name ``psf``.
    """
    made = object.__new__(StampPSF)
    made._read(psf, pixel_scale, 1.0, center, name='psf')
    return made
