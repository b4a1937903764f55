# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions: the analytic PACS model and user-given stamps.

Every PSF object has two methods: ``evaluate(dx, dy)`` gives the
fraction of the total flux per square arcsec at offsets in arcsec, and
``encircled_energy(radii)`` the fraction within circles.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import map_coordinates, spline_filter

from compact_removal.instruments import Band, PSFParameters

__all__ = ['AnalyticPSF', 'StampPSF', 'as_psf', 'encircled_energy',
           'fwhm_in_pixels', 'make_psf_stamp']

# Points across the core of an image when its width is measured.
_N_ACROSS = 129


def _as_arcsec(name, value):
    """
    Plain numbers in arcsec of an angle that the user gave.
    """
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(
            u.arcsec):
        msg = f'{name} must be a Quantity with a unit of angle, got {value!r}'
        raise ValueError(msg)
    return value.to_value(u.arcsec)


def _ring_norm(radius, width):
    """
    Integral over the plane of a unit ring that is Gaussian in radius.
    """
    r = np.linspace(max(0, radius - 8 * width), radius + 8 * width, 401)
    return np.trapezoid(2 * np.pi * r
                        * np.exp(-0.5 * ((r - radius) / width) ** 2), r)


class AnalyticPSF:
    """
    The analytic PSF: core, halo, ring with three lobes, and wings.

    The flux over the infinite plane is 1. The shape follows the
    description of the PACS PSF in the paper (Sect. 2.2); the parameters
    of the tables were fitted to Vesta stamps, maps of gamma Draconis
    and the encircled-energy tables.

    Parameters
    ----------
    parameters : `~compact_removal.instruments.PSFParameters`
        The parameters.

    Raises
    ------
    TypeError
        If ``parameters`` is something else.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import AnalyticPSF
    >>> psf = AnalyticPSF(get_band('scanmap', 'blue').psf)
    >>> print(psf.evaluate([0, 3], 0).round(3))
    [0.021 0.009]
    >>> print(psf.encircled_energy([6, 12]).round(2))
    [0.64 0.8 ]
    >>> print(f'{psf.fwhm:.1f} {psf.vary(broadening=1.2).fwhm:.1f}')
    5.0 6.0
    """

    def __init__(self, parameters):
        if not isinstance(parameters, PSFParameters):
            msg = 'parameters must be a PSFParameters object'
            raise TypeError(msg)
        self.parameters = parameters

    def __repr__(self):
        return f'{type(self).__name__}({self.parameters!r})'

    @property
    def fwhm(self):
        """
        Full width at half maximum of the core (arcsec).
        """
        return self.parameters.fwhm

    def vary(self, *, broadening=1.0, elongation=1.0, lobes=1.0, wings=1.0):
        """
        Change the shape, as that of real sources differs.

        Parameters
        ----------
        broadening : float, optional
            Factor on the width of core and halo.
        elongation : float, optional
            Factor on the elongation of the core.
        lobes : float, optional
            Factor on the contrast of the lobes (at most full contrast).
        wings : float, optional
            Factor on the flux in the wings; core, halo and ring share
            the rest in the old proportions.

        Returns
        -------
        psf : `AnalyticPSF`
            The new PSF, of unit flux.
        """
        old = self.parameters
        wing = min(old.wing_fraction * wings, 0.95)
        share = (1 - wing) / (1 - old.wing_fraction)
        return AnalyticPSF(replace(
            old,
            fwhm=old.fwhm * broadening,
            elongation=old.elongation * elongation,
            lobes=min(old.lobes * lobes, 1.0),
            core_fraction=old.core_fraction * share,
            halo_fraction=old.halo_fraction * share,
            ring_fraction=old.ring_fraction * share))

    def evaluate(self, dx, dy):
        """
        Surface brightness at offsets from the centre.

        Parameters
        ----------
        dx, dy : float or array_like
            Offsets (arcsec) along the larger width of the core and
            across it; they are broadcast.

        Returns
        -------
        brightness : `~numpy.ndarray`
            Fraction of the flux per square arcsec, of the shape of the
            offsets.
        """
        par = self.parameters
        dx, dy = np.asarray(dx, dtype=float), np.asarray(dy, dtype=float)
        sigma = par.fwhm * gaussian_fwhm_to_sigma
        squared = dx ** 2 + dy ** 2
        radius = np.sqrt(squared)
        ratio = np.sqrt(par.elongation)
        core = (np.exp(-0.5 * ((dx / ratio) ** 2 + (dy * ratio) ** 2)
                       / sigma ** 2) / (2 * np.pi * sigma ** 2))
        halo_sigma = sigma * par.halo_scale
        halo = (np.exp(-0.5 * squared / halo_sigma ** 2)
                / (2 * np.pi * halo_sigma ** 2))
        ring = np.exp(-0.5 * ((radius - par.ring_radius)
                              / par.ring_width) ** 2)
        # cos(3 theta) without an angle, by the triple-angle formula
        cosine = np.divide(dx, radius, out=np.zeros_like(radius),
                           where=radius > 0)
        ring = ring * (1 + par.lobes * (4 * cosine ** 3 - 3 * cosine))
        ring /= _ring_norm(par.ring_radius, par.ring_width)
        wing = ((par.wing_slope - 1) / (np.pi * par.wing_scale ** 2)
                * (1 + squared / par.wing_scale ** 2) ** -par.wing_slope)
        return (par.core_fraction * core + par.halo_fraction * halo
                + par.ring_fraction * ring + par.wing_fraction * wing)

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
        radii = np.asarray(radii, dtype=float)
        scale = self.parameters.fwhm
        # Fine steps in the core, growing ones in the wings.
        r = scale * np.sinh(np.linspace(
            0, np.arcsinh(max(radii.max(), 1e-3) / scale), 801))
        angle = np.arange(48) * (2 * np.pi / 48)
        mean = self.evaluate(r[:, None] * np.cos(angle),
                             r[:, None] * np.sin(angle)).mean(axis=1)
        step = 2 * np.pi * r * mean
        energy = np.concatenate([[0], np.cumsum(
            (step[1:] + step[:-1]) / 2 * np.diff(r))])
        return np.interp(radii, r, energy)


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
            raise ValueError(msg)
        if not 0 < fraction <= 1:
            msg = f'fraction must lie in (0, 1], got {fraction}'
            raise ValueError(msg)
        self.pixel_scale = float(_as_arcsec('pixel_scale', pixel_scale))
        self.fraction = float(fraction)
        self.data = data / data.sum() * fraction
        y, x = np.indices(data.shape)
        core = np.where(data > 0.1 * data.max(), data, 0)
        if center is None:
            center = ((core * x).sum() / core.sum(),
                      (core * y).sum() / core.sum())
        self.center = (float(center[0]), float(center[1]))
        self._spline = spline_filter(self.data, order=3)

    def __repr__(self):
        ny, nx = self.data.shape
        return (f'{type(self).__name__}(<{ny}x{nx} image>, '
                f'pixel_scale={self.pixel_scale:g} arcsec, '
                f'fraction={self.fraction:g})')

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


def as_psf(psf, *, pixel_scale=None):
    """
    Make a PSF object from what a user may have.

    Parameters
    ----------
    psf : Band, PSFParameters, PSF object, `~photutils.psf.ImagePSF` or array
        What to convert.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of an image (angle); needed for an image and
        an ``ImagePSF``. Those in a Band have the pixels of the band.

    Returns
    -------
    psf : `AnalyticPSF`, `StampPSF` or the given PSF object
        An object with ``evaluate`` and ``encircled_energy``.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``pixel_scale`` is missing.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import as_psf
    >>> as_psf(get_band('scanmap', 'red')).fwhm > 9
    True
    """
    if isinstance(psf, Band):
        # an image has the pixels of its band
        psf, pixel_scale = psf.psf, psf.pixel_scale
    if isinstance(psf, PSFParameters):
        return AnalyticPSF(psf)
    if hasattr(psf, 'encircled_energy') and hasattr(psf, 'evaluate'):
        return psf
    # here, as it takes as long to import as all of this module
    from photutils.psf import ImagePSF

    if isinstance(psf, (ImagePSF, np.ndarray)):
        if pixel_scale is None:
            msg = 'pixel_scale is needed for a PSF that is an image'
            raise ValueError(msg)
        if isinstance(psf, np.ndarray):
            return StampPSF(psf, pixel_scale)
        y_factor, x_factor = np.broadcast_to(psf.oversampling, 2)
        if x_factor != y_factor:
            msg = 'psf must have equal oversampling along x and y'
            raise ValueError(msg)
        return StampPSF(psf.data, pixel_scale / x_factor, center=psf.origin)
    msg = ('psf must be a Band, PSFParameters, an object with evaluate() '
           'and encircled_energy(), a photutils ImagePSF or a 2-D array, '
           f'got {type(psf).__name__}')
    raise TypeError(msg)


def fwhm_in_pixels(psf, pixel_scale):
    """
    Compute the full width at half maximum of a PSF in pixels of a map.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Returns
    -------
    fwhm : float
        In pixels.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import fwhm_in_pixels
    >>> band = get_band('scanmap', 'blue')
    >>> round(fwhm_in_pixels(band, band.pixel_scale), 1)
    3.1
    """
    return float(as_psf(psf).fwhm / pixel_scale.to_value(u.arcsec))


def encircled_energy(psf, radii):
    """
    Compute the fraction of the flux of a point source within circles.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    radii : `~astropy.units.Quantity`
        Radii (angle), shape ``(n,)``.

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in [0, 1], shape ``(n,)``.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``radii`` have no unit of angle.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import encircled_energy
    >>> band = get_band('scanmap', 'blue')
    >>> print(encircled_energy(band, [6, 18] * u.arcsec).round(1))
    [0.6 0.9]
    """
    return as_psf(psf).encircled_energy(_as_arcsec('radii', radii))


def make_psf_stamp(psf, *, pixel_scale=None, shape=(61, 61), center=None,
                   position_angle=0 * u.deg, oversampling=1, **variation):
    """
    Make an image of a point source of unit flux.

    The PSFs are effective ones, as photutils has them: their widening by
    the pixels of the maps is part of them, and a stamp takes its values
    at the pixel centres.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels (angle); needed unless ``psf`` is a band.
    shape : tuple of int, optional
        ``(ny, nx)``.
    center : tuple of float, optional
        Position ``(x, y)`` of the source in pixels; default: the middle.
    position_angle : `~astropy.units.Quantity`, optional
        Rotation from the x axis towards the y axis.
    oversampling : int, optional
        Points per pixel along each axis over which to average, for a
        PSF that is narrow compared with the pixels.
    **variation
        ``broadening``, ``elongation``, ``lobes``, ``wings``: factors
        handed to the ``vary`` method of the PSF.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Fraction of the flux in each pixel, shape ``(ny, nx)``. The sum
        is below 1: the wings reach beyond.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``pixel_scale`` is missing or no
        angle.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> stamp = make_psf_stamp(get_band('scanmap', 'blue'), shape=(31, 31))
    >>> bool(0.85 < stamp.sum() < 1)
    True
    """
    if pixel_scale is None:
        if not isinstance(psf, Band):
            msg = 'pixel_scale is needed unless psf is a Band'
            raise ValueError(msg)
        pixel_scale = psf.pixel_scale
    model = as_psf(psf, pixel_scale=pixel_scale)
    if variation:
        model = model.vary(**variation)
    scale = float(_as_arcsec('pixel_scale', pixel_scale))
    ny, nx = shape
    if center is None:
        center = ((nx - 1) / 2, (ny - 1) / 2)
    offsets = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    x = ((np.arange(nx)[:, None] + offsets).ravel() - center[0]) * scale
    y = ((np.arange(ny)[:, None] + offsets).ravel() - center[1]) * scale
    angle = u.Quantity(position_angle).to_value(u.rad)
    x, y = x[None, :], y[:, None]
    values = model.evaluate(x * np.cos(angle) + y * np.sin(angle),
                            y * np.cos(angle) - x * np.sin(angle))
    blocks = values.reshape(ny, oversampling, nx, oversampling)
    return blocks.mean(axis=(1, 3)) * scale ** 2
