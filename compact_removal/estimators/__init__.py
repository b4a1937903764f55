# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What you call: estimators that turn maps into maps and tables.
"""

from compact_removal.estimators.flags import *  # noqa: F401, F403
from compact_removal.estimators.remover import *  # noqa: F401, F403
