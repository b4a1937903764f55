# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Weights on disk: safetensors with a header, and those that are shipped.
"""

import hashlib
import json
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch
from astropy.table import Table
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from compact_removal.nn.models import make_model
from compact_removal.utils.files import compute_sha256, replace_file

__all__ = ['check_state', 'find_weights', 'list_weights', 'load_weights',
           'save_weights', 'to_saveable', 'weights_path']

_FORMAT = 'compact_removal weights 1'
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


def check_state(model, state, *, name='weights'):
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

    Raises
    ------
    ValueError
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
        raise ValueError(msg)
    for key, tensor in expected.items():
        if tensor.shape != state[key].shape:
            msg = (f'{name}: {key} must have shape {tuple(tensor.shape)}, '
                   f'got {tuple(state[key].shape)}')
            raise ValueError(msg)
        if tensor.is_floating_point() != state[key].is_floating_point():
            msg = (f'{name}: {key} must hold numbers like {tensor.dtype}, '
                   f'got {state[key].dtype}')
            raise ValueError(msg)
        if not torch.isfinite(state[key].float()).all():
            msg = f'{name}: {key} has values that are not finite'
            raise ValueError(msg)


def save_weights(model, path, metadata=None):
    """
    Write the weights of a model.

    Kernels are stored with half precision, everything else (biases,
    normalisation) in single precision. The file appears complete or not
    at all, and holds a hash of its content.

    Parameters
    ----------
    model : `torch.nn.Module`
        From `~compact_removal.removal.make_model`.
    path : str or path-like
        The file, by custom ``*.safetensors``.
    metadata : dict, optional
        Anything that JSON can hold, for example mode, bands,
        configuration, training data, number of steps, date and
        validation metrics.

    Raises
    ------
    ValueError
        If the weights do not fit into half precision.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.nn.weights import load_weights, save_weights
    >>> from compact_removal.nn.models import make_model
    >>> model = make_model('inpainting', width=1, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'weights.safetensors'
    ...     save_weights(model, path, {'mode': 'scanmap'})
    ...     model, metadata = load_weights(path)
    >>> metadata['network'], metadata['width'], metadata['mode']
    ('inpainting', 1, 'scanmap')
    """
    tensors = {key: value.half() if value.ndim > 1 else value
               for key, value in model.state_dict().items()}
    check_state(model, tensors)
    header = {'format': _FORMAT, 'network': model.network_name,
              'width': model.width,
              'metadata': {} if metadata is None else metadata}
    tensors = to_saveable(tensors)
    header['content_sha256'] = _hash_content(header, tensors)
    # One key only: safetensors does not keep their order, and the hash
    # of the file must depend on its content alone.
    header = {_HEADER_KEY: json.dumps(header, sort_keys=True)}
    with replace_file(path) as temporary:
        # Not save_file, which makes files that only their owner can read.
        temporary.write_bytes(save(tensors, metadata=header))


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


def load_weights(weights):
    """
    Read a model from a file or from the weights that are shipped.

    Only safetensors files are read; nothing is ever unpickled.

    Parameters
    ----------
    weights : str or path-like
        Name of shipped weights (see `list_weights`) or a file.

    Returns
    -------
    model : `torch.nn.Module`
        In evaluation mode, on the CPU.
    metadata : dict
        What was given to `save_weights`, and ``network``, ``width``,
        ``sha256``.

    Raises
    ------
    ValueError
        If the file is not what it should be, or not as it was written.
    FileNotFoundError
        If there is no such file.
    OSError
        If the file cannot be read.
    TypeError
        If ``weights`` is neither a name nor a path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.nn.weights import load_weights, save_weights
    >>> from compact_removal.nn.models import make_model
    >>> model = make_model('inpainting', width=1, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'weights.safetensors'
    ...     save_weights(model, path, {'mode': 'scanmap'})
    ...     model, metadata = load_weights(path)
    >>> metadata['network'], metadata['width'], metadata['mode']
    ('inpainting', 1, 'scanmap')
    """
    row, path = _find_file(weights)
    try:
        sha256 = compute_sha256(path)
    except OSError as error:
        msg = f'weights in {path} cannot be read: {error.strerror}'
        raise OSError(msg) from error
    if row is not None and sha256 != row['sha256']:
        msg = (f'weights {row["name"]!r}: the file is damaged (SHA-256 '
               f'{sha256}, expected {row["sha256"]})')
        raise ValueError(msg)
    try:
        with safe_open(path, framework='pt') as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        msg = (f'weights in {path} are not a safetensors file '
               f'({_first_line(error)})')
        raise ValueError(msg) from error
    header = _parse_header(header, path)
    # First without memory: nobody knows yet how large the header says
    # that the network is.
    with torch.device('meta'):
        model = _make_from_header(header, path)
    check_state(model, tensors, name=f'weights in {path}')
    expected = header.get('content_sha256')
    if expected is not None and expected != _hash_content(header, tensors):
        msg = (f'weights in {path} are damaged: their content does not have '
               f'the hash that was written with it')
        raise ValueError(msg)
    model = _make_from_header(header, path)
    model.load_state_dict({key: value.float() if value.is_floating_point()
                           else value for key, value in tensors.items()})
    return model.eval(), header['metadata'] | {
        'network': header['network'], 'width': header['width'],
        'sha256': sha256}


def _find_file(weights):
    """
    Return the row of shipped weights, or `None`, and the file.
    """
    if not isinstance(weights, (str, os.PathLike)):
        msg = ('weights must be a file or the name of shipped weights, got '
               f'{type(weights).__name__}')
        raise TypeError(msg)
    row = _get_row(weights)
    path = Path(weights) if row is None else weights_path(row['name'])
    try:
        is_file = path.is_file()
    except OSError:
        # a name that is too long, or a folder that is not open to us
        is_file = False
    if not is_file:
        names = ', '.join(one['name'] for one in list_weights()) or 'none'
        msg = (f'weights must be a file or the name of shipped weights '
               f'({names}), got {os.fspath(weights)!r}')
        raise FileNotFoundError(msg)
    return row, path


def _first_line(error):
    """
    What an error tells, without the traces that PyTorch adds.
    """
    return (str(error).splitlines() or [''])[0]


def _parse_header(metadata, path):
    """
    Return the header of a file, checked for its structure.
    """
    try:
        header = json.loads(metadata.get(_HEADER_KEY, ''))
        is_good = (header['format'] == _FORMAT
                   and isinstance(header['network'], str)
                   and type(header['width']) is int
                   and isinstance(header['metadata'], dict))
    except (KeyError, RecursionError, TypeError, ValueError):
        is_good = False
    if not is_good:
        msg = f'weights in {path} have no header of the format {_FORMAT!r}'
        raise ValueError(msg)
    return header


def _make_from_header(header, path):
    """
    Make the model that a header describes.
    """
    try:
        return make_model(header['network'], width=header['width'], seed=0)
    except (RuntimeError, TypeError, ValueError) as error:
        msg = (f'weights in {path} have a header that is not valid: '
               f'{_first_line(error)}')
        raise ValueError(msg) from error


@lru_cache(maxsize=1)
def _read_registry():
    """
    Read the table of shipped weights.
    """
    path = files('compact_removal.removal').joinpath('weights', 'weights.ecsv')
    table = Table.read(path.read_text(encoding='utf-8'),
                       format='ascii.ecsv')
    return tuple({name: row[name].item() if hasattr(row[name], 'item')
                  else str(row[name]) for name in table.colnames}
                 for row in table)


def _get_row(weights):
    """
    Return the row of shipped weights of that name, or `None`.
    """
    for row in _read_registry():
        if row['name'] == weights:
            return dict(row)
    return None


def list_weights():
    """
    List the shipped weights.

    Returns
    -------
    rows : list of dict
        See `compact_removal.nn.list_weights`.

    Examples
    --------
    >>> from compact_removal.nn.weights import list_weights
    >>> [row['network'] for row in list_weights() if row['mode'] == 'any']
    ['inpainting', 'separation']
    """
    return [dict(row) for row in _read_registry()]


def weights_path(name):
    """
    Return the file of shipped weights.

    Parameters
    ----------
    name : str
        The name.

    Returns
    -------
    path : `pathlib.Path`
        The file.

    Raises
    ------
    ValueError
        If there are no such weights.

    Examples
    --------
    >>> from compact_removal.nn.weights import weights_path
    >>> weights_path('separation').name
    'separation.safetensors'
    """
    row = _get_row(name)
    if row is None:
        names = [one['name'] for one in list_weights()]
        msg = f'name must be one of {names}, got {name!r}'
        raise ValueError(msg)
    return Path(str(files('compact_removal.removal').joinpath('weights',
                                                         row['file'])))


def find_weights(network, mode):
    """
    Find the name of the default weights.

    Parameters
    ----------
    network : str
        Name of the network.
    mode : str
        Name of the observing mode. Weights with mode ``'any'`` fit
        every mode; weights for just this mode come first.

    Returns
    -------
    name : str
        The name.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> from compact_removal.nn.weights import find_weights
    >>> find_weights('separation', 'scanmap')
    'separation'
    """
    rows = [row for row in list_weights() if row['network'] == network]
    for wanted in (mode, 'any'):
        for row in rows:
            if row['mode'] == wanted:
                return row['name']
    known = [(row['network'], row['mode']) for row in list_weights()]
    msg = (f'weights for network {network!r} and mode {mode!r} are not '
           f'shipped; there are weights for (network, mode) in {known}')
    raise ValueError(msg)
