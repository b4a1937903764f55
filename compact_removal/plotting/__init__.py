# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The figures people want to look at.

Matplotlib is imported inside the functions only.
"""

from compact_removal.plotting.figures import *  # noqa: F401, F403
from compact_removal.plotting.removal import *  # noqa: F401, F403
