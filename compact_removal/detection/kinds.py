# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The kinds of what is found.
"""

__all__ = ['KINDS', 'REGION_KINDS']

# In the order of maps and probabilities. A compact source is at most 1.5
# beams wide; artefacts are cosmic rays and hot pixels.
KINDS = ('compact', 'extended', 'artefact')

# What region-based detectors tell apart: the same, and optical sources.
REGION_KINDS = (*KINDS, 'star', 'galaxy')
