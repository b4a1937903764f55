# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Values of images in FITS files: scaling and blank pixels.
"""

import numpy as np

__all__ = ['find_blank', 'find_blank_value', 'scale_values']


def find_blank(header, dtype):
    """
    Find the stored integer that stands for a blank pixel.

    Parameters
    ----------
    header : mapping
        The header of an image.
    dtype : `~numpy.dtype`
        The type of the stored values.

    Returns
    -------
    blank : int or None
        `None` if there is no such value: for floats, whose blank pixels
        are NaN, and for cards that are no integer of this type. A
        ``BLANK`` that only the unsigned or shifted values can have is
        taken as one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.utils.fits_values import find_blank
    >>> find_blank({'BLANK': -99}, np.dtype('int16'))
    -99
    >>> find_blank({'BLANK': 65535, 'BZERO': 32768}, np.dtype('int16'))
    32767
    >>> find_blank({'BLANK': -99}, np.dtype('float32')) is None
    True
    """
    value = header.get('BLANK', header.get('ZBLANK'))
    if np.dtype(dtype).kind not in 'iu' or isinstance(value, (bool, str)):
        return None
    try:
        blank = int(value)
        offset = int(header.get('BZERO', 0))
        whole = blank == value
    except (TypeError, ValueError, OverflowError):
        return None
    limits = np.iinfo(dtype)
    for candidate in (blank, blank - offset):
        if whole and limits.min <= candidate <= limits.max:
            return candidate
    return None


def find_blank_value(header, dtype):
    """
    Find the value of blank pixels among integers that astropy has read.

    It reads unsigned integers without regard to blank pixels.

    Parameters
    ----------
    header : mapping
        The header of an image.
    dtype : `~numpy.dtype`
        The type of the values, their ``BZERO`` added.

    Returns
    -------
    value : int or None
        `None` if there is no such value, see `find_blank`.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.utils.fits_values import find_blank_value
    >>> find_blank_value({'BLANK': -32768, 'BZERO': 32768},
    ...                  np.dtype('uint16'))
    0
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in 'iu' or header.get('BSCALE', 1) != 1:
        return None
    offset = header.get('BZERO', 0)
    stored = f'{"ui"[dtype.kind == "u"]}{dtype.itemsize}' if offset else dtype
    blank = find_blank(header, stored)
    return None if blank is None else blank + int(offset)


def scale_values(values, header):
    """
    Compute the values of an image from those that a file stores.

    Parameters
    ----------
    values : `~numpy.ndarray`
        The stored values, of any shape; they are not modified.
    header : mapping
        The header, with ``BSCALE``, ``BZERO`` and ``BLANK`` if there are
        any.

    Returns
    -------
    values : `~numpy.ndarray`
        The stored values themselves if there is nothing to do. Scaled
        floats keep their type; integers become float64, with NaN in
        blank pixels.

    Raises
    ------
    ValueError
        If ``BSCALE`` or ``BZERO`` is not a finite number, or ``BSCALE``
        is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.utils.fits_values import scale_values
    >>> stored = np.array([-32768, -32767, 0], dtype='int16')
    >>> print(scale_values(stored, {'BZERO': 32768, 'BLANK': -32768}))
    [   nan     1. 32768.]
    """
    factor, offset = header.get('BSCALE', 1), header.get('BZERO', 0)
    if not (np.isfinite(float(factor)) and np.isfinite(float(offset))
            and factor != 0):
        msg = f'BSCALE {factor!r} and BZERO {offset!r} do not scale values'
        raise ValueError(msg)
    blank = find_blank(header, values.dtype)
    if factor == 1 and offset == 0 and blank is None:
        return values
    scaled = values.astype(values.dtype.newbyteorder('=')
                           if values.dtype.kind == 'f' else float)
    scaled *= factor
    scaled += offset
    if blank is not None:
        scaled[values == blank] = np.nan
    return scaled
