# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the telescope is: observing modes, bands and their tables of facts.
"""

from compact_removal.instruments.bands import *  # noqa: F401, F403
from compact_removal.instruments.parameters import *  # noqa: F401, F403
