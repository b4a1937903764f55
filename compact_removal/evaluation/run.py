# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Run the experiment of an estimator.
"""

from compact_removal.base import BaseEstimator
from compact_removal.utils.parameters import ParameterTypeError

__all__ = ['evaluate']


def evaluate(estimator, data=None, **options):
    """
    Judge an estimator by its own experiment.

    Parameters
    ----------
    estimator : `~compact_removal.base.BaseEstimator`
        The estimator.
    data : list or dict of images, optional
        Images to make test data of; default: simulated ones.
    **options
        Options of the experiment, see the method ``experiment`` of the
        estimator.

    Returns
    -------
    evaluation : `~compact_removal.base.BaseEvaluation`
        Its ``summary`` has one row per field; `write_report` and
        `write_tables` write it to files.

    Raises
    ------
    TypeError, ValueError
        If ``estimator`` is none or has no experiment, or an option is
        not allowed.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_test_fields
    >>> from compact_removal.evaluation import evaluate
    >>> fields = make_test_fields('scanmap', 'blue', n_fields=1,
    ...                           shape=(64, 64))
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> evaluation = evaluate(remover, fields, n_sources=1, flux_levels=1,
    ...                       seed=1)
    >>> len(evaluation.summary), list(evaluation.tables)
    (1, ['sources', 'flux_ratios', 'pixel_statistics'])
    """
    if not isinstance(estimator, BaseEstimator):
        msg = f'estimator must be an estimator, got {estimator!r}'
        raise ParameterTypeError(msg, 'estimator')
    return estimator.experiment(data, **options)
