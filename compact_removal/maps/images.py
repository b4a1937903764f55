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

from compact_removal.maps.cutouts import drop_unusable
from compact_removal.maps.pixels import (check_square_pixels, pixel_area,
                                         pixel_scale)
from compact_removal.maps.sentinels import find_sentinels
from compact_removal.maps.units import flux_of_pixel
from compact_removal.utils.fits_values import find_blank_value
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['InputMap', 'read_image']


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
        Standard deviation per pixel.
    wcs : `~astropy.wcs.WCS`
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
    Read an image: check it, and take out what is needed.

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

    Warns
    -----
    AstropyUserWarning
        If pixels are taken as missing because of their value, see
        `~compact_removal.maps.sentinels.find_sentinels`.
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
    wcs = _celestial(image.wcs)
    mask = image.mask
    if mask is not None:
        mask = _plane(np.asarray(mask, dtype=bool), shape, 'a mask')
    mask = _mask_missing(image, mask)
    to_flux, flux_unit = flux_of_pixel(image, pixel_area(wcs))
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
        raise ParameterError(msg, 'image')
    check_square_pixels(wcs)
    return wcs.celestial


def _mask_missing(image, mask):
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
    for value in find_sentinels(data, known):
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
               'StdDevUncertainty (StdDev, Variance, InverseVariance), got '
               f'{type(uncertainty).__name__}')
        raise ParameterTypeError(msg, 'image') from None
    values = _plane(np.asarray(uncertainty.array), np.shape(image.data),
                    'an uncertainty')
    if uncertainty.unit not in (None, image.unit):
        values = values * uncertainty.unit.to(image.unit)
    return values
