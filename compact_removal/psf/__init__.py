# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Models and images of point spread functions, and encircled energy.
"""

# ruff: noqa: F403, F405
from compact_removal.psf.models import *

__all__ = ['AnalyticPSF', 'StampPSF', 'as_psf', 'encircled_energy',
           'fwhm_in_pixels', 'make_psf_stamp']
