# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A map, its background and the removed sources.
"""

import numpy as np

from compact_removal.plotting._inputs import read_limits
from compact_removal.plotting._maps import (draw_circles, make_norm,
                                            make_sky_axes, near_sources,
                                            read_pixels, style_sky_axes)
from compact_removal.utils.parameters import ParameterError

__all__ = ['plot_removal']



def plot_removal(image, result, *, axes=None, cmap='gray_r', limits=None,
                 circles=True):
    """
    Show a map, its background and the removed sources side by side.

    Map and background share one asinh stretch, so that what is equal
    looks equal; that of the removed sources is as wide, from zero up.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map that was given to
        `~compact_removal.CompactSourceRemover.remove`, shape
        ``(ny, nx)``.
    result : `~compact_removal.RemovalResult`
        What came back: the background and the table of sources.
    axes : sequence of 3 `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure, with
        `~astropy.visualization.wcsaxes.WCSAxes` if the map has a WCS.
    cmap : str or `~matplotlib.colors.Colormap`, optional
        The colour map. Choose one that is still clear in gray.
    limits : tuple of 2 floats, optional
        Lowest and highest value of the stretch of map and background,
        in the unit of the map. Default: from the pixels around the
        sources, as the edges of maps are often noisy.
    circles : bool, optional
        Whether to draw the mask radius around each source.

    Returns
    -------
    axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
        The three axes: map, background, removed sources.

    Raises
    ------
    ValueError
        If ``axes`` are not three, ``limits`` do not rise, or the shapes
        of map and background differ.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> from astropy.table import QTable
    >>> from compact_removal.plotting import plot_removal
    >>> background = CCDData(np.ones((20, 20)), unit='Jy/pix')
    >>> image = background.copy()
    >>> image.data[10, 10] = 5
    >>> sources = QTable({'x_center': [10.0], 'y_center': [10.0],
    ...                   'mask_radius': [4.0]})
    >>> axes = plot_removal(image, (background, sources))
    >>> [ax.get_title() for ax in axes]
    ['Map', 'Background', 'Removed sources']
    """
    background, sources = result
    data = read_pixels(image)
    filled = read_pixels(background)
    if data.shape != filled.shape:
        msg = (f'image must have the shape of the background '
               f'{filled.shape}, got {data.shape}')
        raise ParameterError(msg, 'image')
    limits = read_limits(limits)
    axes = make_sky_axes(axes, image.wcs, data.shape, 3)
    near = near_sources(data.shape, *_circles(sources).T[:2])
    low, high = limits or _limits(data[near], filled[near])
    shared = make_norm(low, high)
    panels = (('Map', data, shared),
              ('Background', filled, shared),
              ('Removed sources', data - filled, make_norm(0, high - low)))
    unit = '' if image.unit is None else image.unit.to_string()
    for ax, (title, values, norm) in zip(axes, panels, strict=True):
        shown = ax.imshow(values, cmap=cmap, norm=norm, origin='lower',
                          interpolation='nearest')
        style_sky_axes(ax, title, first=ax is axes[0])
        if circles:
            draw_circles(ax, *_circles(sources).T)
        # without a layout engine, colour bars would lie on tick labels
        pad = 0.2 if ax.figure.get_layout_engine() is None else 0.03
        bar = ax.figure.colorbar(shown, ax=ax, orientation='horizontal',
                                 fraction=0.05, pad=pad, aspect=25)
        bar.set_label(unit)
        _thin_ticks(bar, norm)
    return axes


def _limits(*maps):
    """
    Lowest and highest value worth showing.
    """
    values = np.concatenate([data[np.isfinite(data)] for data in maps])
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [0.5, 99.7])
    if not low < high:
        low, high = values.min(), values.max()
    if not low < high:
        # A constant map: any interval around the value will do.
        high = low + max(abs(low), 1.0) * 1e-3
    return float(low), float(high)


def _circles(sources):
    """
    ``(x, y, radius)`` of the sources that have a mask, shape ``(n, 3)``.
    """
    circles = np.column_stack([
        np.asarray(sources[name], dtype=float)
        for name in ('x_center', 'y_center', 'mask_radius')])
    return circles[np.isfinite(circles).all(axis=1)]


def _thin_ticks(bar, norm):
    """
    Three ticks at equal distances along a stretched colour bar.
    """
    values = norm.inverse(np.linspace(0, 1, 3))
    labels = [f'{value:.2g}' for value in values]
    bar.set_ticks(values, labels=labels)
    # those at the ends stay within the panel
    for label, side in zip(bar.ax.get_xticklabels(),
                           ('left', 'center', 'right'), strict=True):
        label.set_horizontalalignment(side)
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize='small')
