# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
An evaluation as files: tables, and one HTML page with its figures inside.
"""

import base64
from html import escape
from io import BytesIO

import numpy as np
from astropy.table import Table

from compact_removal.utils.files import (check_overwrite, replace_file,
                                         resolve_path)

__all__ = ['write_report', 'write_tables']

_STYLE = """
body {font-family: sans-serif; margin: 2em auto; max-width: 72em;
      padding: 0 1em; color: #222; line-height: 1.4}
h1, h2 {line-height: 1.2}
figure {margin: 1.5em 0} img {max-width: 100%; height: auto}
figcaption, .note {color: #555; max-width: 50em}
.wide {overflow-x: auto}
table {border-collapse: collapse; margin: 1em 0; font-size: 0.85em}
th, td {padding: 0.25em 0.5em; text-align: right}
td {white-space: nowrap}
th {vertical-align: bottom} thead:last-of-type th
{border-bottom: 2px solid #888}
td {border-bottom: 1px solid #ddd}
th:first-child, td:first-child {text-align: left}
.warning {color: #a40000; font-weight: bold}
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

# Tables with more rows are not in the report.
_MAX_ROWS = 300


def write_report(evaluation, path, *, title=None, overwrite=False):
    """
    Write an evaluation as one HTML file that needs no other.

    It holds the parameters, the summary with its explanation, the
    figures, and the tables that have at most 300 rows. There are no
    scripts in it.

    Parameters
    ----------
    evaluation : `~compact_removal.base.BaseEvaluation`
        From `evaluate`.
    path : str or path-like
        The file.
    title : str, optional
        The heading. Default: "Evaluation".
    overwrite : bool, optional
        Whether an existing file may be replaced.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.table import QTable
    >>> from compact_removal.base import BaseEvaluation
    >>> from compact_removal.evaluation import write_report
    >>> evaluation = BaseEvaluation()
    >>> evaluation.summary = QTable({'field': ['a'], 'error': [0.5]})
    >>> evaluation.parameters = {'seed': 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'report.html'
    ...     write_report(evaluation, path, title='Mine')
    ...     '<h1>Mine</h1>' in path.read_text(encoding='utf-8')
    True
    """
    path = check_overwrite(path, overwrite=overwrite)
    parts = [*_list_parameters(evaluation), '<h2>Summary</h2>',
             _make_table('summary', evaluation.summary, evaluation.labels),
             *(f'<p class="note">{escape(note)}</p>'
               for note in evaluation.notes)]
    figures = [_make_figure(*entry) for entry in evaluation.figures()]
    if figures:
        parts += ['<h2>Figures</h2>', *figures]
    tables = {name: table for name, table in evaluation.tables.items()
              if len(table) <= _MAX_ROWS}
    if tables:
        parts.append('<h2>Tables</h2>')
    parts += [f'<details><summary>{escape(name)}</summary>\n'
              f'{_make_table(name, table)}</details>'
              for name, table in tables.items()]
    page = _PAGE.format(title=escape(title or 'Evaluation'), style=_STYLE,
                        body='\n'.join(parts))
    with replace_file(path) as temporary:
        temporary.write_text(page, encoding='utf-8')


def write_tables(evaluation, folder, *, overwrite=False):
    """
    Write the summary and the tables of an evaluation as ECSV files.

    Parameters
    ----------
    evaluation : `~compact_removal.base.BaseEvaluation`
        From `evaluate`.
    folder : str or path-like
        Where to write; it is made if there is none.
    overwrite : bool, optional
        Whether existing files may be replaced.

    Returns
    -------
    paths : dict of str to `~pathlib.Path`
        The files, by the names of the tables.

    Raises
    ------
    OSError
        If a file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from astropy.table import QTable
    >>> from compact_removal.base import BaseEvaluation
    >>> from compact_removal.evaluation import write_tables
    >>> evaluation = BaseEvaluation()
    >>> evaluation.summary = QTable({'field': ['a'], 'error': [0.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_tables(evaluation, folder)
    >>> paths['summary'].name
    'summary.ecsv'
    """
    folder = resolve_path(folder)
    tables = {**evaluation.tables, 'summary': evaluation.summary}
    paths = {name: check_overwrite(folder / f'{name}.ecsv',
                                   overwrite=overwrite) for name in tables}
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with replace_file(paths[name]) as temporary:
            table.write(temporary, format='ascii.ecsv')
    return paths


def _list_parameters(evaluation):
    """
    How the experiment was made, and what it warned of.
    """
    parameters = dict(evaluation.parameters)
    warnings = parameters.pop('warnings', [])
    rows = {evaluation.labels.get(key, key): str(value)
            for key, value in parameters.items() if value not in (None, '')}
    table = Table({'parameter': list(rows), 'value': list(rows.values())},
                  dtype=[str, str])
    return [*(f'<p class="warning">Warning: {escape(message)}</p>'
              for message in warnings), _make_table('parameters', table)]


def _make_figure(title, figure):
    """
    A figure with its picture inside the page.
    """
    from matplotlib import pyplot as plt

    buffer = BytesIO()
    figure.savefig(buffer, format='png', dpi=90, bbox_inches='tight')
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode('ascii')
    return (f'<figure><img alt="{escape(title)}" '
            f'src="data:image/png;base64,{data}">\n'
            f'<figcaption>{escape(title)}</figcaption></figure>')


def _make_table(name, table, labels=None):
    """
    A table with units below the titles of its columns.
    """
    shown = table.copy()
    for column in table.colnames:
        dtype = getattr(table[column], 'dtype', None)
        if dtype is not None and dtype.kind == 'f':
            shown[column].info.format = _format_number
        title = (labels or {}).get(column)
        if title and title not in shown.colnames:
            shown.rename_column(column, title)
    lines = shown.pformat(max_lines=-1, max_width=-1, html=True,
                          tableid=name)
    return '<div class="wide">' + '\n'.join(lines) + '</div>'


def _format_number(value):
    """
    A number with three digits, or five if it is large.
    """
    value = getattr(value, 'value', value)
    if np.ma.is_masked(value):
        # astropy tries formats with one
        return '--'
    text = f'{value:#.3g}' if abs(value) < 1e3 else f'{value:.5g}'
    return text.removesuffix('.')
