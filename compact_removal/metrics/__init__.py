# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good a removal was: fluxes, spectra, structure and pixels.
"""

# ruff: noqa: F403, F405
from compact_removal.metrics.fluxes import *
from compact_removal.metrics.pixels import *
from compact_removal.metrics.spectra import *
from compact_removal.metrics.structure import *

__all__ = ['PixelComparison', 'PowerLaw', 'RemovalRates', 'compare_pixels',
           'compare_power_spectra', 'delta_variance', 'fit_power_law',
           'flux_ratio_statistics', 'pixel_statistics', 'power_spectrum',
           'removal_rates', 'removal_significance']
