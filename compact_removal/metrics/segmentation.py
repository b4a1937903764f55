# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well pixels are classified: ROC, purity, and Matthews' coefficient.
"""

import numpy as np
from astropy.table import Table
from scipy.special import expit, logit

from compact_removal.utils.parameters import ParameterError

__all__ = ['SegmentationScores', 'matthews_coefficient', 'roc_curve']

# Probabilities are counted in so many bins that are even in the logit, up to
# this one.
_N_BINS, _LARGEST = 4096, 16.0


def matthews_coefficient(true_positive, false_positive, true_negative,
                         false_negative):
    """
    Compute Matthews' correlation coefficient (MaxiMask, Equation 22).

    Parameters
    ----------
    true_positive, false_positive, true_negative, false_negative : array_like
        Numbers of pixels, or shares.

    Returns
    -------
    coefficient : `~numpy.ndarray`
        1 for a perfect classifier, 0 for one that guesses, and where all
        pixels are in one class.

    Examples
    --------
    >>> from compact_removal.metrics import matthews_coefficient
    >>> f'{matthews_coefficient(990, 1590, 157410, 10):.2f}'
    '0.61'
    """
    tp, fp, tn, fn = (np.asarray(value, dtype=float) for value in (
        true_positive, false_positive, true_negative, false_negative))
    below = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(
        tn + fn)
    return np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below),
                     where=below > 0)


def roc_curve(score, truth):
    """
    Make the curve of true against false positives.

    Parameters
    ----------
    score : array_like
        What is ranked, the largest first, shape ``(n,)``.
    truth : array_like of bool
        Whether each is positive.

    Returns
    -------
    curve : `~astropy.table.Table`
        ``threshold`` (falling), ``tpr`` and ``fpr``, from (0, 0) to (1,
        1); ``meta['auc']`` is the area below, NaN where one of the
        classes is empty.

    Examples
    --------
    >>> from compact_removal.metrics import roc_curve
    >>> roc_curve([0.9, 0.8, 0.3], [True, False, True]).meta['auc']
    0.5
    """
    score, truth = np.asarray(score, float), np.asarray(truth, bool)
    order = np.argsort(-score, kind='stable')
    score, truth = score[order], truth[order]
    # ties are one step
    last = np.flatnonzero(np.diff(score, append=-np.inf))
    tpr, fpr = (np.concatenate([[0], np.cumsum(one)[last]])
                for one in (truth, ~truth))
    with np.errstate(invalid='ignore'):
        tpr, fpr = tpr / np.float64(truth.sum()), fpr / np.float64(
            (~truth).sum())
    return Table({'threshold': np.concatenate([[np.inf], score[last]]),
                  'tpr': tpr, 'fpr': fpr},
                 meta={'auc': float(np.trapezoid(tpr, fpr))})


class SegmentationScores:
    """
    Probabilities of pixels against their truth, class by class.

    Images are added one after the other; only histograms are kept.

    Parameters
    ----------
    names : sequence of str
        The classes.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.metrics import SegmentationScores
    >>> scores = SegmentationScores(['CR'])
    >>> probability = np.array([[[0.9, 0.8, 0.1, 0.2]]])
    >>> scores.add(probability, probability > 0.5)
    >>> float(scores.summary()['auc'][0])
    1.0
    """

    def __init__(self, names):
        self.names = tuple(names)
        # class, truth, bin
        self._counts = np.zeros((len(self.names), 2, _N_BINS), dtype=np.int64)
        self._sums = np.zeros(len(self.names))

    def add(self, probability, truth, known=None):
        """
        Add an image.

        Parameters
        ----------
        probability : array_like
            Shape ``(n_classes, ny, nx)``.
        truth : array_like of bool
            The same shape.
        known : array_like of bool, optional
            Pixels that count: shape ``(ny, nx)``, or that of ``truth``.

        Raises
        ------
        ParameterError
            If shapes do not fit.
        """
        probability, truth = np.asarray(probability), np.asarray(truth, bool)
        if (probability.shape != truth.shape
                or len(truth) != len(self.names)):
            msg = (f'probability and truth must have shape '
                   f'({len(self.names)}, ny, nx), got {probability.shape} and '
                   f'{truth.shape}')
            raise ParameterError(msg, 'probability')
        known = np.broadcast_to(True if known is None else known, truth.shape)
        for k, counts in enumerate(self._counts):
            chosen = known[k]
            values = probability[k][chosen].astype(float)
            self._sums[k] += values.sum()
            place = _find_bins(values)
            for value, part in enumerate(counts):
                part += np.bincount(place[truth[k][chosen] == value],
                                    minlength=_N_BINS)

    def curve(self, name, prior=None):
        """
        Make the curves of a class.

        Parameters
        ----------
        name : str
            The class.
        prior : float, optional
            Its share of the pixels; default: that in the images. It
            changes all but ``tpr`` and ``fpr``, and the probabilities are
            updated, see `compact_removal.contaminants.update_priors`.

        Returns
        -------
        curve : `~astropy.table.Table`
            ``threshold`` (falling), ``tpr``, ``fpr`` (Equations 18, 19),
            ``accuracy`` (20), ``purity`` (21) and ``mcc`` (22).

        Raises
        ------
        ParameterError
            If there is no such class.
        """
        if name not in self.names:
            msg = f'name must be one of {", ".join(self.names)}, got {name!r}'
            raise ParameterError(msg, 'name')
        k = self.names.index(name)
        negative, positive = self._counts[k].astype(float)
        n_negative, n_positive = negative.sum(), positive.sum()
        tpr, fpr = (np.divide(np.cumsum(values[::-1]), total)
                    if total else np.full(_N_BINS, np.nan)
                    for values, total in ((positive, n_positive),
                                          (negative, n_negative)))
        share = n_positive / max(n_positive + n_negative, 1)
        levels = np.linspace(-_LARGEST, _LARGEST, _N_BINS + 1)[:-1][::-1]
        if prior is not None and 0 < share < 1:
            trained = np.clip(self._sums[k] / (n_positive + n_negative),
                              1e-12, 1 - 1e-12)
            levels = levels + logit(prior) - logit(trained)
            share = prior
        tp, fp = share * tpr, (1 - share) * fpr
        fn, tn = share - tp, 1 - share - fp
        return Table({
            'threshold': expit(levels), 'tpr': tpr, 'fpr': fpr,
            'accuracy': tp + tn,
            'purity': np.divide(tp, tp + fp, out=np.full(_N_BINS, np.nan),
                                where=tp + fp > 0),
            'mcc': matthews_coefficient(tp, fp, tn, fn)})

    def summary(self, priors=None):
        """
        Summarise the classes.

        Parameters
        ----------
        priors : sequence of float, optional
            See ``prior`` of `curve`.

        Returns
        -------
        summary : `~astropy.table.Table`
            ``name``, ``n_pixels`` (of the class), ``share`` (of all
            pixels), ``mean_probability``, ``auc``, the best ``mcc`` with
            its ``threshold``, and ``tpr``, ``purity`` and ``accuracy``
            there, ``f1`` (the best one), and ``tpr_at_0.001`` (the TPR
            where the FPR is 0.001). NaN where a class is not there.
        """
        rows = []
        for k, name in enumerate(self.names):
            prior = None if priors is None else priors[k]
            curve = self.curve(name, prior)
            n_negative, n_positive = self._counts[k].sum(axis=1)
            n = max(n_negative + n_positive, 1)
            there = n_negative > 0 and n_positive > 0
            best = int(np.argmax(curve['mcc']))
            tpr = np.concatenate([[0], curve['tpr']])
            fpr = np.concatenate([[0], curve['fpr']])
            purity = np.nan_to_num(curve['purity'])
            below = np.maximum(purity + curve['tpr'], 1e-30)
            row = {'auc': np.trapezoid(tpr, fpr),
                   **{key: curve[key][best] for key in (
                       'mcc', 'threshold', 'tpr', 'purity', 'accuracy')},
                   'f1': (2 * purity * curve['tpr'] / below).max(),
                   'tpr_at_0.001': np.interp(0.001, fpr, tpr)}
            rows.append({'name': name, 'n_pixels': n_positive,
                         'share': n_positive / n,
                         'mean_probability': self._sums[k] / n,
                         **{key: float(value) if there else np.nan
                            for key, value in row.items()}})
        return Table(rows)


def _find_bins(probability):
    """
    Bins of probabilities.
    """
    tiny = np.exp(-2 * _LARGEST)
    levels = logit(np.clip(probability, tiny, 1 - 1e-12))
    scaled = (levels + _LARGEST) * (_N_BINS / (2 * _LARGEST))
    return np.clip(scaled, 0, _N_BINS - 1).astype(int)
