# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good a removal was: fluxes, spectra, structure and pixels.
"""

from compact_removal.metrics.fluxes import *  # noqa: F401, F403
from compact_removal.metrics.pixels import *  # noqa: F401, F403
from compact_removal.metrics.spectra import *  # noqa: F401, F403
from compact_removal.metrics.structure import *  # noqa: F401, F403
