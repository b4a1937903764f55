# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a region-based detector.
"""

import sys
from copy import copy
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable, vstack
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.detection.region_fields import SKIES, RegionFields
from compact_removal.metrics import (average_precisions, confusion_matrix,
                                     detection_curve, detection_scores,
                                     intersection_over_union, match_boxes)
from compact_removal.utils.parameters import check_positive_integer
from compact_removal.utils.progress import bar_shape

__all__ = ['RegionEvaluation', 'evaluate_regions', 'table_boxes']

_NOTES = (
    'A detection is right if its box and that of a source overlap by at '
    'least one half (intersection over union), one detection per source. '
    'Average precision (ap50, ap75: at overlaps of 0.5 and 0.75) asks for '
    'the right kind, too, and is a mean over the kinds of a sky; '
    'completeness, reliability and F1 are for any kind, at the default '
    'threshold. mask_iou is the mean overlap of the masks of what was '
    'found.',)


@dataclass(frozen=True)
class RegionEvaluation(BaseEvaluation):
    """
    What `evaluate_regions` found.

    Attributes
    ----------
    detections : `~astropy.table.QTable`
        All detections: ``sky``, ``field``, ``kind``, ``score``,
        ``true_kind`` (``'none'`` for nothing) and ``mask_iou``.
    kinds : `~astropy.table.QTable`
        Average precision, completeness and reliability of each kind on
        each sky, see `~compact_removal.metrics.average_precisions`.
    summary : `~astropy.table.QTable`
        One row per sky, explained in ``notes``; and the worst field.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal.detection import RegionEvaluation
    >>> RegionEvaluation.headline[:3]
    ('sky', 'n_sources', 'n_detections')
    """

    detections: QTable
    kinds: QTable
    summary: QTable
    parameters: dict

    headline = ('sky', 'n_sources', 'n_detections', 'completeness',
                'reliability', 'f1', 'worst_f1', 'ap50', 'ap75', 'mask_iou')
    legend = ('A detection is right if its box overlaps that of a source by '
              'at least one half. The report has the rest.')
    notes = _NOTES

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'kinds': self.kinds, 'confusion': self.confusion,
                'detections': self.detections}

    @property
    def confusion(self):
        """
        What detections are, and what they were taken for.
        """
        known = self.detections['true_kind'] != 'none'
        return confusion_matrix(self.detections['true_kind'][known],
                                self.detections['kind'][known],
                                self.parameters['kinds'])

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`.
        """
        from compact_removal.plotting import (plot_confusion,
                                              plot_detection_curve)

        for row in self.summary:
            mine = self.detections[self.detections['sky'] == row['sky']]
            yield (f'Completeness and reliability: {row["sky"]}',
                   plot_detection_curve(detection_curve(
                       mine['score'], mine['true_kind'] != 'none',
                       row['n_sources'])).figure)
        yield 'Kinds', plot_confusion(self.confusion).figure


def evaluate_regions(detector, galaxies=None, *, n_maps=8, size=256,
                     seed=None, progress_bar=False):
    """
    Judge a detector on fields whose truth is known.

    Parameters
    ----------
    detector : `~compact_removal.RegionDetector`
        The estimator.
    galaxies : list of array_like, optional
        Stamps of single galaxies for optical fields. Default: simulated
        ones.
    n_maps : int, optional
        Number of fields of each kind of sky.
    size : int, optional
        Their side (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `RegionEvaluation`
        Tables and figures.

    Raises
    ------
    ImportError, TypeError, ValueError
        If torchvision is not installed, or an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.detection import (RegionDetector,
    ...                                        evaluate_regions)
    >>> detector = RegionDetector.load('mine.safetensors')  # doctest: +SKIP
    >>> evaluation = evaluate_regions(detector, n_maps=2)  # doctest: +SKIP
    """
    # torchvision comes first
    detector.check_params()
    check_positive_integer('n_maps', n_maps)
    check_positive_integer('size', size)
    stamps = read_galaxies(galaxies, 'data')
    seed = make_integer_seed(seed)
    model, info = detector._model()
    threshold = detector._threshold(info)
    # all detections, of which the threshold takes some
    patient = copy(detector).set_params(threshold=0, progress_bar=False)
    fields = RegionFields(stamps, size=size, seed=seed)
    tables, kinds, rows = [], [], []
    with tqdm(total=n_maps * len(SKIES), unit='field',
              disable=not progress_bar, **bar_shape(sys.stderr)) as bar:
        for sky in SKIES:
            found, parts = [], []
            for number in range(n_maps):
                record, table = _judge(patient, fields.field(number, sky=sky))
                table['sky'], table['field'] = sky, number + 1
                found.append(record)
                parts.append(table)
                bar.update()
            precisions = average_precisions(found, model.config['kinds'])
            precisions.add_column(np.full(len(precisions), sky, 'U16'),
                                  name='sky', index=0)
            kinds.append(precisions)
            tables.append(vstack(parts))
            rows.append({'sky': sky, **_summarize(parts, found, threshold),
                         **{name: precisions[name][-1]
                            for name in ('ap50', 'ap75')}})
    return RegionEvaluation(
        vstack(tables), vstack(kinds), QTable(rows=rows),
        {'network': detector.network, 'threshold': threshold,
         'kinds': model.config['kinds'], 'n_maps': n_maps, 'size': size,
         'seed': seed, 'warnings': []})


def table_boxes(table):
    """
    Boxes of a table, as metrics take them.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        From ``RegionDetector.detect``.

    Returns
    -------
    boxes : `~numpy.ndarray`
        Edges (pixels), shape ``(n, 4)``.
    """
    return np.column_stack([table['bbox_xmin'] - 0.5,
                            table['bbox_ymin'] - 0.5,
                            table['bbox_xmax'] + 0.5,
                            table['bbox_ymax'] + 0.5]).astype(float)


def _judge(detector, field):
    """
    What was found on a field, with its truth.
    """
    found = detector.detect(field.image)
    boxes, true_boxes = table_boxes(found), field.boxes
    score = np.asarray(found['score'])
    index = match_boxes(boxes, score, true_boxes)
    true_kind = np.append(np.array(field.kind, dtype='U16'), 'none')[index]
    overlap = np.full(len(found), np.nan)
    for number in np.flatnonzero(index >= 0):
        whole = np.zeros(field.image.shape, dtype=bool)
        left, low = found['bbox_xmin'][number], found['bbox_ymin'][number]
        mask = found.meta['masks'][number]
        whole[low:low + mask.shape[0], left:left + mask.shape[1]] = mask
        overlap[number] = intersection_over_union(
            whole, field.masks[index[number]])
    return ({'boxes': boxes, 'kind': np.asarray(found['kind']),
             'score': score, 'true_boxes': true_boxes,
             'true_kind': np.array(field.kind, dtype='U16')},
            QTable({'kind': found['kind'], 'score': score,
                    'true_kind': true_kind, 'mask_iou': overlap}))


def _summarize(tables, records, threshold):
    """
    The numbers of a sky.
    """
    counts = []
    for table, record in zip(tables, records, strict=True):
        taken = table['score'] >= threshold
        right = taken & (table['true_kind'] != 'none')
        counts.append((int(right.sum()), int(taken.sum()),
                       len(record['true_kind'])))
    right, taken, true = np.sum(counts, axis=0)
    f1 = [_score(*count)['f1'] for count in counts]
    every = vstack(tables)
    scores = _score(int(right), int(taken), int(true))
    overlap = every['mask_iou'][every['score'] >= threshold]
    return {'n_sources': int(true), 'n_detections': int(taken),
            **{name: scores[name]
               for name in ('completeness', 'reliability', 'f1')},
            'worst_f1': float(np.nanmin(f1)),
            'mask_iou': float(np.nanmean(overlap)) if np.isfinite(
                overlap).any() else np.nan}


def _score(n_right, n_taken, n_sources):
    """
    Scores of so many right detections, of all, and of sources.
    """
    return detection_scores(n_right, n_taken - n_right, n_sources - n_right)
