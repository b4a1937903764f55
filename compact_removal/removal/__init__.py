# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove compact sources from maps, and measure them.
"""

from compact_removal.base import (BaseEstimator, NotFittedError,
                                  TrainableEstimator)
from compact_removal.maps.columns import join_catalog
from compact_removal.removal.evaluation import evaluate_remover
from compact_removal.removal.evaluation_result import Evaluation
from compact_removal.removal.flags import (PIXEL_FLAGS, SOURCE_FLAGS,
                                           decode_flags)
from compact_removal.removal.map_evaluation import (RemovalEvaluation,
                                                    evaluate_removal)
from compact_removal.removal.networks import (ERROR_RADII, NETWORKS, WEIGHTS,
                                              build_model, find_model_class)
from compact_removal.removal.remover import CompactSourceRemover
from compact_removal.removal.results import RemovalResult
from compact_removal.removal.simulation import TrainingCutouts
from compact_removal.removal.training import TRAINING_DEFAULTS, RemovalTraining
from compact_removal.utils.flags import Flag

__all__ = ['BaseEstimator', 'CompactSourceRemover', 'ERROR_RADII',
           'Evaluation', 'Flag', 'NETWORKS', 'NotFittedError', 'PIXEL_FLAGS',
           'RemovalEvaluation', 'RemovalResult', 'RemovalTraining',
           'SOURCE_FLAGS', 'TRAINING_DEFAULTS', 'TrainableEstimator',
           'TrainingCutouts', 'WEIGHTS', 'build_model', 'decode_flags',
           'evaluate_removal', 'evaluate_remover', 'find_model_class',
           'join_catalog']
