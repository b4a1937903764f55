# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The state of a training on disk: safetensors with a header.
"""

import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from compact_removal.nn.weights import check_state, to_saveable
from compact_removal.utils.files import replace_file
from compact_removal.utils.parameters import ParameterError

__all__ = ['load_checkpoint', 'save_checkpoint']

_FORMAT = 'compact_removal training checkpoint 2'


def save_checkpoint(path, run):
    """
    Write tensors as safetensors and everything else as JSON, atomically.

    Parameters
    ----------
    path : str or path-like
        The file.
    run : object
        The run, see `compact_removal.nn.training`.
    """
    tensors = {f'model.{key}': value
               for key, value in run.model.state_dict().items()}
    tensors |= {f'best.{key}': value
                for key, value in (run.best or {}).items()}
    state = run.optimizer.state_dict()
    for index, values in state['state'].items():
        tensors |= {f'optimizer.{index}.{key}': torch.as_tensor(value)
                    for key, value in values.items()}
    header = {'history': run.history, 'best_loss': run.best_loss,
              'param_groups': state['param_groups'],
              'settings': run.describe(),
              'schedule': run.schedule.state_dict()}
    metadata = {'format': _FORMAT, 'state': json.dumps(header)}
    with replace_file(path) as temporary:
        save_file(to_saveable(tensors), temporary, metadata=metadata)


def load_checkpoint(path, run):
    """
    Restore the state of a run.

    Parameters
    ----------
    path : str or path-like
        The file.
    run : object
        The run, which is changed.

    Raises
    ------
    ParameterError
        If the file is no checkpoint, or one of another training.
    """
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        msg = f'checkpoint {path} is not a safetensors file ({error})'
        raise ParameterError(msg, 'checkpoint') from error
    if metadata.get('format') != _FORMAT:
        msg = (f'checkpoint {path} has not the format {_FORMAT!r}: it is of '
               f'another version, or no checkpoint')
        raise ParameterError(msg, 'checkpoint')
    header = json.loads(metadata['state'])
    _compare(path, header['settings'], run)
    parts = {'model': {}, 'best': {}, 'optimizer': {}}
    for key, value in tensors.items():
        part, key = key.split('.', 1)
        parts[part][key] = value
    check_state(run.model, parts['model'], name=f'checkpoint {path}',
                parameter='checkpoint')
    run.model.load_state_dict(parts['model'])
    run.best = parts['best'] or None
    state = {}
    for key, value in parts['optimizer'].items():
        index, key = key.split('.', 1)
        state.setdefault(int(index), {})[key] = value
    run.optimizer.load_state_dict(
        {'state': state, 'param_groups': header['param_groups']})
    run.schedule.load_state_dict(header['schedule'])
    run.history = header['history']
    run.best_loss = header['best_loss']


def _compare(path, found, run):
    """
    Refuse to go on with other settings.
    """
    # as JSON gives it back
    wanted = json.loads(json.dumps(run.describe()))
    if run.settings.scheduler == 'plateau':
        # the only one that does not ask how long the training is
        found = {**found, 'n_epochs': wanted['n_epochs']}
    for name in dict.fromkeys([*wanted, *found]):
        old, new = found.get(name), wanted.get(name)
        if old != new:
            msg = (f'checkpoint {path} has {name}={old!r}, but {name}={new!r} '
                   f'was asked for; choose the settings of the checkpoint, or '
                   f'another file for a new training')
            raise ParameterError(msg, 'checkpoint')
