# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Estimators by the names that the package exports.
"""

import argparse
import inspect
import sys

import compact_removal
from compact_removal.base import BaseEstimator
from compact_removal.cli.options import read_options

__all__ = ['find_estimator', 'list_estimators', 'make_estimator']

# That of verbs for any estimator, where none is given.
_DEFAULT = 'CompactSourceRemover'


def list_estimators():
    """
    List the estimators.

    Returns
    -------
    estimators : dict of str to type
        The classes by name.
    """
    found = {name: getattr(compact_removal, name)
             for name in compact_removal.__all__}
    return {name: item for name, item in found.items()
            if inspect.isclass(item) and issubclass(item, BaseEstimator)}


def find_estimator(parser, name, argv):
    """
    Find the estimator of a verb; add ``--estimator`` if it is for any.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser of the verb.
    name : str
        The ``ESTIMATOR`` of the verb.
    argv : sequence of str
        The arguments, which may have the option.

    Returns
    -------
    estimator : type
        Its class.
    """
    if name != 'any':
        return getattr(compact_removal, name)
    options = {'metavar': 'NAME', 'default': _DEFAULT}
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False,
                                    exit_on_error=False)
    first.add_argument('--estimator', nargs='?', **options)
    chosen = first.parse_known_args(argv)[0].estimator or _DEFAULT
    known = list_estimators()
    if chosen not in known:
        parser.error(f'--estimator must be one of {", ".join(known)}, got '
                     f'{chosen}')
    parser.add_argument('--estimator', **options,
                        help='class of the estimator, which has the options '
                             'below (default: %(default)s; with it, --help '
                             'is about that one)')
    return known[chosen]


def make_estimator(args, meta=None, **params):
    """
    Make an estimator of the options, and of the header of a map.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    meta : mapping, optional
        The header, which may have mode and band. Default: they stay as
        they were given, even if they were not.
    **params
        Parameters that are no options.

    Returns
    -------
    estimator : `~compact_removal.base.BaseEstimator`
        The estimator.
    """
    from compact_removal.maps.headers import find_mode_and_band

    kind = args.estimator_class
    values = {**read_options(args, kind), **params}
    allowed = inspect.signature(kind).parameters
    if meta is not None and {'mode', 'band'} <= set(allowed):
        values['mode'], values['band'] = find_mode_and_band(
            meta, values['mode'], values['band'])
    if 'progress_bar' in allowed:
        values['progress_bar'] = sys.stderr.isatty()
    return kind(**values)
