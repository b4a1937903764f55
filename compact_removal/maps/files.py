# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read catalogues.
"""

import gzip
import io
import re
import warnings
from pathlib import Path

from astropy.io import fits
from astropy.io.ascii import InconsistentTableError
from astropy.table import QTable
from astropy.units import UnitsWarning

from compact_removal.maps.catalog_columns import find_positions
from compact_removal.maps.source_regions import read_ds9
from compact_removal.utils.parameters import ParameterError
from compact_removal.utils.text import one_line

__all__ = ['map_stem', 'read_catalog']

_DELIMITERS = (' ', '\t', ',', '|', ';')

_DAMAGE = (OSError, EOFError, ValueError, TypeError, LookupError,
           AttributeError, InconsistentTableError)


def read_catalog(path):
    r"""
    Read positions: a table, or a list of regions.

    Parameters
    ----------
    path : str or path-like
        The file. Its ending gives the format: ``.ecsv``, ``.csv``,
        ``.fits`` or ``.fit``, ``.xml``, ``.vot`` or ``.votable``
        (VOTable), ``.tbl`` (IPAC), ``.txt``, ``.cat`` or ``.dat``
        (columns separated by spaces, with a header, which may begin
        with ``#``, or the header of SExtractor) for a table, ``.reg``
        for regions of DS9. Each may be gzipped (``.gz``).

    Returns
    -------
    catalog : `~astropy.table.QTable` or list of regions
        What an estimator takes as positions. Of FITS files and VOTables
        with several tables, the first one that has positions. Two
        columns of text without a header are ``ra`` and ``dec``. Of
        regions, those that mark sources (points, circles, ellipses).

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it cannot be read.

    Warns
    -----
    AstropyUserWarning
        If regions are left out: how many of each kind, and why.

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
    if path.is_dir():
        msg = f'catalog: a file is needed, not the folder {path}'
        raise IsADirectoryError(msg)
    name = path.name.lower().removesuffix('.gz')
    suffix = Path(name).suffix
    if suffix not in _READERS:
        allowed = ', '.join(_READERS)
        msg = (f'catalog must be a file of type {allowed} (each also with '
               f'.gz), got {path}')
        raise ParameterError(msg, 'catalog')
    if not path.is_file():
        msg = f'catalog: there is no file {path}'
        raise FileNotFoundError(msg)
    try:
        with warnings.catch_warnings():
            # positions know more units, others stay as they are
            warnings.simplefilter('ignore', UnitsWarning)
            return _READERS[suffix](path)
    except ParameterError as error:
        # such as 'catalog: the file must have ...'
        msg = f'catalog: {path} {str(error).removeprefix("catalog ")}'
        raise ParameterError(msg, 'catalog') from error
    except _DAMAGE as error:
        msg = f'catalog: {path} could not be read: {one_line(error)}'
        raise ParameterError(msg, 'catalog') from error


def _open(path):
    """
    The content of a file that may be gzipped.
    """
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b'\x1f\x8b' else content


def _open_text(path):
    """
    The text of a file that may be gzipped.
    """
    return _open(path).decode('utf-8-sig')


def _read_ds9(path):
    """
    The regions of a file.
    """
    return read_ds9(_open(path).decode('utf-8', 'replace'))


def _read_fits(path):
    """
    The first table of a FITS file that has positions.
    """
    with fits.open(path, memmap=False) as hdus:
        numbers = [number for number, hdu in enumerate(hdus)
                   if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))
                   and not isinstance(hdu, fits.CompImageHDU)]
        if not numbers:
            msg = 'no table found'
            raise ValueError(msg)
        return _choose([lambda number=number: QTable.read(
            hdus, hdu=number) for number in numbers])


def _read_votable(path):
    """
    The first table of a VOTable that has positions.
    """
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOWarning

    with warnings.catch_warnings():
        # most files of services break a rule of the format
        warnings.simplefilter('ignore', VOWarning)
        tables = list(parse(io.BytesIO(_open(path))).iter_tables())
        if not tables:
            msg = 'no table found'
            raise ValueError(msg)
        return _choose([lambda table=table: QTable(
            table.to_table(use_names_over_ids=True)) for table in tables])


def _choose(readers):
    """
    The first table with positions, or else the first one.
    """
    first, reason = None, None
    for reader in readers:
        try:
            table = reader()
            first = table if first is None else first
            find_positions(table)
        except _DAMAGE as error:
            # the last one is about the simplest format
            if not isinstance(reason, ParameterError):
                reason = error
            continue
        return table
    if first is None:
        raise reason
    return first


def _read_ecsv(path):
    """
    A table with its types and units.
    """
    return QTable.read(_open_text(path).splitlines(), format='ascii.ecsv')


def _read_csv(path):
    """
    A table with commas.
    """
    text = _open_text(path)
    return _choose([
        lambda reader=reader: _check_commas(reader()) for reader in (
            lambda: _read_lines(text.splitlines(), 'ascii.csv'),
            *_headers(text, ','))])


def _check_commas(table):
    """
    Refuse columns that are separated by something else.
    """
    if len(table.colnames) == 1 and re.search(r'[;|\s]', table.colnames[0]):
        msg = ('catalog must have columns separated by commas, got '
               f'{table.colnames[0]!r}')
        raise ParameterError(msg, 'catalog')
    return table


def _read_text(path):
    """
    A table of text: the first reading that gives positions.
    """
    text = _open_text(path)
    lines = text.splitlines()
    return _choose([
        *(lambda name=name: _read_lines(lines, name) for name in
          ('ascii.ecsv', 'ascii.ipac', 'ascii.sextractor')),
        *(reader for delimiter in _DELIMITERS
          for reader in _headers(text, delimiter))])


def _headers(text, delimiter):
    """
    Readings with each of the lines that may be the header.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [line for line in lines if not line.startswith('#')]
    headers = [[line.lstrip('# ')] for line in lines if line.startswith('#')]
    readers = [lambda header=header: _read_lines(
        header + rows, 'ascii.basic', delimiter=delimiter)
        for header in [*headers, []]]
    if rows and re.match(r'[-+.\d]', rows[0]):
        # numbers are no names
        readers[-1] = lambda: _read_lines(
            rows, 'ascii.no_header', delimiter=delimiter)
    return readers


def _read_lines(lines, name, **options):
    """
    A table of lines; two columns without names are ra and dec.
    """
    table = QTable.read(lines, format=name, guess=False, **options)
    if name == 'ascii.no_header':
        if len(table.colnames) != 2:
            msg = ('catalog must have a header with the names of columns, '
                   'such as ra and dec, unless these two are all, got '
                   f'{len(table.colnames)} columns')
            raise ParameterError(msg, 'catalog')
        table.rename_columns(table.colnames, ['ra', 'dec'])
    return table


# Readers by ending.
_READERS = {
    '.ecsv': _read_ecsv, '.csv': _read_csv, '.fits': _read_fits,
    '.fit': _read_fits, '.reg': _read_ds9, '.xml': _read_votable,
    '.vot': _read_votable, '.votable': _read_votable,
    **dict.fromkeys(('.tbl', '.txt', '.cat', '.dat'), _read_text)}


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
