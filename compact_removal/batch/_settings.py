# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fingerprints: whether a result was made with these settings, of this map.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import astropy.units as u
import numpy as np

from compact_removal import nn

# They do not change results.
_WITHOUT_EFFECT = ('batch_size', 'device', 'progress_bar', 'seed')

_N_SAMPLES = 4
_SAMPLE_SIZE = 2 ** 16


def hash_settings(settings):
    """
    Hash of what decides on a result.

    Parameters
    ----------
    settings : dict
        Values that `describe` understands.

    Returns
    -------
    digest : str
        16 hexadecimal digits.
    """
    text = json.dumps(describe(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(value):
    """
    Turn a value into what JSON can hold, the same in each process.

    Parameters
    ----------
    value : object
        Plain values, arrays, quantities, dataclasses, containers, or
        objects with attributes.

    Returns
    -------
    description : object
        A plain value.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, u.Quantity):
        return [describe(np.asarray(value.value)), value.unit.to_string()]
    if isinstance(value, np.ndarray):
        data = hashlib.sha256(np.ascontiguousarray(value).tobytes())
        return [str(value.dtype), list(value.shape), data.hexdigest()]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if dataclasses.is_dataclass(value):
        content = {field.name: getattr(value, field.name)
                   for field in dataclasses.fields(value)}
    elif hasattr(value, '__dict__'):
        content = vars(value)
    else:
        return repr(value)
    return [type(value).__qualname__, describe(content)]


def describe_remover(remover, saved=None):
    """
    Describe an estimator: parameters and weights.

    Parameters
    ----------
    remover : CompactSourceRemover
        The estimator.
    saved : path-like, optional
        Where a fitted one was saved.

    Returns
    -------
    description : dict
        What decides on its results.

    Raises
    ------
    OSError, ValueError
        If there are no such weights.
    """
    params = {name: value for name, value in remover.get_params().items()
              if name not in _WITHOUT_EFFECT}
    weights = params.pop('weights')
    if saved is not None:
        weights = hash_tensors(saved)
    elif weights is None:
        msg = ('remover has no weights (weights is None) and is not '
               'fitted: call its fit() first, or choose weights')
        raise ValueError(msg)
    else:
        weights = _hash_weights(weights, remover.network)
    return describe({**params, 'weights': weights})


def _hash_weights(weights, network):
    """
    Hashes of shipped weights by name, or that of a file.
    """
    rows = nn.list_weights()
    if weights == 'default':
        found = [row for row in rows if row['network'] == network]
    else:
        found = [row for row in rows if row['name'] == weights]
    if found:
        return sorted(row['sha256'] for row in found)
    path = Path(weights).expanduser()
    if not path.is_file():
        names = ', '.join(row['name'] for row in rows)
        msg = (f"remover must have weights 'default', one of {names}, or a "
               f'file, got {weights!r}')
        raise ValueError(msg)
    return [hash_file(path)]


def hash_file(path):
    """
    SHA-256 of a file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    digest : str
        64 hexadecimal digits.
    """
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def hash_tensors(path):
    """
    SHA-256 of the tensors in a safetensors file.

    The header is left out: that of an estimator which was saved,
    loaded and saved again is another one.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    digest : str
        64 hexadecimal digits.
    """
    with open(path, 'rb') as file:
        file.seek(int.from_bytes(file.read(8), 'little') + 8)
        return hashlib.file_digest(file, 'sha256').hexdigest()


def hash_positions(coordinates):
    """
    Hash of sky positions.

    Parameters
    ----------
    coordinates : SkyCoord
        Positions, shape ``(n,)``.

    Returns
    -------
    digest : str
        16 hexadecimal digits.
    """
    return hash_settings({'frame': coordinates.frame.name,
                          'lon': coordinates.spherical.lon.deg,
                          'lat': coordinates.spherical.lat.deg})


def map_fingerprint(path):
    """
    Size of a map and a hash of samples of it.

    It is quick for large files, and stays the same when they are moved.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    fingerprint : str or None
        `None` if it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = Path(path).stat().st_size
        last = max(0, size - _SAMPLE_SIZE)
        with open(path, 'rb') as file:
            for start in np.linspace(0, last, _N_SAMPLES):
                file.seek(int(start))
                digest.update(file.read(_SAMPLE_SIZE))
    except OSError:
        return None
    return f'{size}-{digest.hexdigest()[:16]}'
