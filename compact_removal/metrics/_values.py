# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the metrics read of a map.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['Values', 'read_selection', 'read_values']


@dataclass(frozen=True)
class Values:
    """
    The pixels of a map.

    ``data`` are float64, ``valid`` is False where they are not finite
    or masked, ``scales`` are the sizes ``(y, x)`` of a pixel: angles if
    the map has a celestial WCS, else pixels.
    """

    data: np.ndarray
    valid: np.ndarray
    unit: u.UnitBase
    scales: u.Quantity


def read_values(image, mask=None, *, name='image', ndim=None):
    """
    Read a map given as NDData, Quantity or array.
    """
    unit, own, scales = u.dimensionless_unscaled, None, [1, 1] * u.pix
    if isinstance(image, NDData):
        data, own = image.data, image.mask
        unit = image.unit or unit
        wcs = getattr(image.wcs, 'low_level_wcs', image.wcs)
        if getattr(wcs, 'has_celestial', False):
            sizes = wcs.celestial.proj_plane_pixel_scales()
            scales = u.Quantity([sizes[1], sizes[0]]).to(u.arcsec)
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


def read_selection(selection, shape, name):
    """
    A boolean array of the shape of a map.
    """
    selection = np.asarray(selection, dtype=bool)
    if selection.ndim == 0:
        return np.broadcast_to(selection, shape)
    if selection.shape != shape:
        msg = (f'{name} must have the shape of the map {shape}, got '
               f'{selection.shape}')
        raise ParameterError(msg, name.split()[-1])
    return selection
