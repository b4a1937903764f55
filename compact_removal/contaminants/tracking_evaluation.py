# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a classifier of exposures.
"""

import sys
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable, Table
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.contaminants.base import read_exposures
from compact_removal.contaminants.motion import MOTIONS, TrackingExposures
from compact_removal.metrics import roc_curve
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)
from compact_removal.utils.progress import bar_shape

__all__ = ['TrackingEvaluation', 'evaluate_tracking']


@dataclass(frozen=True)
class TrackingEvaluation(BaseEvaluation):
    """
    What `evaluate_tracking` found.

    Attributes
    ----------
    exposures : `~astropy.table.Table`
        One row per exposure: ``kind`` of the tracking error and
        ``probability``.
    summary : `~astropy.table.QTable`
        One row per kind, each against exposures without errors, and one
        for all.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal import TrackingErrorClassifier
    >>> evaluation = TrackingErrorClassifier().experiment(n_maps=4, size=64,
    ...                                                   seed=1)
    >>> evaluation.summary['kind'][-1]
    np.str_('all')
    """

    exposures: Table
    summary: QTable
    parameters: dict

    legend = ('auc is the area below the curve of true against false '
              'positives; tpr the share of tracking errors that are found.')
    notes = (
        'Exposures are simulated: half of them have tracking errors (drifts, '
        'jumps, oscillations and shaking in the wind), the others have PSFs '
        'that may be elongated or out of focus. Half of all exposures have '
        'contaminants of other kinds. ``tpr`` is the share of the tracking '
        'errors with a probability above 0.5, ``fpr`` that of the others, '
        'with the prior of the estimator.',)

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'exposures': self.exposures}

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`.
        """
        from compact_removal.plotting import plot_roc

        curve = roc_curve(self.exposures['probability'],
                          self.exposures['kind'] != 'none')
        yield 'ROC', plot_roc({'tracking errors': curve}).figure


def evaluate_tracking(classifier, data=None, *, n_maps=100, size=400,
                      seed=None, progress_bar=False):
    """
    Judge a classifier on exposures whose truth is known.

    Parameters
    ----------
    classifier : `~compact_removal.TrackingErrorClassifier`
        The estimator.
    data : list or dict of `~astropy.nddata.CCDData`, optional
        Exposures without tracking errors; default: simulated ones.
    n_maps : int, optional
        Number of exposures.
    size : int, optional
        Their side (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `TrackingEvaluation`
        Tables and figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal import TrackingErrorClassifier
    >>> from compact_removal.contaminants import evaluate_tracking
    >>> evaluation = evaluate_tracking(TrackingErrorClassifier(), n_maps=4,
    ...                                size=64, seed=1)
    >>> len(evaluation.exposures)
    4
    """
    check_positive_integer('size', size)
    if check_positive_integer('n_maps', n_maps) < 2:
        msg = f'n_maps must be at least 2, got {n_maps!r}'
        raise ParameterError(msg, 'n_maps')
    classifier.check_params()
    seed = make_integer_seed(seed)
    exposures = TrackingExposures(images=read_exposures(data, 'data'),
                                  seed=seed)
    rows = []
    for number in tqdm(range(n_maps), unit='exposure',
                       disable=not progress_bar, **bar_shape(sys.stderr)):
        image, kind = exposures.exposure(number, size=size)
        rows.append((kind, classifier.predict_proba(image)))
    table = Table(rows=rows, names=['kind', 'probability'])
    others = table['kind'] == 'none'
    summary = []
    for kind in (*MOTIONS, 'all'):
        mine = ~others if kind == 'all' else table['kind'] == kind
        chosen = table[others | mine]
        right = chosen['kind'] != 'none'
        found = np.asarray(chosen['probability'] > 0.5)
        summary.append({
            'kind': kind, 'n_exposures': int(mine.sum()),
            'auc': roc_curve(chosen['probability'], right).meta['auc'],
            'tpr': found[right].mean() if right.any() else np.nan,
            'fpr': found[~right].mean()})
    return TrackingEvaluation(
        table, QTable(rows=summary),
        {'prior': classifier.prior, 'n_maps': n_maps, 'size': size,
         'seed': seed, 'warnings': []})
