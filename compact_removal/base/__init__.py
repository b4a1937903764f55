# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What every estimator is: parameters, fit, save, load, provenance.
"""

from compact_removal.base.band import BandEstimator
from compact_removal.base.estimator import (BaseEstimator, BaseEvaluation,
                                            NotFittedError)
from compact_removal.base.trainable import TrainableEstimator

__all__ = ['BandEstimator', 'BaseEstimator', 'BaseEvaluation',
           'NotFittedError', 'TrainableEstimator']
