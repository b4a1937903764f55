# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What you call: estimators that turn maps into maps and tables.
"""

# ruff: noqa: F403, F405
from compact_removal.estimators.base import *
from compact_removal.estimators.catalogs import join_catalog
from compact_removal.estimators.flags import *
from compact_removal.estimators.remover import *

__all__ = ['BaseEstimator', 'CompactSourceRemover', 'Flag', 'NotFittedError',
           'PIXEL_FLAGS', 'RemovalResult', 'SOURCE_FLAGS', 'TRAINING_DEFAULTS',
           'decode_flags', 'join_catalog']
