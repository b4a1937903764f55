# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find pixels and exposures that are not to be trusted.
"""

from compact_removal.contaminants.classes import (CLASS_NAMES, CLASSES,
                                                  ContaminantClass,
                                                  find_classes)
from compact_removal.contaminants.cosmic_rays import (cut_cosmic_rays,
                                                      make_cosmic_ray)
from compact_removal.contaminants.evaluation import (MaskerEvaluation,
                                                     evaluate_masker)
from compact_removal.contaminants.filling import FILL_FLAGS, clean
from compact_removal.contaminants.masker import ContaminantMasker
from compact_removal.contaminants.maximask import import_maximask
from compact_removal.contaminants.motion import make_motion
from compact_removal.contaminants.networks import (NETWORKS,
                                                   TRACKING_NETWORKS, WEIGHTS,
                                                   find_model_class,
                                                   find_tracking_class)
from compact_removal.contaminants.priors import update_priors
from compact_removal.contaminants.simulation import (ContaminatedExposure,
                                                     contaminate)
from compact_removal.contaminants.tracking import (TrackingErrorClassifier,
                                                   TrackingTraining)
from compact_removal.contaminants.tracking_evaluation import (
    TrackingEvaluation, evaluate_tracking)
from compact_removal.contaminants.training import (TRAINING_DEFAULTS,
                                                   MaskerTraining)

__all__ = ['CLASSES', 'CLASS_NAMES', 'ContaminantClass', 'ContaminantMasker',
           'ContaminatedExposure', 'FILL_FLAGS', 'MaskerEvaluation',
           'MaskerTraining', 'NETWORKS', 'TRACKING_NETWORKS',
           'TRAINING_DEFAULTS', 'TrackingErrorClassifier',
           'TrackingEvaluation', 'TrackingTraining', 'WEIGHTS', 'clean',
           'contaminate', 'cut_cosmic_rays', 'evaluate_masker',
           'evaluate_tracking', 'find_classes', 'find_model_class',
           'find_tracking_class', 'import_maximask', 'make_cosmic_ray',
           'make_motion', 'update_priors']
