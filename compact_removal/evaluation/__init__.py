# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Inject sources, remove them, and judge the result.
"""

from compact_removal.evaluation.experiment import *  # noqa: F401, F403
from compact_removal.evaluation.report import *  # noqa: F401, F403
from compact_removal.evaluation.single import *  # noqa: F401, F403
