# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well blended sources are measured.
"""

import numpy as np

from compact_removal.plotting._inputs import make_axes

__all__ = ['plot_magnitude_errors']

# Bins, and what is left out of them at both ends (percent).
_N_BINS, _ENDS = 10, 1.0


def plot_magnitude_errors(measured, truth, values, *, label='', axes=None):
    """
    Show errors of magnitudes against something else.

    A line joins the medians of bins with as many sources each; the darker
    band has half of the sources, the lighter one 90 %.

    Parameters
    ----------
    measured, truth : array_like
        Fluxes, shape ``(n,)``. What was not measured is left out.
    values : array_like
        What they are drawn against, shape ``(n,)``.
    label : str, optional
        Its name.
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
    >>> import numpy as np
    >>> from compact_removal.plotting import plot_magnitude_errors
    >>> x = np.linspace(1, 2, 50)
    >>> axes = plot_magnitude_errors(x, x, x, label='Separation')
    >>> axes.get_xlabel()
    'Separation'
    """
    measured, truth, values = (np.asarray(one, dtype=float)
                               for one in (measured, truth, values))
    axes = make_axes(axes, 1)[0]
    with np.errstate(invalid='ignore', divide='ignore'):
        error = -2.5 * np.log10(measured / truth)
    good = np.isfinite(error) & np.isfinite(values)
    error, values = error[good], values[good]
    axes.axhline(0, color='0.6', lw=0.8)
    axes.plot(values, error, '.', ms=3, color='0.7', zorder=1)
    if len(values) >= 2 * _N_BINS:
        edges = np.unique(np.percentile(values, np.linspace(
            _ENDS, 100 - _ENDS, _N_BINS + 1)))
        number = np.digitize(values, edges)
        some = [k for k in range(1, len(edges)) if (number == k).any()]
        middle = [np.median(values[number == k]) for k in some]
        levels = np.array([np.percentile(error[number == k],
                                         [5, 25, 50, 75, 95]) for k in some])
        axes.fill_between(middle, levels[:, 0], levels[:, 4], alpha=0.15,
                          color='C0', lw=0, label='90 %')
        axes.fill_between(middle, levels[:, 1], levels[:, 3], alpha=0.35,
                          color='C0', lw=0, label='half')
        axes.plot(middle, levels[:, 2], 'o-', ms=3, color='C0',
                  label='median')
        reach = 1.3 * max(np.abs(levels).max(), 0.05)
        axes.set_ylim(-reach, reach)
        axes.legend(frameon=False)
    axes.set_xlabel(label)
    axes.set_ylabel('Measured less true magnitude')
    return axes
