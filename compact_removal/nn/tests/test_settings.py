# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the settings module.
"""

import json
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from compact_removal.nn import TrainingSettings


@pytest.mark.parametrize(('name', 'value'), [
    ('n_epochs', 0), ('n_epochs', -3), ('n_epochs', 'ten'),
    ('n_epochs', True), ('learning_rate', 0), ('learning_rate', math.nan),
    ('learning_rate', '0.1'), ('scheduler', 'step'), ('patience', -1),
    ('patience', 1.5), ('factor', 7.0), ('factor', 0), ('max_norm', -1.0),
    ('max_norm', math.inf), ('mixed_precision', 1), ('n_workers', -1),
    ('checkpoint', 3), ('checkpoint', ''), ('checkpoint', '.')])
def test_bad_values(name, value):
    with pytest.raises(ValueError, match=f'^{name} must be') as error:
        TrainingSettings(**{name: value})
    assert error.value.parameter == name
    with pytest.raises(ValueError, match=f'^training: {name} must be'):
        TrainingSettings().updated({name: value})


@pytest.mark.parametrize('name', ['patience', 'factor'])
def test_settings_without_effect(name):
    assert getattr(TrainingSettings(), name) is not None
    assert getattr(TrainingSettings(scheduler='cosine'), name) is None
    with pytest.raises(ValueError, match=f'^{name} must be None with'):
        TrainingSettings(scheduler='cosine', **{name: 0.5})
    # a change of the schedule takes those of the other one away
    settings = TrainingSettings(**{name: 0.25 if name == 'factor' else 3})
    assert getattr(settings.updated({'scheduler': 'cosine'}), name) is None


def test_unknown_setting():
    with pytest.raises(ValueError, match='^training must only have the keys '
                       'n_epochs, .*got speed'):
        TrainingSettings().updated({'speed': 1})


def test_frozen_and_plain():
    settings = TrainingSettings(n_epochs=np.int64(3), n_workers=2)
    with pytest.raises(FrozenInstanceError):
        settings.n_epochs = 4
    values = settings.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values['n_epochs'] == 3
    # it has no influence on the result
    assert 'n_workers' not in values
