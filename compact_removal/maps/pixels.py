# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels of maps: which there are, and which can be used.

Where they are on the sky is in `compact_removal.maps.geometry`.
"""

import numpy as np

from compact_removal.utils.parameters import ParameterError

__all__ = ['check_pixels', 'map_points', 'on_map', 'valid_pixels']

# Largest ratio of the axes of a pixel on the sky, and largest deviation
# of its size from that of the pixels of the other sources.
_MAX_AXIS_RATIO = 1.05
_MAX_DEVIATION = 0.05


def check_pixels(grid, x, y, *, name='image', what='sources'):
    """
    Refuse pixels that are not squares of one size on the sky.

    Holes, apertures and the PSF are the same, in pixels, for all
    sources of a map, and circles; on other pixels they would be
    ellipses on the sky, or too small or large.

    Parameters
    ----------
    grid : `~compact_removal.maps.geometry.SkyGrid`
        The map.
    x, y : array_like
        Where it matters (pixels), shape ``(n,)``.
    name : str, optional
        What messages call the map.
    what : str, optional
        What messages call the places.

    Raises
    ------
    ValueError
        If pixels are elongated or skewed by more than 5 percent
        anywhere, or their sizes differ by more than 5 percent from
        their median. The message starts with ``name``.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.geometry import SkyGrid
    >>> from compact_removal.maps.pixels import check_pixels
    >>> grid = SkyGrid(WCS({'CTYPE1': 'RA---CAR', 'CTYPE2': 'DEC--CAR',
    ...                     'CDELT1': -0.001, 'CDELT2': 0.001}))
    >>> check_pixels(grid, [5, 8], [30, 9000])
    """
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    if not x.size:
        return
    advice = ('reproject the map to a tangential projection (TAN) around '
              f'the {what}')
    major, minor = grid.axes(x, y)
    with np.errstate(invalid='ignore', divide='ignore'):
        ratio = np.nan_to_num(major / minor, nan=np.inf)
    worst = ratio.argmax()
    if np.isinf(ratio[worst]):
        msg = (f'{name} must have a WCS that is valid around all {what}, '
               f'which it is not at x = {x[worst]:.1f}, y = {y[worst]:.1f}')
        raise ParameterError(msg, name)
    if ratio[worst] > _MAX_AXIS_RATIO:
        msg = (f'{name} must have square pixels (within '
               f'{_MAX_AXIS_RATIO - 1:.0%}), got axes of {major[worst]:.4g} '
               f'and {minor[worst]:.4g} arcsec at x = {x[worst]:.1f}, y = '
               f'{y[worst]:.1f}; {advice}')
        raise ParameterError(msg, name)
    scales = np.sqrt(major * minor)
    median = np.median(scales)
    deviation = np.abs(scales / median - 1)
    worst = deviation.argmax()
    if deviation[worst] > _MAX_DEVIATION:
        msg = (f'{name} must have pixels of one size around all {what} '
               f'(within {_MAX_DEVIATION:.0%}), got {median:.4g} arcsec in '
               f'the median and {scales[worst]:.4g} arcsec at x = '
               f'{x[worst]:.1f}, y = {y[worst]:.1f}; {advice}, or process '
               'parts of the map by themselves')
        raise ParameterError(msg, name)


def map_points(shape, valid=None):
    """
    Choose places that stand for a whole map.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    valid : `~numpy.ndarray` of bool, optional
        Pixels that count, of that shape. Default: all.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Pixels; the first is the middle of the map if all pixels count.

    Examples
    --------
    >>> from compact_removal.maps.pixels import map_points
    >>> x, y = map_points((50, 80))
    >>> x.size, float(x[0]), float(y[0])
    (9, 39.5, 24.5)
    """
    if valid is None:
        place = np.array([0.5, 1 / 6, 5 / 6])
        y, x = np.meshgrid(place * shape[0] - 0.5, place * shape[1] - 0.5,
                           indexing='ij')
        return x.ravel(), y.ravel()
    n_valid = np.count_nonzero(valid)
    if n_valid == 0:
        return map_points(shape)
    numbers = np.linspace(0, n_valid - 1, 12).astype(int)
    points = np.concatenate([_nth_pixels(valid, numbers),
                             _nth_pixels(valid.T, numbers)[:, ::-1]])
    rows, columns = np.unique(points, axis=0).T
    return columns.astype(float), rows.astype(float)


def _nth_pixels(valid, numbers):
    """
    Rows and columns of valid pixels by their number, without a list of all.
    """
    ends = np.cumsum(np.count_nonzero(valid, axis=1))
    rows = np.searchsorted(ends, numbers, side='right')
    # from the end of their row
    return np.array([(row, np.flatnonzero(valid[row])[number - ends[row]])
                     for row, number in zip(rows, numbers, strict=True)])


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
