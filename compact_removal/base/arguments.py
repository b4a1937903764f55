# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Arguments of trainings, checked: seeds, and settings of new networks.
"""

import numpy as np

from compact_removal.utils.parameters import ParameterError

__all__ = ['check_new_config', 'make_integer_seed', 'make_training_seed']


def check_new_config(config, weights):
    """
    Refuse settings of a new network where there are weights of one.

    Parameters
    ----------
    config : dict
        The settings that were given, by name.
    weights : object
        The parameter of the estimator.

    Raises
    ------
    ParameterError
        If there are both.
    """
    for name, value in config.items():
        if weights is not None:
            msg = (f'training: {name} must be None where weights are given, '
                   f'whose network has one, got {value!r}')
            raise ParameterError(msg, 'training')


def make_integer_seed(seed):
    """
    Make an integer of a seed.

    Parameters
    ----------
    seed : int, `~numpy.random.Generator` or None
        The seed; `None` for one that differs each time.

    Returns
    -------
    seed : int
        The integer.

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    if seed is None or isinstance(seed, np.random.Generator):
        return int(np.random.default_rng(seed).integers(2 ** 31))
    if (isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
            and seed >= 0):
        return int(seed)
    msg = f'seed must be None, an integer >= 0 or a Generator, got {seed!r}'
    raise ParameterError(msg, 'seed')


def make_training_seed(seed, settings):
    """
    Make an integer of the seed of a training.

    Parameters
    ----------
    seed : int, `~numpy.random.Generator` or None
        The seed, see `make_integer_seed`.
    settings : `~compact_removal.nn.TrainingSettings`
        The settings of the training.

    Returns
    -------
    seed : int
        The integer.

    Raises
    ------
    ParameterError
        If it is none of these, or missing where there is a checkpoint.
    """
    if settings.checkpoint is not None and seed is None:
        msg = ('seed must be given with a checkpoint: with another one the '
               'training cannot go on, got None')
        raise ParameterError(msg, 'seed')
    return make_integer_seed(seed)
