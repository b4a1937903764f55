# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of progress bars on terminals.
"""

import os

import pytest

from compact_removal.utils.progress import bar_shape


def test_bar_shape():
    termios = pytest.importorskip('termios')
    if not hasattr(termios, 'tcsetwinsize'):
        pytest.skip('needs Python 3.11')
    reader, terminal = os.openpty()
    with os.fdopen(terminal, 'w') as file:
        for size in ((0, 0), (0, 100), (30, 0)):
            termios.tcsetwinsize(terminal, size)
            assert bar_shape(file) == {'ncols': 80, 'nrows': 24}
        termios.tcsetwinsize(terminal, (30, 100))
        assert bar_shape(file) == {}
    os.close(reader)
    assert bar_shape(None) == {}
