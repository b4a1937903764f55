# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Descriptions of values, to compare what results were made with.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import astropy.units as u
import numpy as np

__all__ = ['describe', 'hash_settings']


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
