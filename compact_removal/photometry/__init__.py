# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Apertures, annuli, and the errors of sums in them.
"""

# ruff: noqa: F403, F405
from compact_removal.photometry.apertures import *

__all__ = ['annulus_background', 'aperture_correction', 'aperture_scatter',
           'aperture_sums', 'aperture_weights']
