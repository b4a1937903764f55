# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fingerprints: whether a result was made with these settings, of this map.
"""

import hashlib
from pathlib import Path

from compact_removal.utils.descriptions import describe, hash_settings
from compact_removal.utils.files import compute_sha256, resolve_path
from compact_removal.utils.parameters import ParameterError


def describe_estimator(estimator, saved=None):
    """
    Describe an estimator: class, parameters and what it has learned.

    Parameters
    ----------
    estimator : BaseEstimator
        The estimator.
    saved : path-like, optional
        Where a fitted one was saved.

    Returns
    -------
    description : list
        What decides on its results.

    Raises
    ------
    ParameterError
        If there are no such weights.
    """
    params = {name: value for name, value in estimator.get_params().items()
              if name not in estimator.no_effect}
    if saved is not None:
        params.pop('weights', None)
        info = getattr(estimator, 'info_', {})
        # errors are calibrated with the validation
        params['learned'] = [hash_tensors(saved), info.get('validation')]
    elif 'weights' in params:
        params['weights'] = _hash_weights(
            params['weights'], params.get('network'),
            estimator.list_weights())
    return describe([type(estimator).__name__, params])


def _hash_weights(weights, network, rows):
    """
    Hashes of shipped weights by name, or that of a file.
    """
    if weights is None:
        msg = ('weights must not be None where the estimator is not fitted: '
               'call its fit() first, or choose weights')
        raise ParameterError(msg, 'weights')
    if isinstance(weights, str) and weights == 'default':
        found = [row for row in rows
                 if network is None or row['network'] == network]
    else:
        found = [row for row in rows if row['name'] == weights]
    if found:
        return sorted(row['sha256'] for row in found)
    path = resolve_path(weights)
    if not path.is_file():
        names = ', '.join(['default', *(row['name'] for row in rows)])
        msg = f'weights must be one of {names}, or a file, got {weights!r}'
        raise ParameterError(msg, 'weights')
    return [compute_sha256(path)]


def hash_tensors(path):
    """
    SHA-256 of the tensors in a safetensors file.

    The header is left out: it is another one if an estimator was saved,
    loaded and saved again.

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
    Size, time of the last change and SHA-256 of a map.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    fingerprint : dict
        ``size`` (bytes), ``mtime_ns`` and ``sha256``.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    # The time comes first: what is written meanwhile is a change.
    status = Path(path).stat()
    return {'size': status.st_size, 'mtime_ns': status.st_mtime_ns,
            'sha256': compute_sha256(path)}


def is_same_map(path, fingerprint):
    """
    Whether a map is the one of a fingerprint.

    Parameters
    ----------
    path : path-like
        The file.
    fingerprint : dict
        What `map_fingerprint` gave.

    Returns
    -------
    same : bool
        Whether size and time are the same, or else the hash. True if
        the file cannot be read, too: results outlive their maps.
    """
    if not isinstance(fingerprint, dict):
        return False
    try:
        status = Path(path).stat()
        if status.st_size != fingerprint.get('size'):
            return False
        return (status.st_mtime_ns == fingerprint.get('mtime_ns')
                or compute_sha256(path) == fingerprint.get('sha256'))
    except OSError:
        return True
