# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good a removal was: fluxes, spectra, structure and pixels.
"""

from compact_removal.metrics.fluxes import (RemovalRates,
                                            flux_ratio_statistics,
                                            removal_rates,
                                            removal_significance)
from compact_removal.metrics.pixels import (PixelComparison, compare_pixels,
                                            pixel_statistics)
from compact_removal.metrics.spectra import (PowerLaw, compare_power_spectra,
                                             fit_power_law, power_spectrum)
from compact_removal.metrics.structure import delta_variance

__all__ = ['PixelComparison', 'PowerLaw', 'RemovalRates', 'compare_pixels',
           'compare_power_spectra', 'delta_variance', 'fit_power_law',
           'flux_ratio_statistics', 'pixel_statistics', 'power_spectrum',
           'removal_rates', 'removal_significance']
