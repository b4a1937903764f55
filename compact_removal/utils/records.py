# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Records of what was done, as JSON files.
"""

import json
from pathlib import Path

from compact_removal.utils.files import replace_file

__all__ = ['read_record', 'write_record']


def write_record(path, record):
    """
    Write a record, complete or not at all.

    Parameters
    ----------
    path : path-like
        The JSON file.
    record : dict
        Plain values.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.utils.records import read_record, write_record
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'record.json'
    ...     write_record(path, {'n_sources': 3})
    ...     read_record(path)
    {'n_sources': 3}
    """
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + '\n',
                             encoding='utf-8')


def read_record(path):
    """
    Read a record that `write_record` wrote.

    Parameters
    ----------
    path : path-like
        The JSON file.

    Returns
    -------
    record : dict
        Its content; empty if there is no such file, or it is damaged.

    Examples
    --------
    >>> from compact_removal.utils.records import read_record
    >>> read_record('no such file.json')
    {}
    """
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
