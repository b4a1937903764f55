# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Priors: how probabilities change with the share of a class (Sect. 5), and
the thresholds that are best for them.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit

from compact_removal.contaminants.classes import CLASS_NAMES, CLASSES
from compact_removal.metrics import matthews_coefficient
from compact_removal.utils.parameters import ParameterError

__all__ = ['find_thresholds', 'read_per_class', 'read_priors',
           'update_priors']


def update_priors(probability, trained, target):
    """
    Update probabilities for another share of a class.

    Equation 26 of MaxiMask: a shift of the logit by that of the target
    less that of the training.

    Parameters
    ----------
    probability : array_like
        Of a classifier that was trained where the class has the share
        ``trained``.
    trained, target : float or array_like
        Shares of the class, between 0 and 1, there and here.

    Returns
    -------
    probability : `~numpy.ndarray`
        The new ones.

    Raises
    ------
    ParameterError
        If a share is not between 0 and 1.

    Examples
    --------
    >>> from compact_removal.contaminants import update_priors
    >>> print(f'{update_priors(0.1, 0.1, 0.3):.2f}')
    0.30
    """
    for name, value in (('trained', trained), ('target', target)):
        if not np.all((np.asarray(value) > 0) & (np.asarray(value) < 1)):
            msg = f'{name} must be between 0 and 1, got {value!r}'
            raise ParameterError(msg, name)
    return expit(logit(np.asarray(probability, dtype=float))
                 + logit_shift(trained, target))


def logit_shift(trained, target):
    """
    What `update_priors` adds to a logit.

    Parameters
    ----------
    trained, target : float or array_like
        See `update_priors`.

    Returns
    -------
    shift : `~numpy.ndarray`
        The shift.
    """
    return logit(np.asarray(target, dtype=float)) - logit(
        np.asarray(trained, dtype=float))


def read_per_class(name, values, index, default):
    """
    Read a parameter with one number per class.

    Parameters
    ----------
    name : str
        The parameter.
    values : float, sequence of float, or dict
        One for all, one for each class that is looked for, or some by
        name.
    index : sequence of int
        Places of the classes that are looked for.
    default : sequence of float
        For the classes that a dict does not have, one per class.

    Returns
    -------
    values : `~numpy.ndarray`
        One for each class that is looked for.

    Raises
    ------
    ParameterError
        If they are not numbers between 0 and 1, or not one for each.
    """
    names = [CLASS_NAMES[k] for k in index]
    given = values
    if isinstance(values, Mapping):
        unknown = [key for key in values if key not in names]
        if unknown:
            msg = (f'{name} must have names of {", ".join(names)}, got '
                   f'{unknown[0]!r}')
            raise ParameterError(msg, name)
        values = [values.get(key, default[k])
                  for key, k in zip(names, index, strict=True)]
    try:
        array = np.broadcast_to(np.asarray(values, dtype=float), len(names))
        good = np.all((array >= 0) & (array <= 1))
    except (TypeError, ValueError):
        good = False
    if not good:
        msg = (f'{name} must be numbers between 0 and 1, one for each of '
               f'{", ".join(names)}, or a dict, got {given!r}')
        raise ParameterError(msg, name)
    return array


def read_priors(priors, index, trained):
    """
    Read the parameter ``priors``.

    Parameters
    ----------
    priors : str, float, sequence of float or dict
        ``'default'``, those of usual exposures; ``'training'``, those of
        the training; or see `read_per_class`.
    index : sequence of int
        Places of the classes that are looked for.
    trained : sequence of float
        Shares of the training, one per class.

    Returns
    -------
    priors : `~numpy.ndarray`
        One for each class that is looked for.

    Raises
    ------
    ParameterError
        If they are not allowed.
    """
    usual = [one.prior for one in CLASSES]
    if isinstance(priors, str):
        sets = {'default': usual, 'training': trained}
        if priors not in sets:
            msg = ("priors must be 'default', 'training', numbers or a dict, "
                   f'got {priors!r}')
            raise ParameterError(msg, 'priors')
        priors = [sets[priors][k] for k in index]
    priors = read_per_class('priors', priors, index, usual)
    if not np.all((priors > 0) & (priors < 1)):
        msg = f'priors must be between 0 and 1, without these, got {priors!r}'
        raise ParameterError(msg, 'priors')
    return priors


def find_thresholds(scores, shares, priors):
    """
    Find the thresholds with the largest Matthews' coefficient.

    Parameters
    ----------
    scores : dict
        ``logit`` (a list, falling), and ``tpr`` and ``fpr`` above them,
        one list per class; ``least_fpr``, one number per class: that of
        a single pixel.
    shares, priors : sequence of float
        Shares of the classes in the training, and in the images.

    Returns
    -------
    thresholds : `~numpy.ndarray`
        Probabilities, updated for the priors, one per class.
    """
    levels = np.asarray(scores['logit'])
    thresholds = []
    for tpr, fpr, least, share, prior in zip(
            scores['tpr'], scores['fpr'], scores['least_fpr'], shares,
            priors, strict=True):
        # where none was wrong, one may be
        tp = prior * np.asarray(tpr)
        fp = (1 - prior) * np.maximum(fpr, least)
        mcc = matthews_coefficient(tp, fp, 1 - prior - fp, prior - tp)
        thresholds.append(expit(levels[int(np.argmax(mcc))]
                                + logit_shift(share, prior)))
    return np.array(thresholds)
