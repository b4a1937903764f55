# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Apertures, annuli, and the errors of sums in them.
"""

from compact_removal.photometry.annuli import (annulus_background,
                                               annulus_mean,
                                               aperture_scatter)
from compact_removal.photometry.apertures import (aperture_sums,
                                                  aperture_weights,
                                                  soft_aperture_weights)
from compact_removal.photometry.corrections import aperture_correction

__all__ = ['annulus_background', 'annulus_mean', 'aperture_correction',
           'aperture_scatter', 'aperture_sums', 'aperture_weights',
           'soft_aperture_weights']
