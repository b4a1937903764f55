# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Models and images of point spread functions, and encircled energy.
"""

from compact_removal.psf.functions import (as_psf, encircled_energy,
                                           fwhm_in_pixels, make_psf_stamp)
from compact_removal.psf.images import StampPSF
from compact_removal.psf.models import AnalyticPSF

__all__ = ['AnalyticPSF', 'StampPSF', 'as_psf', 'encircled_energy',
           'fwhm_in_pixels', 'make_psf_stamp']
