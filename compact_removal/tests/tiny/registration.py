# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The entries of the tiny task, one in each registry of the package.

``PAGE`` is the one for ``docs/reference/index.rst``. As a plugin of
pytest, this module makes the others for all tests of a run.
"""

import pytest

import compact_removal
from compact_removal import cli
from compact_removal.tests.recipes import RECIPES

__all__ = ['PAGE', 'register']

# The name of the page of the reference.
PAGE = 'tiny_api'


def register(patch):
    """
    Make the entries.

    Parameters
    ----------
    patch : `pytest.MonkeyPatch`
        What takes them back.
    """
    # exported names: in the source __all__ follows from _LAZY_NAMES
    patch.setattr(compact_removal, '__all__',
                  [*compact_removal.__all__, 'MeanEstimator'])
    patch.setitem(compact_removal._LAZY_NAMES, 'MeanEstimator',
                  'compact_removal.tests.tiny')
    # commands
    patch.setitem(cli.COMMANDS, 'mean', 'compact_removal.tests.tiny.command')
    # recipes of the contract
    patch.setitem(RECIPES, 'MeanEstimator',
                  'compact_removal.tests.tiny.recipe')


def pytest_configure(config):
    del config
    register(pytest.MonkeyPatch())
