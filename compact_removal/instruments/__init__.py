# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the telescope is: observing modes, bands and their tables of facts.
"""

from compact_removal.instruments.bands import get_band, get_mode, list_bands
from compact_removal.instruments.parameters import (Band, ObservingMode,
                                                    PSFParameters)

__all__ = ['Band', 'ObservingMode', 'PSFParameters', 'get_band', 'get_mode',
           'list_bands']
