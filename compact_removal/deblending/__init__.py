# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Share the light of an image among overlapping sources.
"""

from compact_removal.datasets import Blend, BlendSettings, make_blends
from compact_removal.deblending.contributions import (Contributions,
                                                      SourceParts, decode,
                                                      encode, find_centers)
from compact_removal.deblending.deblender import SourceDeblender
from compact_removal.deblending.deblender_evaluation import (
    DeblendingEvaluation, evaluate_deblender)
from compact_removal.deblending.deblender_training import (DEBLENDER_DEFAULTS,
                                                           DeblenderTraining)
from compact_removal.deblending.evaluation import (BlendEvaluation,
                                                   evaluate_photometer)
from compact_removal.deblending.flags import BLEND_FLAGS
from compact_removal.deblending.networks import (DEBLENDER_NETWORKS, NETWORKS,
                                                 WEIGHTS, find_deblender_class,
                                                 find_model_class)
from compact_removal.deblending.photometer import BlendPhotometer
from compact_removal.deblending.results import DeblendingResult
from compact_removal.deblending.training import (PHOTOMETER_DEFAULTS,
                                                 PhotometerTraining)

__all__ = ['BLEND_FLAGS', 'Blend', 'BlendEvaluation', 'BlendPhotometer',
           'BlendSettings', 'Contributions', 'DEBLENDER_DEFAULTS',
           'DEBLENDER_NETWORKS', 'DeblenderTraining', 'DeblendingEvaluation',
           'DeblendingResult', 'NETWORKS', 'PHOTOMETER_DEFAULTS',
           'PhotometerTraining', 'SourceDeblender', 'SourceParts',
           'WEIGHTS', 'decode', 'encode', 'evaluate_deblender',
           'evaluate_photometer', 'find_centers', 'find_deblender_class',
           'find_model_class', 'make_blends']
