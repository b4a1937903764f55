# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
List how the shipped weights were made, from the metadata in the files.
"""

from compact_removal.nn import load_weights
from compact_removal.removal import WEIGHTS, find_model_class

__all__ = ['list_provenance']

# Of what the training started from; the whole hash is too wide for a page.
_START_LENGTH = 36


def _list_settings(settings):
    """
    One line of text for a dict of settings.
    """
    return ', '.join(f'{key} {value}' for key, value in settings.items())


def list_provenance():
    """
    List the settings of all shipped weights in reStructuredText.

    Returns
    -------
    lines : list of str
        A table for each set of weights.
    """
    lines = []
    for row in WEIGHTS.list():
        _, info = load_weights(WEIGHTS.path(row['name']), find_model_class)
        rows = {'date': info['date'], 'mode': info['mode'],
                'seed': info['seed'],
                'start': info.get('start', '')[:_START_LENGTH],
                'steps': info['n_steps'],
                'best epoch': info['validation']['best_epoch'],
                'loss on validation data': info['validation']['loss']}
        for name, settings in info['configuration'].items():
            rows[name] = (_list_settings(settings)
                          if isinstance(settings, dict) else settings)
        lines += [f'``{row["name"]}``', '', '.. list-table::',
                  '   :widths: 25 75', '']
        for key, value in rows.items():
            if value not in ('', {}):
                lines += [f'   * - {key}', f'     - {value}']
        lines += ['']
    return lines
