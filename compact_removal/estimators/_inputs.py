# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Check and convert what the user hands to an estimator.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, BaseCoordinateFrame, SkyCoord
from astropy.nddata import NDData, StdDevUncertainty
from astropy.table import Row, Table
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.cutouts import drop_unusable
from compact_removal.psf import as_psf
from compact_removal.utils.maps import (check_square_pixels, pixel_area,
                                        pixel_scale)

_UNIT_TEXT = ('a flux per pixel (Jy/pixel, mJy/pixel), per solid angle '
              '(MJy/sr, mJy/arcsec2) or per beam (Jy/beam with BMAJ and '
              'BMIN in degrees in the header)')

_FLUXES = (u.Jy, u.W / u.m ** 2)

# Widths of the PSF (pixels) with which the shipped weights were trained.
_WIDTHS = (1.6, 6.0)

# Columns of longitude and latitude in tables of positions, in lower
# case, and their frame. The first pair that a table has is used: names
# of this package, Gaia, VizieR, SExtractor, and Galactic ones.
_COLUMNS = (
    ('ra', 'dec', 'icrs'),
    ('ra_icrs', 'de_icrs', 'icrs'),
    ('ra_icrs', 'dec_icrs', 'icrs'),
    ('_ra.icrs', '_de.icrs', 'icrs'),
    ('_ra_icrs', '_de_icrs', 'icrs'),
    ('_ra', '_de', 'icrs'),
    ('ra_deg', 'dec_deg', 'icrs'),
    ('radeg', 'decdeg', 'icrs'),
    ('radeg', 'dedeg', 'icrs'),
    ('_raj2000', '_dej2000', 'fk5'),
    ('raj2000', 'dej2000', 'fk5'),
    ('raj2000', 'decj2000', 'fk5'),
    ('ra_j2000', 'dec_j2000', 'fk5'),
    ('alphawin_j2000', 'deltawin_j2000', 'fk5'),
    ('alpha_j2000', 'delta_j2000', 'fk5'),
    ('glon', 'glat', 'galactic'),
    ('_glon', '_glat', 'galactic'),
    ('l', 'b', 'galactic'),
)


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
        major = minor = np.nan
    if not (0 < major < np.inf and 0 < minor < np.inf):
        msg = ('image must have BMAJ and BMIN (degrees) in its header '
               f'when its unit is {image.unit}')
        raise ValueError(msg)
    return (np.pi / (4 * np.log(2)) * major * minor) * u.deg ** 2


def read_positions(positions):
    """
    Positions as a flat SkyCoord.

    Parameters
    ----------
    positions : SkyCoord, Table or regions
        Sky coordinates; a table with a SkyCoord column or with two
        columns of longitude and latitude (``_COLUMNS``); or sky regions
        with a centre.

    Returns
    -------
    coordinates : `~astropy.coordinates.SkyCoord`
        Shape ``(n,)``; NaN where a value is masked or missing.

    Raises
    ------
    TypeError, ValueError
        If there are no coordinates in it.
    """
    if isinstance(positions, BaseCoordinateFrame) and positions.has_data:
        positions = SkyCoord(positions)
    if isinstance(positions, SkyCoord):
        return _flat_positions(positions)
    if isinstance(positions, Row):
        positions = positions.table[[positions.index]]
    if isinstance(positions, Table):
        return _table_positions(positions)
    # here, as most positions are no regions
    from regions import Region

    if isinstance(positions, Region):
        positions = [positions]
    if (not isinstance(positions, (str, bytes, Mapping))
            and np.iterable(positions)):
        return _region_positions(list(positions))
    msg = ('positions must be a SkyCoord, a table with a SkyCoord column or '
           f'ra and dec columns, or regions, got {type(positions).__name__}')
    raise TypeError(msg)


def _flat_positions(coordinates):
    """
    Coordinates of shape (n,), with NaN for masked ones.
    """
    flat = coordinates.reshape(-1)
    mask = flat.mask
    try:
        # a frame may lack what tells where on the sky it is
        icrs = flat.unmasked.icrs.spherical
    except (AttributeError, TypeError, ValueError) as error:
        msg = ('positions must be in a frame that can be transformed to '
               f'ICRS, got {flat.frame.name!r}: {error}')
        raise ValueError(msg) from error
    if np.any(mask):
        return SkyCoord(np.where(mask, np.nan, icrs.lon.deg),
                        np.where(mask, np.nan, icrs.lat.deg), unit='deg')
    return flat


def _table_positions(table):
    """
    Positions from a SkyCoord column, or from longitude and latitude.
    """
    found = [name for name in table.colnames
             if isinstance(table[name], SkyCoord)]
    if len(found) > 1 and 'sky_center' in found:
        found = ['sky_center']
    if len(found) > 1:
        msg = ('positions must have one SkyCoord column, or one of the name '
               f'sky_center, got {", ".join(found)}')
        raise ValueError(msg)
    if found:
        return _flat_positions(table[found[0]])
    names = [name.lower() for name in table.colnames]
    for *pair, frame in _COLUMNS:
        if not set(pair) <= set(names):
            continue
        if any(names.count(name) > 1 for name in pair):
            msg = (f'positions must have one column {pair[0]} and one '
                   f'{pair[1]} in whatever case, got the columns '
                   f'{table.colnames}')
            raise ValueError(msg)
        lon, lat = (table.colnames[names.index(name)] for name in pair)
        hours = u.deg if frame == 'galactic' else u.hourangle
        return SkyCoord(_read_angles(table[lon], lon, 360 * u.deg, hours),
                        _read_angles(table[lat], lat, 90 * u.deg, u.deg),
                        frame=frame)
    pairs = ', '.join('/'.join(pair) for *pair, _ in _COLUMNS)
    msg = ('positions must have a SkyCoord column or a pair of columns of '
           f'longitude and latitude ({pairs}, in whatever case), got the '
           f'columns {table.colnames}')
    raise ValueError(msg)


def _read_angles(column, name, limit, string_unit):
    """
    Angles of a column (deg), with NaN where there are none.

    Numbers are in the unit of the column, else degrees; strings are in
    the unit of the column, else degrees if they are plain numbers, else
    sexagesimal in ``string_unit``.
    """
    kind = getattr(getattr(column, 'dtype', None), 'kind', None)
    if kind not in tuple('fiuUSO') or column.ndim != 1:
        msg = (f'positions must have one number or string per row in column '
               f'{name!r}')
        raise ValueError(msg)
    unit = getattr(column, 'unit', None)
    mask = np.broadcast_to(getattr(column, 'mask', False), column.shape)
    values = np.asarray(getattr(column, 'unmasked', column))
    if kind in 'USO':
        angles = _parse_angles(values, mask, name, unit, string_unit)
    else:
        if unit is None:
            unit = u.deg
        if not unit.is_equivalent(u.deg):
            msg = (f'positions must have angles in column {name!r}, got the '
                   f'unit {unit}')
            raise ValueError(msg)
        angles = values.astype(float) * unit.to(u.deg)
    angles = np.where(mask | ~np.isfinite(angles), np.nan, angles)
    outside = np.abs(angles) > limit.value
    if outside.any():
        msg = (f'positions must have angles between {-limit:g} and '
               f'{limit:g} in column {name!r}, got '
               f'{angles[outside][0]:g} deg in row {np.argmax(outside)}')
        raise ValueError(msg)
    return angles * u.deg


def _parse_angles(values, mask, name, unit, string_unit):
    """
    Angles (deg) of strings, with NaN where there are none.
    """
    texts = np.array(['' if hidden or value is None else
                      value.decode('ascii', 'replace')
                      if isinstance(value, bytes) else str(value).strip()
                      for value, hidden in zip(values, mask, strict=True)],
                     dtype=str)
    angles = np.full(len(texts), np.nan)
    given = texts != ''
    has_unit = unit is not None and unit.is_equivalent(u.deg)
    try:
        if _are_numbers(texts[given]):
            numbers = texts[given].astype(float)
            angles[given] = numbers * unit.to(u.deg) if has_unit else numbers
        else:
            angles[given] = Angle(texts[given],
                                  unit if has_unit else string_unit).deg
    except (TypeError, ValueError) as error:
        msg = (f'positions must have degrees, or strings such as 05:35:17 '
               f'and -05:23:28, in column {name!r}: {error}')
        raise ValueError(msg) from error
    return angles


def _are_numbers(texts):
    """
    Whether all strings are plain numbers.
    """
    try:
        texts.astype(float)
    except ValueError:
        return False
    return True


def _region_positions(regions):
    """
    Centres of sky regions.
    """
    centers = [region if isinstance(region, SkyCoord)
               else getattr(region, 'center', None) for region in regions]
    for region, center in zip(regions, centers, strict=True):
        if not isinstance(center, SkyCoord) or not center.isscalar:
            msg = ('positions must be sky coordinates: a list must hold '
                   'scalar SkyCoord or regions with a centre in sky '
                   'coordinates, not in those of an image, got '
                   f'{type(region).__name__}')
            raise ValueError(msg)
    centers = [_flat_positions(center).icrs.spherical for center in centers]
    return SkyCoord([center.lon.deg[0] for center in centers],
                    [center.lat.deg[0] for center in centers], unit='deg')


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
