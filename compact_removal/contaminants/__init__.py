# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find pixels and exposures that are not to be trusted.
"""

from compact_removal.contaminants.classes import (CLASS_NAMES, CLASSES,
                                                  ContaminantClass,
                                                  find_classes)
from compact_removal.contaminants.cosmic_rays import (cut_cosmic_rays,
                                                      make_cosmic_ray)
from compact_removal.contaminants.simulation import (ContaminatedExposure,
                                                     contaminate)

__all__ = ['CLASSES', 'CLASS_NAMES', 'ContaminantClass',
           'ContaminatedExposure', 'contaminate', 'cut_cosmic_rays',
           'find_classes', 'make_cosmic_ray']
