# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find the sources of maps with structured backgrounds.
"""

from compact_removal.detection.kinds import KINDS
from compact_removal.detection.networks import (NETWORKS, WEIGHTS,
                                                find_model_class)

__all__ = ['KINDS', 'NETWORKS', 'WEIGHTS', 'find_model_class']
