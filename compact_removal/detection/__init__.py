# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find the sources of maps with structured backgrounds.
"""

from compact_removal.detection.evaluation import (FinderEvaluation,
                                                  evaluate_finder)
from compact_removal.detection.finder import CompactSourceFinder
from compact_removal.detection.flags import DETECTION_FLAGS
from compact_removal.detection.kinds import KINDS
from compact_removal.detection.networks import (NETWORKS, WEIGHTS,
                                                find_model_class)
from compact_removal.detection.training import (TRAINING_DEFAULTS,
                                                FinderTraining)

__all__ = ['CompactSourceFinder', 'DETECTION_FLAGS', 'FinderEvaluation',
           'FinderTraining', 'KINDS', 'NETWORKS', 'TRAINING_DEFAULTS',
           'WEIGHTS', 'evaluate_finder', 'find_model_class']
