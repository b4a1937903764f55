# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read images that need no WCS: as arrays with NaN where a pixel is not known.
"""

from collections.abc import Mapping
from os import PathLike

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, NDData
from astropy.units import Quantity

from compact_removal.utils.fits_values import find_blank_value
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['read_array', 'read_arrays', 'to_ccd']


def read_array(image, name='image'):
    """
    Read an image of any kind.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array_like
        The image, shape ``(ny, nx)``, of any real type and byte order.
    name : str, optional
        What the user calls it, for messages.

    Returns
    -------
    data : `~numpy.ndarray`
        A copy, single precision unless the values need double, NaN where
        a pixel is masked, blank or not finite.

    Raises
    ------
    TypeError, ValueError
        If it does not hold real numbers, has not two dimensions, or is
        in magnitudes.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.arrays import read_array
    >>> read_array(np.array([[1, 2], [3, 4]], dtype='>u2')).dtype
    dtype('float32')
    """
    mask, meta = None, {}
    if isinstance(image, (str, PathLike)):
        msg = f'{name} must be an image, got a path: read the file first'
        raise ParameterTypeError(msg, name)
    if isinstance(image, NDData):
        mask, meta, values = image.mask, image.meta, image.data
    else:
        mask = getattr(image, 'mask', None)
        values = image.value if isinstance(image, Quantity) else image
    try:
        values = np.asarray(values)
    except (TypeError, ValueError) as error:
        msg = f'{name} must be an image, got {type(image).__name__}'
        raise ParameterTypeError(msg, name) from error
    if values.dtype.kind not in 'fiu':
        msg = (f'{name} must hold real numbers, got '
               f'{type(image).__name__} of type {values.dtype}')
        raise ParameterTypeError(msg, name)
    unit = getattr(image, 'unit', None)
    if isinstance(unit, u.LogUnit) or unit in (u.mag, u.dex, u.dB):
        msg = f'{name} must have a linear unit such as adu or Jy, got {unit}'
        raise ParameterError(msg, name)
    if values.ndim != 2 or 0 in values.shape:
        msg = f'{name} must have two dimensions, got shape {values.shape}'
        raise ParameterError(msg, name)
    # integers above this have no exact float of single precision
    wide = values.dtype.itemsize > 4 or (values.dtype.kind in 'iu'
                                         and values.dtype.itemsize > 2)
    data = values.astype(np.float64 if wide else np.float32)
    blank = find_blank_value(meta, values.dtype)
    if blank is not None:
        data[values == blank] = np.nan
    data[~np.isfinite(data)] = np.nan
    if mask is not None:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape not in ((), data.shape):
            msg = (f'{name} must have a mask of its own shape {data.shape}, '
                   f'got {mask.shape}')
            raise ParameterError(msg, name)
        data[np.broadcast_to(mask, data.shape)] = np.nan
    return data


def read_arrays(images, name, empty='be None or hold at least one image'):
    """
    Read the images that a user hands over to learn from.

    Parameters
    ----------
    images : list, dict, `~astropy.nddata.NDData` or array_like
        Images, or one.
    name : str
        What the user calls them, for messages.
    empty : str, optional
        What the message says where there is none.

    Returns
    -------
    arrays : list of `~numpy.ndarray`
        NaN where a pixel is not known.

    Raises
    ------
    TypeError, ValueError
        If one of them is no image, or there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.arrays import read_arrays
    >>> len(read_arrays({'a': np.ones((2, 2)), 'b': np.eye(2)}, 'images'))
    2
    """
    if isinstance(images, Mapping):
        images = images.values()
    elif isinstance(images, NDData) or getattr(images, 'ndim', 3) == 2:
        images = [images]
    found = [read_array(image, name) for image in images]
    if not found:
        msg = f'{name} must {empty}'
        raise ParameterError(msg, name)
    return found


def find_wcs(image):
    """
    Find the WCS of an image.

    Parameters
    ----------
    image : object
        CCDData, NDData or anything else.

    Returns
    -------
    wcs : object or None
        Its WCS, if it has one.
    """
    return getattr(image, 'wcs', None) if isinstance(image, NDData) else None


def to_ccd(image, **changes):
    """
    Copy an image of any kind as CCDData.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array_like
        The image; what has no unit is dimensionless.
    **changes
        Arguments of `~astropy.nddata.CCDData` in place of what the image
        has.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The copy, with the mask, uncertainty, WCS and meta of the image,
        where it has them.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.arrays import to_ccd
    >>> str(to_ccd(np.zeros((2, 2)), unit='adu').unit)
    'adu'
    """
    plain = image.data if isinstance(image, NDData) else image
    options = {'data': plain, 'unit': getattr(image, 'unit', None)
               or u.dimensionless_unscaled,
               **{name: getattr(image, name, None)
                  for name in ('mask', 'uncertainty', 'wcs')},
               'meta': dict(getattr(image, 'meta', None) or {}), **changes}
    data = options.pop('data')
    return CCDData(np.array(getattr(data, 'value', data)), **options)
