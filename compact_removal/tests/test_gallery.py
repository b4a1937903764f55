# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the sources of the gallery, over all pages, without running them.
"""

import ast
import importlib
from pathlib import Path

import pytest

import compact_removal
from compact_removal.tests.module_imports import find_imports

DOCS = Path(compact_removal.__file__).parents[1] / 'docs'
PAGES = {page.name: page.read_text(encoding='utf-8')
         for page in sorted((DOCS / 'examples').glob('plot_*.py'))}

pytestmark = pytest.mark.skipif(not PAGES,
                                reason='no docs/examples beside the package')


def _is_public(name):
    """
    Whether a dotted name of the package is a module or is exported.
    """
    if '._' in name:
        return False
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition('.')
        return attribute in getattr(importlib.import_module(module),
                                    '__all__', ())
    return True


def test_pages_begin_with_a_title():
    for name, text in PAGES.items():
        title, line, empty, text = ast.get_docstring(
            ast.parse(text)).split('\n')[:4]
        assert title, name
        assert line == '=' * len(title), name
        assert not empty, name
        assert text, name


def test_pages_show_figures():
    assert [name for name, text in PAGES.items()
            if 'plt.show()' not in text] == []


def test_pages_import_public_names():
    bad = []
    for page, text in PAGES.items():
        names = [name for name in find_imports(ast.parse(text), [])
                 if name.split('.')[0] == 'compact_removal']
        assert names, page
        bad += [f'{page} imports {name}' for name in names
                if not _is_public(name)]
    assert bad == []
    assert not _is_public('compact_removal.psf.nothing')
    assert not _is_public('compact_removal.nn._nothing')


def test_order_is_complete():
    # of pages that are not listed Sphinx would choose the order
    configuration = (DOCS / 'conf.py').read_text(encoding='utf-8')
    assert [page for page in PAGES if f"'{page}'" not in configuration] == []
