# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Calibrated probabilities of candidates.

A multinomial logistic regression on the features of candidates, their
squares and products. It is fitted to simulated maps, and its numbers are
part of the weights file.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from compact_removal.detection.candidates import FEATURES
from compact_removal.detection.kinds import KINDS
from compact_removal.utils.parameters import ParameterError

__all__ = ['Scorer', 'fit_scorer']

# Strength of the prior on coefficients: of the features, and of squares and
# products.
_PENALTIES = (1e-4, 1e-3)

# Features that change less than this, such as the width of the PSF in maps of
# one band, count little.
_LEAST_STD = 0.01

# Features beyond this many standard deviations count as that.
_LARGEST = 4.0


@dataclass(frozen=True, eq=False)
class Scorer:
    """
    Probabilities of what a candidate is, from its features.

    Parameters
    ----------
    mean, std : `~numpy.ndarray`
        Of the features, shape ``(n_features,)``.
    coefficients : `~numpy.ndarray`
        Of a constant, the features, and their products, for each kind;
        nothing at all has none. Shape ``(n_terms, n_kinds)``.
    features : tuple of str, optional
        Names of the features.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.candidates import FEATURES
    >>> from compact_removal.detection.probability import Scorer
    >>> n = len(FEATURES)
    >>> scorer = Scorer(np.zeros(n), np.ones(n),
    ...                 np.zeros((1 + n + n * (n + 1) // 2, 3)))
    >>> print(scorer(np.zeros((1, n))))
    [[0.25 0.25 0.25]]
    """

    mean: np.ndarray
    std: np.ndarray
    coefficients: np.ndarray
    features: tuple = FEATURES

    def __call__(self, features):
        """
        Compute probabilities.

        Parameters
        ----------
        features : `~numpy.ndarray`
            Of candidates, shape ``(n, n_features)``.

        Returns
        -------
        probabilities : `~numpy.ndarray`
            Of each kind, shape ``(n, n_kinds)``; what their sum lacks of
            one is the probability that nothing is there.
        """
        scores = (_make_terms((features - self.mean) / self.std)
                  @ self.coefficients)
        scores = np.column_stack([np.zeros(len(scores)), scores])
        return np.exp(scores - logsumexp(scores, axis=1, keepdims=True))[:, 1:]

    def to_dict(self):
        """
        What JSON can hold of it.

        Returns
        -------
        values : dict
            Lists of numbers, for `from_dict`.
        """
        return {'features': list(self.features), 'kinds': list(KINDS),
                **{name: np.round(getattr(self, name), 5).tolist()
                   for name in ('mean', 'std', 'coefficients')}}

    @classmethod
    def from_dict(cls, values, features=FEATURES):
        """
        Make it of what `to_dict` gave.

        Parameters
        ----------
        values : dict
            From a weights file.
        features : tuple of str, optional
            Names of the features that it must be for.

        Returns
        -------
        scorer : `Scorer`
            The same one.

        Raises
        ------
        ParameterError
            If the features are not those of this version.
        """
        if (not isinstance(values, dict)
                or tuple(values.get('features', ())) != features
                or tuple(values.get('kinds', ())) != KINDS):
            msg = ('weights: the probabilities in the file are not those of '
                   'this version; train anew')
            raise ParameterError(msg, 'weights')
        return cls(*(np.array(values[name], dtype=float)
                     for name in ('mean', 'std', 'coefficients')), features)


def fit_scorer(features, kind, names=FEATURES):
    """
    Fit probabilities to candidates whose truth is known.

    Parameters
    ----------
    features : `~numpy.ndarray`
        Shape ``(n, n_features)``.
    kind : `~numpy.ndarray` of int
        0 for nothing, 1 and on for the ``KINDS``, shape ``(n,)``.
    names : tuple of str, optional
        Names of the features.

    Returns
    -------
    scorer : `Scorer`
        The maximum of the posterior.
    """
    from scipy.optimize import minimize

    mean = features.mean(axis=0)
    std = np.maximum(features.std(axis=0), _LEAST_STD)
    terms = _make_terms((features - mean) / std)
    n_kinds, n_terms = len(KINDS), terms.shape[1]
    truth = np.zeros((len(kind), n_kinds + 1))
    truth[np.arange(len(kind)), kind] = 1
    penalty = np.full((n_terms, 1), _PENALTIES[1])
    penalty[:features.shape[1] + 1] = _PENALTIES[0]

    def cost(flat):
        weights = flat.reshape(n_terms, n_kinds)
        scores = np.column_stack([np.zeros(len(terms)), terms @ weights])
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        gradient = terms.T @ (np.exp(logs) - truth)[:, 1:] / len(terms)
        return (-(truth * logs).sum() / len(terms)
                + 0.5 * (penalty * weights ** 2).sum(),
                (gradient + penalty * weights).ravel())

    found = minimize(cost, np.zeros(n_terms * n_kinds), jac=True,
                     method='L-BFGS-B', options={'maxiter': 600})
    return Scorer(mean, std, found.x.reshape(n_terms, n_kinds), names)


def _make_terms(scaled):
    """
    A constant, the features, their squares and products.
    """
    scaled = np.clip(scaled, -_LARGEST, _LARGEST)
    rows, columns = np.triu_indices(scaled.shape[1])
    return np.column_stack([np.ones(len(scaled)), scaled,
                            scaled[:, rows] * scaled[:, columns]])
