# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The figures people want to look at.

Matplotlib is imported inside the functions only.
"""

from compact_removal.plotting.blends import (plot_deblending,
                                             plot_magnitude_errors)
from compact_removal.plotting.detection import (plot_calibration,
                                                plot_completeness,
                                                plot_confusion,
                                                plot_detection_curve,
                                                plot_detections)
from compact_removal.plotting.figures import (plot_flux_ratios, plot_history,
                                              plot_pixel_pdf,
                                              plot_power_spectra)
from compact_removal.plotting.removal import plot_removal
from compact_removal.plotting.segmentation import (plot_classes, plot_mcc,
                                                   plot_purity, plot_roc)

__all__ = ['plot_calibration', 'plot_classes', 'plot_completeness',
           'plot_confusion', 'plot_deblending', 'plot_detection_curve',
           'plot_detections', 'plot_flux_ratios', 'plot_history',
           'plot_magnitude_errors', 'plot_mcc', 'plot_pixel_pdf',
           'plot_power_spectra', 'plot_purity', 'plot_removal', 'plot_roc']
