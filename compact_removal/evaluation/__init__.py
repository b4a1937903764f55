# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Judge estimators on data whose truth is known, and write reports.

Each estimator brings its own experiment, see
`compact_removal.base.BaseEstimator.experiment`.
"""

from compact_removal.evaluation.report import write_report, write_tables
from compact_removal.evaluation.run import evaluate

__all__ = ['evaluate', 'write_report', 'write_tables']
