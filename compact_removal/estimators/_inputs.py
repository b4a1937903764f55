# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Check and convert what the user hands to an estimator.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import NDData, StdDevUncertainty
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.psf import as_psf
from compact_removal.utils.maps import pixel_area, pixel_scale

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
        data[~np.isfinite(data)] = np.nan
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
    if image.wcs is None or not getattr(image.wcs, 'has_celestial', False):
        msg = 'image must have a celestial WCS'
        raise ValueError(msg)
    mask = image.mask
    if mask is not None:
        mask = np.broadcast_to(np.asarray(mask, dtype=bool), shape)
    wcs = image.wcs.celestial
    to_flux, flux_unit = _flux_conversion(image, pixel_area(wcs))
    return InputMap(np.asarray(image.data), mask, _error(image), wcs,
                    image.unit, pixel_scale(wcs), to_flux, flux_unit)


def _error(image):
    """
    Standard deviation per pixel in the image's unit, or None.
    """
    uncertainty = image.uncertainty
    if uncertainty is None or uncertainty.array is None:
        return None
    try:
        if not isinstance(uncertainty, StdDevUncertainty):
            uncertainty = uncertainty.represent_as(StdDevUncertainty)
    except TypeError:
        msg = ('image must have an uncertainty that can be converted to '
               'StdDevUncertainty (StdDev, Variance, InverseVariance), got '
               f'{type(uncertainty).__name__}')
        raise TypeError(msg) from None
    values = np.broadcast_to(uncertainty.array, np.shape(image.data))
    if uncertainty.unit not in (None, image.unit):
        values = values * uncertainty.unit.to(image.unit)
    return values


def _flux_conversion(image, area):
    """
    Flux of a pixel of value 1, and its unit.
    """
    unit = image.unit
    if unit is not None:
        for flux in _FLUXES:
            if unit.is_equivalent(flux / u.pix):
                return 1.0, unit * u.pix
            if unit.is_equivalent(flux / u.sr):
                return _per_solid_angle(unit, area, flux)
            if unit.is_equivalent(flux / u.beam):
                beam = _beam_area(image)
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


def _beam_area(image):
    """
    Solid angle of a Gaussian beam from the header.
    """
    try:
        major, minor = (float(image.meta[key]) for key in ('BMAJ', 'BMIN'))
    except (KeyError, TypeError, ValueError):
        msg = ('image must have BMAJ and BMIN (degrees) in its header '
               f'when its unit is {image.unit}')
        raise ValueError(msg) from None
    return (np.pi / (4 * np.log(2)) * major * minor) * u.deg ** 2


def read_positions(positions):
    """
    Positions as a flat SkyCoord.

    Parameters
    ----------
    positions : SkyCoord, Table or regions
        Sky coordinates; a table with a SkyCoord column or columns
        ``ra`` and ``dec``; or sky regions with a centre.

    Returns
    -------
    coordinates : `~astropy.coordinates.SkyCoord`
        Shape ``(n,)``.

    Raises
    ------
    TypeError, ValueError
        If there are no coordinates in it.
    """
    if isinstance(positions, SkyCoord):
        return positions.reshape(-1)
    if isinstance(positions, Table):
        return _table_positions(positions)
    if hasattr(positions, 'center') or hasattr(positions, 'vertices'):
        positions = [positions]
    if not isinstance(positions, (str, bytes)) and np.iterable(positions):
        return _region_positions(list(positions))
    msg = ('positions must be a SkyCoord, a table with a SkyCoord column or '
           f'ra and dec columns, or regions, got {type(positions).__name__}')
    raise TypeError(msg)


def _table_positions(table):
    """
    Positions from the first SkyCoord column, or from ra and dec.
    """
    for name in table.colnames:
        if isinstance(table[name], SkyCoord):
            return table[name].reshape(-1)
    names = {name.lower(): name for name in table.colnames}
    if 'ra' in names and 'dec' in names:
        angles = []
        for key in ('ra', 'dec'):
            column = table[names[key]]
            if column.dtype.kind in 'US':
                return _sexagesimal(table[names['ra']], table[names['dec']])
            unit = column.unit or u.deg
            values = np.ma.filled(np.ma.asarray(getattr(
                column, 'value', column), dtype=float), np.nan)
            angles.append(u.Quantity(values, unit))
        return SkyCoord(*angles, frame='icrs').reshape(-1)
    msg = ('positions must have a SkyCoord column or the columns ra and dec '
           f'(degrees), got the columns {table.colnames}')
    raise ValueError(msg)


def _sexagesimal(ra, dec):
    """
    Positions from strings.
    """
    try:
        return SkyCoord(ra, dec, unit=(u.hourangle, u.deg)).reshape(-1)
    except (TypeError, ValueError) as error:
        msg = ('positions must have columns ra and dec that hold degrees, or '
               f'strings of hours and degrees: {error}')
        raise ValueError(msg) from error


def _region_positions(regions):
    """
    Centres of sky regions.
    """
    if not regions:
        return SkyCoord([], [], unit='deg')
    centers = [region if isinstance(region, SkyCoord)
               else getattr(region, 'center', None) for region in regions]
    if not all(isinstance(center, SkyCoord) and center.isscalar
               for center in centers):
        msg = ('positions must be sky coordinates: a list must hold scalar '
               'SkyCoord or regions with a centre in sky coordinates, not in '
               'those of an image')
        raise ValueError(msg)
    return SkyCoord([center.icrs for center in centers]).reshape(-1)


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
    fwhm = float(as_psf(band).fwhm / pixel_scale.to_value(u.arcsec))
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
