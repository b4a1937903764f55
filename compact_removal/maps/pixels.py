# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels of maps: which there are, and which can be used.
"""

import numpy as np

__all__ = ['on_map', 'valid_pixels']


def on_map(x, y, shape):
    """
    Check whether the nearest pixels of positions are pixels of a map.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), of any shape.
    shape : tuple of int
        Shape of the map, ``(ny, nx)``.

    Returns
    -------
    inside : `~numpy.ndarray` of bool
        False for NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.pixels import on_map
    >>> print(on_map(np.array([-0.5, 3.5, np.nan]), np.zeros(3), (2, 4)))
    [ True False False]
    """
    ny, nx = shape
    return (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)


def valid_pixels(data, mask=None):
    """
    Find the pixels that are finite and not masked.

    Parameters
    ----------
    data : array_like
        The map.
    mask : array_like of bool, optional
        True where a pixel must not be used; broadcast to the map.

    Returns
    -------
    valid : `~numpy.ndarray` of bool
        Of the shape of ``data``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.pixels import valid_pixels
    >>> print(valid_pixels([1, np.nan, 3], [False, False, True]))
    [ True False False]
    """
    valid = np.isfinite(data)
    if mask is not None:
        valid &= ~np.broadcast_to(np.asarray(mask, dtype=bool), valid.shape)
    return valid
