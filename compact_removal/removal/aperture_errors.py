# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Errors of sums in apertures: as predicted, or from the map.
"""

import numpy as np

from compact_removal.fitting.patches import measure_noise_ratio
from compact_removal.photometry import annulus_background, aperture_scatter
from compact_removal.removal.networks import ERROR_RADII

__all__ = ['background_scatter', 'interpolate_errors']

# Around a source, in FWHM, where the scatter of apertures is measured.
_SCATTER_ANNULUS = (5.0, 7.0)


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


def background_scatter(data, x, y, radius, fwhm, *, mask=None):
    """
    Measure the scatter of aperture sums of the background.

    Apertures are laid 6 FWHM from the sources, and compared with those
    beside them, as networks interpolate: structure much larger than a
    hole adds nothing to their errors. The scatter is at least that of
    apertures in the white noise of the pixels, which their differences
    from their neighbours show.

    The errors of fluxes and the factors that calibrate them
    (`~compact_removal.removal.calibration.measure_errors`) both come
    from here.

    Parameters
    ----------
    data : array_like
        The map without the sources, shape ``(ny, nx)``. Sources that
        are left in it have little influence.
    x, y, radius : array_like
        Positions of the sources and radii of the apertures (pixels),
        shape ``(n,)``.
    fwhm : float
        Full width at half maximum of the PSF (pixels).
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
    >>> data = np.random.default_rng(1).normal(size=(61, 61))
    >>> print(background_scatter(data, [30], [30], [3.0], 3.2).round(0))
    [5.]
    """
    annulus = np.multiply(_SCATTER_ANNULUS, fwhm)
    scatter = aperture_scatter(data, x, y, radius, np.mean(annulus),
                               mask=mask, local=True)
    _, _, std = annulus_background(data, x, y, *annulus, mask=mask)
    # white pixels minus the mean of four others have 5 / 4 of the variance
    white = measure_noise_ratio(data, x, y, fwhm, mask=mask) / np.sqrt(1.25)
    return np.fmax(scatter, std * white * np.sqrt(np.pi) * np.asarray(radius))
