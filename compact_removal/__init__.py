# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove compact sources from maps with structured backgrounds; measure them.

Give `CompactSourceRemover` a map and positions; it gives back the map
without the sources and a table of fluxes. The names below are loaded
on first use, so that ``import compact_removal`` is quick and does not
load the deep-learning libraries.
"""

from importlib import import_module

try:
    from compact_removal.version import version as __version__
except ImportError:  # a source tree that was never built
    __version__ = '0.1.dev0'

# Public names and the folders that have them: a registry, one line for
# each name. Those of an estimator are all that a script needs of a task.
_LAZY_NAMES = {
    'BlendPhotometer': 'compact_removal.deblending',
    'CompactSourceFinder': 'compact_removal.detection',
    'CompactSourceRemover': 'compact_removal.removal',
    'ContaminantMasker': 'compact_removal.contaminants',
    'DeblendingResult': 'compact_removal.deblending',
    'RegionDetector': 'compact_removal.detection',
    'RemovalResult': 'compact_removal.removal',
    'SourceDeblender': 'compact_removal.deblending',
    'TrackingErrorClassifier': 'compact_removal.contaminants',
    'decode_flags': 'compact_removal.removal',
    'remove_many': 'compact_removal.batch',
}

__all__ = ['__version__', *_LAZY_NAMES]


def __getattr__(name):
    """
    Import a public name on first use (PEP 562).

    Parameters
    ----------
    name : str
        The name of the attribute.

    Returns
    -------
    value : object
        The class or function.
    """
    if name not in _LAZY_NAMES:
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)

    value = getattr(import_module(_LAZY_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    """
    List the public names, loaded or not.

    Returns
    -------
    names : list of str
        The names of the module.
    """
    return sorted(set(globals()) | set(__all__))
