# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tables of shipped weights.
"""

import os
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from astropy.table import Table

from compact_removal.utils.files import resolve_path
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              name_parameter)

__all__ = ['WeightsRegistry', 'find_file']


def find_file(weights, names=()):
    """
    Find a file of weights.

    Parameters
    ----------
    weights : str or path-like
        The file.
    names : iterable of str, optional
        Names that are allowed, too, for messages.

    Returns
    -------
    path : `pathlib.Path`
        The file.

    Raises
    ------
    ParameterTypeError
        If it is no path.
    FileNotFoundError
        If there is no such file.
    """
    if not isinstance(weights, (str, os.PathLike)):
        msg = ('weights must be a file or the name of shipped weights, got '
               f'{type(weights).__name__}')
        raise ParameterTypeError(msg, 'weights')
    path = resolve_path(weights)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        # a name that is too long, or a folder that is not open to us
        is_file = False
    if not is_file:
        names = f' ({", ".join(names)})' if names else ''
        msg = (f'weights must be a file or the name of shipped weights'
               f'{names}, got {os.fspath(weights)!r}')
        raise name_parameter(FileNotFoundError(msg), 'weights')
    return path


class WeightsRegistry:
    """
    The weights that ship with a task, as its ``weights.ecsv`` has them.

    Parameters
    ----------
    package : str
        Dotted name of the folder of the task. The table and the files
        are in its folder ``weights``.

    Examples
    --------
    >>> from compact_removal.nn import WeightsRegistry
    >>> registry = WeightsRegistry('compact_removal.removal')
    >>> registry.path('separation').name
    'separation.safetensors'
    >>> registry.find('inpainting', 'parallel')
    'inpainting'
    """

    def __init__(self, package):
        self._package = package

    def __repr__(self):
        return f'{type(self).__name__}({self._package!r})'

    @cached_property
    def folder(self):
        """
        The folder of the weights.
        """
        return files(self._package).joinpath('weights')

    @cached_property
    def _rows(self):
        """
        The rows of the table; none where there is no table.
        """
        path = self.folder.joinpath('weights.ecsv')
        if not path.is_file():
            return ()
        table = Table.read(path.read_text(encoding='utf-8'),
                           format='ascii.ecsv')
        return tuple({name: row[name].item() if hasattr(row[name], 'item')
                      else str(row[name]) for name in table.colnames}
                     for row in table)

    def list(self):
        """
        List the weights.

        Returns
        -------
        rows : list of dict
            Each with ``name``, ``file``, ``network``, ``mode``,
            ``n_parameters``, ``sha256``, ``date``, ``training_data``,
            ``n_steps``, ``license`` and what else the table has.
        """
        return [dict(row) for row in self._rows]

    def get(self, name):
        """
        Get the row of a name.

        Parameters
        ----------
        name : object
            The name.

        Returns
        -------
        row : dict or None
            `None` if there are no such weights.
        """
        if not isinstance(name, str):
            return None
        return next((dict(row) for row in self._rows
                     if row['name'] == name), None)

    def path(self, name):
        """
        Get the file of weights.

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
        ParameterError
            If there are no such weights.
        """
        row = self.get(name)
        if row is None:
            names = ', '.join(one['name'] for one in self._rows) or 'none'
            msg = f'weights must be one of {names}, got {name!r}'
            raise ParameterError(msg, 'weights')
        return Path(str(self.folder.joinpath(row['file'])))

    def locate(self, weights):
        """
        Find weights by name or file.

        Parameters
        ----------
        weights : str or path-like
            A name, or a file.

        Returns
        -------
        name : str
            The name, or that of the file.
        path : `pathlib.Path`
            The file.
        sha256 : str or None
            The hash that it must have; `None` for files of users.

        Raises
        ------
        ParameterTypeError
            If it is neither.
        FileNotFoundError
            If there are no such weights.
        """
        row = self.get(weights)
        if row is not None:
            return row['name'], self.path(weights), row['sha256']
        path = find_file(weights, [one['name'] for one in self._rows])
        return path.name, path, None

    def find(self, network, mode='any'):
        """
        Find the default weights of a network.

        Parameters
        ----------
        network : str
            Name of the network.
        mode : str, optional
            Name of the observing mode. Weights with mode ``'any'`` fit
            every mode; weights for just this mode come first.

        Returns
        -------
        name : str
            The name of the weights.

        Raises
        ------
        ParameterError
            If there are none.
        """
        rows = [row for row in self._rows if row['network'] == network]
        for wanted in (mode, 'any'):
            for row in rows:
                if row['mode'] == wanted:
                    return row['name']
        shipped = [(row['network'], row['mode']) for row in self._rows]
        msg = (f'weights for network {network!r} and mode {mode!r} are not '
               f'shipped; there are weights for (network, mode) in {shipped}')
        raise ParameterError(msg, 'weights')
