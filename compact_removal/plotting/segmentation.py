# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Classes of pixels over an image, and how well they are found.
"""

import numpy as np
from astropy.stats import mad_std

from compact_removal.plotting._inputs import make_axes
from compact_removal.plotting._maps import (make_norm, make_sky_axes,
                                            read_pixels, style_sky_axes)

__all__ = ['plot_classes', 'plot_mcc', 'plot_purity', 'plot_roc']

# Points smaller than this (pixels) are drawn larger, so that one sees them.
_LEAST = 3


def plot_classes(image, planes, names, colors, *, axes=None):
    """
    Show an image, and beside it which pixels belong to which class.

    Parameters
    ----------
    image : `~astropy.nddata.NDData` or array_like
        The image, shape ``(ny, nx)``.
    planes : array_like of bool
        One plane per class, shape ``(n_classes, ny, nx)``; earlier ones
        are drawn over later ones.
    names, colors : sequence of str
        Names of the classes and their colours. Classes without a pixel
        are not in the legend.
    axes : sequence of two `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
        The axes. Classes are drawn one pixel larger than they are.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import numpy as np
    >>> from compact_removal.plotting import plot_classes
    >>> image = np.eye(20)
    >>> axes = plot_classes(image, [image > 0], ['CR'], ['red'])
    >>> axes[1].get_legend().get_texts()[0].get_text()
    'CR'
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch
    from scipy.ndimage import maximum_filter

    from astropy.nddata import NDData

    data = read_pixels(image if isinstance(image, NDData)
                       else NDData(np.asarray(image)))
    axes = make_sky_axes(axes, getattr(image, 'wcs', None), data.shape, 2)
    known = data[np.isfinite(data)]
    low, high = 0.0, 1.0
    if known.size:
        # what most pixels show, whatever overscan or stars do
        middle, spread = np.median(known), mad_std(known)
        low, high = middle - 3 * spread, middle + 15 * spread
    axes[0].imshow(data, cmap='gray_r', norm=make_norm(low, high),
                   origin='lower', interpolation='nearest')
    picture = np.ones((*data.shape, 3))
    patches = []
    for plane, name, color in reversed(list(zip(planes, names, colors,
                                                strict=True))):
        plane = np.asarray(plane, dtype=bool)
        if plane.any():
            picture[maximum_filter(plane, _LEAST)] = to_rgb(color)
            patches.append(Patch(facecolor=color, label=name,
                                 edgecolor='0.5', linewidth=0.4))
    axes[1].imshow(picture, origin='lower', interpolation='nearest')
    style_sky_axes(axes[0], 'image', first=True)
    style_sky_axes(axes[1], 'classes', first=False)
    if patches:
        axes[1].legend(handles=patches[::-1], fontsize='small', frameon=False,
                       loc='upper left', bbox_to_anchor=(1.01, 1))
    return axes


def plot_roc(curves, *, axes=None):
    """
    Plot true against false positives, the latter on a logarithmic axis.

    Parameters
    ----------
    curves : dict of `~astropy.table.Table`
        Tables with ``tpr`` and ``fpr`` by what they are called.
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
    >>> from compact_removal.metrics import roc_curve
    >>> from compact_removal.plotting import plot_roc
    >>> curve = roc_curve([0.9, 0.8, 0.3], [True, False, True])
    >>> plot_roc({'CR': curve}).get_xscale()
    'log'
    """
    ax, = make_axes(axes, 1, figsize=(5, 3.8))
    for label, curve in curves.items():
        fpr, tpr = (np.asarray(curve[name]) for name in ('fpr', 'tpr'))
        _draw(ax, np.maximum(fpr, 1e-7), tpr, label)
    ax.set(xscale='log', xlim=(1e-6, 1), ylim=(0, 1.02),
           xlabel='False-positive rate', ylabel='True-positive rate')
    _finish(ax)
    return ax


def plot_purity(curves, *, axes=None):
    """
    Plot the true-positive rate against the purity.

    Parameters
    ----------
    curves : dict of `~astropy.table.Table`
        Tables with ``tpr`` and ``purity`` by what they are called.
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
    >>> from astropy.table import Table
    >>> from compact_removal.plotting import plot_purity
    >>> curve = Table({'tpr': [0.5, 1.0], 'purity': [1.0, 0.3]})
    >>> plot_purity({'CR': curve}).get_xlabel()
    'Purity'
    """
    ax, = make_axes(axes, 1, figsize=(5, 3.8))
    for label, curve in curves.items():
        _draw(ax, curve['purity'], curve['tpr'], label)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel='Purity',
           ylabel='True-positive rate')
    _finish(ax)
    return ax


def plot_mcc(curves, *, axes=None):
    """
    Plot Matthews' coefficient against the threshold; a dot is the best.

    Parameters
    ----------
    curves : dict of `~astropy.table.Table`
        Tables with ``threshold`` and ``mcc`` by what they are called.
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
    >>> from astropy.table import Table
    >>> from compact_removal.plotting import plot_mcc
    >>> curve = Table({'threshold': [0.9, 0.1], 'mcc': [0.4, 0.8]})
    >>> plot_mcc({'CR': curve}).get_xlabel()
    'Threshold'
    """
    ax, = make_axes(axes, 1, figsize=(5, 3.8))
    for label, curve in curves.items():
        line = _draw(ax, curve['threshold'], curve['mcc'], label)
        best = int(np.nanargmax(curve['mcc']))
        ax.plot(curve['threshold'][best], curve['mcc'][best], 'o',
                color=line.get_color(), markersize=4)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel='Threshold',
           ylabel="Matthews' coefficient")
    _finish(ax)
    return ax


def _draw(ax, x, y, label):
    """
    Draw a curve; its style changes after ten colours.
    """
    n_before = sum(not one.get_label().startswith('_')
                   for one in ax.get_lines())
    line, = ax.plot(np.asarray(x), np.asarray(y), label=label, linewidth=1.2,
                    linestyle=('-', '--', ':')[n_before // 10 % 3])
    return line


def _finish(ax):
    """
    Add grid and legend.
    """
    ax.grid(color='0.9', linewidth=0.5)
    ax.legend(fontsize='x-small', frameon=False, loc='center left',
              bbox_to_anchor=(1.01, 0.5))
    ax.figure.set_layout_engine('tight')
