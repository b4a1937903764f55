# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Judge the removal of sources from one map whose truth is known.
"""

from dataclasses import dataclass

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable, vstack

from compact_removal.maps.holes import draw_discs
from compact_removal.maps.pixels import valid_pixels
from compact_removal.metrics import (PixelComparison, RemovalRates,
                                     compare_pixels, compare_power_spectra,
                                     delta_variance, pixel_statistics,
                                     power_spectrum, removal_rates,
                                     removal_significance)

__all__ = ['RemovalEvaluation', 'evaluate_removal']


@dataclass(frozen=True)
class RemovalEvaluation:
    """
    All metrics of one removal.

    Attributes
    ----------
    image, background, reference : `~astropy.nddata.CCDData`
        The map with sources, the estimate and the truth without them.
    sources : `~astropy.table.QTable`
        The table of the removal.
    holes : `~numpy.ndarray` of bool
        Pixels within the mask radius of a source, shape ``(ny, nx)``.
    power_spectra : dict of str to `~astropy.table.QTable`
        Of ``'original'`` (the truth), ``'with sources'`` and
        ``'predicted'``, see `~compact_removal.metrics.power_spectrum`.
    spectrum_difference : `~astropy.table.QTable`
        Predicted against original, see
        `~compact_removal.metrics.compare_power_spectra`.
    delta_variances : dict of str to `~astropy.table.QTable`
        As the power spectra.
    pixel_statistics : `~astropy.table.QTable`
        Of the pixels in the holes; column ``map`` is ``'original'`` or
        ``'predicted'``.
    pixel_comparison : `~compact_removal.metrics.PixelComparison`
        Of the pixels in the holes.
    significance : `~astropy.table.QTable`
        Of each source, see
        `~compact_removal.metrics.removal_significance`.
    rates : `~compact_removal.metrics.RemovalRates`
        Completeness and reliability.
    hole_error : float
        Robust standard deviation of the error of the estimate in the
        holes over that of the truth there.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.removal import evaluate_removal
    >>> image, catalog, truth = make_example_field(
    ...     shape=(128, 128), n_sources=3, return_background=True)
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> evaluation = evaluate_removal(image, remover.remove(image, catalog),
    ...                               truth)
    >>> evaluation.hole_error < 0.5
    True
    >>> evaluation.significance.colnames
    ['id', 'before', 'after', 'scatter', 'removed']
    """

    image: CCDData
    background: CCDData
    reference: CCDData
    sources: QTable
    holes: np.ndarray
    power_spectra: dict
    spectrum_difference: QTable
    delta_variances: dict
    pixel_statistics: QTable
    pixel_comparison: PixelComparison
    significance: QTable
    rates: RemovalRates
    hole_error: float


def evaluate_removal(image, result, reference, *, threshold=3.0):
    """
    Judge a removal by the metrics of Section 5 of the paper.

    Parameters
    ----------
    image : `~astropy.nddata.CCDData`
        The map with sources, shape ``(ny, nx)``, with a celestial WCS.
    result : `~compact_removal.RemovalResult`
        What came back: the background and the table of sources.
    reference : `~astropy.nddata.CCDData`
        The true map without sources.
    threshold : float, optional
        Least significance of what counts as left over, see
        `~compact_removal.metrics.removal_rates`.

    Returns
    -------
    evaluation : `RemovalEvaluation`
        All metrics.

    Raises
    ------
    TypeError, ValueError
        If one of the maps is no NDData, shapes or units differ, or
        there is no celestial WCS.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.removal import evaluate_removal
    >>> image, catalog, truth = make_example_field(
    ...     shape=(128, 128), n_sources=5, return_background=True)
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> result = remover.remove(image, catalog)
    >>> evaluation = evaluate_removal(image, result, truth)
    >>> evaluation.rates.completeness
    1.0
    """
    background, sources = result
    maps = {'original': reference, 'with sources': image,
            'predicted': background}
    significance = removal_significance(image, background, sources,
                                        reference=reference)
    # the same pixels in all three
    gaps = ~np.logical_and.reduce([
        valid_pixels(entry.data, entry.mask) for entry in maps.values()])
    circles = [np.asarray(sources[name], dtype=float)
               for name in ('x_center', 'y_center', 'mask_radius')]
    drawn = np.isfinite(circles).all(axis=0)
    holes = draw_discs(image.shape, *(c[drawn] for c in circles)) > 0
    inside = holes & ~gaps
    spectra = {name: power_spectrum(entry, mask=gaps)
               for name, entry in maps.items()}
    statistics = []
    for name in ('original', 'predicted'):
        row = pixel_statistics(maps[name], where=inside)
        row.add_column([name], name='map', index=0)
        statistics.append(row)
    error = _robust(background.data[inside] - reference.data[inside])
    return RemovalEvaluation(
        image=image, background=background, reference=reference,
        sources=sources, holes=holes, power_spectra=spectra,
        spectrum_difference=compare_power_spectra(spectra['predicted'],
                                                  spectra['original']),
        delta_variances={name: delta_variance(entry, mask=gaps)
                         for name, entry in maps.items()},
        pixel_statistics=vstack(statistics),
        pixel_comparison=compare_pixels(background, reference, where=holes),
        significance=significance,
        rates=removal_rates(significance, threshold=threshold),
        hole_error=float(error / _robust(reference.data[inside])))


def _robust(values):
    """
    Interquartile range over 1.349; NaN without values.
    """
    if values.size == 0:
        return np.nan
    low, high = np.percentile(values, [25, 75])
    return (high - low) / 1.349
