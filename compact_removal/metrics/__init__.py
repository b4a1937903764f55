# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good results are: fluxes, spectra, structure, pixels, detections.
"""

from compact_removal.metrics.blends import (blend_statistics,
                                            intersection_over_union,
                                            profile_agreement)
from compact_removal.metrics.boxes import (average_precisions, box_overlaps,
                                           match_boxes)
from compact_removal.metrics.detection import (best_threshold,
                                               calibration_table,
                                               completeness_at_reliability,
                                               completeness_by,
                                               confusion_matrix,
                                               detection_curve,
                                               detection_scores,
                                               match_detections)
from compact_removal.metrics.fluxes import (RemovalRates,
                                            flux_ratio_statistics,
                                            removal_rates,
                                            removal_significance)
from compact_removal.metrics.pixels import (PixelComparison, compare_pixels,
                                            pixel_statistics)
from compact_removal.metrics.segmentation import (SegmentationScores,
                                                  matthews_coefficient,
                                                  roc_curve)
from compact_removal.metrics.spectra import (PowerLaw, compare_power_spectra,
                                             fit_power_law, power_spectrum)
from compact_removal.metrics.structure import delta_variance

__all__ = ['PixelComparison', 'PowerLaw', 'RemovalRates', 'SegmentationScores',
           'average_precisions', 'best_threshold', 'blend_statistics',
           'box_overlaps', 'calibration_table', 'compare_pixels',
           'compare_power_spectra', 'completeness_at_reliability',
           'completeness_by', 'confusion_matrix', 'delta_variance',
           'detection_curve', 'detection_scores', 'fit_power_law',
           'flux_ratio_statistics', 'intersection_over_union',
           'match_boxes', 'match_detections', 'matthews_coefficient',
           'pixel_statistics', 'power_spectrum', 'profile_agreement',
           'removal_rates', 'removal_significance', 'roc_curve']
