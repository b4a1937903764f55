# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Detections on a map, and how good they are.
"""

import numpy as np

from compact_removal.plotting._inputs import make_axes
from compact_removal.plotting._maps import (draw_circles, make_norm,
                                            make_sky_axes, near_sources,
                                            read_pixels, style_sky_axes)

__all__ = ['plot_calibration', 'plot_completeness', 'plot_confusion',
           'plot_detection_curve', 'plot_detections']


def plot_detections(image, sources, *, axes=None, cmap='gray_r',
                    radius=5.0):
    """
    Show detections over a map.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map, shape ``(ny, nx)``.
    sources : `~astropy.table.Table`
        From `~compact_removal.CompactSourceFinder.find`.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.
    cmap : str or `~matplotlib.colors.Colormap`, optional
        The colour map.
    radius : float, optional
        Radius of the circles (pixels).

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes. Circles are the thicker the more probable a source is.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from astropy.table import QTable
    >>> from compact_removal.plotting import plot_detections
    >>> image = CCDData(np.eye(20), unit='Jy/pix')
    >>> sources = QTable({'x_center': [10.0], 'y_center': [10.0],
    ...                   'probability': [0.9]})
    >>> plot_detections(image, sources).get_title()
    '1 source'
    """
    data = read_pixels(image)
    ax, = make_sky_axes(axes, image.wcs, data.shape, 1)
    near = near_sources(data.shape, sources['x_center'],
                        sources['y_center'])
    known = data[near & np.isfinite(data)]
    low, high = np.percentile(known, [1, 99.5]) if known.size else (0, 1)
    ax.imshow(data, cmap=cmap, norm=make_norm(low, high), origin='lower',
              interpolation='nearest')
    style_sky_axes(ax, f'{len(sources)} source'
                   + ('' if len(sources) == 1 else 's'), first=True)
    draw_circles(ax, sources['x_center'], sources['y_center'],
                 np.full(len(sources), float(radius)),
                 linewidth=0.4 + np.asarray(sources['probability']))
    return ax


def plot_completeness(table, *, axes=None):
    """
    Plot completeness against significance.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `~compact_removal.metrics.completeness_by`.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.metrics import completeness_by
    >>> from compact_removal.plotting import plot_completeness
    >>> table = completeness_by([2, 7, 8], [False, True, True], [1, 5, 10])
    >>> plot_completeness(table).get_ylabel()
    'Completeness'
    """
    ax, = make_axes(axes, 1, figsize=(5, 3.6))
    known = np.asarray(table['n_sources']) > 0
    table = table[known]
    low, high = (np.asarray(table[name], dtype=float)
                 for name in ('low', 'high'))
    high = np.where(np.isfinite(high), high, 3 * low)
    middle = np.sqrt(np.maximum(low, 0.1) * high)
    value = np.asarray(table['completeness'])
    ax.errorbar(middle, value, fmt='o', color='black', capsize=2,
                xerr=[middle - low, high - middle],
                yerr=_distances(value, table, 'completeness'))
    for x, y, number in zip(middle, value, table['n_sources'], strict=True):
        ax.annotate(f'{number}', (x, y), xytext=(4, -11), fontsize='small',
                    textcoords='offset points', color='0.4')
    ax.set(xscale='log', ylim=(-0.03, 1.05), ylabel='Completeness',
           xlabel='Significance of sources')
    return ax


def plot_detection_curve(curve, *, axes=None):
    """
    Plot reliability against completeness.

    Parameters
    ----------
    curve : `~astropy.table.Table`
        From `~compact_removal.metrics.detection_curve`.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.metrics import detection_curve
    >>> from compact_removal.plotting import plot_detection_curve
    >>> curve = detection_curve([0.9, 0.5], [True, False], 2)
    >>> plot_detection_curve(curve).get_title()
    'Average precision 0.50'
    """
    ax, = make_axes(axes, 1, figsize=(5, 3.6))
    ax.plot(curve['completeness'], curve['reliability'], color='black')
    ax.axhline(0.9, color='0.6', linestyle=':')
    ax.set(xlim=(0, 1.02), ylim=(0, 1.03), xlabel='Completeness',
           ylabel='Reliability', title='Average precision '
           f'{curve.meta["average_precision"]:.2f}')
    return ax


def plot_calibration(table, *, axes=None):
    """
    Plot how often probabilities are right.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `~compact_removal.metrics.calibration_table`.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.metrics import calibration_table
    >>> from compact_removal.plotting import plot_calibration
    >>> table = calibration_table([0.1, 0.9], [False, True])
    >>> plot_calibration(table).get_xlabel()
    'Probability'
    """
    ax, = make_axes(axes, 1, figsize=(4.2, 4.0))
    table = table[np.asarray(table['n_detections']) > 0]
    share = np.asarray(table['share'])
    ax.plot([0, 1], [0, 1], color='0.6', linestyle=':')
    ax.errorbar(table['probability'], share, fmt='o', color='black',
                capsize=2, yerr=_distances(share, table, 'share'))
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel='Probability',
           ylabel='Share that are sources', aspect='equal')
    return ax


def plot_confusion(table, *, axes=None):
    """
    Plot what each kind was taken for.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `~compact_removal.metrics.confusion_matrix`.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes; numbers are counts, shades are shares of each row.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.metrics import confusion_matrix
    >>> from compact_removal.plotting import plot_confusion
    >>> table = confusion_matrix(['a', 'a', 'b'], ['a', 'b', 'b'], 'ab')
    >>> [text.get_text() for text in plot_confusion(table).texts]
    ['1', '1', '0', '1']
    """
    ax, = make_axes(axes, 1, figsize=(4.4, 3.6))
    kinds = list(table['true'])
    counts = np.array([table[kind] for kind in kinds]).T
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap='Greys', vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        ax.text(column, row, str(number), ha='center', va='center',
                color='white' if shares[row, column] > 0.5 else 'black')
    places = range(len(kinds))
    ax.set(xticks=places, xticklabels=kinds, yticks=places,
           yticklabels=kinds, xlabel='Taken for', ylabel='True kind')
    return ax


def _distances(value, table, name):
    """
    Distances of shares from the ends of their intervals.
    """
    # an end can lie on the other side by rounding
    return np.maximum([value - table[f'{name}_low'],
                       table[f'{name}_high'] - value], 0)
