# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the telescope is: observing modes, bands and their tables of facts.
"""

# ruff: noqa: F403, F405
from compact_removal.instruments.bands import *
from compact_removal.instruments.parameters import *

__all__ = ['Band', 'ObservingMode', 'PSFParameters', 'get_band', 'get_mode',
           'list_bands']
