# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good boxes around sources are.

Boxes are ``(x_min, y_min, x_max, y_max)``, edges in pixels: that of the pixel
in column 3 alone is from 2.5 to 3.5.
"""

import numpy as np
from astropy.table import QTable

from compact_removal.metrics.detection import (detection_curve,
                                               detection_scores)
from compact_removal.utils.parameters import ParameterError

__all__ = ['average_precisions', 'box_overlaps', 'match_boxes']


def box_overlaps(boxes, others):
    """
    Compute the intersection over union of boxes.

    Parameters
    ----------
    boxes, others : array_like
        Boxes, shapes ``(n, 4)`` and ``(m, 4)``.

    Returns
    -------
    overlaps : `~numpy.ndarray`
        Between 0 and 1, shape ``(n, m)``.

    Raises
    ------
    ParameterError
        If they are no boxes.

    Examples
    --------
    >>> from compact_removal.metrics import box_overlaps
    >>> box_overlaps([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(2)
    array([[0.33, 0.  ]])
    """
    one, two = (_read_boxes(name, values)[:, None] for name, values in (
        ('boxes', boxes), ('others', others)))
    two = two.swapaxes(0, 1)
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(
        one[..., :2], two[..., :2])
    common = np.maximum(sides, 0).prod(axis=-1)
    areas = [(part[..., 2:] - part[..., :2]).prod(axis=-1)
             for part in (one, two)]
    total = areas[0] + areas[1] - common
    return np.divide(common, total, out=np.zeros_like(common),
                     where=total > 0)


def match_boxes(boxes, score, true_boxes, least=0.5):
    """
    Match detections and sources one to one by their boxes.

    The detection with the highest score chooses first: the source whose
    box overlaps most, among those that are still free.

    Parameters
    ----------
    boxes : array_like
        Boxes of detections, shape ``(n, 4)``.
    score : array_like
        What they are ranked by, shape ``(n,)``.
    true_boxes : array_like
        Boxes of sources, shape ``(m, 4)``.
    least : float, optional
        The least intersection over union.

    Returns
    -------
    index : `~numpy.ndarray` of int
        Number of the source of each detection, -1 for none, shape
        ``(n,)``.

    Raises
    ------
    ParameterError
        If they are no boxes, or ``least`` is not between 0 and 1.

    Examples
    --------
    >>> from compact_removal.metrics import match_boxes
    >>> print(match_boxes([[0, 0, 4, 4], [0, 0, 4, 5]], [0.3, 0.9],
    ...                   [[0, 0, 4, 4]]))
    [-1  0]
    """
    if not 0 < least <= 1:
        msg = f'least must be above 0 and at most 1, got {least!r}'
        raise ParameterError(msg, 'least')
    overlaps = box_overlaps(boxes, true_boxes)
    index = np.full(len(overlaps), -1)
    if not overlaps.size:
        return index
    for number in np.argsort(-np.asarray(score, dtype=float), kind='stable'):
        best = int(np.argmax(overlaps[number]))
        if overlaps[number, best] >= least:
            index[number] = best
            overlaps[:, best] = 0
    return index


def average_precisions(fields, kinds, least=(0.5, 0.75)):
    """
    Compute the average precision of each kind of source.

    A detection is right if it has the kind of the source that it is
    matched with. Average precision is that of
    `~compact_removal.metrics.detection_curve`: the area below the curve,
    without interpolation.

    Parameters
    ----------
    fields : iterable of dict
        One per image: ``boxes``, ``kind`` and ``score`` of detections,
        ``true_boxes`` and ``true_kind`` of sources.
    kinds : sequence of str
        The kinds.
    least : sequence of float, optional
        Least overlaps of boxes.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per kind that there is, and one for their mean (``'all'``,
        whose numbers are those of all together): ``kind``,
        ``n_sources``, ``n_detections``, and ``ap50`` and the like for
        each overlap; ``completeness`` and ``reliability`` of all
        detections at the first one.

    Examples
    --------
    >>> from compact_removal.metrics import average_precisions
    >>> field = {'boxes': [[0, 0, 4, 4], [9, 9, 12, 12]],
    ...          'kind': ['star', 'star'], 'score': [0.9, 0.4],
    ...          'true_boxes': [[0, 0, 4, 5]], 'true_kind': ['star']}
    >>> table = average_precisions([field], ['star'])
    >>> table['ap50'].tolist(), table['reliability'].tolist()
    ([1.0, 1.0], [0.5, 0.5])
    """
    fields = list(fields)
    rows = []
    for kind in kinds:
        scores, right, n_sources = [], [[] for _ in least], 0
        for field in fields:
            mine, true = (np.asarray(field[name]) == kind for name in (
                'kind', 'true_kind'))
            boxes, true_boxes = (np.reshape(field[name], (-1, 4))[some]
                                 for name, some in (('boxes', mine),
                                                    ('true_boxes', true)))
            score = np.asarray(field['score'], dtype=float)[mine]
            n_sources += int(true.sum())
            scores.append(score)
            for values, overlap in zip(right, least, strict=True):
                values.append(match_boxes(boxes, score, true_boxes,
                                          overlap) >= 0)
        scores = np.concatenate(scores)
        right = [np.concatenate(values) for values in right]
        if not n_sources:
            continue
        n_right = int(right[0].sum())
        rows.append({
            'kind': kind, 'n_sources': n_sources,
            'n_detections': len(scores), **{
                f'ap{round(100 * overlap)}': detection_curve(
                    scores, values, n_sources).meta['average_precision']
                for overlap, values in zip(least, right, strict=True)},
            **_rate(n_right, len(scores), n_sources), 'n_right': n_right})
    return QTable(rows=[*rows, _average(rows)] if rows else None)


def _rate(n_right, n_detections, n_sources):
    """
    Completeness and reliability.
    """
    scores = detection_scores(n_right, n_detections - n_right,
                              n_sources - n_right)
    return {name: scores[name] for name in ('completeness', 'reliability')}


def _average(rows):
    """
    The row of all kinds.
    """
    counts = {name: sum(row[name] for row in rows) for name in (
        'n_sources', 'n_detections', 'n_right')}
    return {'kind': 'all', **counts, **{
        name: float(np.mean([row[name] for row in rows]))
        for name in rows[0] if name.startswith('ap')},
        **_rate(counts['n_right'], counts['n_detections'],
                counts['n_sources'])}


def _read_boxes(name, values):
    """
    Boxes as an array.
    """
    boxes = np.asarray(values, dtype=float).reshape(-1, 4) if np.size(
        values) else np.zeros((0, 4))
    if np.any(boxes[:, 2:] < boxes[:, :2]):
        msg = (f'{name} must be (x_min, y_min, x_max, y_max), got edges in '
               'another order')
        raise ParameterError(msg, name)
    return boxes
