# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
PyTorch without a task: models, training, prediction, weights.

The functions take and return NumPy arrays; PyTorch is loaded when one
of the names that need it is first used.
"""

from importlib import import_module

from compact_removal.nn.fields import Field
from compact_removal.nn.registry import WeightsRegistry
from compact_removal.nn.settings import TrainingSettings

_LAZY_NAMES = {
    'Model': 'models',
    'RandomTransform': 'augment',
    'TrainingDivergedError': 'training',
    'hash_weights': 'weights',
    'limit_threads': 'devices',
    'load_weights': 'weights',
    'make_model': 'models',
    'predict': 'prediction',
    'predict_map': 'map_prediction',
    'predict_tiles': 'map_prediction',
    'read_tensors': 'weights',
    'resolve_device': 'devices',
    'round_weights': 'weights',
    'save_weights': 'weights',
    'train': 'training',
}

__all__ = ['Field', 'Model', 'RandomTransform', 'TrainingDivergedError',
           'TrainingSettings', 'WeightsRegistry', 'hash_weights',
           'limit_threads', 'load_weights', 'make_model', 'predict',
           'predict_map', 'predict_tiles', 'read_tensors', 'resolve_device',
           'round_weights', 'save_weights', 'train']


def __getattr__(name):
    """
    Import a public name on first use (PEP 562).
    """
    if name not in _LAZY_NAMES:
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)
    value = getattr(import_module(f'{__name__}.{_LAZY_NAMES[name]}'), name)
    globals()[name] = value
    return value


def __dir__():
    """
    List the public names, loaded or not.
    """
    return sorted(set(globals()) | set(__all__))
