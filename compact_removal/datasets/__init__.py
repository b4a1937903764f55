# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated maps, injected sources, real maps and training sets.
"""

from compact_removal.datasets.archive import *  # noqa: F401, F403
from compact_removal.datasets.backgrounds import *  # noqa: F401, F403
from compact_removal.datasets.examples import *  # noqa: F401, F403
from compact_removal.datasets.maps import *  # noqa: F401, F403
from compact_removal.datasets.pacs import *  # noqa: F401, F403
from compact_removal.datasets.saved import *  # noqa: F401, F403
from compact_removal.datasets.sources import *  # noqa: F401, F403
from compact_removal.datasets.training import *  # noqa: F401, F403
