# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Columns of the user's catalogue beside those that were measured.
"""

import io
import warnings

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Column, QTable, Table
from astropy.units import UnitsWarning
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.maps.catalog_columns import as_table, find_positions
from compact_removal.maps.source_regions import list_sources
from compact_removal.utils.text import one_line

__all__ = ['join_catalog', 'list_columns']

_SUFFIX = '_catalog'

# Kinds of numbers and strings that ECSV files hold as they are.
_PLAIN = frozenset('biufU')


def join_catalog(sources, catalog, rows=None):
    """
    Put the columns of a catalogue behind those that were measured.

    The command ``compact-removal`` does it for all tables it writes.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        What was measured.
    catalog : Table, list of regions or SkyCoord
        The positions that were given, in the same order. Of regions,
        the text labels are a column ``label``, if there are any.
    rows : `~numpy.ndarray` of int, optional
        The rows of the catalogue that ``sources`` has; default: all.

    Returns
    -------
    joined : `~astropy.table.QTable`
        A new table that can be written as ECSV: the columns of
        ``sources``, then those of the catalogue that are not the
        positions. Names that are taken get the suffix ``_catalog``.
        What an ECSV file cannot hold becomes text, with a warning.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.maps import join_catalog
    >>> sources = QTable({'id': [1], 'flux': [0.2] * u.Jy})
    >>> catalog = QTable({'ra': [83.8], 'dec': [-5.4], 'name': ['IRS 1'],
    ...                   'flux': [0.3] * u.Jy})
    >>> join_catalog(sources, catalog).colnames
    ['id', 'flux', 'name', 'flux_catalog']
    """
    joined = sources.copy()
    columns = list_columns(catalog)
    if rows is not None:
        columns = {name: column[rows] for name, column in columns.items()}
    taken = set(sources.colnames)
    others = set(columns) - taken
    for name, column in columns.items():
        if len(column) != len(sources):
            _warn(f'column {name!r} is left out: it has {len(column)} rows '
                  f'for {len(sources)} positions')
            continue
        new = name
        while new in taken or (new != name and new in others):
            new += _SUFFIX
        taken.add(new)
        joined[new] = _as_writable(column, name)
    return joined


def list_columns(catalog):
    """
    List the columns of a catalogue that are not the positions.

    Parameters
    ----------
    catalog : Table, list of regions or SkyCoord
        See `join_catalog`.

    Returns
    -------
    columns : dict
        The columns by name.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from compact_removal.maps.columns import list_columns
    >>> list(list_columns(Table({'ra': [1.0], 'dec': [2.0], 'id': [7]})))
    ['id']
    """
    if isinstance(catalog, SkyCoord):
        return {}
    catalog = as_table(catalog)
    if isinstance(catalog, Table):
        used = find_positions(catalog).names
        return {name: catalog[name] for name in catalog.colnames
                if name not in used}
    labels = [str(getattr(region, 'meta', {}).get('text', ''))
              for region in list_sources(catalog)]
    return {'label': Column(labels, dtype=str)} if any(labels) else {}


def _as_writable(column, name):
    """
    A column, or its text if an ECSV file cannot hold it.
    """
    plain = getattr(getattr(column, 'dtype', None), 'kind', '') in _PLAIN
    # of plain ones, only their description can be at fault
    reason = _try_to_write(column[:1] if plain else column)
    if reason is None:
        return column
    # no rows, nothing to lose
    if len(column):
        _warn(f'column {name!r} is written as text: {reason}')
    return Column([one_line(value) for value in column], dtype=str)


def _try_to_write(column):
    """
    Why an ECSV file cannot hold a column; None if it can.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        # a unit that astropy does not know stays as it is
        warnings.simplefilter('ignore', category=UnitsWarning)
        try:
            table = QTable({'x': column}, copy=False)
            text = io.StringIO()
            table.write(text, format='ascii.ecsv')
            again = QTable.read(text.getvalue(), format='ascii.ecsv')
        except Exception as error:  # whatever an object raises
            return f'{type(error).__name__}: {error}'
    same = again.colnames == ['x'] and (
        np.shape(again['x']) == np.shape(column))
    return None if same else 'it does not survive an ECSV file'


def _warn(message):
    """
    Warn about a column of the catalogue.
    """
    warnings.warn(f'catalog: {message}', AstropyUserWarning, stacklevel=3)
