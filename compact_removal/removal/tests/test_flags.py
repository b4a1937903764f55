# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the flags.
"""

import numpy as np
import pytest

from compact_removal.removal.flags import (PIXEL_FLAGS, SOURCE_FLAGS,
                                           decode_flags)


@pytest.mark.parametrize('definitions', [SOURCE_FLAGS, PIXEL_FLAGS])
def test_definitions(definitions):
    values = [flag.value for flag in definitions]
    assert values == [2 ** i for i in range(len(values))]
    assert len({flag.name for flag in definitions}) == len(values)
    for flag in definitions:
        assert decode_flags(flag.value, definitions=definitions) == [
            flag.name]


def test_decoding():
    assert decode_flags(0) == []
    assert decode_flags(np.array([5, 16])) == [
        ['edge', 'invalid_center'], ['off_map']]
    assert 'saturated' in decode_flags.__doc__
    with pytest.raises(ValueError, match='flags must only have the bits'):
        decode_flags(1 << 40)
    with pytest.raises(ValueError, match='flags must be integers'):
        decode_flags(1.5)
