# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the sources of the gallery, without running them.
"""

import ast
import importlib
from pathlib import Path

import pytest

import compact_removal

DOCS = Path(compact_removal.__file__).parents[1] / 'docs'
PAGES = sorted((DOCS / 'examples').glob('plot_*.py'))

pytestmark = pytest.mark.skipif(not PAGES,
                                reason='no docs/examples beside the package')


def _imports(tree):
    """
    Module and name of all that is imported from the package.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        yield from (pair for pair in found
                    if pair[0].split('.')[0] == 'compact_removal')


@pytest.mark.parametrize('page', PAGES, ids=[page.stem for page in PAGES])
class TestPage:
    """
    Each script of the gallery.
    """

    def test_title(self, page):
        tree = ast.parse(page.read_text(encoding='utf-8'))
        title, line, empty, text = ast.get_docstring(tree).split('\n')[:4]
        assert title
        assert line == '=' * len(title)
        assert not empty
        assert text

    def test_compiles(self, page):
        compile(page.read_text(encoding='utf-8'), page.name, 'exec')

    def test_public_names(self, page):
        tree = ast.parse(page.read_text(encoding='utf-8'))
        found = list(_imports(tree))
        assert found
        for module, name in found:
            assert '._' not in module
            owner = importlib.import_module(module)
            if name is not None:
                assert not name.startswith('_')
                # names that are loaded on first use are not loaded
                assert name in getattr(owner, '__all__', dir(owner))

    def test_is_run(self, page):
        """
        No page may be built without its figures.
        """
        configuration = (DOCS / 'conf.py').read_text(encoding='utf-8')
        assert 'ignore_pattern' not in configuration
        assert "'filename_pattern': r'plot_'" in configuration
        assert 'plt.show()' in page.read_text(encoding='utf-8')


def test_order_is_complete():
    configuration = (DOCS / 'conf.py').read_text(encoding='utf-8')
    for page in PAGES:
        assert f"'{page.name}'" in configuration
