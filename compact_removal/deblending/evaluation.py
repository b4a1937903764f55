# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a photometer of blends.
"""

import sys
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.table import QTable, vstack
from scipy.spatial import cKDTree
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.datasets import BlendSettings, make_blends
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.metrics import (blend_statistics,
                                     intersection_over_union)
from compact_removal.utils.parameters import check_positive_integer
from compact_removal.utils.progress import bar_shape

__all__ = ['BlendEvaluation', 'evaluate_photometer', 'summarize']

# Edges of the bins: distance of the nearest other source in half-light radii,
# and difference of the magnitudes.
_SEPARATIONS = (0.0, 1.0, 1.5, 2.0, 2.5, 3.5, np.inf)
_DIFFERENCES = (-5.0, -1.0, 0.0, 1.0, 5.0)


@dataclass(frozen=True)
class BlendEvaluation(BaseEvaluation):
    """
    What `evaluate_photometer` found.

    Attributes
    ----------
    sources : `~astropy.table.QTable`
        One row per source: what was measured, and the truth.
    summary : `~astropy.table.QTable`
        Statistics of all sources, and by separation, difference of the
        magnitudes, and kind, see
        `~compact_removal.metrics.blend_statistics`.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal.deblending import BlendEvaluation
    >>> BlendEvaluation.headline
    ()
    """

    sources: QTable
    summary: QTable
    parameters: dict

    legend = ('mape is the mean absolute error of fluxes, sigma the scatter '
              'of magnitudes; within_1 and within_2 are the shares of fluxes '
              'within 1 and 1.96 of their errors.')
    notes = (
        'Pairs of galaxies and stars are simulated, with separations of 0.6 '
        'to 3.5 half-light radii, magnitude differences of up to 2 and '
        'signal-to-noise ratios of the first source of 40 to 400. The '
        'photometer is given their positions. ``outliers`` is the share with '
        'errors above 0.75 mag. ``separation`` is in units of the half-light '
        'radius of the larger source, ``difference`` the magnitude of a '
        'source less that of the other.',)

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'sources': self.sources}

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`.
        """
        from compact_removal.plotting import plot_magnitude_errors

        for name, label in (('separation', 'Separation (half-light radii)'),
                            ('difference', 'Magnitude difference')):
            yield (f'Errors against {name}', plot_magnitude_errors(
                self.sources['flux'], self.sources['true_flux'],
                self.sources[name], label=label).figure)


def evaluate_photometer(photometer, data=None, *, n_maps=200, size=96,
                        seed=None, progress_bar=False):
    """
    Judge a photometer on pairs whose truth is known.

    Parameters
    ----------
    photometer : `~compact_removal.BlendPhotometer`
        The estimator.
    data : list or dict of array_like, optional
        Stamps of single galaxies, see `BlendPhotometer.fit
        <compact_removal.BlendPhotometer.fit>`. Default:
        simulated galaxies.
    n_maps : int, optional
        Number of pairs.
    size : int, optional
        Side of their images (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `BlendEvaluation`
        Tables and figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.deblending import (BlendPhotometer,
    ...                                         evaluate_photometer)
    >>> short = {'n_epochs': 1, 'n_batches': 1, 'n_validation_batches': 1,
    ...          'n_galaxies': 4, 'width': 1, 'n_workers': 0}
    >>> photometer = BlendPhotometer(weights=None, batch_size=4, seed=1)
    >>> evaluation = evaluate_photometer(photometer.fit(training=short),
    ...                                  n_maps=2, seed=1)
    >>> evaluation.summary['sources'][0]
    np.str_('all')
    """
    check_positive_integer('size', size)
    check_positive_integer('n_maps', n_maps)
    photometer.check_params()
    seed = make_integer_seed(seed)
    blends = make_blends(n_maps, shape=(size, size), seed=seed,
                         galaxies=read_galaxies(data, 'data'),
                         settings=BlendSettings())
    rows = []
    for blend in tqdm(blends, total=n_maps, unit='blend',
                      disable=not progress_bar, **bar_shape(sys.stderr)):
        rows.append(_measure_blend(photometer, blend))
    sources = vstack(rows)
    return BlendEvaluation(sources, summarize(sources, _list_parts(sources)), {
        'n_maps': n_maps, 'size': size, 'seed': seed, 'warnings': []})


def _measure_blend(photometer, blend):
    """
    What was measured of a blend, beside the truth.
    """
    places = np.column_stack([blend.x, blend.y])
    found = photometer.measure(blend.image, places)
    distance, nearest = cKDTree(places).query(places, k=2)
    other = nearest[:, 1]
    return QTable({
        'kind': list(blend.kind), 'flux': found['flux'].value,
        'flux_err': found['flux_err'].value, 'true_flux': blend.flux,
        'separation': distance[:, 1] / np.maximum(blend.radius,
                                                  blend.radius[other]),
        'difference': -2.5 * np.log10(blend.flux / blend.flux[other]),
        'snr': blend.snr, 'iou': _compare_masks(photometer, blend, places),
        'flags': found['flags']})


def _compare_masks(photometer, blend, places):
    """
    Overlap of masks with the true ones; NaN where none are drawn.
    """
    if not photometer.draws_masks:
        return np.full(len(places), np.nan)
    return [intersection_over_union(mask, truth) for mask, truth in zip(
        photometer.segment(blend.image, places), blend.masks, strict=True)]


def summarize(sources, parts):
    """
    Make statistics of parts of a table.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        With ``flux``, ``flux_err``, ``true_flux`` and ``iou``.
    parts : list of tuple
        Names, and which rows they are.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per part: ``sources``, the columns of
        `~compact_removal.metrics.blend_statistics`, and ``iou``, the mean
        overlap of masks with the true ones.
    """
    rows = []
    for _, some in parts:
        part = sources[some]
        row = blend_statistics(part['flux'], part['true_flux'],
                               errors=part['flux_err'])
        good = part['iou'][np.isfinite(part['iou'])]
        row['iou'] = np.mean(good) if len(good) else np.nan
        rows.append(row)
    table = vstack(rows)
    table.remove_columns(['low', 'high'])
    table.add_column([name for name, _ in parts], name='sources', index=0)
    return table


def _list_parts(sources):
    """
    All sources, and those by separation, difference and kind.
    """
    parts = [('all', np.ones(len(sources), dtype=bool))]
    for name, edges in (('separation', _SEPARATIONS),
                        ('difference', _DIFFERENCES)):
        parts += [(f'{name} {low:g} to {high:g}', (sources[name] >= low)
                   & (sources[name] < high)) for low, high in pairwise(edges)]
    return parts + [(kind, sources['kind'] == kind)
                    for kind in sorted(set(sources['kind']))]
