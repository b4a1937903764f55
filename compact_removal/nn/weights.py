# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Weights on disk: safetensors with a header.
"""

import hashlib
import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from compact_removal.nn.models import make_model
from compact_removal.nn.registry import find_file
from compact_removal.utils.files import (compute_sha256, replace_file,
                                         resolve_path)
from compact_removal.utils.parameters import ParameterError

__all__ = ['check_state', 'hash_weights', 'load_weights', 'read_tensors',
           'round_weights', 'save_weights', 'to_saveable']

# The number of the format, and the text that the first one had instead.
_FORMAT = 2
_FIRST_FORMAT = 'compact_removal weights 1'
_HEADER_KEY = 'compact_removal'


def to_saveable(tensors):
    """
    Copy tensors to contiguous ones on the CPU that share no memory.

    Parameters
    ----------
    tensors : dict of `torch.Tensor`
        The tensors.

    Returns
    -------
    copies : dict of `torch.Tensor`
        The copies.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.weights import to_saveable
    >>> to_saveable({'a': torch.ones(2)})
    {'a': tensor([1., 1.])}
    """
    return {key: value.detach().to('cpu', copy=True).contiguous()
            for key, value in tensors.items()}


def check_state(model, state, *, name='weights', parameter='weights'):
    """
    Check that tensors fit a model.

    Parameters
    ----------
    model : `torch.nn.Module`
        The model.
    state : dict of `torch.Tensor`
        The tensors.
    name : str, optional
        What the tensors are, for the message.
    parameter : str, optional
        The parameter that the error names.

    Raises
    ------
    ParameterError
        If names, shapes or kinds of numbers differ, or values are not
        finite in single precision.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.weights import check_state
    >>> model = torch.nn.Linear(2, 1)
    >>> check_state(model, model.state_dict())
    """
    expected = model.state_dict()
    if set(expected) != set(state):
        odd = sorted(set(expected) ^ set(state))
        msg = (f'{name}: these tensors are missing or not expected: '
               f'{", ".join(odd[:5])} ({len(odd)} in all)')
        raise ParameterError(msg, parameter)
    for key, tensor in expected.items():
        if tensor.shape != state[key].shape:
            msg = (f'{name}: {key} must have shape {tuple(tensor.shape)}, '
                   f'got {tuple(state[key].shape)}')
            raise ParameterError(msg, parameter)
        if tensor.is_floating_point() != state[key].is_floating_point():
            msg = (f'{name}: {key} must hold numbers like {tensor.dtype}, '
                   f'got {state[key].dtype}')
            raise ParameterError(msg, parameter)
        if not torch.isfinite(state[key].float()).all():
            msg = f'{name}: {key} has values that are not finite'
            raise ParameterError(msg, parameter)


def save_weights(model, path, metadata=None):
    """
    Write the weights of a model.

    Kernels are stored with half precision, everything else (biases,
    normalisation) in single precision. The file appears complete or not
    at all, and holds a hash of its content.

    Parameters
    ----------
    model : `Model`
        The model.
    path : str or path-like
        The file, by custom ``*.safetensors``.
    metadata : dict, optional
        Anything that JSON can hold, for example mode, bands, training
        data, number of steps, date and validation metrics.

    Raises
    ------
    ParameterError
        If the weights do not fit into half precision.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.nn import load_weights, save_weights
    >>> from compact_removal.removal import build_model, find_model_class
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'weights.safetensors'
    ...     save_weights(model, path, {'mode': 'scanmap'})
    ...     model, metadata = load_weights(path, find_model_class)
    >>> metadata['network'], metadata['config'], metadata['mode']
    ('inpainting', {'width': 1}, 'scanmap')
    """
    tensors = _round_tensors(model.state_dict())
    check_state(model, tensors)
    header = {'format': _FORMAT, 'task': model.task, 'network': model.name,
              'config': model.config,
              'metadata': {} if metadata is None else metadata}
    tensors = to_saveable(tensors)
    header['content_sha256'] = _hash_content(header, tensors)
    # One key only: safetensors does not keep their order, and the hash
    # of the file must depend on its content alone.
    header = {_HEADER_KEY: json.dumps(header, sort_keys=True)}
    with replace_file(resolve_path(path)) as temporary:
        # Not save_file, which makes files that only their owner can read.
        temporary.write_bytes(save(tensors, metadata=header))


def _round_tensors(tensors):
    """
    Kernels in half precision, the rest as it is.
    """
    return {key: value.half() if value.ndim > 1 else value
            for key, value in tensors.items()}


def round_weights(model):
    """
    Round the weights of a model as a file does, in place.

    Parameters
    ----------
    model : `Model`
        The model.

    Raises
    ------
    ParameterError
        If the weights do not fit into half precision.

    Examples
    --------
    >>> from compact_removal.nn import round_weights
    >>> from compact_removal.removal import build_model
    >>> round_weights(build_model('inpainting', width=1, seed=1))
    """
    tensors = _round_tensors(model.state_dict())
    check_state(model, tensors)
    model.load_state_dict(tensors)


def hash_weights(model):
    """
    Hash the tensors of a model, whatever its name and metadata.

    Parameters
    ----------
    model : `Model`
        The model.

    Returns
    -------
    digest : str
        SHA-256, 64 hexadecimal digits.

    Examples
    --------
    >>> from compact_removal.nn import hash_weights
    >>> from compact_removal.removal import build_model
    >>> len(hash_weights(build_model('inpainting', width=1, seed=1)))
    64
    """
    return _hash_content({}, to_saveable(_round_tensors(model.state_dict())))


def _hash_content(header, tensors):
    """
    Hash of header and tensors, whatever their order in the file.
    """
    # as JSON gives it back
    header = json.loads(json.dumps(header))
    header.pop('content_sha256', None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(f'{key} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_weights(path, find_class, *, sha256=None):
    """
    Read a model from a file.

    Only safetensors files are read; nothing is ever unpickled.

    Parameters
    ----------
    path : str or path-like
        The file.
    find_class : callable
        Maps the name of a network to its subclass of `Model`; raises a
        ValueError for names that it does not have.
    sha256 : str, optional
        The hash that the file must have.

    Returns
    -------
    model : `Model`
        In evaluation mode, on the CPU.
    metadata : dict
        What was given to `save_weights`, and ``network``, ``config``,
        ``sha256`` (of the file).

    Raises
    ------
    ParameterError
        If the file is not what it should be, or not as it was written.
    ParameterTypeError
        If ``path`` is no path.
    FileNotFoundError
        If there is no such file.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from compact_removal.nn import load_weights
    >>> from compact_removal.removal import WEIGHTS, find_model_class
    >>> path = WEIGHTS.path('separation')
    >>> model, metadata = load_weights(path, find_model_class)
    >>> metadata['network'], metadata['config']
    ('separation', {'width': 8})
    """
    path = find_file(path)
    try:
        found = compute_sha256(path)
    except OSError as error:
        msg = f'weights in {path} cannot be read: {error.strerror}'
        raise OSError(msg) from error
    if sha256 is not None and found != sha256:
        msg = (f'weights {path.stem!r}: the file is damaged (SHA-256 '
               f'{found}, expected {sha256})')
        raise ParameterError(msg, 'weights')
    try:
        with safe_open(path, framework='pt') as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        msg = (f'weights in {path} are not a safetensors file '
               f'({_first_line(error)})')
        raise ParameterError(msg, 'weights') from error
    header = _parse_header(header, path)
    # First without memory: the header may describe a network of any size.
    with torch.device('meta'):
        model = _make_from_header(header, find_class, path)
    check_state(model, tensors, name=f'weights in {path}')
    expected = header.get('content_sha256')
    if expected is not None and expected != _hash_content(header, tensors):
        msg = (f'weights in {path} are damaged: their content does not have '
               f'the hash that was written with it')
        raise ParameterError(msg, 'weights')
    model = _make_from_header(header, find_class, path)
    model.load_state_dict({key: value.float() if value.is_floating_point()
                           else value for key, value in tensors.items()})
    return model.eval(), header['metadata'] | {
        'network': header['network'], 'config': dict(model.config),
        'sha256': found}


def read_tensors(path):
    """
    Read the tensors of any safetensors file, such as one of others.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tensors : dict of `~numpy.ndarray`
        The tensors by their names.

    Raises
    ------
    ParameterError
        If it is no safetensors file.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from compact_removal.nn.weights import read_tensors
    >>> from compact_removal.removal import WEIGHTS
    >>> len(read_tensors(WEIGHTS.path('separation'))) > 10
    True
    """
    try:
        with safe_open(find_file(path), framework='np') as file:
            return {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        msg = (f'weights in {path} are not a safetensors file '
               f'({_first_line(error)})')
        raise ParameterError(msg, 'weights') from error


def _first_line(error):
    """
    What an error says, without the traces that PyTorch adds.
    """
    return (str(error).splitlines() or [''])[0]


def _parse_header(metadata, path):
    """
    Return the header of a file, checked for its structure.
    """
    try:
        header = json.loads(metadata.get(_HEADER_KEY, ''))
        version = header['format']
        first = version == _FIRST_FORMAT
        good = (isinstance(header['network'], str)
                and isinstance(header['metadata'], dict)
                and (type(header['width']) is int if first
                     else isinstance(header['config'], dict)))
    except (KeyError, RecursionError, TypeError, ValueError):
        version, first, good = None, False, False
    if type(version) is int and version > _FORMAT:
        msg = (f'weights in {path} have format {version}, of a later version '
               f'of the package; this one reads formats up to {_FORMAT}')
        raise ParameterError(msg, 'weights')
    if not good or not (first or version == _FORMAT):
        msg = (f'weights in {path} have no header of compact_removal in '
               f'format {_FORMAT}')
        raise ParameterError(msg, 'weights')
    return header


def _make_from_header(header, find_class, path):
    """
    Make the model that a header describes.
    """
    config = header.get('config')
    if config is None:
        config = {'width': header['width']}
    try:
        return make_model(find_class(header['network']), config, seed=0)
    except (RuntimeError, TypeError, ValueError) as error:
        task = header.get('task')
        what = f' of the task {task!r}' if isinstance(task, str) else ''
        msg = (f'weights in {path} describe a network{what} that cannot be '
               f'made here: {_first_line(error)}')
        raise ParameterError(msg, 'weights') from error
