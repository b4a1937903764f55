# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Test that the reference has a page for each folder with public names.
"""

import re
import shutil
from pathlib import Path

import pytest

import compact_removal
from compact_removal.tests.module_imports import ROOT, read_graph
from compact_removal.tests.tiny.registration import PAGE

PAGES = Path(compact_removal.__file__).parents[1] / 'docs' / 'reference'

# Names of these are for the package itself.
INTERNAL = {'utils', 'cli'}


pytestmark = pytest.mark.skipif(
    not PAGES.is_dir(), reason='no docs/reference beside the package')


def find_documented(pages):
    """
    What the pages document that the index lists: names of modules.
    """
    index = (pages / 'index.rst').read_text(encoding='utf-8')
    listed = re.findall(r'^ +(\w+)$', index, flags=re.MULTILINE)
    missing = [page for page in listed
               if not (pages / f'{page}.rst').is_file()]
    assert missing == [], 'listed, but not there'
    text = ''.join((pages / f'{page}.rst').read_text(encoding='utf-8')
                   for page in listed)
    return set(re.findall(r'automod\w+:: compact_removal\.([\w.]+)$',
                          text, flags=re.MULTILINE))


def test_folders_have_pages():
    documented = find_documented(PAGES)
    folders = {part for part in read_graph() if (ROOT / part).is_dir()}
    assert sorted(folders - INTERNAL - documented) == []
    assert {name for name in documented
            if not (ROOT / name.replace('.', '/')).is_dir()
            and not (ROOT / f'{name.replace(".", "/")}.py').is_file()} == set()


def test_a_new_task_is_a_page_and_a_line(tmp_path):
    pages = tmp_path / 'reference'
    shutil.copytree(PAGES, pages)
    (pages / f'{PAGE}.rst').write_text(
        '.. automodapi:: compact_removal.tests.tiny\n', encoding='utf-8')
    assert 'tests.tiny' not in find_documented(pages)
    with open(pages / 'index.rst', 'a', encoding='utf-8') as file:
        file.write(f'\n.. toctree::\n\n    {PAGE}\n')
    assert 'tests.tiny' in find_documented(pages)
