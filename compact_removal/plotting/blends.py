# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Blends taken apart, and how well sources in them are measured.
"""

import numpy as np
from astropy.stats import mad_std

from compact_removal.plotting._inputs import make_axes
from compact_removal.plotting._maps import (draw_circles, make_norm,
                                            make_sky_axes, read_pixels,
                                            style_sky_axes)

__all__ = ['plot_deblending', 'plot_magnitude_errors']

# Bins, and what is left out of them at both ends (percent).
_N_BINS, _ENDS = 10, 1.0

# The least radius of a circle (pixels).
_LEAST = 2.0


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


def plot_deblending(result, *, axes=None):
    """
    Show a field, which source has the largest share where, and what is
    left without all sources.

    Parameters
    ----------
    result : `~compact_removal.DeblendingResult`
        The field, taken apart.
    axes : sequence of three `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
        The axes. Image and rest have the same stretch; circles hold 90 %
        of the light.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.deblending import SourceDeblender, make_blends
    >>> from compact_removal.plotting import plot_deblending
    >>> blend, = make_blends(1, seed=1)
    >>> plot_deblending(SourceDeblender().deblend(blend.image)).shape
    (3,)
    """
    rest = read_pixels(result.unassigned)
    image = rest.copy()
    for part, (low, left) in zip(result.parts.parts, result.parts.corners,
                                 strict=True):
        image[low:low + part.shape[0], left:left + part.shape[1]] += part
    axes = make_sky_axes(axes, result.unassigned.wcs, rest.shape, 3)
    middle, spread = 0.0, 1.0
    if np.isfinite(rest).any():
        middle, spread = np.nanmedian(rest), mad_std(rest, ignore_nan=True)
    norm = make_norm(middle - 3 * spread, middle + 30 * spread)
    segments = result.segmentation
    for number, (title, data, how) in enumerate((
            ('image', image, {'norm': norm, 'cmap': 'gray_r'}),
            ('largest share', np.ma.masked_equal(segments.data, 0), {
                'cmap': segments.make_cmap(seed=1), 'vmin': 0,
                'vmax': max(segments.max_label, 1)}),
            ('without the sources', rest, {'norm': norm, 'cmap': 'gray_r'}))):
        axes[number].imshow(data, origin='lower', interpolation='nearest',
                            **how)
        style_sky_axes(axes[number], title, first=number == 0)
    found = result.sources[np.isfinite(result.sources['r90'])]
    draw_circles(axes[0], found['x_center'], found['y_center'],
                 np.maximum(found['r90'], _LEAST))
    return axes
