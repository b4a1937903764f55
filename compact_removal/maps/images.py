# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Check and convert what the user hands to an estimator.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.maps.cutouts import drop_unusable
from compact_removal.psf import fwhm_in_pixels
from compact_removal.maps.pixels import (beam_area, check_square_pixels,
                                         pixel_area, pixel_scale)

__all__ = ['InputMap', 'check_apertures', 'pair_catalogs', 'read_image',
           'warn_of_band', 'warn_of_width']

_UNIT_TEXT = ('a flux per pixel (Jy/pixel, mJy/pixel), per solid angle '
              '(MJy/sr, mJy/arcsec2) or per beam (Jy/beam with BMAJ and '
              'BMIN in degrees in the header)')

_FLUXES = (u.Jy, u.W / u.m ** 2)

# Widths of the PSF (pixels) with which the shipped weights were trained.
_WIDTHS = (1.6, 6.0)


@dataclass(frozen=True)
class InputMap:
    """
    A map as plain arrays, and what is needed to give its results back.

    The arrays may be those of the user (of any byte order, or mapped
    from a file): they are only read, in pieces.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Values, shape ``(ny, nx)``.
    mask : `~numpy.ndarray` of bool or None
        True where a pixel must not be used; pixels that are not finite
        are not used either.
    error : `~numpy.ndarray` or None
        Standard deviation per pixel.
    wcs : WCS
        The celestial WCS.
    unit : `~astropy.units.Unit`
        Unit of ``data``.
    pixel_scale : `~astropy.units.Quantity`
        Square root of the pixel area.
    to_flux : float
        Flux of one pixel of value 1 in ``flux_unit``.
    flux_unit : `~astropy.units.Unit`
        Unit of fluxes.
    """

    data: np.ndarray
    mask: object
    error: object
    wcs: object
    unit: object
    pixel_scale: u.Quantity
    to_flux: float
    flux_unit: object

    def window(self, part):
        """
        A part of the map.

        Parameters
        ----------
        part : tuple of slice
            Rows and columns.

        Returns
        -------
        data : `~numpy.ndarray`
            Float64, NaN where a pixel must not be used.
        """
        data = self.data[part].astype(float)
        drop_unusable(data)
        if self.mask is not None:
            data[self.mask[part]] = np.nan
        return data


def read_image(image):
    """
    Check an image and take out what is needed.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map.

    Returns
    -------
    input_map : `InputMap`
        Its content; nothing large is copied.

    Raises
    ------
    TypeError, ValueError
        If it is no NDData, or lacks two dimensions, a celestial WCS or
        a unit of surface brightness.
    """
    if not isinstance(image, NDData):
        msg = ('image must be an astropy CCDData or NDData, got '
               f'{type(image).__name__}')
        raise TypeError(msg)
    shape = np.shape(image.data)
    if len(shape) != 2 or 0 in shape:
        msg = f'image must have two dimensions, got shape {shape}'
        raise ValueError(msg)
    kind = np.asarray(image.data).dtype.kind
    if kind not in 'fiu':
        msg = f'image must hold real numbers, got dtype kind {kind!r}'
        raise TypeError(msg)
    wcs = _celestial(image.wcs)
    mask = image.mask
    if mask is not None:
        mask = _plane(np.asarray(mask, dtype=bool), shape, 'a mask')
    to_flux, flux_unit = _flux_conversion(image, pixel_area(wcs))
    return InputMap(np.asarray(image.data), mask, _error(image), wcs,
                    image.unit, pixel_scale(wcs), to_flux, flux_unit)


def _celestial(wcs):
    """
    The celestial part of a WCS with square pixels.
    """
    # that of sliced NDData is wrapped
    wcs = getattr(wcs, 'low_level_wcs', wcs)
    try:
        good = wcs is not None and wcs.has_celestial
    except (AttributeError, ValueError):
        good = False
    if not good:
        msg = ('image must have a celestial WCS (an astropy.wcs.WCS), got '
               f'{type(wcs).__name__}')
        raise ValueError(msg)
    check_square_pixels(wcs)
    return wcs.celestial


def _plane(values, shape, name):
    """
    A plane of the shape of the map.
    """
    if values.shape not in ((), shape):
        msg = (f'image must have {name} of its own shape {shape}, got '
               f'{values.shape}')
        raise ValueError(msg)
    return np.broadcast_to(values, shape)


def _error(image):
    """
    Standard deviation per pixel in the image's unit, or None.
    """
    uncertainty = image.uncertainty
    if uncertainty is None or uncertainty.array is None:
        return None
    try:
        if not isinstance(uncertainty, StdDevUncertainty):
            # pixels without weight become infinite or NaN
            with np.errstate(all='ignore'):
                uncertainty = uncertainty.represent_as(StdDevUncertainty)
    except TypeError:
        msg = ('image must have an uncertainty that can be converted to '
               'StdDevUncertainty (StdDev, Variance, InverseVariance), got '
               f'{type(uncertainty).__name__}')
        raise TypeError(msg) from None
    values = _plane(np.asarray(uncertainty.array), np.shape(image.data),
                    'an uncertainty')
    if uncertainty.unit not in (None, image.unit):
        values = values * uncertainty.unit.to(image.unit)
    return values


def _flux_conversion(image, area):
    """
    Flux of a pixel of value 1, and its unit.
    """
    unit = image.unit
    if isinstance(unit, u.UnitBase):
        for flux in _FLUXES:
            if unit.is_equivalent(flux / u.pix):
                return 1.0, unit * u.pix
            if unit.is_equivalent(flux / u.sr):
                return _per_solid_angle(unit, area, flux)
            if unit.is_equivalent(flux / u.beam):
                beam = beam_area('image', image)
                return float(area / beam), unit * u.beam
    msg = f'image must have as unit {_UNIT_TEXT}, got {unit}'
    raise ValueError(msg)


def _per_solid_angle(unit, area, flux):
    """
    Conversion for a surface brightness: mJy stays mJy, all else is Jy
    (or W / m2).
    """
    factor = area.to_value(u.sr) * (unit * u.sr).to(flux)
    if (unit * u.arcsec ** 2) == u.mJy or (unit * u.sr) == u.mJy:
        return factor * flux.to(u.mJy), u.mJy
    return factor, flux


def warn_of_band(image, band):
    """
    Warn if the header of a PACS map tells another wavelength or mode.
    """
    wavelength = image.meta.get('WAVELNTH')
    if (isinstance(wavelength, (int, float))
            and abs(wavelength - band.wavelength.to_value(u.um)) > 1):
        warnings.warn(f'band {band.name!r} is that of {band.wavelength:g}, '
                      f'but the header of the map says {wavelength:g} um '
                      f'(WAVELNTH)', AstropyUserWarning, stacklevel=3)
    mode = image.meta.get('PACSMODE')
    if mode is not None and mode != band.mode:
        warnings.warn(f'mode is {band.mode!r}, but the header of the map '
                      f'says {mode!r} (PACSMODE)', AstropyUserWarning,
                      stacklevel=3)


def warn_of_width(band, pixel_scale):
    """
    Warn of a PSF that the shipped weights have not seen.
    """
    fwhm = fwhm_in_pixels(band, pixel_scale)
    low, high = _WIDTHS
    if not 0.95 * low <= fwhm <= 1.05 * high:
        warnings.warn(f'the PSF of band {band.name!r} is {fwhm:.2g} pixels '
                      f'wide; the weights were trained with {low} to {high}',
                      AstropyUserWarning, stacklevel=3)


def pair_catalogs(catalogs, n_maps):
    """
    A list of catalogues, one per map; None stands for none at all.
    """
    catalogs = [None] * n_maps if catalogs is None else list(catalogs)
    if len(catalogs) != n_maps:
        msg = (f'catalogs must have one entry per map ({n_maps}), got '
               f'{len(catalogs)}')
        raise ValueError(msg)
    return catalogs


def check_apertures(apertures, band):
    """
    Radii of apertures, or the default one of a band.

    Parameters
    ----------
    apertures : `~astropy.units.Quantity` or None
        Radii (angle), scalar or shape ``(m,)``.
    band : Band
        The band.

    Returns
    -------
    apertures : `~astropy.units.Quantity`
        Radii (arcsec), shape ``(m,)``.

    Raises
    ------
    ValueError
        If they are no radii, or beyond the table of the band.
    """
    if apertures is None:
        return np.atleast_1d(band.default_aperture)
    if (not isinstance(apertures, u.Quantity)
            or not apertures.unit.is_equivalent(u.arcsec)
            or apertures.ndim > 1 or apertures.size == 0
            or not np.all(apertures > 0)):
        msg = ('apertures must be positive radii with a unit of angle, scalar '
               f'or one-dimensional, got {apertures!r}')
        raise ValueError(msg)
    apertures = np.atleast_1d(apertures).to(u.arcsec)
    if band.eef_radii and apertures.max().value > band.eef_radii[-1]:
        msg = (f'apertures must be at most {band.eef_radii[-1]:g} arcsec, the '
               f'largest radius in the table of band {band.name!r} of mode '
               f'{band.mode!r}, got {apertures}')
        raise ValueError(msg)
    return apertures
