# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Draw the modules of the package and their imports, and list them.

Both come from the syntax trees, so they are what the code is. Modules
stand in rows: each is above all that it imports. Arrows that follow
from others are left out.
"""

import ast
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from compact_removal.tests.module_imports import FRAMEWORKS, ROOT, read_graph

__all__ = ['draw_modules', 'list_modules']

# The one part that may import the frameworks stands apart.
_APART = 'nn'

_INK = '#1d3557'
_LINE = '#7a8ba3'
_RED = '#c0452f'
_MONO = 'DejaVu Sans Mono'
_FILL = {'public': '#dce9f7', 'private': '#f1f1f1', 'apart': '#fde3cf'}
_GAP = 1.8  # between the centres of boxes in a row
_BOX = (1.6, 0.44)
_ROW = 0.95  # between rows

_N_STARTS, _N_SWEEPS = 200, 30


def _reduce(graph):
    """
    Leave out the imports that follow from others.
    """
    reach = {}

    def find_reach(part):
        if part not in reach:
            reach[part] = set(graph[part]).union(
                *(find_reach(below) for below in graph[part]))
        return reach[part]

    for part in graph:
        find_reach(part)
    return {part: {one for one in below
                   if not any(one in reach[other] for other in below)}
            for part, below in graph.items()}


def _find_rows(graph):
    """
    Row of each part: one above the highest that it imports.

    Parts that import nothing, and the one apart, stand just below the
    first that imports them.
    """
    rows = {}

    def find_row(part):
        if part not in rows:
            rows[part] = 1 + max(map(find_row, graph[part]), default=-1)
        return rows[part]

    for part in graph:
        find_row(part)
    raised = dict(rows)
    for part, below in graph.items():
        above = [rows[one] for one in graph if part in graph[one]]
        if above and (part == _APART or not below):
            raised[part] = min(above) - 1
    return raised


def _add_bends(graph, rows):
    """
    Split the arrows: one point in each row that they pass.

    Returns
    -------
    levels : list of list
        Names of parts and points in each row, from the bottom.
    chains : list of list
        The points of each arrow, from its start to its end.
    """
    levels = [sorted(part for part in graph if rows[part] == row)
              for row in range(max(rows.values()) + 1)]
    chains = []
    for part in sorted(graph):
        for below in sorted(graph[part]):
            bends = [(part, below, row) for row
                     in range(rows[part] - 1, rows[below], -1)]
            for bend in bends:
                levels[bend[2]].append(bend)
            chains.append([part, *bends, below])
    return levels, chains


def _room(one):
    """
    Width that a part or a point of an arrow needs.
    """
    if isinstance(one, tuple):
        return 0.3 * _GAP
    return 1.3 * _GAP if one == _APART else _GAP


def _relax(levels, near, rng):
    """
    Find x of all points from a random start: near their neighbours.
    """
    levels = [rng.permutation(np.array(level + [None], dtype=object)[:-1])
              .tolist() for level in levels]
    x = {one: _GAP * (i - (len(level) - 1) / 2)
         for level in levels for i, one in enumerate(level)}
    for sweep in range(_N_SWEEPS):
        for level in levels[::1 if sweep % 2 else -1]:
            wish = {one: sum(weight * x[other] for other, weight in near[one])
                    / sum(weight for _, weight in near[one]) for one in level}
            level.sort(key=lambda one: (one == _APART, wish[one], str(one)))
            found = []
            for i, one in enumerate(level):
                least = (found[-1] + (_room(one) + _room(level[i - 1])) / 2
                         if i else -np.inf)
                found.append(max(wish[one], least))
            shift = (sum(found) - sum(wish.values())) / len(level)
            x.update({one: place - shift
                      for one, place in zip(level, found, strict=True)})
    return x


def _rate(x, rows, arrows):
    """
    How bad a drawing is: crossings of arrows, their bends, its width.
    """
    crossings = sum((x[a] - x[c]) * (x[b] - x[d]) < 0
                    for i, (a, b) in enumerate(arrows)
                    for c, d in arrows[:i] if rows[a] == rows[c])
    return (6 * crossings + sum(abs(x[a] - x[b]) for a, b in arrows)
            + max(x.values()) - min(x.values()))


def _place(levels, chains):
    """
    Find x of all points: the best of several random starts.
    """
    near = {one: [] for level in levels for one in level}
    arrows = [pair for chain in chains for pair in pairwise(chain)]
    for first, second in arrows:
        weight = 1 + 3 * sum(isinstance(one, tuple)
                             for one in (first, second))
        near[first].append((second, weight))
        near[second].append((first, weight))
    rows = {one: row for row, level in enumerate(levels) for one in level}
    rng = np.random.default_rng(1)
    found = [_relax(levels, near, rng) for _ in range(_N_STARTS)]
    return min(found, key=lambda x: _rate(x, rows, arrows))


def _draw_arrow(axes, points):
    """
    Draw a smooth line down through points, with a head at its end.
    """
    points = [list(point) for point in points]
    points[0][1] -= _BOX[1] / 2
    points[-1][1] += _BOX[1] / 2 + 0.06
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        bend = 0.5 * (y0 - y1)
        vertices += [(x0, y0 - bend), (x1, y1 + bend), (x1, y1)]
        codes += 3 * [Path.CURVE4]
    axes.add_patch(PathPatch(Path(vertices, codes), fill=False,
                             edgecolor=_LINE, linewidth=1.0, zorder=1))
    x, y = points[-1]
    head = [(x - 0.055, y + 0.08), (x + 0.055, y + 0.08), (x, y - 0.05)]
    axes.add_patch(PathPatch(Path([*head, head[0]]), facecolor=_LINE,
                             edgecolor='none', zorder=1))


def _draw_box(axes, x, y, text, kind, width=_BOX[0]):
    """
    Draw a named box.
    """
    pad = 0.06
    axes.add_patch(FancyBboxPatch(
        (x - width / 2 + pad, y - _BOX[1] / 2 + pad), width - 2 * pad,
        _BOX[1] - 2 * pad, boxstyle=f'round,pad={pad}',
        facecolor=_FILL[kind], edgecolor=_INK, linewidth=0.8, zorder=2))
    axes.text(x, y - 0.01, text, ha='center', va='center', color=_INK,
              family=_MONO, fontsize=9.5, zorder=3)


def draw_modules(path):
    """
    Draw the modules of the package and the imports among them.

    Parameters
    ----------
    path : path-like
        The picture, ``*.svg`` or ``*.png``.
    """
    graph = read_graph()
    levels, chains = _add_bends(_reduce(graph), _find_rows(graph))
    x = _place(levels, chains)
    y = {one: _ROW * row for row, level in enumerate(levels)
         for one in level}
    side = x[_APART] + 1.1 * _GAP  # where the frameworks stand
    left = min(x.values()) - 0.55 * _GAP
    right = max(side, max(x.values())) + 0.55 * _GAP
    width, height = right - left, max(y.values()) + 0.8
    figure = Figure(figsize=(0.8 * width, 0.8 * height))
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set(xlim=(left, right), ylim=(-0.4, height - 0.4))
    axes.axis('off')

    for chain in chains:
        _draw_arrow(axes, [(x[one], y[one]) for one in chain])
    for part in graph:
        kind = ('apart' if part == _APART else
                'private' if part.startswith('_') else 'public')
        _draw_box(axes, x[part], y[part], part, kind)
    bottom, frame = y[_APART] - 0.42, x[_APART] - 0.52 * _GAP
    axes.add_patch(Rectangle(
        (frame, bottom), side + 0.45 * _GAP - frame, 0.84, fill=False,
        edgecolor=_RED, linewidth=1.0, linestyle=(0, (5, 3)), zorder=0))
    names = sorted(FRAMEWORKS - {'torchvision'})
    axes.text(side, y[_APART] - 0.02, '\n'.join(names), ha='center',
              va='center', family=_MONO, fontsize=9.5, color=_RED,
              linespacing=1.3)
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
    List the modules of the package as a table in reStructuredText.

    Returns
    -------
    lines : list of str
        One row per module: name, what it is for, what it imports.
    """
    graph = read_graph()
    rows = _find_rows(graph)
    lines = ['.. list-table::', '   :header-rows: 1', '   :widths: 20 50 30',
             '', '   * - Module', '     - What is in it', '     - Imports']
    for part in sorted(graph, key=lambda part: (rows[part], part)):
        below = ', '.join(f'``{one}``' for one in sorted(graph[part]))
        lines += [f'   * - ``{part}``', f'     - {_read_summary(part)}',
                  f'     - {below}']
    return lines
