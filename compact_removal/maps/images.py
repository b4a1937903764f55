# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read the images that users hand over.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.maps.cutouts import LARGEST, drop_unusable
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import (check_pixels, map_points, on_map,
                                         valid_pixels)
from compact_removal.maps.sentinels import find_sentinels
from compact_removal.maps.units import (are_counts, flux_of_pixel,
                                        is_per_pixel)
from compact_removal.utils.fits_values import find_blank_value
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['InputMap', 'check_image', 'read_image', 'read_part']


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
        True where a pixel must not be used: those of the user, blank
        ones, and those of sentinels. Pixels that are not finite are not
        used either.
    error : `~numpy.ndarray` or None
        Standard deviation per pixel, NaN where it is unknown: not
        positive, or not finite.
    grid : `~compact_removal.maps.geometry.SkyGrid`
        Where its pixels are on the sky.
    unit : `~astropy.units.Unit`
        Unit of ``data``.
    pixel_scale : `~astropy.units.Quantity`
        Square root of the pixel area: the median of the sources, or of
        the map.
    to_flux : float
        Flux of one pixel of this size and of value 1 in ``flux_unit``.
    flux_unit : `~astropy.units.Unit`
        Unit of fluxes.
    """

    data: np.ndarray
    mask: object
    error: object
    grid: SkyGrid
    unit: object
    pixel_scale: u.Quantity
    to_flux: float
    flux_unit: object

    def to_pixels(self, coordinates):
        """
        Pixels of sky coordinates.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`
            Positions, shape ``(n,)``.

        Returns
        -------
        x, y : `~numpy.ndarray`
            Pixels, shape ``(n,)``, see
            `~compact_removal.maps.geometry.SkyGrid.to_pixels`.
        """
        return self.grid.to_pixels(coordinates, self.data.shape)

    def scales_at(self, x, y):
        """
        Sizes of pixels where sources are.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Positions (pixels), shape ``(n,)``.

        Returns
        -------
        scales : `~astropy.units.Quantity`
            Square roots of the pixel areas, shape ``(n,)``; ``pixel_scale``
            where they differ from it by less than 0.01 percent.
        """
        return self.grid.scales(x, y, near=self.pixel_scale)

    def to_flux_at(self, x, y):
        """
        Fluxes of pixels of value 1 where sources are.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Positions (pixels), shape ``(n,)``.

        Returns
        -------
        to_flux : `~numpy.ndarray`
            In ``flux_unit``, shape ``(n,)``; in a unit per pixel all are
            ``to_flux``.
        """
        if is_per_pixel(self.unit):
            return np.full(np.shape(x), self.to_flux)
        ratio = (self.scales_at(x, y) / self.pixel_scale).to_value(
            u.dimensionless_unscaled)
        return self.to_flux * ratio ** 2

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
        return read_part(self.data, self.mask, part)


def read_part(data, mask, part):
    """
    Read a part of a map, with NaN where a pixel cannot be used.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, shape ``(ny, nx)``; it is not changed.
    mask : `~numpy.ndarray` of bool or None
        True where a pixel must not be used, shape ``(ny, nx)``.
    part : tuple of slice
        Rows and columns.

    Returns
    -------
    values : `~numpy.ndarray`
        Float64.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.images import read_part
    >>> data = np.array([[1, np.inf], [3, 4]])
    >>> print(read_part(data, data == 3, np.s_[:, :]))
    [[ 1. nan]
     [nan  4.]]
    """
    values = data[part].astype(float)
    drop_unusable(values)
    if mask is not None:
        values[mask[part]] = np.nan
    return values


def check_image(image):
    """
    Check that an image is one, with a place on the sky.

    Parameters
    ----------
    image : object
        What the user gave.

    Returns
    -------
    grid : `~compact_removal.maps.geometry.SkyGrid`
        Where its pixels are on the sky.

    Raises
    ------
    TypeError, ValueError
        If it is not an `~astropy.nddata.NDData` of real numbers, with two
        dimensions and a celestial WCS.
    """
    if not isinstance(image, NDData):
        msg = ('image must be an astropy CCDData or NDData, got '
               f'{type(image).__name__}')
        raise ParameterTypeError(msg, 'image')
    shape = np.shape(image.data)
    if len(shape) != 2 or 0 in shape:
        msg = f'image must have two dimensions, got shape {shape}'
        raise ParameterError(msg, 'image')
    kind = np.asarray(image.data).dtype.kind
    if kind not in 'fiu':
        msg = f'image must hold real numbers, got dtype kind {kind!r}'
        raise ParameterTypeError(msg, 'image')
    _check_tables(image)
    return SkyGrid(image.wcs)


def read_image(image, positions=None, *, everywhere=False, counts=False):
    """
    Read an image: check it, and take out what is needed.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map.
    positions : `~astropy.coordinates.SkyCoord`, optional
        Where its pixels must be squares of one size, if that is on the
        map, shape ``(n,)``. Default: they must be squares somewhere.
    everywhere : bool, optional
        Whether they must be wherever there are valid pixels.
    counts : bool, optional
        Whether its unit may be one of counts; zeros are then values.

    Returns
    -------
    input_map : `InputMap`
        Its content; nothing large is copied.

    Raises
    ------
    TypeError, ValueError
        If it is no NDData, or lacks two dimensions, a celestial WCS or
        a unit of surface brightness, or its pixels are not squares of
        one size.

    Warns
    -----
    AstropyUserWarning
        If pixels are taken as missing because of their value, see
        `~compact_removal.maps.sentinels.find_sentinels`.
    """
    grid = check_image(image)
    shape, mask = np.shape(image.data), image.mask
    if mask is not None:
        mask = _plane(np.asarray(mask, dtype=bool), shape, 'a mask')
    mask = _mask_missing(image, mask,
                         sentinels=not (counts and are_counts(image.unit)))
    if everywhere:
        x, y = map_points(shape, valid_pixels(image.data, mask))
        check_pixels(grid, x, y, what='map')
    else:
        x, y = _places(grid, shape, positions)
    area = grid.typical_area(x, y)
    to_flux, flux_unit = flux_of_pixel(image, area, counts=counts)
    return InputMap(np.asarray(image.data), mask, _error(image), grid,
                    image.unit, np.sqrt(area).to(u.arcsec), to_flux,
                    flux_unit)


def _places(grid, shape, positions):
    """
    Where pixels matter: at the sources, or somewhere on the map.
    """
    if positions is not None and len(positions):
        x, y = grid.to_pixels(positions, shape)
        inside = on_map(x, y, shape)
        if inside.any():
            check_pixels(grid, x[inside], y[inside])
            return x[inside], y[inside]
    x, y = map_points(shape)
    major, minor = grid.axes(x, y)
    known = np.flatnonzero(np.isfinite(minor) & (minor > 0))
    if known.size == 0:
        msg = 'image must have a celestial WCS that is valid on the map'
        raise ParameterError(msg, 'image')
    best = known[np.argmin((major / minor)[known])]
    check_pixels(grid, x[best], y[best], what='map')
    return x, y


def _check_tables(image):
    """
    Refuse a WCS that has lost the tables of its distortion.
    """
    meta = image.meta or {}
    for card, attribute in (('CPDIS', 'cpdis'), ('D2IMDIS', 'det2im')):
        lost = [f'{card}{i}' for i in (1, 2) if f'{card}{i}' in meta]
        if lost and all(getattr(image.wcs, f'{attribute}{i}', None) is None
                        for i in (1, 2)):
            msg = (f'image must have a WCS with the distortion tables of its '
                   f'header ({", ".join(lost)}), which were lost when it was '
                   'read; use read_pacs_map, or WCS(header, hdulist)')
            raise ParameterError(msg, 'image')


def _mask_missing(image, mask, *, sentinels):
    """
    The mask of the user and that of values that stand for no value.
    """
    data = np.asarray(image.data)
    blank = find_blank_value(image.meta, data.dtype)
    missing = [] if mask is None else [mask]
    if blank is not None:
        missing.append(data == blank)
    if isinstance(image.uncertainty, InverseVariance):
        # no weight, no measurement
        missing.append(_plane(np.asarray(image.uncertainty.array) == 0,
                              data.shape, 'an uncertainty'))
    known = np.logical_or.reduce(missing) if missing else None
    for value in find_sentinels(data, known) if sentinels else ():
        pixels = data == value
        if known is not None:
            pixels &= ~known
        missing.append(pixels)
        warnings.warn(
            f'image has {np.count_nonzero(pixels)} pixels of exactly '
            f'{value:g} in blocks, which are taken as missing',
            AstropyUserWarning, stacklevel=4)
    return np.logical_or.reduce(missing) if missing else None


def _plane(values, shape, name):
    """
    A plane of the shape of the map.
    """
    if values.shape not in ((), shape):
        msg = (f'image must have {name} of its own shape {shape}, got '
               f'{values.shape}')
        raise ParameterError(msg, 'image')
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
               f'StdDevUncertainty, got {type(uncertainty).__name__}; StdDev, '
               'Variance and InverseVariance are allowed')
        raise ParameterTypeError(msg, 'image') from None
    values = _plane(np.asarray(uncertainty.array), np.shape(image.data),
                    'an uncertainty')
    if uncertainty.unit not in (None, image.unit):
        values = values * uncertainty.unit.to(image.unit)
    # of pixels without weight, for example; NaN compares as false
    unknown = ~((values > 0) & (values < LARGEST))
    if unknown.any():
        values = np.where(unknown, np.nan, values)
    return values
