# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of errors that name a parameter.
"""

import copy
import pickle

import pytest

from compact_removal.utils.files import check_overwrite
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              name_parameter, rename_parameter)


@pytest.mark.parametrize('error', [
    ParameterError('x must be 1', 'x'), ParameterTypeError('x must be 1', 'x'),
    name_parameter(FileExistsError('x: there is one'), 'x')])
@pytest.mark.parametrize('transfer', [
    copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_the_name_survives(error, transfer):
    # errors come back from worker processes
    moved = transfer(error)
    assert type(moved) is type(error)
    assert str(moved) == str(error)
    assert moved.parameter == 'x'


def test_rename_parameter():
    error = ParameterError('x must be less than x', 'x')
    assert rename_parameter(error, x='--x', y='z') == (
        '--x must be less than x')
    assert rename_parameter(error, y='z') == 'x must be less than x'
    assert rename_parameter(ValueError('x must be'), x='--x') == 'x must be'
    error = ParameterError('this is about x', 'x')
    assert rename_parameter(error, x='--x') == 'this is about x'


def test_existing_files(tmp_path, monkeypatch):
    (tmp_path / 'a').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    with pytest.raises(OSError, match='^path: .* exists') as caught:
        check_overwrite('~/a', overwrite=False)
    assert caught.value.parameter == 'path'
    assert check_overwrite('~/a', overwrite=True) == tmp_path / 'a'
