# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of records as JSON files.
"""

import pytest

from compact_removal.utils.records import read_record, write_record


def test_records_come_back(tmp_path):
    path = tmp_path / 'record.json'
    record = {'a': [1, 2.5, None], 'b': {'c': 'ü'}}
    write_record(path, {'old': True})
    write_record(path, record)
    assert read_record(path) == record
    assert [entry.name for entry in tmp_path.iterdir()] == ['record.json']


def test_what_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / 'record.json'
    write_record(path, {'old': True})
    with pytest.raises(TypeError):
        write_record(path, {'new': object()})
    assert read_record(path) == {'old': True}


@pytest.mark.parametrize('content', ['', '{', '[1]', '3'])
def test_damaged_records_are_empty(tmp_path, content):
    path = tmp_path / 'record.json'
    path.write_text(content)
    assert read_record(path) == {}
    assert read_record(tmp_path) == {}
