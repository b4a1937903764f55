# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the figures.
"""

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS
from matplotlib import pyplot as plt
from matplotlib.patches import Circle
from numpy.testing import assert_allclose

from compact_removal.plotting import plot_removal

SHAPE = (24, 30)


def make_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 269.15, 51.49
    wcs.wcs.crpix = 15, 12
    wcs.wcs.cdelt = -1.6 / 3600, 1.6 / 3600
    return wcs


def make_case(wcs=None):
    rng = np.random.default_rng(3)
    background = CCDData(rng.normal(1, 0.1, SHAPE), unit='Jy/pix', wcs=wcs)
    image = background.copy()
    image.data[8, 20] += 7
    sources = QTable({'x_center': [20.0, 5, np.nan],
                      'y_center': [8.0, 5, 3],
                      'mask_radius': [4.0, np.nan, 5]})
    return image, (background, sources)


def circles_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, Circle)]


def test_panels():
    image, result = make_case(make_wcs())
    axes = plot_removal(image, result)
    assert axes.shape == (3,)
    assert all(isinstance(ax, WCSAxes) for ax in axes)
    shown = [ax.images[0] for ax in axes]
    assert_allclose(shown[0].get_array(), image.data)
    assert_allclose(shown[1].get_array(), result[0].data)
    assert_allclose(shown[2].get_array(), image.data - result[0].data)
    assert shown[0].norm is shown[1].norm
    assert shown[0].norm is not shown[2].norm
    for ax in axes:
        (circle,) = circles_of(ax)
        assert circle.center == (20, 8)
        assert circle.radius == 4
    axes[0].figure.canvas.draw()


def test_without_wcs_and_circles():
    image, result = make_case()
    axes = plot_removal(image, result, circles=False)
    assert not any(isinstance(ax, WCSAxes) for ax in axes)
    assert not any(circles_of(ax) for ax in axes)


def test_given_axes_and_limits():
    image, result = make_case()
    _, given = plt.subplots(1, 3)
    axes = plot_removal(image, result, axes=list(given), limits=(0, 3),
                        cmap='cividis')
    assert all(a is b for a, b in zip(axes, given, strict=True))
    norm = axes[1].images[0].norm
    assert (norm.vmin, norm.vmax) == (0, 3)
    assert axes[0].images[0].cmap.name == 'cividis'


@pytest.mark.parametrize('layout', [None, 'constrained'])
def test_colour_bars_lie_below_the_labels(layout):
    image, result = make_case()
    figure, given = plt.subplots(1, 3, layout=layout)
    plot_removal(image, result, axes=given)
    figure.canvas.draw()
    for ax, bar in zip(given, figure.axes[3:], strict=True):
        label = ax.xaxis.label.get_window_extent()
        assert bar.get_window_extent().y1 < label.y0


def test_far_pixels_do_not_set_the_limits():
    background = CCDData(np.zeros((20, 200)), unit='Jy/pix')
    background.data[:, ::2] = 1
    background.data[:, 120:] = 1e6
    image = background.copy()
    image.data[10, 30] += 5
    sources = QTable({'x_center': [30.0], 'y_center': [10.0],
                      'mask_radius': [4.0]})
    axes = plot_removal(image, (background, sources))
    assert axes[0].images[0].norm.vmax < 10
    axes = plot_removal(image, (background, sources[:0]))
    assert axes[0].images[0].norm.vmax > 1e5


def test_masked_pixels_are_not_shown():
    image, result = make_case()
    image.mask = np.zeros(SHAPE, dtype=bool)
    image.mask[0, 0] = True
    axes = plot_removal(image, result)
    shown = np.ma.filled(axes[0].images[0].get_array(), np.nan)
    assert np.isnan(shown[0, 0])
    assert np.isfinite(shown).sum() == image.data.size - 1


@pytest.mark.parametrize('value', [np.nan, 0, 2.5])
def test_flat_maps(value):
    image, (_, sources) = make_case(make_wcs())
    image.data[...] = value
    axes = plot_removal(image, (image.copy(), sources))
    axes[0].figure.canvas.draw()
    norm = axes[0].images[0].norm
    assert norm.vmin < norm.vmax


def test_input_is_not_modified():
    image, result = make_case()
    image.mask = image.data > 5
    before = image.data.copy()
    plot_removal(image, result)
    assert_allclose(image.data, before, rtol=0)


def test_errors():
    image, result = make_case()
    _, given = plt.subplots(1, 2)
    with pytest.raises(ValueError, match='axes must be three, got 2'):
        plot_removal(image, result, axes=given)
    with pytest.raises(ValueError, match='limits must be two values'):
        plot_removal(image, result, limits=(3, 1))
    small = CCDData(image.data[1:], unit=image.unit)
    match = r'image must have the shape of the background \(24, 30\)'
    with pytest.raises(ValueError, match=match):
        plot_removal(small, result)
