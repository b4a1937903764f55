# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the metrics read of a map.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import map_points
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['Values', 'read_selection', 'read_values']


@dataclass(frozen=True)
class Values:
    """
    The pixels of a map.

    Attributes
    ----------
    data : `~numpy.ndarray`
        Values, float64.
    valid : `~numpy.ndarray` of bool
        False where a pixel is not finite or masked.
    unit : `~astropy.units.Unit`
        Unit of ``data``.
    scales : `~astropy.units.Quantity`
        Sizes ``(y, x)`` of a pixel: angles if the map has a celestial
        WCS, else pixels.
    """

    data: np.ndarray
    valid: np.ndarray
    unit: u.UnitBase
    scales: u.Quantity


def read_values(image, mask=None, *, name='image', ndim=None):
    """
    Read a map given as NDData, Quantity or array.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array
        The map.
    mask : array_like of bool, optional
        True where a pixel must not be used, beside those that the map
        masks.
    name : str, optional
        What messages call the map.
    ndim : int, optional
        Number of dimensions that it must have.

    Returns
    -------
    values : `Values`
        Its pixels; ``data`` is a copy.

    Raises
    ------
    TypeError
        If it holds no numbers.
    ValueError
        If it has another number of dimensions, or a mask another shape.
    """
    unit, own, scales = u.dimensionless_unscaled, None, [1, 1] * u.pix
    if isinstance(image, NDData):
        data, own = image.data, image.mask
        unit = image.unit or unit
        wcs = getattr(image.wcs, 'low_level_wcs', image.wcs)
        if getattr(wcs, 'has_celestial', False) and np.ndim(data) == 2:
            scales = _scales(SkyGrid(wcs, name=name), np.shape(data))
    elif isinstance(image, u.Quantity):
        data, unit = image.value, image.unit
    else:
        data = image
    try:
        data = np.array(data, dtype=float)
    except (TypeError, ValueError) as error:
        msg = (f'{name} must be an NDData, a Quantity or an array of '
               f'numbers, got {type(image).__name__}')
        raise ParameterTypeError(msg, name) from error
    if ndim is not None and data.ndim != ndim:
        msg = f'{name} must have {ndim} dimensions, got {data.ndim}'
        raise ParameterError(msg, name)
    valid = np.isfinite(data)
    for label, bad in ((f'mask of {name}', own), ('mask', mask)):
        if bad is not None:
            valid &= ~read_selection(bad, data.shape, label)
    return Values(data, valid, unit, scales)


def _scales(grid, shape):
    """
    Sizes (y, x) of a pixel: medians of the map.
    """
    sizes = [np.linalg.norm(step, axis=0)
             for step in grid.jacobians(*map_points(shape))]
    return np.nanmedian(sizes[::-1], axis=1) * u.arcsec


def read_selection(selection, shape, name):
    """
    Read a boolean array of the shape of a map.

    Parameters
    ----------
    selection : array_like of bool
        An array of that shape, or one value for all.
    shape : tuple of int
        Shape of the map.
    name : str
        What messages call it; its last word is the parameter.

    Returns
    -------
    selection : `~numpy.ndarray` of bool
        Of that shape; read-only if one value was given.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    selection = np.asarray(selection, dtype=bool)
    if selection.ndim == 0:
        return np.broadcast_to(selection, shape)
    if selection.shape != shape:
        msg = (f'{name} must have the shape of the map {shape}, got '
               f'{selection.shape}')
        raise ParameterError(msg, name.split()[-1])
    return selection
