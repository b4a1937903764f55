# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Distributions of pixel values (paper, Sect. 5.3.2).
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.stats import median_absolute_deviation
from astropy.table import QTable

from compact_removal.metrics._values import read_selection, read_values
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['PixelComparison', 'compare_pixels', 'pixel_statistics']


def pixel_statistics(image, *, where=True):
    """
    Compute the statistics of pixel values of Table 6 of the paper.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array
        The map, of any shape. Masked and non-finite pixels are left
        out.
    where : array_like of bool, optional
        The pixels to use, in the paper those in the holes. Default: all.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row: ``n_pixels``; ``mean``, ``std`` (of the pixels, without
        Bessel's correction), ``median``, ``mad`` (median absolute
        deviation, not scaled) and ``iqr`` (interquartile range) in the
        unit of the map; ``skewness`` (Fisher-Pearson, dimensionless).
        All but the number are NaN without pixels; skewness is NaN
        where all values are equal.

    Raises
    ------
    TypeError
        If ``image`` holds no numbers.
    ValueError
        If ``where`` has another shape.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.metrics import pixel_statistics
    >>> table = pixel_statistics([0, 1, 1, 2, 6] * u.Jy)
    >>> table['mean', 'median', 'mad', 'iqr'].pprint()
    mean median mad iqr
     Jy    Jy    Jy  Jy
    ---- ------ --- ---
     2.0    1.0 1.0 1.0
    """
    # here, as it takes longer to import than all the rest
    from scipy import stats

    values = read_values(image)
    chosen = values.data[values.valid
                         & read_selection(where, values.data.shape, 'where')]
    numbers = dict.fromkeys(('mean', 'std', 'median', 'mad', 'skewness',
                             'iqr'), np.nan)
    if chosen.size:
        low, middle, high = np.percentile(chosen, [25, 50, 75])
        numbers = {
            'mean': chosen.mean(), 'std': chosen.std(), 'median': middle,
            'mad': median_absolute_deviation(chosen),
            # scipy warns of values that are all equal
            'skewness': stats.skew(chosen) if np.ptp(chosen) else np.nan,
            'iqr': high - low}
    table = QTable({'n_pixels': [chosen.size]})
    for name, number in numbers.items():
        table[name] = [number] * (u.dimensionless_unscaled
                                  if name == 'skewness' else values.unit)
    return table


@dataclass(frozen=True)
class PixelComparison:
    """
    How two maps differ in the distribution of their pixels.

    Attributes
    ----------
    pdf : `~astropy.table.QTable`
        Histograms: ``low`` and ``high`` (edges of the bins, unit of the
        maps), ``pdf`` and ``reference_pdf`` (probability densities, in
        the inverse unit).
    ks_distance : float
        Largest difference of the two cumulative distributions
        (Kolmogorov-Smirnov), from 0 to 1. No p-value is given, as
        pixels of a map are not independent.
    wasserstein_distance : `~astropy.units.Quantity`
        Mean distance by which values must be moved to turn one
        distribution into the other (earth mover's distance).
    n_pixels : int
        Number of pixels compared.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.metrics import compare_pixels
    >>> reference = np.random.default_rng(1).normal(size=(50, 50))
    >>> comparison = compare_pixels(2 * reference, reference)
    >>> print(f'{comparison.ks_distance:.2f}', comparison.pdf.colnames)
    0.17 ['low', 'high', 'pdf', 'reference_pdf']
    """

    pdf: QTable
    ks_distance: float
    wasserstein_distance: u.Quantity
    n_pixels: int


def compare_pixels(image, reference, *, where=True, n_bins=50):
    """
    Compare the distributions of the pixels of two maps.

    In the paper (Fig. 13, right column) these are the pixels in the
    holes of the map without sources and of the predicted one.

    Parameters
    ----------
    image, reference : `~astropy.nddata.NDData`, Quantity or array
        The maps, of the same shape and of units of the same kind.
        Pixels that are masked or not finite in either are left out.
    where : array_like of bool, optional
        The pixels to use. Default: all.
    n_bins : int, optional
        Number of bins of the histograms, which span the reference's
        values from the 0.1th to the 99.9th percentile, widened by a
        tenth; values outside are counted in the outermost bins.

    Returns
    -------
    comparison : `PixelComparison`
        Histograms in the unit of ``reference``, and distances, which do
        not depend on the bins (NaN without pixels).

    Raises
    ------
    TypeError
        If a map holds no numbers.
    ValueError
        If shapes or units do not match or ``n_bins`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.metrics import compare_pixels
    >>> reference = np.random.default_rng(1).normal(size=(50, 50))
    >>> comparison = compare_pixels(reference + 0.5, reference)
    >>> print(comparison.wasserstein_distance, comparison.n_pixels)
    0.5 2500
    >>> compare_pixels(reference, reference).ks_distance
    0.0
    """
    values, truth = read_values(image), read_values(reference)
    if values.data.shape != truth.data.shape:
        msg = (f'image must have the shape of reference {truth.data.shape}, '
               f'got {values.data.shape}')
        raise ParameterError(msg, 'image')
    if not values.unit.is_equivalent(truth.unit):
        msg = (f'image must have a unit like that of reference '
               f'({truth.unit}), got {values.unit}')
        raise ParameterError(msg, 'image')
    check_positive_integer('n_bins', n_bins)
    use = (values.valid & truth.valid
           & read_selection(where, truth.data.shape, 'where'))
    first = values.data[use] * values.unit.to(truth.unit)
    second = truth.data[use]
    edges = _edges(second, n_bins)
    pdf = QTable({'low': edges[:-1] * truth.unit,
                  'high': edges[1:] * truth.unit})
    ks, wasserstein = np.nan, np.nan
    if second.size:
        from scipy import stats

        ks = _ks_distance(first, second)
        wasserstein = float(stats.wasserstein_distance(first, second))
    for name, sample in (('pdf', first), ('reference_pdf', second)):
        count, _ = np.histogram(np.clip(sample, edges[0], edges[-1]), edges)
        density = count / (max(sample.size, 1) * np.diff(edges))
        pdf[name] = density / truth.unit
    return PixelComparison(pdf, ks, wasserstein * truth.unit, second.size)


def _ks_distance(first, second):
    """
    Largest distance of two empirical distributions.

    That of `scipy.stats.ks_2samp`, without its p-value, which takes
    longer and warns of small samples.
    """
    steps = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(sample), steps, side='right')
              / sample.size for sample in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _edges(values, n_bins):
    """
    Edges of bins that span most of the values.
    """
    low, high = (np.percentile(values, [0.1, 99.9]) if values.size
                 else (0.0, 1.0))
    margin = 0.1 * (high - low) or max(abs(low), 1.0) * 1e-3
    return np.linspace(low - margin, high + margin, n_bins + 1)
