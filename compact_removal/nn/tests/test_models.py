# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the models module.
"""

import pytest
import torch

from compact_removal.nn import Field, make_model
from compact_removal.removal import find_model_class


def test_make_model():
    model_class = find_model_class('paper')
    state = torch.get_rng_state()
    first, second = (make_model(model_class, {'width': 1}, seed=5)
                     for _ in range(2))
    other = make_model(model_class, {'width': 1})
    assert torch.equal(torch.get_rng_state(), state)
    assert first.config == {'width': 1}
    key = 'network.down.3.conv.weight'
    assert torch.equal(first.state_dict()[key], second.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


@pytest.mark.parametrize(('kwargs', 'name'), [
    ({'kind': 'picture'}, 'kind'),
    ({'kind': 'plane', 'scaling': 'log'}, 'scaling')])
def test_bad_fields(kwargs, name):
    with pytest.raises(ValueError, match=f'^{name} must be one of') as error:
        Field(**kwargs)
    assert error.value.parameter == name
