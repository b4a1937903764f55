# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read catalogues.
"""

import re
from pathlib import Path

from astropy.table import QTable

from compact_removal.utils.parameters import ParameterError

__all__ = ['map_stem', 'read_catalog']

_CATALOG_FORMATS = {'.ecsv': 'ascii.ecsv', '.csv': 'ascii.csv',
                    '.fits': 'fits', '.fit': 'fits', '.fits.gz': 'fits',
                    '.reg': 'ds9'}


def read_catalog(path):
    r"""
    Read positions: a table, or a list of regions.

    Parameters
    ----------
    path : str or path-like
        The file. Its ending gives the format: ``.ecsv``, ``.csv`` or
        ``.fits`` for a table, ``.reg`` for regions of DS9.

    Returns
    -------
    catalog : `~astropy.table.QTable` or list of regions
        What an estimator takes as positions.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.maps import read_catalog
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'sources.csv'
    ...     _ = path.write_text('ra,dec\n83.8,-5.4\n83.9,-5.3\n')
    ...     catalog = read_catalog(path)
    >>> len(catalog), catalog.colnames
    (2, ['ra', 'dec'])
    """
    path = Path(path)
    name = path.name.lower()
    if path.is_dir():
        msg = f'catalog: a file is needed, not the folder {path}'
        raise IsADirectoryError(msg)
    suffix = '.fits.gz' if name.endswith('.fits.gz') else path.suffix.lower()
    if suffix not in _CATALOG_FORMATS:
        allowed = ', '.join(_CATALOG_FORMATS)
        msg = f'catalog must be a file of type {allowed}, got {path}'
        raise ParameterError(msg, 'catalog')
    if not path.is_file():
        msg = f'catalog: there is no file {path}'
        raise FileNotFoundError(msg)
    file_format = _CATALOG_FORMATS[suffix]
    try:
        if file_format == 'ds9':
            from regions import Regions

            return list(Regions.read(path, format='ds9'))
        table = QTable.read(path, format=file_format)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        msg = f'catalog: {path} could not be read: {error}'
        raise ParameterError(msg, 'catalog') from error
    if (file_format == 'ascii.csv' and len(table.colnames) == 1
            and re.search(r'[;|\s]', table.colnames[0])):
        msg = (f'catalog: {path} must have columns separated by commas, got '
               f'{table.colnames[0]!r}')
        raise ParameterError(msg, 'catalog')
    return table


def map_stem(path):
    """
    Beginning of the names of the output files of a map.

    Parameters
    ----------
    path : `~pathlib.Path`
        The map.

    Returns
    -------
    stem : str
        Its name without ``.gz`` and the ending before it.
    """
    return Path(path.name.removesuffix('.gz')).with_suffix('').name
