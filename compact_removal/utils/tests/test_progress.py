# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the progress bars.
"""

import sys

import pytest

from compact_removal.utils._progress import add_progress_bar


def test_disabled_returns_same_object():
    items = [1, 2, 3]
    assert add_progress_bar(items, enabled=False) is items


def test_without_tqdm_returns_same_object(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tqdm', None)
    items = [1, 2, 3]
    assert add_progress_bar(items) is items


def test_bar_goes_to_stderr(capsys):
    pytest.importorskip('tqdm')
    assert list(add_progress_bar(iter('abc'), text='letters',
                                 total=3)) == ['a', 'b', 'c']
    captured = capsys.readouterr()
    assert captured.out == ''
    assert 'letters' in captured.err
    assert '3/3' in captured.err
