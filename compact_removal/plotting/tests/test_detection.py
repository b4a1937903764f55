# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the figures of detections.
"""

import matplotlib as mpl
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import QTable
from matplotlib import pyplot as plt

from compact_removal.metrics import (calibration_table, completeness_by,
                                     confusion_matrix, detection_curve)
from compact_removal.plotting import (plot_calibration, plot_completeness,
                                      plot_confusion, plot_detection_curve,
                                      plot_detections)

mpl.use('agg')


def test_detections():
    data = np.random.default_rng(1).normal(size=(90, 80))
    data[0] = np.nan
    data[85:] = 1e6
    sources = QTable({'x_center': [20.0, 30.5], 'y_center': [22.0, 31.0],
                      'probability': [0.9, 0.4]})
    ax = plot_detections(CCDData(data, unit='Jy/pix'), sources, radius=4)
    assert [patch.center for patch in ax.patches] == [(20, 22), (30.5, 31)]
    first, second = (patch.get_linewidth() for patch in ax.patches)
    assert first > second
    # what is far from the sources does not set the stretch
    assert ax.images[0].norm.vmax < 10
    assert plot_detections(CCDData(data, unit='Jy/pix'),
                           sources[:0]).get_title() == '0 sources'


def test_completeness():
    table = completeness_by([2, 6, 7, 30], [False, True, False, True],
                            [1, 5, 10, 20, np.inf])
    ax = plot_completeness(table)
    shown = ax.containers[0].lines[0].get_ydata()
    assert shown.tolist() == [0, 0.5, 1]
    assert {text.get_text() for text in ax.texts} == {'1', '2'}


def test_curve_and_calibration():
    curve = detection_curve([0.9, 0.8, 0.1], [True, False, True], 2)
    ax = plot_detection_curve(curve)
    assert ax.lines[0].get_xdata()[-1] == 1
    table = calibration_table([0.05, 0.95, 0.97], [False, True, True])
    ax = plot_calibration(table)
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0, 1]
    own = plt.figure().subplots()
    assert plot_calibration(table, axes=own) is own


def test_confusion():
    table = confusion_matrix(['a'] * 3 + ['b'] * 2, ['a', 'a', 'b', 'b', 'b'],
                             ['a', 'b', 'c'])
    ax = plot_confusion(table)
    assert [text.get_text() for text in ax.texts] == [
        '2', '1', '0', '0', '2', '0', '0', '0', '0']
    # rows are what things are, with shares of each
    assert ax.images[0].get_array()[0].tolist() == pytest.approx(
        [2 / 3, 1 / 3, 0])
