# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find the sources of maps with structured backgrounds.
"""

from compact_removal.detection.evaluation import (FinderEvaluation,
                                                  evaluate_finder)
from compact_removal.detection.finder import CompactSourceFinder
from compact_removal.detection.flags import DETECTION_FLAGS
from compact_removal.detection.kinds import KINDS, REGION_KINDS
from compact_removal.detection.networks import (NETWORKS, REGION_NETWORKS,
                                                WEIGHTS, find_model_class,
                                                find_region_class)
from compact_removal.detection.region_detector import RegionDetector
from compact_removal.detection.region_evaluation import (RegionEvaluation,
                                                         evaluate_regions)
from compact_removal.detection.region_training import (REGION_DEFAULTS,
                                                       RegionTraining)
from compact_removal.detection.training import (TRAINING_DEFAULTS,
                                                FinderTraining)

__all__ = ['CompactSourceFinder', 'DETECTION_FLAGS', 'FinderEvaluation',
           'FinderTraining', 'KINDS', 'NETWORKS', 'REGION_DEFAULTS',
           'REGION_KINDS', 'REGION_NETWORKS', 'RegionDetector',
           'RegionEvaluation', 'RegionTraining', 'TRAINING_DEFAULTS',
           'WEIGHTS', 'evaluate_finder', 'evaluate_regions',
           'find_model_class', 'find_region_class']
