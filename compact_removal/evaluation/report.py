# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
An evaluation as one HTML page with its figures inside.
"""

import base64
from html import escape
from io import BytesIO

import numpy as np

from compact_removal.plotting import (plot_flux_ratios, plot_pixel_pdf,
                                      plot_power_spectra, plot_removal)
from compact_removal.utils.files import check_overwrite

__all__ = ['write_report']

_STYLE = """
body {font-family: sans-serif; margin: 2em auto; max-width: 72em;
      padding: 0 1em; color: #222; line-height: 1.4}
h1, h2, h3 {line-height: 1.2}
figure {margin: 1em 0} img {max-width: 100%; height: auto}
figcaption, .note {color: #555; max-width: 50em}
.wide {overflow-x: auto}
table {border-collapse: collapse; margin: 1em 0; font-size: 0.85em}
th, td {padding: 0.25em 0.5em; text-align: right}
td {white-space: nowrap}
th {border-bottom: 2px solid #888; vertical-align: bottom}
td {border-bottom: 1px solid #ddd}
th:first-child, td:first-child {text-align: left}
.warning {color: #a40000; font-weight: bold}
.unit {display: block; font-weight: normal; color: #555}
"""

_PARAMETERS = {
    'mode': 'Mode', 'band': 'Band', 'CRNET': 'Network',
    'CRWEIGHT': 'Weights', 'CRSHA256': 'SHA-256 of the weights',
    'CRVERS': 'compact_removal', 'n_fields': 'Maps',
    'n_sources': 'Sources per simulation (at most)', 'psf': 'Injected PSF',
    'seed': 'Seed'}

_SUMMARY = {
    'field': 'map', 'flux_min': 'lowest flux',
    'flux_max': 'highest flux', 'n_ratios': 'ratios',
    'median_ratio': 'median ratio', 'iqr': 'IQR',
    'annulus_iqr': 'annulus: IQR', 'output_ratio': 'as output',
    'within_1': 'within 1', 'within_196': 'within 1.96',
    'hole_error': 'error in holes', 'power_change': 'change of power',
    'power_before': 'with sources', 'ks_distance': 'KS',
    'completeness': 'com\u00adplete', 'reliability': 're\u00adliable',
    'n_significant': 'of'}

_STATISTICS = ('mean', 'std', 'median', 'mad', 'skewness', 'iqr')


def write_report(evaluation, path, *, title='Evaluation of a removal',
                 overwrite=False):
    """
    Write an evaluation as one HTML file that needs no other.

    It holds the summary, the flux ratios by level (as Fig. 11 of the
    paper), and for each map pictures, power spectra and pixel PDFs (as
    Fig. 13) and pixel statistics (as Table 6). There are no scripts in
    it.

    Parameters
    ----------
    evaluation : `Evaluation`
        From `evaluate_remover`.
    path : str or path-like
        The file.
    title : str, optional
        The heading.
    overwrite : bool, optional
        Whether an existing file may be replaced.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> from compact_removal.evaluation import write_report
    >>> write_report(evaluation, 'report.html')  # doctest: +SKIP
    """
    path = check_overwrite(path, overwrite=overwrite)
    parts = [f'<h1>{escape(title)}</h1>', _parameters(evaluation),
             _summary(evaluation), _fluxes(evaluation),
             _statistics(evaluation)]
    parts += ['<h2>Maps</h2>',
              '<p class="note">Simulations with sources of all levels, in '
              'random orientations. The difference of the power spectra is '
              'relative to the map before sources were injected.</p>']
    parts += [_field(name, entry) for name, entry in evaluation.maps.items()]
    page = ('<!DOCTYPE html>\n<html lang="en">\n<head>\n'
            '<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            '<link rel="icon" href="data:,">\n'
            f'<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
            '</head>\n<body>\n' + '\n'.join(parts) + '\n</body>\n</html>\n')
    path.write_text(page, encoding='utf-8')


def _parameters(evaluation):
    """
    How the experiment was made.
    """
    rows = [(label, evaluation.parameters.get(key))
            for key, label in _PARAMETERS.items()]
    notes = ''.join(f'<p class="warning">Warning: {escape(message)}</p>\n'
                    for message in evaluation.parameters['warnings'])
    return notes + _table(['parameter', 'value'],
                          [[label, value] for label, value in rows
                           if value not in (None, '')])


def _summary(evaluation):
    """
    One row per map.
    """
    table = evaluation.summary
    columns = [table[name] for name in _SUMMARY]
    units = [getattr(column, 'unit', None) for column in columns]
    rows = [[_number(column[i]) for column in columns]
            for i in range(len(table))]
    return ('<h2>Summary</h2>\n'
            + _table(list(_SUMMARY.values()), rows, units)
            + '<p class="note">Ratios are of measured and injected flux, of '
              'all sources of a map; the interquartile range (IQR) is their '
              'scatter, beside that of standard photometry with an annulus. '
              'The flux of a ratio is corrected with the encircled energy of '
              'the PSF that was injected; <em>as output</em> is the median '
              'ratio of the fluxes as they are output, with the aperture '
              'correction of the band: if it is off, the PSF is another '
              'one. <em>Within</em> 1 and 1.96 predicted errors should lie '
              '0.68 and 0.95 of the fluxes.</p><p class="note">'
              'The other columns are from one simulation of each map with '
              'sources of all fluxes. The error in the holes is that of the '
              'background, over its standard deviation there (both robust). '
              'Changes of power are the largest of the power spectrum at '
              'scales above the FWHM of the PSF, relative to the map before '
              'sources were injected: after the removal, and with the '
              'sources in the map. Sources have random orientations here, as '
              'in the paper, so the PSF of the map cannot be learned as well '
              'as in a real one. Complete: share of the significant '
              'sources (of so many) of which nothing significant, 3 sigma, '
              'is left; reliable: share of the removals that left neither a '
              'source nor a hole. A good removal has ratios of 1, an IQR '
              'well below that of the annulus, and all changes near 0.'
              '</p>')


def _fluxes(evaluation):
    """
    Flux ratios by level, as a figure and tables.
    """
    sources = evaluation.sources
    axes = plot_flux_ratios(
        sources['injected_flux'],
        {'network': sources['flux_ratio'],
         'annulus': sources['annulus_flux_ratio']})
    parts = ['<h2>Fluxes</h2>',
             _figure(axes, 'Box plots of the ratio of measured and injected '
                     'flux by injected flux, for network and annulus',
                     'Measured over injected flux by injected flux (box: '
                     'quartiles, line: median). Fluxes are chosen for each '
                     'map, so neighbouring boxes may be of different maps.')]
    table = evaluation.flux_ratios
    names = ('level', 'n', 'n_missing', 'median', 'q25', 'q75', 'iqr',
             'outlier_fraction')
    labels = ('injected flux', 'n', 'missing', 'median', '25 %', '75 %',
              'IQR', 'outliers (> 20 %)')
    keys = dict.fromkeys(zip(table['method'],
                             table['aperture_radius'].value, strict=True))
    for method, radius in keys:
        rows = table[(table['method'] == method)
                     & (table['aperture_radius'].value == radius)]
        units = [getattr(rows[name], 'unit', None) for name in names]
        text = _table(labels, [[_number(row[name]) for name in names]
                               for row in rows], units)
        parts.append(f'<details><summary>{escape(str(method))}, aperture '
                     f'{radius:g} {table["aperture_radius"].unit}</summary>'
                     f'\n{text}</details>')
    return '\n'.join(parts)


def _statistics(evaluation):
    """
    Statistics of the pixels in the holes, as Table 6 of the paper.
    """
    table = evaluation.pixel_statistics
    rows = [[row['field'], row['map'], row['n_pixels'],
             *(_number(row[name]) for name in _STATISTICS)]
            for row in table]
    labels = ['map', 'pixels', 'number', *_STATISTICS]
    units = [getattr(table[name], 'unit', None) for name in _STATISTICS]
    return ('<h2>Pixels in the holes</h2>\n'
            + _table(labels, rows, [None] * 3 + units)
            + '<p class="note">As Table 6 of the paper: before sources were '
              'injected, and as predicted after their removal.</p>')


def _field(name, entry):
    """
    The figures of one map.
    """
    from matplotlib import pyplot as plt

    name = str(name)
    pictures = _figure(
        plot_removal(entry.image, (entry.background, entry.sources)),
        f'{name}: map, background and removed sources',
        'Map with sources, predicted background, and what was removed.')
    _, axes = plt.subplots(1, 3, figsize=(13.5, 3.8), layout='constrained')
    plot_power_spectra(entry.power_spectra, axes=axes[:2])
    plot_pixel_pdf(entry.pixel_comparison, axes=axes[2])
    curves = _figure(
        axes, f'{name}: power spectra, their differences, and the '
        'distribution of the pixels in the holes',
        'Power spectra, their differences, and the distribution of the '
        'pixels in the holes.')
    return f'<h3>{escape(name)}</h3>\n{pictures}\n{curves}'


def _figure(axes, alt, caption):
    """
    A figure with its picture inside the page.
    """
    from matplotlib import pyplot as plt

    figure = np.ravel(axes)[0].figure
    buffer = BytesIO()
    figure.savefig(buffer, format='png', dpi=90, bbox_inches='tight')
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode('ascii')
    return (f'<figure><img alt="{escape(alt)}" '
            f'src="data:image/png;base64,{data}">\n'
            f'<figcaption>{escape(caption)}</figcaption></figure>')


def _table(labels, rows, units=None):
    """
    A table with units below the labels.
    """
    units = [None] * len(labels) if units is None else units
    heads = ''.join(
        f'<th>{escape(str(label))}'
        + (f'<span class="unit">{escape(str(unit))}</span>'
           if unit is not None and str(unit) else '') + '</th>'
        for label, unit in zip(labels, units, strict=True))
    body = '\n'.join('<tr>' + ''.join(f'<td>{escape(str(cell))}</td>'
                                      for cell in row) + '</tr>'
                     for row in rows)
    return (f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
            f'<tbody>\n{body}\n</tbody>\n</table></div>\n')


def _number(value):
    """
    A number as text, without its unit.
    """
    value = getattr(value, 'value', value)
    if isinstance(value, (str, int, np.integer)):
        return str(value)
    text = f'{value:#.3g}' if abs(value) < 1e3 else f'{value:.5g}'
    return text.removesuffix('.')
