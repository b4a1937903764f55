# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well blended sources are measured and separated.
"""

import warnings
from itertools import pairwise

import numpy as np
from astropy.table import QTable

from compact_removal.utils.parameters import ParameterError

__all__ = ['blend_statistics', 'intersection_over_union', 'profile_agreement']

# Errors of magnitudes that are larger are outliers (blend2flux, Sect. 4.1).
_OUTLIER = 0.75

# A normal distribution has 95 % within so many standard deviations.
_WIDE = 1.96


def blend_statistics(measured, truth, *, errors=None, by=None, edges=None):
    """
    Errors of fluxes, as papers on blends give them.

    Parameters
    ----------
    measured, truth : array_like
        Fluxes, shape ``(n,)``. What is not measured is NaN.
    errors : array_like, optional
        Errors of the measured fluxes, shape ``(n,)``.
    by : array_like, optional
        Values by which rows are made, such as separations, shape
        ``(n,)``.
    edges : sequence of float, optional
        Edges of the bins of ``by``.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row for all sources, then one for each bin: ``low`` and
        ``high``, ``n``, ``measured`` (share with a positive flux), and of
        these ``bias`` and ``sigma`` (mean and standard deviation of the
        errors of the magnitudes), ``outliers`` (share with errors above
        0.75), and ``mape`` (mean absolute error of the flux over the
        truth; blend2flux, Equation 1). With ``errors`` also ``within_1``
        and ``within_2``, the shares of all within 1 and 1.96 errors.

    Raises
    ------
    ParameterError
        If shapes differ, or a true flux is not positive.

    Examples
    --------
    >>> from compact_removal.metrics import blend_statistics
    >>> table = blend_statistics([1.1, 2.0, float('nan')], [1.0, 2.0, 3.0])
    >>> print(f'{table["mape"][0]:.2f} {table["measured"][0]:.2f}')
    0.05 0.67
    """
    measured, truth = (np.asarray(values, dtype=float)
                       for values in (measured, truth))
    if measured.shape != truth.shape or measured.ndim != 1:
        msg = (f'measured must have the shape of truth {truth.shape}, got '
               f'{measured.shape}')
        raise ParameterError(msg, 'measured')
    if not np.all(truth > 0):
        msg = 'truth must be positive'
        raise ParameterError(msg, 'truth')
    groups = [(np.nan, np.nan, np.ones(truth.shape, dtype=bool))]
    if by is not None:
        by = np.asarray(by, dtype=float)
        groups += [(low, high, (by >= low) & (by < high))
                   for low, high in pairwise(edges)]
    pull = (None if errors is None
            else np.abs(measured - truth) / np.asarray(errors, dtype=float))
    rows = [_describe(low, high, measured[some], truth[some],
                      None if pull is None else pull[some])
            for low, high, some in groups]
    return QTable(rows=rows)


def _describe(low, high, measured, truth, pull):
    """
    One row of `blend_statistics`.
    """
    good = measured > 0
    row = {'low': low, 'high': high, 'n': len(truth),
           'measured': good.mean() if len(truth) else np.nan,
           'bias': np.nan, 'sigma': np.nan, 'outliers': np.nan,
           'mape': np.nan}
    if good.any():
        ratio = measured[good] / truth[good]
        error = -2.5 * np.log10(ratio)
        row |= {'bias': error.mean(), 'sigma': error.std(),
                'outliers': (np.abs(error) > _OUTLIER).mean(),
                'mape': np.abs(ratio - 1).mean()}
    if pull is not None:
        row |= {'within_1': np.mean(pull < 1) if pull.size else np.nan,
                'within_2': np.mean(pull < _WIDE) if pull.size else np.nan}
    return row


def intersection_over_union(first, second):
    """
    Overlap of two masks (blend2flux, Equation 2; the Jaccard index).

    Parameters
    ----------
    first, second : array_like of bool
        The masks, shape ``(..., ny, nx)``.

    Returns
    -------
    iou : float or `~numpy.ndarray`
        Pixels of both over pixels of either, NaN where both are empty;
        one for each pair.

    Raises
    ------
    ParameterError
        If shapes differ.

    Examples
    --------
    >>> from compact_removal.metrics import intersection_over_union
    >>> print(intersection_over_union([[True, True, False]],
    ...                               [[False, True, True]]).round(3))
    0.333
    """
    first, second = (np.asarray(mask, dtype=bool) for mask in (first, second))
    if first.shape != second.shape:
        msg = (f'second must have the shape of first {first.shape}, got '
               f'{second.shape}')
        raise ParameterError(msg, 'second')
    both, either = ((found).sum(axis=(-2, -1)) for found in (
        first & second, first | second))
    with np.errstate(invalid='ignore'):
        return both / np.where(either, either, np.nan)


def profile_agreement(light, truth, x, y):
    """
    Compare the profiles of a source with those of the truth.

    This is a test of PAIS (Hausen & Robertson 2022). Profiles are
    cumulative, over whole pixels of radius, within the radius that has
    90 % of the true light, and end at 1.

    Parameters
    ----------
    light, truth : array_like
        Images of the source, shape ``(ny, nx)``.
    x, y : float
        The centre (pixels).

    Returns
    -------
    p_value : float
        Of the Kolmogorov-Smirnov test that compares the values of the
        two profiles. It is high where there are few radii.
    difference : float
        The largest one of the profiles.

    Raises
    ------
    ParameterError
        If the true light is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.metrics import profile_agreement
    >>> star = np.outer([1, 3, 5, 3, 1], [1, 3, 5, 3, 1.0])
    >>> profile_agreement(star, star, 2, 2)
    (1.0, 0.0)
    """
    from scipy.stats import ks_2samp

    light, truth = (np.asarray(values, dtype=float)
                    for values in (light, truth))
    total = truth.sum()
    if not total > 0:
        msg = 'truth must have light'
        raise ParameterError(msg, 'truth')
    rows, columns = np.indices(truth.shape)
    radius = np.hypot(columns - x, rows - y).astype(int).ravel()
    found, expected = (np.cumsum(np.bincount(radius, values.ravel()))
                       for values in (light, truth))
    end = int(np.searchsorted(expected, 0.9 * total)) + 1
    found, expected = found[:end], expected[:end]
    if not found[-1] > 0:
        return 0.0, 1.0
    found, expected = found / found[-1], expected / expected[-1]
    with warnings.catch_warnings():
        # where SciPy has no exact probability it takes the asymptotic one
        warnings.simplefilter('ignore', RuntimeWarning)
        p_value = ks_2samp(found, expected).pvalue
    return float(p_value), float(np.abs(found - expected).max())
