# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the import rules, over the syntax trees.
"""

import ast
import subprocess
import sys

import pytest

import compact_removal
from compact_removal.tests.module_imports import (FRAMEWORKS, ROOT,
                                                  find_imports, find_parts,
                                                  find_sources, parse_source)

# What each part may import of the package, besides itself.
_LOW = {'utils', 'instruments'}
_FIT = {'source_psf', '_source_patches', '_crowd', 'source_models',
        'psf_learning'}
_MAP = {'masks', 'cutouts', 'photometry', 'metrics'} | _FIT
ALLOWED = {
    'utils': set(),
    'instruments': {'utils'},
    'psf': _LOW,
    'cutouts': _LOW | {'psf'},
    'masks': _LOW | {'psf', 'cutouts'},
    'photometry': _LOW | {'psf', 'masks', 'cutouts'},
    'source_psf': _LOW | {'psf'},
    '_source_patches': _LOW | {'psf', 'cutouts', 'source_psf'},
    '_crowd': {'_source_patches'},
    'source_models': _LOW | {'psf', 'cutouts'} | {'source_psf', '_crowd',
                                                  '_source_patches'},
    'psf_learning': _LOW | {'psf', 'cutouts'} | _FIT - {'psf_learning'},
    'metrics': _LOW | {'psf', 'masks', 'photometry'},
    'datasets': _LOW | {'psf'} | _MAP,
    'nn': {'utils'},
    'estimators': _LOW | {'psf', 'datasets', 'nn'} | _MAP,
    'plotting': {'utils', 'metrics'},
    'evaluation': _LOW | {'psf', 'datasets', 'nn', 'estimators',
                          'plotting'} | _MAP,
    'batch': _LOW | {'psf', 'datasets', 'nn', 'estimators'} | _MAP,
    'cli': _LOW | {'psf', 'datasets', 'nn', 'estimators', 'plotting',
                   'evaluation', 'batch'} | _MAP,
}


SOURCES = find_sources()
IDS = [str(path.relative_to(ROOT)) for path in SOURCES]


@pytest.mark.parametrize('path', SOURCES, ids=IDS)
def test_only_nn_imports_frameworks(path):
    tree, package, part = parse_source(path)
    found = {name.split('.')[0] for name in find_imports(tree, package)}
    forbidden = {'torchvision'} if part == 'nn' else FRAMEWORKS
    assert not found & forbidden


@pytest.mark.parametrize('path', SOURCES, ids=IDS)
def test_imports_go_one_way(path):
    tree, package, part = parse_source(path)
    found = find_parts(tree, package)
    if part == '__init__':
        assert not found
        return
    assert part in ALLOWED, f'{part} has no place in the order of imports'
    assert found - {part} <= ALLOWED[part]


def test_order_has_no_cycles():
    placed = set()
    waiting = dict(ALLOWED)
    while waiting:
        ready = {part for part, below in waiting.items() if below <= placed}
        assert ready, f'cycle among {sorted(waiting)}'
        placed |= ready
        waiting = {part: below for part, below in waiting.items()
                   if part not in ready}


@pytest.mark.parametrize(('code', 'expected'), [
    ('import torch.nn as nn', {'torch.nn'}),
    ('from ..nn import build_model',
     {'compact_removal.nn', 'compact_removal.nn.build_model'}),
    ('def f():\n    from compact_removal import nn',
     {'compact_removal', 'compact_removal.nn'}),
    ('from . import x', {'compact_removal.estimators',
                         'compact_removal.estimators.x'}),
])
def test_the_walk_finds_imports(code, expected):
    tree = ast.parse(code)
    package = ['compact_removal', 'estimators']
    assert set(find_imports(tree, package)) == expected


# Slow to import, so not before they are needed.
_HEAVY = FRAMEWORKS | {'dask', 'matplotlib', 'photutils', 'regions',
                       'scipy.interpolate', 'scipy.optimize', 'scipy.stats'}


def _run(code):
    """
    Run code in a new Python in which warnings are errors.
    """
    return subprocess.run([sys.executable, '-W', 'error', '-c', code],
                          check=True, capture_output=True, text=True,
                          cwd=ROOT.parent)


def _loaded_after(code, names=_HEAVY):
    """
    Those of the modules that are loaded after running code.
    """
    names = sorted(names)
    code += f'\nimport sys; print(*[n for n in {names} if n in sys.modules])'
    return _run(code).stdout.split()


def test_import_is_silent():
    result = _run('import compact_removal')
    assert result.stdout == result.stderr == ''


def test_import_loads_little():
    names = _HEAVY | {'scipy', 'astropy', 'numpy'}
    assert _loaded_after('import compact_removal; '
                         'dir(compact_removal)', names) == []


@pytest.mark.parametrize('code', ['sys.modules["torch"] = sys',
                                  'import scipy.stats as torch'])
def test_the_check_of_loaded_modules_can_fail(code):
    found = _loaded_after(f'import sys; {code}', {'torch', 'scipy.stats'})
    assert len(found) == 1


def test_modules_and_names_load_little():
    # all in one Python: if nothing is loaded by all, nothing is by any
    modules = ['batch', 'cli', 'datasets', 'estimators', 'instruments',
               'metrics', 'plotting']
    code = '; '.join(f'import compact_removal.{name}' for name in modules)
    names = ', '.join(compact_removal.__all__)
    assert _loaded_after(f'{code}\nfrom compact_removal import {names}') == []


@pytest.mark.parametrize('name', compact_removal.__all__)
def test_lazy_names(name):
    assert name in dir(compact_removal)
    assert getattr(compact_removal, name) is not None


def test_unknown_name():
    match = "module 'compact_removal' has no attribute 'nothing'"
    with pytest.raises(AttributeError, match=match):
        _ = compact_removal.nothing


def test_version():
    assert compact_removal.__version__[0].isdigit()
