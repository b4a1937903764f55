# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The classes of pixels, as a table has them.
"""

from dataclasses import dataclass
from importlib.resources import as_file, files

from astropy.table import Table

from compact_removal.utils.parameters import ParameterError

__all__ = ['CLASSES', 'CLASS_NAMES', 'ContaminantClass', 'find_classes',
           'find_unusable']


@dataclass(frozen=True)
class ContaminantClass:
    """
    One class of pixels.

    A pixel may belong to several.

    Parameters
    ----------
    name : str
        Abbreviation (MaxiMask, Table 4).
    description : str
        What it is.
    bit : int
        Value in flags, that of MaxiMask; 0 for the background.
    color : str
        Colour in pictures.
    unusable : bool
        Whether its pixels must not be used, by default.
    prior : float
        Share of the pixels of usual exposures, by default.
    maximask_share, maximask_threshold : float
        Prior of the training of the released MaxiMask, and its threshold
        for the default priors.
    reference : str
        Where the recipe is described.

    Examples
    --------
    >>> from compact_removal.contaminants import CLASSES
    >>> CLASSES[0].name, CLASSES[0].description
    ('CR', 'cosmic ray hits')
    """

    name: str
    description: str
    bit: int
    color: str
    unusable: bool
    prior: float
    maximask_share: float
    maximask_threshold: float
    reference: str


def _read_classes():
    """
    Read the table.
    """
    resource = files('compact_removal.contaminants') / 'data' / 'classes.ecsv'
    with as_file(resource) as path:
        table = Table.read(path, format='ascii.ecsv')
    return tuple(ContaminantClass(*(
        value.item() if hasattr(value, 'item') else value for value in row))
        for row in table)


CLASSES = _read_classes()

CLASS_NAMES = tuple(one.name for one in CLASSES)


def find_classes(classes, parameter='classes'):
    """
    Find classes by their names.

    Parameters
    ----------
    classes : str or sequence of str
        ``'all'``, a name, or names.
    parameter : str, optional
        What the user calls them, for messages.

    Returns
    -------
    index : tuple of int
        Their places in ``CLASSES``, in the order of the table.

    Raises
    ------
    ParameterError
        If there is no such class, or none at all.

    Examples
    --------
    >>> from compact_removal.contaminants import find_classes
    >>> find_classes(['SAT', 'CR'])
    (0, 9)
    """
    if isinstance(classes, str):
        if classes == 'all':
            return tuple(range(len(CLASSES)))
        classes = [classes]
    wanted = list(classes) if hasattr(classes, '__iter__') else [classes]
    unknown = [name for name in wanted if name not in CLASS_NAMES]
    if unknown or not wanted:
        found = repr(unknown[0]) if unknown else 'none'
        msg = (f"{parameter} must be 'all' or names of "
               f'{", ".join(CLASS_NAMES)}; got {found}')
        raise ParameterError(msg, parameter)
    return tuple(k for k, name in enumerate(CLASS_NAMES) if name in wanted)


def find_unusable(unusable, index):
    """
    Find the classes whose pixels must not be used.

    Parameters
    ----------
    unusable : str or sequence of str
        ``'default'``, ``'all'``, or names.
    index : sequence of int
        Places of the classes that are looked for.

    Returns
    -------
    places : list of int
        Their places in ``CLASSES``.

    Raises
    ------
    ParameterError
        If a name is none of a class that is looked for, or that of the
        background.

    Examples
    --------
    >>> from compact_removal.contaminants.classes import find_unusable
    >>> find_unusable(['CR', 'HP'], range(14))
    [0, 3]
    """
    if isinstance(unusable, str) and unusable == 'default':
        return [k for k in index if CLASSES[k].unusable]
    found = find_classes(unusable, 'unusable')
    if isinstance(unusable, str) and unusable == 'all':
        return [k for k in found if k in index]
    if any(not CLASSES[k].bit for k in found):
        msg = "unusable must not have 'BG', pixels with nothing else"
        raise ParameterError(msg, 'unusable')
    missing = [CLASS_NAMES[k] for k in found if k not in index]
    if missing:
        names = ', '.join(CLASS_NAMES[k] for k in index)
        msg = (f'unusable must be classes that are looked for ({names}), got '
               f'{missing[0]!r}')
        raise ParameterError(msg, 'unusable')
    return list(found)
