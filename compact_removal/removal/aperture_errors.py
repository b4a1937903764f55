# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Errors of sums in apertures: as predicted, or from the map.
"""

import numpy as np

from compact_removal.photometry import aperture_scatter
from compact_removal.removal.networks import ERROR_RADII

__all__ = ['background_scatter', 'interpolate_errors']


def interpolate_errors(errors, radius):
    """
    Interpolate errors of aperture sums between radii.

    This is done in the logarithms; beyond the ends, errors grow with
    the area.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        Errors at ``compact_removal.removal.ERROR_RADII``, shape ``(n, m)``.
    radius : `~numpy.ndarray`
        Radii (FWHM), shape ``(n,)``.

    Returns
    -------
    error : `~numpy.ndarray`
        Shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.aperture_errors import interpolate_errors
    >>> print(interpolate_errors(np.array([[1.0, 2, 3, 4]]), np.array([1.8])))
    [3.]
    """
    known = np.asarray(ERROR_RADII)
    inside = np.clip(radius, known[0], known[-1])
    place = np.clip(np.searchsorted(known, inside) - 1, 0, known.size - 2)
    share = (np.log(inside / known[place])
             / np.log(known[place + 1] / known[place]))
    # the errors in a constant map are 0
    logs = np.log(np.maximum(errors, np.finfo(float).tiny))
    each = np.arange(len(errors))
    value = ((1 - share) * logs[each, place]
             + share * logs[each, place + 1])
    return np.exp(value) * (radius / inside) ** 2


def background_scatter(data, x, y, radius, distance, *, annulus_std=None,
                       mask=None):
    """
    Measure the scatter of aperture sums of the background.

    The errors of fluxes and the factors that calibrate them
    (`~compact_removal.removal.calibration.measure_errors`) both come
    from here.

    Parameters
    ----------
    data : array_like
        The map without the sources, shape ``(ny, nx)``.
    x, y, radius : array_like
        Positions of the sources and radii of the apertures (pixels),
        shape ``(n,)``.
    distance : float
        Distance from the sources at which apertures are laid (pixels).
    annulus_std : array_like, optional
        Standard deviation of the pixels in an annulus around the
        sources, shape ``(n,)``; the scatter is at least that of
        apertures in white noise of this size.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    scatter : `~numpy.ndarray`
        Standard deviation of aperture sums in the unit of ``data``,
        shape ``(n,)``; NaN where it is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.aperture_errors import background_scatter
    >>> print(background_scatter(np.ones((61, 61)), [30], [30], [3.0], 19,
    ...                          annulus_std=[0.2]).round(3))
    [1.063]
    """
    scatter = aperture_scatter(data, x, y, radius, distance, mask=mask)
    if annulus_std is None:
        return scatter
    white = np.asarray(annulus_std) * np.sqrt(np.pi) * np.asarray(radius)
    return np.fmax(scatter, white)
