# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a masker: contaminate, classify, compare.
"""

import sys
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable
from scipy import ndimage
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.contaminants.base import read_exposures
from compact_removal.contaminants.batches import ADDED, ContaminatedExposures
from compact_removal.contaminants.classes import CLASS_NAMES
from compact_removal.metrics import SegmentationScores
from compact_removal.utils.parameters import check_positive_integer
from compact_removal.utils.progress import bar_shape

__all__ = ['MaskerEvaluation', 'evaluate_masker', 'is_clear']

# Instances of cosmic rays and trails are clear if more than this share of
# their pixels is above so many standard deviations (Sect. 4.1.1).
_SHARE, _CLEAR = 0.5, 3.0

_NOTES = (
    'Exposures are simulated: stars, galaxies and sky, with contaminants of '
    'all classes, and for each class that can be added others that have it '
    'alone. ``auc`` is the area below the curve of true against false '
    "positives, ``mcc`` Matthews' coefficient at the threshold where it is "
    'largest, ``tpr``, ``purity`` and ``accuracy`` are those at this '
    'threshold. ``f1`` is the largest one, ``tpr_at_0.001`` the share of the '
    'pixels that is found where one of a thousand others is, too. '
    '``auc_clear`` leaves out instances of cosmic rays and trails of which '
    'less than half of the pixels have three standard deviations. '
    '``auc_single`` is that of exposures with one class.',
    'Probabilities are those for the priors of the estimator.')


@dataclass(frozen=True)
class MaskerEvaluation(BaseEvaluation):
    """
    What `evaluate_masker` found.

    Attributes
    ----------
    scores : `~compact_removal.metrics.SegmentationScores`
        Of the exposures with all classes.
    exposures : `~astropy.table.QTable`
        One row per exposure and class: ``exposure``, ``name``, ``fwhm``
        (pixels), ``auc`` and ``mcc``.
    summary : `~astropy.table.QTable`
        One row per class, and their mean; the columns are explained in
        ``notes``.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal import ContaminantMasker
    >>> masker = ContaminantMasker(classes=['CR', 'BG'])
    >>> evaluation = masker.experiment(n_maps=1, size=96, seed=1)
    >>> evaluation.summary['name'].tolist()
    ['CR', 'BG', 'mean']
    """

    scores: SegmentationScores
    exposures: QTable
    summary: QTable
    parameters: dict

    headline = ('name', 'share', 'auc', 'auc_clear', 'auc_single', 'mcc',
                'tpr', 'purity')
    legend = ("auc: area below the ROC curve (clear: of those above three "
              'standard deviations; single: in exposures with one class); '
              "mcc: Matthews' coefficient at its best threshold, with "
              'true-positive rate and purity there.')
    notes = _NOTES

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'exposures': self.exposures}

    @property
    def curves(self):
        """
        Curves of the classes, by name.
        """
        return {name: self.scores.curve(name) for name in self.scores.names}

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`, as figures A.1 to A.3
            of the paper.
        """
        from compact_removal.plotting import plot_mcc, plot_purity, plot_roc

        curves = self.curves
        yield 'True and false positives', plot_roc(curves).figure
        yield "Matthews' coefficient", plot_mcc(curves).figure
        yield 'Purity', plot_purity(curves).figure


def evaluate_masker(masker, data=None, *, n_maps=8, size=400, seed=None,
                    progress_bar=False):
    """
    Judge a masker on exposures whose truth is known.

    Parameters
    ----------
    masker : `~compact_removal.ContaminantMasker`
        The estimator.
    data : list or dict of `~astropy.nddata.CCDData`, optional
        Exposures that contaminants are added to; default: simulated
        ones.
    n_maps : int, optional
        Exposures with all classes; of those with one there are a quarter
        as many for each.
    size : int, optional
        Their side (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `MaskerEvaluation`
        Tables and figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal import ContaminantMasker
    >>> from compact_removal.contaminants import evaluate_masker
    >>> evaluation = evaluate_masker(ContaminantMasker(), n_maps=1, size=96,
    ...                              seed=1)
    >>> len(evaluation.summary)
    15
    """
    check_positive_integer('n_maps', n_maps)
    check_positive_integer('size', size)
    masker.check_params()
    seed = make_integer_seed(seed)
    simulator = ContaminatedExposures(images=read_exposures(data, 'data'),
                                      seed=seed)
    names = masker.classes_
    index = [CLASS_NAMES.index(name) for name in names]
    added = [name for name in ADDED if name in names]
    every, clear = (SegmentationScores(names) for _ in range(2))
    single = {name: SegmentationScores(names) for name in added}
    rows = []
    jobs = [('all', ADDED, number) for number in range(n_maps)]
    jobs += [(name, [name], number) for name in added
             for number in range(max(n_maps // 4, 1))]
    for kind, wanted, number in tqdm(jobs, unit='exposure',
                                     disable=not progress_bar,
                                     **bar_shape(sys.stderr)):
        exposure = simulator.exposure(number, size=size, names=wanted)
        probability = masker.predict_proba(exposure.image)
        truth = exposure.planes[index]
        if kind != 'all':
            single[kind].add(probability, truth)
            continue
        every.add(probability, truth)
        clear.add(probability, truth, is_clear(exposure)[index])
        one = SegmentationScores(names)
        one.add(probability, truth)
        rows += [{'exposure': number + 1, 'name': row['name'],
                  'fwhm': exposure.clean.psf.fwhm, 'auc': row['auc'],
                  'mcc': row['mcc']} for row in one.summary()]
    return MaskerEvaluation(
        every, QTable(rows=rows), _summarize(every, clear, single),
        {'network': masker.network, 'n_maps': n_maps, 'size': size,
         'seed': seed, 'warnings': []})


def _summarize(every, clear, single):
    """
    One row per class, and their mean.
    """
    table = every.summary()
    table['auc_clear'] = clear.summary()['auc']
    table['auc_single'] = [
        single[name].summary()['auc'][every.names.index(name)]
        if name in single else np.nan for name in every.names]
    mean = {name: np.nanmean(table[name]) if np.isfinite(table[name]).any()
            else np.nan for name in table.colnames if name != 'name'}
    table['n_pixels'] = table['n_pixels'].astype(float)
    table.add_row({**mean, 'name': 'mean'})
    return QTable(table)


def is_clear(exposure):
    """
    Find pixels that count where only clear instances do.

    This is the second curve of Sect. 4.1.1 of the paper.

    Parameters
    ----------
    exposure : `~compact_removal.contaminants.ContaminatedExposure`
        The exposure.

    Returns
    -------
    known : `~numpy.ndarray` of bool
        False in cosmic rays and trails that are not clear, in their
        planes; shape ``(n_classes, ny, nx)``.

    Examples
    --------
    >>> from compact_removal.contaminants import contaminate
    >>> from compact_removal.contaminants.evaluation import is_clear
    >>> from compact_removal.datasets import make_exposure
    >>> exposure = contaminate(make_exposure((64, 64), seed=1), seed=1)
    >>> is_clear(exposure).shape
    (14, 64, 64)
    """
    planes = exposure.planes
    known = np.ones(planes.shape, dtype=bool)
    for name, light in exposure.light.items():
        k = CLASS_NAMES.index(name)
        labels, n = ndimage.label(planes[k], np.ones((3, 3)))
        if n:
            above = light > _CLEAR * exposure.clean.noise
            share = ndimage.mean(above, labels, np.arange(n + 1))
            known[k] = (labels == 0) | (np.asarray(share) > _SHARE)[labels]
    return known
