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
                                                  find_sources, may_import,
                                                  may_use_frameworks,
                                                  parse_source,
                                                  read_frameworks,
                                                  read_module_graph)

SOURCES = find_sources()
LARGEST = 450  # lines of a file


def _find_private(tree, package):
    """
    Private modules and names that are imported from other folders.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split('.')
            if parts[0] != 'compact_removal' or parts[1:2] == package[1:2]:
                continue
            if any(part.startswith('_') and not part.startswith('__')
                   for part in parts):
                yield name


def test_frameworks_stay_in_their_places():
    found = read_frameworks()
    assert 'torch' in set().union(*found.values())
    assert {str(path.relative_to(ROOT)): names for path, names
            in found.items() if not may_use_frameworks(path)} == {}


def test_imports_go_one_way():
    bad = []
    for path in SOURCES:
        tree, package, part = parse_source(path)
        if part == '__init__':
            assert not find_parts(tree, package)
            continue
        bad += [f'{path.relative_to(ROOT)} imports {other}'
                for other in find_parts(tree, package)
                if not may_import(part, other)]
    assert bad == []


def test_private_names_stay_in_their_folders():
    bad = {}
    for path in SOURCES:
        tree, package, part = parse_source(path)
        if part != path.name.removesuffix('.py'):
            found = list(_find_private(tree, package))
            if found:
                bad[str(path.relative_to(ROOT))] = found
    assert bad == {}


def test_modules_have_no_circle():
    graph = read_module_graph()
    placed = set()
    while len(placed) < len(graph):
        ready = {name for name in graph.keys() - placed
                 if graph[name] <= placed}
        assert ready, f'circle among {sorted(graph.keys() - placed)}'
        placed |= ready


def test_files_are_short():
    lines = {str(path.relative_to(ROOT)):
             len(path.read_text(encoding='utf-8').splitlines())
             for path in SOURCES}
    assert {name: n for name, n in lines.items() if n > LARGEST} == {}


@pytest.mark.parametrize(('part', 'other', 'allowed'), [
    ('removal', 'datasets', True), ('datasets', 'removal', False),
    ('removal', 'detection', False), ('base', 'nn', True),
    ('datasets', 'nn', False), ('nn', 'utils', True), ('nn', 'maps', False),
    ('photometry', 'fitting', False), ('cli', 'evaluation', True),
    ('metrics', 'photometry', True), ('base', 'plotting', False),
    ('a_new_task', 'base', True), ('base', 'a_new_task', False),
    ('a_new_task', 'removal', False), ('pipeline', 'a_new_task', True),
])
def test_the_rules(part, other, allowed):
    assert may_import(part, other) is allowed


@pytest.mark.parametrize(('path', 'allowed'), [
    ('nn/layers.py', True), ('a_new_task/network_a.py', True),
    ('a_new_task/loss.py', True), ('a_new_task/evaluation.py', False),
    ('maps/network.py', False), ('network.py', False),
    ('metrics/loss.py', False), ('a_new_task/parts/network.py', False),
])
def test_the_places_of_frameworks(path, allowed):
    assert may_use_frameworks(ROOT / path) is allowed


@pytest.mark.parametrize(('code', 'private'), [
    ('from compact_removal.maps._a import b', True),
    ('from compact_removal.maps import _a', True),
    ('from compact_removal.maps.a import _b', True),
    ('import compact_removal.maps._a', True),
    ('from compact_removal.removal._a import b', False),
    ('from compact_removal import __version__', False),
    ('from numpy._core import b', False),
])
def test_the_walk_finds_private_names(code, private):
    found = list(_find_private(ast.parse(code), ['compact_removal',
                                                 'removal']))
    assert bool(found) is private


@pytest.mark.parametrize(('code', 'expected'), [
    ('import torch.nn as nn', {'torch.nn'}),
    ('from ..nn import build_model',
     {'compact_removal.nn', 'compact_removal.nn.build_model'}),
    ('def f():\n    from compact_removal import nn',
     {'compact_removal', 'compact_removal.nn'}),
    ('from . import x', {'compact_removal.removal',
                         'compact_removal.removal.x'}),
])
def test_the_walk_finds_imports(code, expected):
    tree = ast.parse(code)
    package = ['compact_removal', 'removal']
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
    modules = ['batch', 'cli', 'datasets', 'removal', 'instruments',
               'metrics', 'plotting']
    code = '; '.join(f'import compact_removal.{name}' for name in modules)
    names = ', '.join(compact_removal.__all__)
    assert _loaded_after(f'{code}\nfrom compact_removal import {names}') == []


def test_lazy_names():
    assert set(compact_removal.__all__) <= set(dir(compact_removal))
    assert [name for name in compact_removal.__all__
            if getattr(compact_removal, name, None) is None] == []


def test_unknown_name():
    match = "module 'compact_removal' has no attribute 'nothing'"
    with pytest.raises(AttributeError, match=match):
        _ = compact_removal.nothing


def test_version():
    assert compact_removal.__version__[0].isdigit()
