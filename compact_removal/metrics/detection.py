# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good detections are: completeness, reliability, and what follows.

With TP detections that are sources, FP that are none, and FN sources that
were not detected:

* completeness (recall, true positive rate): TP / (TP + FN);
* reliability (purity, precision): TP / (TP + FP);
* F1 score: 2 TP / (2 TP + FP + FN), the harmonic mean of the two;
* intersection over union (Jaccard index): TP / (TP + FP + FN);
* average precision: the mean of the reliability over completeness, as the
  threshold falls: the sum of the reliability at each source that is found,
  over the number of sources.
"""

from itertools import pairwise

import numpy as np
from astropy.table import QTable
from scipy.spatial import KDTree

from compact_removal.utils.parameters import ParameterError

__all__ = ['best_threshold', 'calibration_table',
           'completeness_at_reliability', 'completeness_by',
           'confusion_matrix', 'detection_curve', 'detection_scores',
           'match_detections']


def match_detections(x, y, score, true_x, true_y, radius):
    """
    Match detections and sources one to one.

    The detection with the highest score chooses first, the nearest
    source within the radius that is still free.

    Parameters
    ----------
    x, y, score : array_like
        Positions of detections (pixels) and what they are ranked by,
        shape ``(n,)``.
    true_x, true_y : array_like
        Positions of sources (pixels), shape ``(m,)``.
    radius : float
        Largest distance (pixels).

    Returns
    -------
    index : `~numpy.ndarray` of int
        Number of the source of each detection, -1 for none, shape
        ``(n,)``.

    Raises
    ------
    ParameterError
        If the radius is not positive.

    Examples
    --------
    >>> from compact_removal.metrics import match_detections
    >>> print(match_detections([4.0, 4.4, 20], [4, 4, 20], [1, 9, 5],
    ...                        [4.1], [4.0], radius=2))
    [-1  0 -1]
    """
    if not 0 < radius < np.inf:
        msg = f'radius must be a positive number of pixels, got {radius!r}'
        raise ParameterError(msg, 'radius')
    points = np.column_stack([x, y]).astype(float).reshape(-1, 2)
    truth = np.column_stack([true_x, true_y]).astype(float).reshape(-1, 2)
    index = np.full(len(points), -1)
    if not (len(points) and len(truth)):
        return index
    near = KDTree(truth).query_ball_point(points, radius)
    free = np.ones(len(truth), dtype=bool)
    for k in np.argsort(-np.asarray(score, dtype=float), kind='stable'):
        left = [other for other in near[k] if free[other]]
        if left:
            distance = np.hypot(*(truth[left] - points[k]).T)
            index[k] = left[int(np.argmin(distance))]
            free[index[k]] = False
    return index


def detection_scores(n_found, n_false, n_missed):
    """
    Compute scores of a list of detections.

    Parameters
    ----------
    n_found, n_false, n_missed : int
        Detections that are sources, those that are none, and sources
        that were not detected.

    Returns
    -------
    scores : dict of float
        ``completeness``, ``reliability``, ``f1`` and ``iou`` (see the
        module for their definitions); NaN where nothing is counted.

    Examples
    --------
    >>> from compact_removal.metrics import detection_scores
    >>> scores = detection_scores(80, 20, 80)
    >>> {name: round(value, 2) for name, value in scores.items()}
    {'completeness': 0.5, 'reliability': 0.8, 'f1': 0.62, 'iou': 0.44}
    """
    def ratio(number, total):
        return number / total if total else float('nan')

    return {'completeness': ratio(n_found, n_found + n_missed),
            'reliability': ratio(n_found, n_found + n_false),
            'f1': ratio(2 * n_found, 2 * n_found + n_false + n_missed),
            'iou': ratio(n_found, n_found + n_false + n_missed)}


def detection_curve(score, correct, n_sources):
    """
    Follow completeness and reliability as the threshold falls.

    Parameters
    ----------
    score : array_like
        What detections are ranked by, shape ``(n,)``.
    correct : array_like of bool
        Whether they are sources, shape ``(n,)``.
    n_sources : int
        How many sources there are, detected or not.

    Returns
    -------
    curve : `~astropy.table.QTable`
        One row per detection, the highest score first: ``score``,
        ``completeness`` and ``reliability`` of all down to this one.
        ``meta['average_precision']`` is the mean of the reliability
        over completeness.

    Raises
    ------
    ParameterError
        If there are more correct detections than sources.

    Examples
    --------
    >>> from compact_removal.metrics import detection_curve
    >>> curve = detection_curve([0.9, 0.2, 0.7], [True, True, False], 4)
    >>> curve['completeness'].tolist(), curve['reliability'].round(2).tolist()
    ([0.25, 0.25, 0.5], [1.0, 0.5, 0.67])
    >>> round(curve.meta['average_precision'], 3)
    0.417
    """
    score = np.asarray(score, dtype=float)
    correct = np.asarray(correct, dtype=bool)
    if correct.sum() > n_sources:
        msg = (f'n_sources must be at least the {correct.sum()} correct '
               f'detections, got {n_sources}')
        raise ParameterError(msg, 'n_sources')
    order = np.argsort(-score, kind='stable')
    found = np.cumsum(correct[order])
    reliability = found / np.arange(1, order.size + 1)
    with np.errstate(invalid='ignore', divide='ignore'):
        completeness = found / n_sources
        precision = np.sum(reliability * correct[order]) / n_sources
    return QTable({'score': score[order], 'completeness': completeness,
                   'reliability': reliability},
                  meta={'average_precision': float(precision)})


def completeness_at_reliability(score, correct, n_sources, reliability=0.9):
    """
    Find the lowest threshold with a reliability, and what it finds.

    Parameters
    ----------
    score, correct, n_sources : object
        See `detection_curve`.
    reliability : float, optional
        The least reliability.

    Returns
    -------
    completeness, threshold : float
        Completeness there, and the lowest score that is taken; 0 and
        infinity if no threshold has the reliability.

    Examples
    --------
    >>> from compact_removal.metrics import completeness_at_reliability
    >>> completeness_at_reliability([9, 8, 7, 6], [True, True, False, True],
    ...                             4, reliability=0.75)
    (0.75, 6.0)
    """
    curve = detection_curve(score, correct, n_sources)
    enough = np.flatnonzero(curve['reliability'] >= reliability)
    if not enough.size:
        return 0.0, np.inf
    last = curve[int(enough[-1])]
    return float(last['completeness']), float(last['score'])


def best_threshold(score, correct, n_sources):
    """
    Find the threshold with the best F1.

    Parameters
    ----------
    score, correct, n_sources : object
        See `detection_curve`.

    Returns
    -------
    threshold : float
        The lowest score that is taken; NaN without detections.

    Examples
    --------
    >>> from compact_removal.metrics import best_threshold
    >>> best_threshold([9, 8, 7, 6], [True, True, False, False], 2)
    8.0
    """
    curve = detection_curve(score, correct, n_sources)
    if not len(curve):
        return np.nan
    both = curve['completeness'] + curve['reliability']
    return float(curve['score'][np.argmax(
        curve['completeness'] * curve['reliability']
        / np.maximum(both, 1e-9))])


def completeness_by(values, found, edges):
    """
    Compute the completeness in bins, such as those of flux or density.

    Parameters
    ----------
    values : array_like
        A number of each source, shape ``(n,)``.
    found : array_like of bool
        Whether it was detected, shape ``(n,)``.
    edges : array_like
        Edges of the bins, rising, shape ``(m + 1,)``.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``low`` and ``high`` of each bin, ``n_sources``,
        ``completeness``, and the ends of its 68 % confidence interval
        (Wilson), ``completeness_low`` and ``completeness_high``; NaN
        without sources.

    Examples
    --------
    >>> from compact_removal.metrics import completeness_by
    >>> table = completeness_by([1, 2, 2, 8], [False, True, False, True],
    ...                         [0, 5, 10])
    >>> table['n_sources'].tolist(), table['completeness'].round(2).tolist()
    ([3, 1], [0.33, 1.0])
    """
    values, edges = (np.asarray(part, dtype=float) for part in (values, edges))
    found = np.asarray(found, dtype=bool)
    return _rates(values, found, edges, 'completeness', 'n_sources')


def calibration_table(probability, correct, *, n_bins=10):
    """
    Compare probabilities with how often they are right.

    Parameters
    ----------
    probability : array_like
        Of detections, between 0 and 1, shape ``(n,)``.
    correct : array_like of bool
        Whether they are sources, shape ``(n,)``.
    n_bins : int, optional
        Number of bins.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``low`` and ``high`` of each bin, ``n_detections``, ``share``
        that is right with the ends of its 68 % confidence interval,
        ``share_low`` and ``share_high``, and the mean ``probability``;
        NaN in empty bins.

    Examples
    --------
    >>> from compact_removal.metrics import calibration_table
    >>> table = calibration_table([0.1, 0.2, 0.9, 0.8],
    ...                           [False, False, True, False], n_bins=2)
    >>> table['share'].tolist(), table['probability'].round(2).tolist()
    ([0.0, 0.5], [0.15, 0.85])
    """
    probability = np.asarray(probability, dtype=float)
    edges = np.linspace(0, 1, n_bins + 1)
    table = _rates(np.minimum(probability, np.nextafter(1, 0)),
                   np.asarray(correct, dtype=bool), edges, 'share',
                   'n_detections')
    bins = np.clip(np.digitize(probability, edges) - 1, 0, n_bins - 1)
    table['probability'] = [
        np.mean(probability[bins == k]) if np.any(bins == k) else np.nan
        for k in range(n_bins)]
    return table


def _rates(values, good, edges, name, count):
    """
    Shares of what is good in bins, with confidence intervals.
    """
    # it loads scipy.stats
    from astropy.stats import binom_conf_interval

    rows = []
    for low, high in pairwise(edges):
        part = good[(values >= low) & (values < high)]
        limits = (np.nan, np.nan)
        if part.size:
            limits = binom_conf_interval(part.sum(), part.size,
                                         interval='wilson')
        rows.append((low, high, part.size,
                     part.mean() if part.size else np.nan, *limits))
    return QTable(rows=rows, names=['low', 'high', count, name,
                                    f'{name}_low', f'{name}_high'],
                  dtype=[float, float, int, float, float, float])


def confusion_matrix(true_kind, kind, kinds):
    """
    Count how often each kind is taken for each.

    Parameters
    ----------
    true_kind, kind : array_like of str
        What things are, and what they were taken for, shape ``(n,)``.
    kinds : sequence of str
        The kinds, in the order of rows and columns.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per true kind, ``true``, and a column of counts for each
        kind that it was taken for.

    Raises
    ------
    ParameterError
        If there is another kind.

    Examples
    --------
    >>> from compact_removal.metrics import confusion_matrix
    >>> print(confusion_matrix(['a', 'a', 'b'], ['a', 'b', 'b'], ['a', 'b']))
    true  a   b
    ---- --- ---
       a   1   1
       b   0   1
    """
    true_kind, kind = (np.asarray(part, dtype=str).reshape(-1)
                       for part in (true_kind, kind))
    for name, values in (('true_kind', true_kind), ('kind', kind)):
        unknown = sorted(set(values.tolist()) - set(kinds))
        if unknown:
            msg = f'{name} must be of {", ".join(kinds)}, got {unknown[0]!r}'
            raise ParameterError(msg, name)
    return QTable({'true': list(kinds), **{
        one: [int(np.sum((true_kind == other) & (kind == one)))
              for other in kinds] for one in kinds}})
