# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove compact sources from maps, and measure them.
"""

from compact_removal.base import BaseEstimator, NotFittedError
from compact_removal.maps.columns import join_catalog
from compact_removal.removal.evaluation import evaluate_remover
from compact_removal.removal.evaluation_result import Evaluation
from compact_removal.removal.flags import (PIXEL_FLAGS, SOURCE_FLAGS, Flag,
                                           decode_flags)
from compact_removal.removal.map_evaluation import (RemovalEvaluation,
                                                    evaluate_removal)
from compact_removal.removal.remover import (TRAINING_DEFAULTS,
                                             CompactSourceRemover,
                                             RemovalResult)
from compact_removal.removal.simulation import TrainingCutouts

__all__ = ['BaseEstimator', 'CompactSourceRemover', 'Evaluation', 'Flag',
           'NotFittedError', 'PIXEL_FLAGS', 'RemovalEvaluation',
           'RemovalResult', 'SOURCE_FLAGS', 'TRAINING_DEFAULTS',
           'TrainingCutouts', 'decode_flags', 'evaluate_removal',
           'evaluate_remover', 'join_catalog']
