# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of lists of catalogues; positions are tested with the estimators.
"""

import pytest

from compact_removal.maps.positions import pair_catalogs, read_positions
from compact_removal.utils.parameters import ParameterError, ParameterTypeError


def test_one_catalog_per_map():
    assert pair_catalogs(None, 2) == [None, None]
    assert pair_catalogs(('a', None), 2) == ['a', None]
    with pytest.raises(ParameterError, match=r'^catalogs must have one entry '
                                             r'per map \(3\), got 2') as info:
        pair_catalogs([None] * 2, 3)
    assert info.value.parameter == 'catalogs'


@pytest.mark.parametrize(('positions', 'error'), [
    ('10 20', ParameterTypeError), (3, ParameterTypeError),
    ([3], ParameterError)])
def test_errors_name_the_parameter(positions, error):
    with pytest.raises(error, match='^positions must') as info:
        read_positions(positions)
    assert info.value.parameter == 'positions'
