# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find pixels and exposures that are not to be trusted.
"""

from compact_removal.contaminants.classes import (CLASS_NAMES, CLASSES,
                                                  ContaminantClass,
                                                  find_classes)
from compact_removal.contaminants.cosmic_rays import (cut_cosmic_rays,
                                                      make_cosmic_ray)
from compact_removal.contaminants.masker import ContaminantMasker
from compact_removal.contaminants.maximask import import_maximask
from compact_removal.contaminants.networks import (NETWORKS, WEIGHTS,
                                                   find_model_class)
from compact_removal.contaminants.priors import update_priors
from compact_removal.contaminants.simulation import (ContaminatedExposure,
                                                     contaminate)
from compact_removal.contaminants.training import (TRAINING_DEFAULTS,
                                                   MaskerTraining)

__all__ = ['CLASSES', 'CLASS_NAMES', 'ContaminantClass', 'ContaminantMasker',
           'ContaminatedExposure', 'MaskerTraining', 'NETWORKS',
           'TRAINING_DEFAULTS', 'WEIGHTS', 'contaminate', 'cut_cosmic_rays',
           'find_classes', 'find_model_class', 'import_maximask',
           'make_cosmic_ray', 'update_priors']
