# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove sources from many maps, on local processes or a dask cluster.
"""

# ruff: noqa: F403, F405
from compact_removal.batch.run import *

__all__ = ['remove_many']
