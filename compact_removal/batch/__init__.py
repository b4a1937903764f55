# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove sources from many maps, on local processes or a dask cluster.
"""

from compact_removal.batch.run import *  # noqa: F401, F403
