# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a deblender.
"""

import sys
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.table import QTable, vstack
from scipy import ndimage
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.datasets import make_blends
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.deblending.deblender_training import FIELDS, MATCH_RADIUS
from compact_removal.deblending.evaluation import summarize
from compact_removal.metrics import (blend_statistics, detection_scores,
                                     intersection_over_union,
                                     match_detections)
from compact_removal.utils.parameters import check_positive_integer
from compact_removal.utils.progress import bar_shape

__all__ = ['DeblendingEvaluation', 'evaluate_deblender', 'judge_field']

# Sources of a field of so many pixels.
_N_SOURCES, _AREA = (12, 40), 256 ** 2

# Sources count if so much of their light is in the field, and they have this
# signal-to-noise ratio.
_INSIDE, _BRIGHT = 0.9, 7.0

# Edges of the bins of the signal-to-noise ratio.
_SNRS = (7.0, 20.0, 50.0, 100.0, 200.0, 1e6)


@dataclass(frozen=True)
class DeblendingEvaluation(BaseEvaluation):
    """
    What `evaluate_deblender` found.

    Attributes
    ----------
    sources : `~astropy.table.QTable`
        One row per simulated source: what was found of it, and the
        truth.
    fields : `~astropy.table.QTable`
        One row per field: how complete and reliable it was, and the
        errors of its fluxes.
    summary : `~astropy.table.QTable`
        Statistics of all sources, of those that touch others, and by
        signal-to-noise ratio, see
        `~compact_removal.metrics.blend_statistics`.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal.deblending import DeblendingEvaluation
    >>> DeblendingEvaluation.headline[:3]
    ('sources', 'n', 'completeness')
    """

    sources: QTable
    fields: QTable
    summary: QTable
    parameters: dict

    headline = ('sources', 'n', 'completeness', 'reliability', 'f1', 'mape',
                'sigma', 'within_1', 'within_2', 'iou')
    legend = ('mape is the mean absolute error of fluxes, sigma the scatter '
              'of magnitudes; within_1 and within_2 are the shares of fluxes '
              'within 1 and 1.96 of their errors. All are of sources that '
              'were found.')
    notes = (
        'Fields have 12 to 40 galaxies and stars per 256 x 256 pixels, which '
        'lie anywhere; signal-to-noise ratios are 15 to 1600. Nothing is '
        'given to the deblender. ``touching`` are sources whose mask overlaps '
        'or borders another one, ``split`` those in which more than one was '
        'found. Sources count if 90 % of their light is in the field and '
        'their signal-to-noise ratio is at least 7; what is found of others '
        'is neither right nor wrong.',)

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'sources': self.sources, 'fields': self.fields}

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`.
        """
        from compact_removal.plotting import plot_magnitude_errors

        yield ('Errors against signal-to-noise ratio', plot_magnitude_errors(
            self.sources['flux'], self.sources['true_flux'],
            np.log10(self.sources['snr']),
            label='Signal-to-noise ratio (logarithm)').figure)


def evaluate_deblender(deblender, data=None, *, n_maps=20, size=256,
                       seed=None, progress_bar=False):
    """
    Judge a deblender on fields whose truth is known.

    Parameters
    ----------
    deblender : `~compact_removal.SourceDeblender`
        The estimator.
    data : list or dict of array_like, optional
        Stamps of single galaxies, see `SourceDeblender.fit
        <compact_removal.SourceDeblender.fit>`. Default:
        simulated galaxies.
    n_maps : int, optional
        Number of fields.
    size : int, optional
        Their side (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `DeblendingEvaluation`
        Tables and figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.deblending import (SourceDeblender,
    ...                                         evaluate_deblender)
    >>> evaluation = evaluate_deblender(SourceDeblender(), n_maps=1, size=96,
    ...                                 seed=1)
    >>> len(evaluation.fields)
    1
    """
    check_positive_integer('size', size)
    check_positive_integer('n_maps', n_maps)
    deblender.check_params()
    seed = make_integer_seed(seed)
    least, most = (max(round(n * size ** 2 / _AREA), 1) for n in _N_SOURCES)
    blends = make_blends(n_maps, n_sources=(least, most), shape=(size, size),
                         galaxies=read_galaxies(data, 'data'), seed=seed,
                         settings=FIELDS)
    sources, fields = [], []
    for number, blend in enumerate(tqdm(
            blends, total=n_maps, unit='field', disable=not progress_bar,
            **bar_shape(sys.stderr)), 1):
        result = deblender.deblend(blend.image)
        found = result.sources
        table, row = judge_field(
            blend, found['x_center'], found['y_center'], found['flux'].value,
            found['flux_err'].value, segments=result.segmentation.data)
        table['field'] = number
        sources.append(table)
        fields.append({'field': number, **row})
    sources = vstack(sources)
    return DeblendingEvaluation(sources, QTable(rows=fields),
                                _summarize(sources, fields), {
        'n_maps': n_maps, 'size': size, 'seed': seed, 'warnings': []})


def judge_field(blend, x, y, flux, error=None, *, segments=None):
    """
    Compare what was found in a field with the truth.

    Parameters
    ----------
    blend : `~compact_removal.datasets.Blend`
        The field.
    x, y, flux : array_like
        What was found, the most certain first, shape ``(n,)``.
    error : array_like, optional
        Errors of the fluxes. Default: NaN.
    segments : `~numpy.ndarray` of int, optional
        Numbers of the sources, from 1 and in the same order, at their
        pixels, shape of the field.

    Returns
    -------
    sources : `~astropy.table.QTable`
        One row per source that counts.
    row : dict
        Numbers of the field.
    """
    x, y, flux = (np.asarray(values, dtype=float) for values in (x, y, flux))
    index = match_detections(x, y, -np.arange(len(x)), blend.x, blend.y,
                             MATCH_RADIUS)
    masks = blend.masks
    counts = (blend.sources.sum(axis=(1, 2)) > _INSIDE * blend.flux) & (
        blend.snr > _BRIGHT)
    taken = np.full(len(blend.x), -1)
    taken[index[index >= 0]] = np.flatnonzero(index >= 0)
    extra = _find_extra(blend, x, y, index)
    # what is in a source that does not count is not wrong
    wrong = (index < 0) & ((extra < 0) | counts[extra])
    found = taken >= 0
    overlap = np.full(len(blend.x), np.nan)
    if segments is not None:
        for number in np.flatnonzero(found):
            overlap[number] = intersection_over_union(
                masks[number], segments == taken[number] + 1)

    def pick(values):
        values = np.append(values, np.nan)
        return values[np.where(found, taken, -1)]

    sources = QTable({
        'kind': list(blend.kind), 'snr': blend.snr, 'true_flux': blend.flux,
        'flux': pick(flux), 'flux_err': pick(
            np.full(len(x), np.nan) if error is None else error),
        'found': found, 'touching': _find_touching(masks),
        'split': np.isin(np.arange(len(found)), extra), 'iou': overlap})[
            counts]
    statistics = blend_statistics(sources['flux'], sources['true_flux'])[0]
    touching = sources[sources['touching']]
    row = {'n_sources': int(counts.sum()),
           'n_right': int((found & counts).sum()),
           'n_wrong': int(wrong.sum()),
           'n_missed': int((counts & ~found).sum())}
    row |= detection_scores(*(row[name] for name in ('n_right', 'n_wrong',
                                                     'n_missed')))
    return sources, {**row, 'mape': statistics['mape'],
                     'mape_touching': blend_statistics(
                         touching['flux'], touching['true_flux'])[0]['mape']}


def _find_touching(masks):
    """
    Which masks overlap or border another one.
    """
    wide = np.array([ndimage.binary_dilation(mask) for mask in masks])
    count = wide.sum(axis=0)
    return np.array([(mask & (count > 1)).any() for mask in wide])


def _find_extra(blend, x, y, index):
    """
    The source in which each unmatched detection lies, or -1.
    """
    extra = np.full(len(x), -1)
    for number in np.flatnonzero(index < 0):
        row, column = (int(np.clip(round(value), 0, n - 1)) for value, n in
                       zip((y[number], x[number]), blend.image.shape,
                           strict=True))
        light = blend.sources[:, row, column]
        if light.max() > blend.noise:
            extra[number] = int(np.argmax(light))
    return extra


def _summarize(sources, fields):
    """
    Statistics of all, and of parts.
    """
    parts = [('all', np.ones(len(sources), dtype=bool)),
             ('touching', sources['touching']),
             ('not touching', ~sources['touching']),
             ('split', sources['split'])]
    parts += [(f'snr {low:g} to {high:g}' if high < _SNRS[-1]
               else f'snr above {low:g}',
               (sources['snr'] >= low) & (sources['snr'] < high))
              for low, high in pairwise(_SNRS)]
    parts += [(kind, sources['kind'] == kind)
              for kind in sorted(set(sources['kind']))]
    table = summarize(sources, [(name, some & sources['found'])
                                for name, some in parts])
    table.remove_column('measured')
    table['n'] = [int(some.sum()) for _, some in parts]
    table['completeness'] = [sources['found'][some].mean() if some.any()
                             else np.nan for _, some in parts]
    scores = detection_scores(*(sum(row[name] for row in fields) for name in (
        'n_right', 'n_wrong', 'n_missed')))
    for name in ('reliability', 'f1'):
        # of all fields together
        table[name] = [scores[name], *np.full(len(table) - 1, np.nan)]
    return table
