# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A map, its background and the removed sources.
"""

import numpy as np

from compact_removal.plotting._inputs import read_axes, read_limits
from compact_removal.utils.parameters import ParameterError

__all__ = ['plot_removal']

_CIRCLE_COLOR = '#d55e00'  # stands out from gray, also for the colour-blind
_REACH = 32  # pixels around a source that set the limits of the stretch


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
    data = _pixels(image)
    filled = _pixels(background)
    if data.shape != filled.shape:
        msg = (f'image must have the shape of the background '
               f'{filled.shape}, got {data.shape}')
        raise ParameterError(msg, 'image')
    limits = read_limits(limits)
    axes = _make_axes(axes, image.wcs, data.shape)
    near = _near_sources(data.shape, sources)
    low, high = limits or _limits(data[near], filled[near])
    shared = _norm(low, high)
    panels = (('Map', data, shared),
              ('Background', filled, shared),
              ('Removed sources', data - filled, _norm(0, high - low)))
    unit = '' if image.unit is None else image.unit.to_string()
    for ax, (title, values, norm) in zip(axes, panels, strict=True):
        shown = ax.imshow(values, cmap=cmap, norm=norm, origin='lower',
                          interpolation='nearest')
        _style(ax, title, first=ax is axes[0])
        if circles:
            _draw_circles(ax, sources)
        # without a layout engine, colour bars would lie on tick labels
        pad = 0.2 if ax.figure.get_layout_engine() is None else 0.03
        bar = ax.figure.colorbar(shown, ax=ax, orientation='horizontal',
                                 fraction=0.05, pad=pad, aspect=25)
        bar.set_label(unit)
        _thin_ticks(bar, norm)
    return axes


def _pixels(image):
    """
    Values of a map, NaN where masked.
    """
    data = np.array(image.data, dtype=float)
    if image.mask is not None:
        data[np.broadcast_to(np.asarray(image.mask, dtype=bool),
                             data.shape)] = np.nan
    return data


def _near_sources(shape, sources):
    """
    Pixels in squares around the sources; all, if there are none.
    """
    near = np.zeros(shape, dtype=bool)
    for x, y, _ in _circles(sources):
        x, y = max(round(x), 0), max(round(y), 0)
        near[max(y - _REACH, 0):y + _REACH + 1,
             max(x - _REACH, 0):x + _REACH + 1] = True
    return near if near.any() else ~near


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


def _norm(low, high):
    """
    An asinh stretch between two values.
    """
    from astropy.visualization import AsinhStretch, ImageNormalize

    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.1),
                          clip=False)


def _make_axes(axes, wcs, shape):
    """
    Three axes in an array, new ones if none are given.
    """
    if axes is None:
        from matplotlib import pyplot as plt

        celestial = None
        if wcs is not None and getattr(wcs, 'has_celestial', False):
            from astropy.visualization import wcsaxes  # noqa: F401

            celestial = {'projection': wcs.celestial}
        # 3.5 inches a panel, and room for titles, labels, colour bars;
        # the layout does not see titles of axes with a WCS.
        height = float(np.clip(3.5 * shape[0] / shape[1], 1, 8)) + 1.8
        figure, axes = plt.subplots(1, 3, figsize=(12, height), sharex=True,
                                    sharey=True, subplot_kw=celestial,
                                    layout='constrained')
        figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.3 / height))
    return read_axes(axes, 3)


def _style(ax, title, *, first):
    """
    Title and labels; coordinates of latitude on the first panel only.
    """
    ax.set_title(title)
    if not hasattr(ax, 'coords'):
        ax.set_xlabel('x (pixels)')
        ax.set_ylabel('y (pixels)' if first else '')
        return
    longitude, latitude = ax.coords
    names = {'ra': 'Right ascension', 'dec': 'Declination',
             'glon': 'Galactic longitude', 'glat': 'Galactic latitude'}
    for coord in (longitude, latitude):
        name = coord.default_label
        coord.set_axislabel(names.get(name.split('.')[-1], name))
        coord.set_ticklabel(exclude_overlapping=True, size='small')
    longitude.set_ticks(number=3)
    if not first:
        latitude.set_ticklabel_visible(False)
        latitude.set_axislabel(' ')


def _circles(sources):
    """
    ``(x, y, radius)`` of the sources that have a mask, shape ``(n, 3)``.
    """
    circles = np.column_stack([
        np.asarray(sources[name], dtype=float)
        for name in ('x_center', 'y_center', 'mask_radius')])
    return circles[np.isfinite(circles).all(axis=1)]


def _draw_circles(ax, sources):
    """
    The mask radius around each source that has one.
    """
    from matplotlib.patches import Circle

    for x, y, radius in _circles(sources):
        ax.add_patch(Circle((x, y), radius, fill=False, linewidth=0.8,
                            edgecolor=_CIRCLE_COLOR))


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
