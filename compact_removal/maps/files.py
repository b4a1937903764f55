# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read catalogues, write results.
"""

import re
from pathlib import Path

from astropy.io import fits
from astropy.table import QTable

from compact_removal.utils.files import check_overwrite, replace_file
from compact_removal.utils.parameters import ParameterError

__all__ = ['describe_removal', 'map_stem', 'read_catalog', 'write_result']

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


def describe_removal(path, catalog=None):
    """
    Tell what was removed from what, for the header of a result.

    Parameters
    ----------
    path : path-like
        The map.
    catalog : path-like, optional
        The catalogue, if it was a file.

    Returns
    -------
    history : str
        A text in printable ASCII, as FITS headers need; folders are
        left out.
    """
    from compact_removal import __version__

    what = 'sources' if catalog is None else f'sources of {Path(catalog).name}'
    text = (f'compact_removal {__version__}: {what} removed from '
            f'{Path(path).name}')
    return ''.join(letter if ' ' <= letter <= '~' else '?'
                   for letter in text)


def write_result(result, paths, *, overwrite, history=None):
    """
    Write background and table, each complete or not at all.

    Parameters
    ----------
    result : RemovalResult
        What an estimator gave.
    paths : dict of str to `~pathlib.Path`
        Where to write ``background`` and ``sources``.
    overwrite : bool
        Whether files may be replaced.
    history : str, optional
        What is added to the ``HISTORY`` of the background.

    Raises
    ------
    OSError
        If a file exists and ``overwrite`` is False.
    """
    background, sources = result
    for name in ('background', 'sources'):
        check_overwrite(paths[name], overwrite=overwrite)
        paths[name].parent.mkdir(parents=True, exist_ok=True)
    hdus = background.to_hdu(as_image_hdu=False)
    if history is not None:
        hdus[0].header.add_history(history)
    hdus.append(fits.ImageHDU(background.flags, name='FLAGS'))
    with replace_file(paths['background']) as path:
        hdus.writeto(path)
    with replace_file(paths['sources']) as path:
        sources.write(path, format='ascii.ecsv')
