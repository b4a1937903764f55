# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Process many maps, on local processes or a dask cluster.
"""

from compact_removal.batch.removal import remove_many
from compact_removal.batch.run import process_many

__all__ = ['process_many', 'remove_many']
