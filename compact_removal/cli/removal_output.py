# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the verbs of the removal print, and the picture that they write.
"""

from compact_removal.cli.output import print_table, save_figure

__all__ = ['is_any_processed', 'print_sources', 'write_picture']

# No more rows of sources are printed.
_MAX_ROWS = 40


def write_picture(image, result, path):
    """
    Write a picture of a map and its result.

    Parameters
    ----------
    image : `~astropy.nddata.CCDData`
        The map.
    result : `~compact_removal.RemovalResult`
        Background and sources.
    path : `~pathlib.Path`
        The file.
    """
    import matplotlib as mpl

    from compact_removal.plotting import plot_removal

    mpl.use('agg')
    save_figure(plot_removal(image, result)[0].figure, path)


def print_sources(sources, unit, path, names=None):
    """
    Print the fluxes, beside the injected ones if there are any.

    Of many rows the first are printed, sources on the map before those
    off it.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        The table of a removal.
    unit : `~astropy.units.Unit`
        Unit of the printed fluxes.
    path : `~pathlib.Path`
        The file that has all rows.
    names : column of str, optional
        What is printed beside the numbers.
    """
    import numpy as np
    from astropy.table import Table

    from compact_removal.removal import SOURCE_FLAGS, decode_flags

    (off_map,) = (flag.value for flag in SOURCE_FLAGS
                  if flag.name == 'off_map')
    is_off = (np.asarray(sources['flags']) & off_map) != 0
    shown = np.argsort(is_off, kind='stable')[:_MAX_ROWS]
    summary = _summarize(sources['flags'])
    n_more = len(sources) - len(shown)
    sources = sources[shown]
    table = Table()
    table['id'] = sources['id']
    if names is not None:
        table[names.info.name] = names[shown]
    center = sources['sky_center'].icrs
    table['ra'] = [f'{value:.5f}' for value in center.ra.deg]
    table['dec'] = [f'{value:.5f}' for value in center.dec.deg]
    table['snr'] = [f'{value:.1f}' for value in sources['snr']]
    for name in sources.colnames:
        if 'flux' not in name:
            continue
        table[f'{name} [{unit}]'] = [
            f'{value:.5g}' for value in sources[name].to_value(unit)]
    table['flags'] = [','.join(decode_flags(flags)) or '-'
                      for flags in sources['flags']]
    print_table(table)
    if n_more:
        print(f'... {n_more} more rows in {path}')
    print(summary)


def is_any_processed(sources):
    """
    Check whether something was done at any position.

    Parameters
    ----------
    sources : `~astropy.table.QTable`
        The table of a removal.

    Returns
    -------
    answer : bool
        False if all positions are off the map, or where nothing was
        observed.
    """
    from compact_removal.removal import decode_flags

    return any(not {'off_map', 'no_background'} & set(names)
               for names in decode_flags(sources['flags']))


def _summarize(values):
    """
    The number of positions, and how many have each flag.
    """
    import numpy as np

    from compact_removal.removal import SOURCE_FLAGS

    values = np.asarray(values)
    counts = {flag.name: np.count_nonzero(values & flag.value)
              for flag in SOURCE_FLAGS}
    text = (f'{values.size} positions, {counts.pop("off_map")} of them off '
            'the map')
    flags = ', '.join(f'{count} {name}' for name, count in counts.items()
                      if count)
    return f'{text}; flags: {flags}' if flags else text
