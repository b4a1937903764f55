# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Reports of evaluations.
"""

from compact_removal.evaluation.report import write_report

__all__ = ['write_report']
