# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Helpers of the tests.
"""

import os
from pathlib import Path

import pytest

__all__ = ['get_data_path']


def get_data_path(*parts):
    """
    Path of development data, which do not ship with the package.

    The test is skipped where they are absent. They are sought in the
    folder that the environment variable ``COMPACT_REMOVAL_DATA`` names,
    else in ``shared/data`` beside the checkout.

    Parameters
    ----------
    *parts : str
        Names below the folder; the last may be a glob pattern.

    Returns
    -------
    path : `pathlib.Path`
        The file or folder (the first match of a pattern).
    """
    root = os.environ.get('COMPACT_REMOVAL_DATA')
    if root is None:
        root = Path(__file__).parents[3] / 'shared' / 'data'
    found = sorted(Path(root).glob('/'.join(parts)))
    if not found:
        pytest.skip(f'development data {"/".join(parts)} not found '
                    '(set COMPACT_REMOVAL_DATA)')
    return found[0]
