# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What headers of maps tell.
"""

from compact_removal.instruments import get_band, list_bands

__all__ = ['find_mode_and_band']

# Keywords of `~compact_removal.datasets.read_pacs_map`.
_KEYWORDS = {'mode': 'PACSMODE', 'band': 'PACSBAND'}


def find_mode_and_band(meta, mode=None, band=None):
    """
    Mode and band: those that were given, else those of a header.

    Parameters
    ----------
    meta : mapping
        The header of a map; empty if there is none.
    mode, band : object, optional
        See `~compact_removal.instruments.get_band`; `None`: that of the
        header.

    Returns
    -------
    mode, band : object
        Both are known to `~compact_removal.instruments.get_band`.

    Raises
    ------
    TypeError, ValueError
        If neither tells one of them, or there is no such mode or band.
    """
    found = {'mode': mode, 'band': band}
    for name, keyword in _KEYWORDS.items():
        if found[name] is None:
            found[name] = meta.get(keyword)
        if found[name] is None:
            names = dict.fromkeys(str(entry) for entry in list_bands()[name])
            msg = (f'{name} must be given, such as {", ".join(names)}: no '
                   'header of a map tells it')
            raise ValueError(msg)
    get_band(**found)
    return found['mode'], found['band']
