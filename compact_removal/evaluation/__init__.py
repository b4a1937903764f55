# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Inject sources, remove them, and judge the result.
"""

# ruff: noqa: F403, F405
from compact_removal.evaluation.experiment import *
from compact_removal.evaluation.report import *
from compact_removal.evaluation.single import *

__all__ = ['Evaluation', 'RemovalEvaluation', 'evaluate_removal',
           'evaluate_remover', 'write_report']
