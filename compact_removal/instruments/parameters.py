# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Frozen records of an observing mode, a band and a point spread function.
"""

from collections.abc import Hashable
from dataclasses import dataclass, fields, replace
from functools import partial

import astropy.units as u
import numpy as np

from compact_removal.instruments.psf_model import model_energy
from compact_removal.utils.parameters import ParameterError

__all__ = ['Band', 'ObservingMode', 'PSFParameters']

# Quantities of a band, and the units in which bands are compared.
_QUANTITIES = {'wavelength': u.um, 'pixel_scale': u.arcsec,
               'photometry_annulus': u.arcsec, 'default_aperture': u.arcsec,
               'psf_pixel_scale': u.arcsec}

_OPTIONAL = {'psf_pixel_scale'}

_TUPLES = ('annulus_radii', 'snr_thresholds', 'mask_radii', 'eef_radii',
           'eef_values')


@dataclass(frozen=True)
class ObservingMode:
    """
    A way in which an instrument scans the sky.

    Parameters
    ----------
    name : str
        The name, for example ``'scanmap'``.
    description : str, optional
        One line of text.
    reference : str, optional
        Where the facts come from.

    Examples
    --------
    >>> from compact_removal.instruments import ObservingMode, get_mode
    >>> get_mode('scanmap').name
    'scanmap'
    >>> mode = ObservingMode('survey', description='SPIRE photometer')
    """

    name: str
    description: str = ''
    reference: str = ''


@dataclass(frozen=True)
class PSFParameters:
    """
    Parameters of the analytic point spread function.

    The model is a sum of four components, each with a share of the
    flux: an elliptical Gaussian core, a round Gaussian halo, a ring
    (Gaussian in radius) whose brightness varies threefold around the
    centre, and Moffat wings that hold the rest of the flux. See
    `compact_removal.psf`.

    Parameters
    ----------
    fwhm : float
        Geometric mean of the two full widths at half maximum of the
        core (arcsec).
    elongation : float
        Ratio of the larger to the smaller width of the core, >= 1.
    core_fraction, halo_fraction : float
        Share of the flux in core and halo. The wings hold ``1 -
        core_fraction - halo_fraction - ring_fraction``.
    halo_scale : float
        Width of the halo in units of ``fwhm``.
    ring_fraction : float
        Share of the flux in the ring.
    ring_radius, ring_width : float
        Radius and Gaussian width (sigma) of the ring (arcsec).
    lobes : float
        Relative amplitude of the three lobes in the ring, 0 to 1.
    wing_scale : float
        Core radius of the Moffat wings (arcsec).
    wing_slope : float
        Exponent of the Moffat wings, > 1; the surface brightness falls
        as ``radius ** (-2 * wing_slope)``.
    reference : str, optional
        Where the parameters come from.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from compact_removal.instruments import get_band
    >>> parameters = get_band('scanmap', 'blue').psf
    >>> broader = replace(parameters, fwhm=1.2 * parameters.fwhm)
    >>> print(f'{parameters.fwhm:.1f} {broader.fwhm:.1f}')
    5.0 6.0
    """

    fwhm: float
    elongation: float
    core_fraction: float
    halo_fraction: float
    halo_scale: float
    ring_fraction: float
    ring_radius: float
    ring_width: float
    lobes: float
    wing_scale: float
    wing_slope: float
    reference: str = ''

    @property
    def wing_fraction(self):
        """
        The share of the flux in the wings.
        """
        return (1.0 - self.core_fraction - self.halo_fraction
                - self.ring_fraction)


@dataclass(frozen=True, eq=False)
class Band:
    """
    Everything the package needs of one band in one mode.

    Radii of masks are in pixels of the nominal ``pixel_scale``; radii
    of photometry are in arcsec. A band holds copies of what it is given,
    which are read-only; bands are equal if all their values are.

    Parameters
    ----------
    name : str
        The name, for example ``'blue'``.
    mode : str
        Name of the observing mode.
    wavelength : `~astropy.units.Quantity`
        Nominal wavelength.
    pixel_scale : `~astropy.units.Quantity`
        Nominal size of a map pixel (angle).
    psf : `PSFParameters`, PSF object or image
        Parameters of the analytic model, any PSF object of
        `compact_removal.psf`, or what `~compact_removal.psf.as_psf`
        makes one of: an array or a file, for example.
    source_radius : float
        Radius of the circle in which the peak is sought (nominal
        pixels; paper, Sect. 2.4.4).
    annulus_radii : tuple of float
        Inner and outer radius of the annulus of the signal-to-noise
        ratio (nominal pixels; paper, Sect. 2.4.4).
    snr_thresholds : tuple of float
        Falling thresholds in the signal-to-noise ratio (paper,
        Table 3).
    mask_radii : tuple of float
        Mask radii (nominal pixels), falling, one more than
        ``snr_thresholds`` (paper, Table 3).
    photometry_annulus : `~astropy.units.Quantity`
        Inner and outer radius of the background annulus of standard
        photometry (angle).
    default_aperture : `~astropy.units.Quantity`
        Radius of the aperture used when none is asked for (angle).
    eef_radii, eef_values : tuple of float, optional
        Encircled energy fractions (arcsec, fraction). Without them,
        the encircled energy of ``psf`` is used.
    psf_pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a ``psf`` that is an image without a WCS
        (angle); default: ``pixel_scale``.

    Raises
    ------
    ValueError
        If thresholds, radii or encircled energies are not in order,
        numbers of them do not match, or an angle or the wavelength is
        no Quantity of such a unit.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> band.mask_radii
    (12.0, 11.0, 9.0, 7.0, 6.0, 5.0)
    >>> finer = replace(band, name='fine', pixel_scale=1.2 * u.arcsec)
    """

    name: str
    mode: str
    wavelength: u.Quantity
    pixel_scale: u.Quantity
    psf: object
    source_radius: float
    annulus_radii: tuple
    snr_thresholds: tuple
    mask_radii: tuple
    photometry_annulus: u.Quantity
    default_aperture: u.Quantity
    eef_radii: tuple = ()
    eef_values: tuple = ()
    psf_pixel_scale: u.Quantity = None

    def __post_init__(self):
        for name, unit in _QUANTITIES.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if (not isinstance(value, u.Quantity)
                    or not value.unit.is_equivalent(unit)):
                msg = (f'{name} must be an astropy Quantity with a unit like '
                       f'{unit}, got {value!r}')
                raise ParameterError(msg, name)
            self._freeze(name, value.copy())
        for name in _TUPLES:
            self._freeze(name, tuple(getattr(self, name)))
        if isinstance(self.psf, np.ndarray):
            self._freeze('psf', self.psf.copy())
        self._check_masks()
        self._check_energies()

    def _freeze(self, name, value):
        """
        Set a field, and keep it from being changed in place.
        """
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _check_masks(self):
        """
        Refuse thresholds and radii that are not in order.
        """
        thresholds = self.snr_thresholds
        if len(self.mask_radii) != len(thresholds) + 1:
            msg = ('mask_radii must have one entry more than '
                   f'snr_thresholds ({len(thresholds) + 1}), got '
                   f'{len(self.mask_radii)}')
            raise ParameterError(msg, 'mask_radii')
        for name in ('snr_thresholds', 'mask_radii'):
            if np.any(np.diff(getattr(self, name)) >= 0):
                msg = f'{name} must fall strictly from first to last'
                raise ParameterError(msg, name)

    def _check_energies(self):
        """
        Refuse encircled energies that are not in order.
        """
        if len(self.eef_radii) != len(self.eef_values):
            msg = 'eef_values must have the length of eef_radii'
            raise ParameterError(msg, 'eef_values')
        values = (0.0, *self.eef_values)
        if np.any(np.diff(values) <= 0) or values[-1] > 1:
            msg = 'eef_values must rise with radius and stay in (0, 1]'
            raise ParameterError(msg, 'eef_values')

    def _key(self):
        """
        The values of all fields, which can be hashed.
        """
        values = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None:
                pass
            elif entry.name in _QUANTITIES:
                value = value.to_value(_QUANTITIES[entry.name])
                value = tuple(np.ravel(value).tolist())
            elif isinstance(value, np.ndarray):
                value = value.shape, tuple(value.ravel().tolist())
            elif not isinstance(value, Hashable):
                # HDUs and NDData, which are not compared by value
                value = id(value)
            values.append(value)
        return tuple(values)

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def __reduce__(self):
        # copies are made anew, so that they are read-only, too
        return type(self), tuple(getattr(self, entry.name)
                                 for entry in fields(self))

    def with_pixel_scale(self, pixel_scale):
        """
        Change the nominal pixels; all angles stay the same.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`
            Size of a pixel (angle).

        Returns
        -------
        band : `Band`
            Its radii in pixels are those of this band times the ratio
            of the pixel scales.

        Examples
        --------
        >>> from compact_removal.instruments import get_band
        >>> band = get_band('scanmap', 'blue')
        >>> band.with_pixel_scale(band.pixel_scale / 2).mask_radii
        (24.0, 22.0, 18.0, 14.0, 12.0, 10.0)
        """
        ratio = float((self.pixel_scale / pixel_scale).to_value(
            u.dimensionless_unscaled))
        of_psf = self.psf_pixel_scale
        if of_psf is None and not (isinstance(self.psf, PSFParameters)
                                   or hasattr(self.psf, 'encircled_energy')):
            # those of an image stay the same, too
            of_psf = self.pixel_scale
        return replace(
            self, pixel_scale=pixel_scale, psf_pixel_scale=of_psf,
            source_radius=ratio * self.source_radius,
            annulus_radii=tuple(ratio * value
                                for value in self.annulus_radii),
            mask_radii=tuple(ratio * value for value in self.mask_radii))

    def encircled_energy(self, radius, *, psf=None):
        """
        Interpolate the table of encircled energies.

        Monotone cubic (PCHIP) interpolation between the tabulated
        radii. Below the first of them it is the encircled energy of the
        PSF, times the factor that makes it equal to the table there; it
        goes with the square of small radii.

        Parameters
        ----------
        radius : `~astropy.units.Quantity`
            Aperture radius (angle), of any shape.
        psf : PSF object, optional
            The PSF of the band as an object with ``encircled_energy``;
            needed below the first radius if that of the band is an
            image.

        Returns
        -------
        fraction : `~numpy.ndarray`
            Fraction of the flux within the radius, in (0, 1], of the
            shape of ``radius``.

        Raises
        ------
        ValueError
            If the band has no table, or ``radius`` is not positive or
            is larger than the largest tabulated one; if ``psf`` is
            missing where it is needed.

        Examples
        --------
        >>> import astropy.units as u
        >>> from compact_removal.instruments import get_band
        >>> band = get_band('scanmap', 'blue')
        >>> round(float(band.encircled_energy(6 * u.arcsec)), 4)
        0.6425
        """
        if not self.eef_radii:
            msg = f'eef_radii: band {self.name!r} has no such table'
            raise ParameterError(msg, 'eef_radii')
        value = np.asarray(u.Quantity(radius).to_value(u.arcsec))
        largest = self.eef_radii[-1]
        if not np.all((value > 0) & (value <= largest * (1 + 1e-9))):
            msg = (f'radius must lie in (0, {largest:g}] arcsec for band '
                   f'{self.name!r} of mode {self.mode!r}, got {radius}')
            raise ParameterError(msg, 'radius')
        radii, values = np.array(self.eef_radii), np.array(self.eef_values)
        found = np.full(np.shape(value), values[0])
        small = value < radii[0]
        if radii.size > 1:
            # here, as few need it and it takes long to import
            from scipy.interpolate import PchipInterpolator

            found = PchipInterpolator(radii, values)(
                np.clip(value, radii[0], radii[-1]))
            # exactly, whatever the rounding of the polynomial
            found = np.where(value >= radii[-1], values[-1], found)
        if np.any(small):
            core = self._core_energy(psf)
            *below, first = core(np.append(np.ravel(value[small]), radii[0]))
            found = np.array(found)
            found[small] = values[0] / first * np.array(below)
        return found

    def _core_energy(self, psf):
        """
        The encircled energy of the PSF, as a function of radii (arcsec).
        """
        psf = self.psf if psf is None else psf
        if isinstance(psf, PSFParameters):
            return partial(model_energy, psf)
        if hasattr(psf, 'encircled_energy'):
            return psf.encircled_energy
        msg = ('psf must be an object with encircled_energy() for radii below '
               f'{self.eef_radii[0]:g} arcsec, the first in the table of band '
               f'{self.name!r}; see compact_removal.psf.as_psf')
        raise ParameterError(msg, 'psf')
