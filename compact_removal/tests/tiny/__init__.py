# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A tiny task: the mean of a cutout.

It has all that a task has, and nothing of the rest of the package was
made for it. ``registration.py`` has its entries in the registries.
"""

from compact_removal.tests.tiny.estimator import MeanEstimator, MeanEvaluation

__all__ = ['MeanEstimator', 'MeanEvaluation']
