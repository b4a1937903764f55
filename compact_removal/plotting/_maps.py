# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What figures of maps share.
"""

import numpy as np

from compact_removal.plotting._inputs import read_axes

__all__ = ['draw_circles', 'make_norm', 'make_sky_axes', 'near_sources',
           'read_pixels', 'style_sky_axes']

_REACH = 32  # pixels around a source that set the limits of the stretch
_CIRCLE_COLOR = '#d55e00'  # stands out from gray, also for the colour-blind


def read_pixels(image):
    """
    Values of a map, NaN where masked.
    """
    data = np.array(image.data, dtype=float)
    if image.mask is not None:
        data[np.broadcast_to(np.asarray(image.mask, dtype=bool),
                             data.shape)] = np.nan
    return data


def near_sources(shape, x, y):
    """
    Pixels in squares around positions; all, if there are none.
    """
    near = np.zeros(shape, dtype=bool)
    for column, row in zip(x, y, strict=True):
        column, row = max(round(column), 0), max(round(row), 0)
        near[max(row - _REACH, 0):row + _REACH + 1,
             max(column - _REACH, 0):column + _REACH + 1] = True
    return near if near.any() else ~near


def make_norm(low, high):
    """
    An asinh stretch between two values.
    """
    from astropy.visualization import AsinhStretch, ImageNormalize

    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.1),
                          clip=False)


def make_sky_axes(axes, wcs, shape, n_axes):
    """
    Axes in an array, new ones if none are given.
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
        figure, axes = plt.subplots(1, n_axes, figsize=(4 * n_axes, height),
                                    sharex=True, sharey=True,
                                    subplot_kw=celestial,
                                    layout='constrained')
        figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.3 / height))
    return read_axes(axes, n_axes)


def style_sky_axes(ax, title, *, first):
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


def draw_circles(ax, x, y, radius, *, linewidth=0.8):
    """
    Circles around positions.
    """
    from matplotlib.patches import Circle

    rows = np.broadcast_arrays(x, y, radius, linewidth)
    for one_x, one_y, one_radius, width in zip(*rows, strict=True):
        ax.add_patch(Circle((one_x, one_y), one_radius, fill=False,
                            linewidth=width, edgecolor=_CIRCLE_COLOR))
