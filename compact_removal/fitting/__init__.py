# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Models of sources, fitted on a correlated background.
"""

from compact_removal.fitting.models import SourceModels, render_sources
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.solver import SourceFit, fit_sources
from compact_removal.fitting.source_psf import SourcePSF

__all__ = ['SourceFit', 'SourceModels', 'SourcePSF', 'fit_sources',
           'learn_psf', 'render_sources']
