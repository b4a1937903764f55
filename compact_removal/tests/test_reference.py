# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Test that the reference has a page for each folder with public names.
"""

import re
from pathlib import Path

import pytest

import compact_removal
from compact_removal.tests.module_imports import ROOT, read_graph

PAGES = Path(compact_removal.__file__).parents[1] / 'docs' / 'reference'

# Names of these are for the package itself.
INTERNAL = {'utils', 'cli'}


@pytest.mark.skipif(not PAGES.is_dir(),
                    reason='no docs/reference beside the package')
def test_folders_have_pages():
    index = (PAGES / 'index.rst').read_text(encoding='utf-8')
    listed = re.findall(r'^ +(\w+)$', index, flags=re.MULTILINE)
    missing = [page for page in listed
               if not (PAGES / f'{page}.rst').is_file()]
    assert missing == [], 'listed, but not there'
    text = ''.join((PAGES / f'{page}.rst').read_text(encoding='utf-8')
                   for page in listed)
    documented = set(re.findall(r'automod\w+:: compact_removal\.([\w.]+)$',
                                text, flags=re.MULTILINE))
    folders = {part for part in read_graph() if (ROOT / part).is_dir()}
    assert sorted(folders - INTERNAL - documented) == []
    assert {name for name in documented
            if not (ROOT / name.replace('.', '/')).is_dir()
            and not (ROOT / f'{name.replace(".", "/")}.py').is_file()} == set()
