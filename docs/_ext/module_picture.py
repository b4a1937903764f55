# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Draw the parts of the package and their imports, and list them.

The rows are the floors of ``compact_removal/tests/module_imports.py``;
what is drawn on them comes from the syntax trees.
"""

import ast

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from compact_removal.tests.module_imports import (ANNEXES, FLOORS, ROOT,
                                                  find_floor, read_frameworks,
                                                  read_graph)

__all__ = ['draw_modules', 'list_modules']

_INK, _LINE, _RED = '#1d3557', '#7a8ba3', '#c0452f'
_FLOOR, _ANNEX = '#dce9f7', '#fde3cf'
_MONO = 'DejaVu Sans Mono'

# Widths and heights, in units of 0.8 inches.
_HOUSE, _BOX, _COLUMN = 6.0, 1.9, 2.2
_HEIGHT, _ROW, _GAP = 0.5, 0.8, 0.2


def _order(part):
    """
    Place of a part in lists: from the ground up, annexes at the end.
    """
    return part in ANNEXES, find_floor(part), part


def _reduce(graph):
    """
    Leave out the imports that follow from others.
    """
    def reach(part):
        return set(graph[part]).union(*map(reach, graph[part]))

    return {part: {one for one in below
                   if not any(one in reach(other) for other in below)}
            for part, below in graph.items()}


def _place(graph):
    """
    Find the centres and the widths of all boxes.

    Returns
    -------
    places : dict of tuple
        The center ``(x, y)`` and the width by name of the part.
    rows : dict of float
        Heights of the floors by their number.
    """
    floors = {number: [part for part in graph if part not in ANNEXES
                       and find_floor(part) == number]
              for number in range(len(FLOORS))}
    numbers = [number for number, parts in floors.items() if parts]
    rows = {number: _ROW * i for i, number in enumerate(numbers)}
    # what the annexes import stands beside them
    needed = set().union(*(graph[part] for part in graph if part in ANNEXES))
    places = {}
    for number, y in rows.items():
        parts = sorted(floors[number], key=lambda part: (part in needed, part))
        width = (_HOUSE + _GAP) / len(parts)
        for i, part in enumerate(parts):
            places[part] = (i + 0.5) * width - _GAP / 2, y, width - _GAP
    for i, part in enumerate(part for part in ANNEXES if part in graph):
        # below the first floor from which one may enter it
        y = rows[find_floor(ANNEXES[part][1])] - _ROW / 2
        places[part] = _HOUSE + 0.3 + _COLUMN * (i + 0.5), y, _BOX
    return places, rows


def _draw_line(axes, x, y, *, head=True):
    """
    Draw a line through points, with a head at its end.
    """
    axes.plot(x, y, color=_LINE, linewidth=1.0, zorder=1)
    if head:
        axes.annotate('', (x[-1], y[-1]), (x[-2], y[-2]), zorder=1,
                      arrowprops={'arrowstyle': '-|>', 'color': _LINE,
                                  'shrinkA': 0, 'shrinkB': 0})


def _draw_box(axes, place, text, names):
    """
    Draw a named box, with the frameworks that are imported in it.
    """
    x, y, width = place
    pad = 0.06
    axes.add_patch(FancyBboxPatch(
        (x - width / 2 + pad, y - _HEIGHT / 2 + pad), width - 2 * pad,
        _HEIGHT - 2 * pad, boxstyle=f'round,pad={pad}', linewidth=0.8,
        facecolor=_ANNEX if text in ANNEXES else _FLOOR, edgecolor=_INK,
        zorder=2))
    style = {'ha': 'center', 'va': 'center', 'family': _MONO, 'zorder': 3}
    axes.text(x, y + (0.07 if names else -0.01), text, color=_INK,
              fontsize=9.5, **style)
    if names:
        axes.text(x, y - 0.13, ' '.join(sorted(names)), color=_RED,
                  fontsize=7, **style)


def _draw_annex(axes, part, graph, places, rows):
    """
    Draw the lines to an annex and from it; a dot is an import.
    """
    x, y, width = places[part]
    users = {find_floor(one) for one, below in graph.items()
             if part in below and one not in ANNEXES}
    if users:
        for number in users:
            _draw_line(axes, (_HOUSE, x), 2 * (rows[number],), head=False)
            axes.plot(x, rows[number], 'o', color=_LINE, markersize=4)
        _draw_line(axes, (x, x), (max(rows[one] for one in users),
                                  y + _HEIGHT / 2))
    for one in _reduce(graph)[part]:
        end, level, other = places[one]
        if level == y:
            _draw_line(axes, (x - width / 2, end + other / 2), (y, y))
        else:
            _draw_line(axes, (x, x, end + other / 2),
                       (y - _HEIGHT / 2, level, level))


def draw_modules(path):
    """
    Draw the parts of the package and the imports among them.

    Parameters
    ----------
    path : path-like
        The picture, ``*.svg`` or ``*.png``.
    """
    graph = read_graph()
    frameworks = {}
    for file, names in read_frameworks().items():
        part = file.relative_to(ROOT).parts[0]
        frameworks.setdefault(part, set()).update(names)
    places, rows = _place(graph)
    right = max(x + width / 2 for x, _, width in places.values()) + 0.1
    top = max(rows.values()) + 0.5
    figure = Figure(figsize=(0.8 * (right + 0.7), 0.8 * (top + 0.5)))
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set(xlim=(-0.7, right), ylim=(-0.5, top))
    axes.axis('off')
    _draw_line(axes, (-0.25, -0.25), (top - 0.25, -0.25))
    axes.text(-0.45, top / 2, 'imports', rotation=90, ha='center',
              va='center', color=_LINE, fontsize=9)
    for part in graph:
        if part in ANNEXES:
            _draw_annex(axes, part, graph, places, rows)
        _draw_box(axes, places[part], part, frameworks.get(part, ()))
    with mpl.rc_context({'svg.hashsalt': 'modules',
                         'svg.fonttype': 'none'}):
        figure.savefig(path, dpi=150, facecolor='white',
                       metadata={'Date': None})


def _read_summary(part):
    """
    First paragraph of the docstring of a part.
    """
    path = ROOT / part / '__init__.py'
    if not path.exists():
        path = ROOT / f'{part}.py'
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
    return ' '.join(text.split('\n\n')[0].split())


def list_modules():
    """
    List the parts of the package as a table in reStructuredText.

    Returns
    -------
    lines : list of str
        One row per part: name, what it is for, what it imports.
    """
    graph = read_graph()
    lines = ['.. list-table::', '   :header-rows: 1', '   :widths: 20 50 30',
             '', '   * - Module', '     - What is in it', '     - Imports']
    for part in sorted(graph, key=_order):
        below = ', '.join(f'``{one}``' for one in sorted(graph[part]))
        lines += [f'   * - ``{part}``', f'     - {_read_summary(part)}',
                  f'     - {below}']
    return lines
