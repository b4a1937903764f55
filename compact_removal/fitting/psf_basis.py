# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Functions of radius and angle by which the PSF of a map may differ.

The coefficients are learned from the bright sources of the map, see
`compact_removal.fitting.learn_psf`.
"""

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

__all__ = ['HALF_TABLE', 'KNOTS', 'basis_prior', 'basis_tables',
           'find_places', 'look_up']

# Knots (full widths) of functions that are linear between them, the last
# one zero, and then smoothed, as a PSF has no kinks; the largest angular
# harmonic; standard deviations of the priors, as a share of the profile
# and of its peak, for the profile and for the harmonics.
KNOTS = (0, 0.35, 0.7, 1.05, 1.4, 1.75, 2.1, 2.6, 3.2)
_SMOOTHING = 0.33
_N_HARMONICS = 3
_PROFILE_PRIOR = (0.05, 0.0002)
_HARMONIC_PRIOR = (0.04, 0.004)

# Half size of the tables (full widths), and their steps per full width.
HALF_TABLE = 4
_N_STEPS = 20


@lru_cache(maxsize=1)
def basis_tables():
    """
    Tabulate the functions by which the PSF of a map may differ.

    Returns
    -------
    tables : `~numpy.ndarray`
        Values in units of the peak of the PSF, with 20 steps per full
        width, out to four, shape ``(k, m, m)``; read-only.
    """
    half = _N_STEPS * HALF_TABLE
    axis = np.arange(-half, half + 1) / _N_STEPS
    radius = np.hypot(axis, axis[:, None])
    hats = [np.interp(radius, KNOTS, row, right=0)
            for row in np.eye(len(KNOTS))[:-1]]
    tables = list(hats)
    direction = (axis + 1j * axis[:, None]) / np.maximum(radius, 1e-9)
    for m in range(1, _N_HARMONICS + 1):
        wave = direction ** m
        for hat in hats[1:]:
            tables += [hat * wave.real, hat * wave.imag]
    tables = np.array([gaussian_filter(table, _SMOOTHING * _N_STEPS)
                       for table in tables])
    # nothing beyond the last points
    tables[:, [0, -1]] = tables[:, :, [0, -1]] = 0
    tables.flags.writeable = False
    return tables


def basis_prior(profile):
    """
    Compute the standard deviations of the coefficients.

    Parameters
    ----------
    profile : `~numpy.ndarray`
        The nominal PSF at the `KNOTS`, over its peak, without the last.

    Returns
    -------
    prior : `~numpy.ndarray`
        One for each of the functions, shape ``(k,)``.
    """
    share, floor = _PROFILE_PRIOR
    prior = [share * profile + floor]
    share, floor = _HARMONIC_PRIOR
    harmonic = np.repeat(share * profile[1:] + floor, 2)
    return np.concatenate(prior + _N_HARMONICS * [harmonic])


def find_places(dx, dy, shapes, fwhm):
    """
    Find the places of pixels in the tables.

    Parameters
    ----------
    dx, dy, shapes : array_like
        See `SourcePSF.evaluate`; the elongation has no influence.
    fwhm : float
        Width of the PSF (pixels).

    Returns
    -------
    places : `~numpy.ndarray`
        Rows first, shape ``(2, ...)``.
    """
    shift_x, shift_y, width = np.moveaxis(np.asarray(shapes), -1, 0)[:3]
    unit = _N_STEPS * np.exp(-width) / fwhm
    places = np.broadcast_arrays((dy - shift_y) * unit,
                                 (dx - shift_x) * unit)
    return np.stack(places) + _N_STEPS * HALF_TABLE


def look_up(table, places):
    """
    Interpolate a table between its points.

    Parameters
    ----------
    table : `~numpy.ndarray`
        One of `basis_tables`, or a sum of them, shape ``(m, m)``.
    places : `~numpy.ndarray`
        See `find_places`.

    Returns
    -------
    values : `~numpy.ndarray`
        0 outside of the table, shape ``(...)``.
    """
    values = map_coordinates(table, places.reshape(2, -1), order=1,
                             mode='constant', prefilter=False)
    return values.reshape(places.shape[1:])
