# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the figures of metrics and of trainings.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.utils.masked import Masked
from matplotlib import pyplot as plt
from matplotlib.patches import PathPatch
from numpy.testing import assert_allclose

from compact_removal.metrics import compare_pixels, power_spectrum
from compact_removal.plotting import (plot_flux_ratios, plot_history,
                                      plot_pixel_pdf, plot_power_spectra)


def draw(axes):
    np.ravel(np.asarray(axes, dtype=object))[0].figure.canvas.draw()


def line(ax, label):
    (found,) = [item for item in ax.lines if item.get_label() == label]
    return found


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def tick_texts(ax):
    return [text.get_text() for text in ax.get_xticklabels()]


def boxes_of(ax):
    """Left, right, bottom and top of each box, from left to right."""
    extents = [patch.get_path().get_extents() for patch in ax.patches
               if isinstance(patch, PathPatch)]
    return np.array(sorted((*box.intervalx, *box.intervaly)
                           for box in extents))


def triangles_of(ax):
    """Marker and height of the triangles at the edges."""
    return {(item.get_marker(), item.get_ydata()[0]) for item in ax.lines
            if item.get_marker() in {'^', 'v'}}


def medians_of(ax):
    """Position and height of the medians."""
    return sorted((np.mean(item.get_xdata()), item.get_ydata()[0])
                  for item in ax.lines if item.get_linewidth() == 2.5)


# --- ratios of fluxes ---

LEVELS = np.repeat([90.0, 40.0], 5) * u.mJy
RATIOS = {'network': np.array([0.9, 0.95, 1, 1.05, 1.2,
                               0.8, 0.9, 1.1, 1.2, np.nan]),
          'annulus': np.array([0.9, 1.0, 1.1, 1.2, 1.3,
                               0.7, 0.8, 0.9, 1.0, 1.1])}


def test_boxes():
    ax = plot_flux_ratios(LEVELS, RATIOS)
    draw(ax)
    assert tick_texts(ax) == ['40', '90']
    assert ax.get_xlabel() == 'Injected flux (mJy)'
    assert legend_texts(ax) == ['network', 'annulus']
    centers = [-0.2, 0.2, 0.8, 1.2]
    assert_allclose(medians_of(ax), np.transpose(
        [centers, [1.0, 0.9, 1.0, 1.1]]))
    left, right, *quartiles = boxes_of(ax).T
    assert_allclose((left + right) / 2, centers)
    assert_allclose(np.transpose(quartiles), [
        (0.875, 1.125), (0.8, 1.0), (0.95, 1.05), (1.0, 1.2)])
    assert np.all(left[1:] > right[:-1])


def test_levels_in_another_unit():
    levels = [0.1, 0.3, 0.1 + 1e-12] * u.Jy
    ax = plot_flux_ratios(levels, {'a': [1.0, 1.1, 1.2]})
    assert tick_texts(ax) == ['0.1', '0.3']
    assert_allclose(medians_of(ax), [(0, 1.1), (1, 1.1)])
    assert ax.get_xlabel() == 'Injected flux (Jy)'
    mixed = plot_flux_ratios(levels, {'a': [1000, 1100, 1200] * u.mJy / u.Jy})
    assert_allclose(medians_of(mixed), medians_of(ax))


def test_limits_ignore_wild_ratios():
    ratios = {name: np.tile(values, 3) for name, values in RATIOS.items()}
    levels = np.tile(LEVELS, 3)
    # beyond the whiskers, and a whole box
    ratios['network'][0] = 500
    ratios['annulus'][LEVELS.size // 2:] = -30
    ax = plot_flux_ratios(levels, ratios)
    draw(ax)
    low, high = ax.get_ylim()
    assert_allclose(high - 1, 1 - low)
    assert 1.2 <= high < 2
    assert triangles_of(ax) == {('v', low)}


def test_limits_of_good_ratios():
    ax = plot_flux_ratios(LEVELS, {'network': np.full(10, 1.01)})
    assert_allclose(ax.get_ylim(), (0.8, 1.2))


def test_limits_show_the_first_and_boxes_of_others():
    ax = plot_flux_ratios(LEVELS, RATIOS, limits=(0, 3))
    assert ax.get_ylim() == (0, 3)
    others = dict(RATIOS, annulus=RATIOS['annulus'] + 0.4)
    ax = plot_flux_ratios(LEVELS, others)
    assert ax.get_ylim()[1] > 1.6
    assert not triangles_of(ax)
    ax = plot_flux_ratios(LEVELS, others, limits=(0.5, 1.1))
    assert triangles_of(ax) == {('^', 1.1)}


def test_levels_without_ratios_keep_their_place():
    levels = [10, 20, 20, 30, np.nan] * u.mJy
    ax = plot_flux_ratios(levels, {'a': [1, np.nan, np.inf, 2, 9],
                                   'b': [np.nan] * 5})
    draw(ax)
    assert tick_texts(ax) == ['10', '20', '30']
    assert_allclose(medians_of(ax), [(-0.2, 1), (1.8, 2)])
    assert legend_texts(ax) == ['a', 'b']
    draw(plot_flux_ratios(levels, {'b': [np.nan] * 5}))


def test_masked_ratios_are_left_out():
    ratios = Masked([1.0, 7.0, 1.2], mask=[False, True, False])
    ax = plot_flux_ratios([5, 5, 5] * u.mJy, {'a': ratios})
    assert_allclose(medians_of(ax), [(0, 1.1)])
    ratios = np.ma.masked_array([1.0, 7.0, 1.2], [False, True, False])
    ax = plot_flux_ratios([5, 5, 5] * u.mJy, {'a': ratios})
    assert_allclose(medians_of(ax), [(0, 1.1)])


def test_one_level_and_given_axes():
    _, given = plt.subplots()
    ax = plot_flux_ratios([5, 5] * u.mJy, {'a': [1, 1.1]}, axes=given)
    assert ax is given
    assert tick_texts(ax) == ['5']
    draw(ax)


def test_many_levels_are_rotated():
    levels = np.arange(1000, 1060) * u.mJy
    ax = plot_flux_ratios(levels, {'a': np.ones(60)})
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {45}
    ax = plot_flux_ratios(LEVELS, RATIOS)
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {0}


def test_boxes_differ_in_gray():
    ratios = dict.fromkeys('abcd', np.ones(10))
    ax = plot_flux_ratios(LEVELS, ratios)
    handles, labels = ax.get_legend_handles_labels()
    assert labels == list('abcd')
    assert len({handle.get_hatch() for handle in handles}) == 4


def test_errors_of_flux_ratios():
    with pytest.raises(ValueError, match='levels must be a Quantity'):
        plot_flux_ratios(LEVELS.value, RATIOS)
    with pytest.raises(ValueError, match='ratios must have at least one'):
        plot_flux_ratios(LEVELS, {})
    match = r"ratios\['a'\] must have one value .* \(10,\), got \(3,\)"
    with pytest.raises(ValueError, match=match):
        plot_flux_ratios(LEVELS, {'a': np.ones(3)})
    match = r"ratios\['a'\] must be dimensionless, got mJy"
    with pytest.raises(ValueError, match=match):
        plot_flux_ratios(LEVELS, {'a': LEVELS})
    for levels in ([np.nan] * u.Jy, [] * u.Jy):
        with pytest.raises(ValueError, match='levels must have at least one'):
            plot_flux_ratios(levels, {'a': np.ones(levels.shape)})
    with pytest.raises(ValueError, match='limits must be two values'):
        plot_flux_ratios(LEVELS, RATIOS, limits=(2, 1))
    _, given = plt.subplots(1, 2)
    with pytest.raises(ValueError, match='axes must be one, got 2'):
        plot_flux_ratios(LEVELS, RATIOS, axes=given)


# --- power spectra ---

def make_spectra():
    frequency = np.geomspace(1e-3, 0.1, 20) / u.arcsec
    power = frequency.value ** -3 * u.Jy ** 2
    factors = {'original': np.ones(20), 'with sources': np.full(20, 200.0),
               'predicted': np.linspace(0.99, 1.02, 20)}
    return {label: QTable({'frequency': frequency, 'power': power * factor})
            for label, factor in factors.items()}


def test_spectra_and_differences():
    spectra = make_spectra()
    axes = plot_power_spectra(spectra)
    draw(axes)
    assert axes.shape == (2,)
    left, right = axes
    assert legend_texts(left) == list(spectra)
    assert [left.get_xscale(), left.get_yscale()] == ['log', 'log']
    assert [right.get_xscale(), right.get_yscale()] == ['log', 'symlog']
    for label, table in spectra.items():
        shown = line(left, label)
        assert_allclose(shown.get_xdata(), table['frequency'].value)
        assert_allclose(shown.get_ydata(), table['power'].value)
        assert_allclose(line(right, label).get_ydata(),
                        table['power'] / spectra['original']['power'] - 1,
                        atol=1e-12)
    assert left.get_xlabel() == 'Spatial frequency (arcsec⁻¹)'
    assert left.get_ylabel() == 'Power (Jy²)'
    low, high = right.get_ylim()
    assert -0.1 < low < -0.01
    assert 199 < high < 2000
    for ax in axes:
        styles = {(item.get_linestyle(), item.get_linewidth())
                  for item in ax.lines}
        assert len(styles) == 3
    assert line(left, 'original').get_linewidth() > 4
    assert left.lines[0] is line(left, 'original')


def test_reference():
    spectra = make_spectra()
    axes = plot_power_spectra(spectra, reference='with sources')
    assert_allclose(line(axes[1], 'original').get_ydata(), 1 / 200 - 1)
    assert_allclose(line(axes[1], 'with sources').get_ydata(), 0)
    assert axes[1].get_ylabel() == 'Relative difference from with sources'


def test_small_differences_are_linear():
    spectra = make_spectra()
    del spectra['with sources']
    axes = plot_power_spectra(spectra)
    assert axes[1].get_yscale() == 'linear'
    low, high = axes[1].get_ylim()
    assert low < -0.01
    assert high > 0.02
    assert high < 0.05


def test_one_spectrum_and_given_axes():
    spectra = {'original': make_spectra()['original']}
    _, given = plt.subplots(1, 2)
    axes = plot_power_spectra(spectra, axes=list(given))
    assert all(a is b for a, b in zip(axes, given, strict=True))
    draw(axes)


def test_units_of_spectra_are_converted():
    spectra = make_spectra()
    other = spectra['original'].copy()
    other['power'] = other['power'].to(u.mJy ** 2)
    other['frequency'] = other['frequency'].to(1 / u.arcmin)
    axes = plot_power_spectra({'a': spectra['original'], 'b': other})
    assert_allclose(line(axes[1], 'b').get_ydata(), 0, atol=1e-12)
    assert_allclose(line(axes[0], 'b').get_ydata(),
                    line(axes[0], 'a').get_ydata())


def test_powers_of_zero_are_left_out():
    spectra = make_spectra()
    spectra['original']['power'][3] = 0
    spectra['predicted']['power'][4] = np.nan
    spectra['original']['frequency'][0] = 0 / u.arcsec
    for name in ('with sources', 'predicted'):
        spectra[name]['frequency'][0] = 0 / u.arcsec
    axes = plot_power_spectra(spectra)
    draw(axes)
    difference = line(axes[1], 'predicted').get_ydata()
    assert np.flatnonzero(np.isnan(difference)).tolist() == [3, 4]


def test_spectra_of_the_metrics():
    field = np.random.default_rng(1).normal(size=(64, 64))
    axes = plot_power_spectra({'a': power_spectrum(field),
                               'b': power_spectrum(2 * field)})
    assert_allclose(line(axes[1], 'b').get_ydata(), 3)
    assert axes[0].get_ylabel() == 'Power (pix²)'


def test_errors_of_spectra():
    spectra = make_spectra()
    with pytest.raises(ValueError, match='spectra must have at least one'):
        plot_power_spectra({})
    match = r"reference must be one of \['original', .*\], got 'none'"
    with pytest.raises(ValueError, match=match):
        plot_power_spectra(spectra, reference='none')
    first = spectra['original']
    bad = {'columns': first['power',],
           'frequencies': first[1:],
           'same': QTable({'frequency': first['frequency'] * 1.1,
                           'power': first['power']}),
           'units': QTable({'frequency': first['frequency'],
                            'power': first['power'].value})}
    for name, match in (('columns', 'the columns'),
                        ('frequencies', 'the same frequencies'),
                        ('same', 'the same frequencies'),
                        ('units', 'units like')):
        with pytest.raises(ValueError,
                           match=rf"spectra\['b'\] must have {match}"):
            plot_power_spectra({'a': first, 'b': bad[name]})
    with pytest.raises(ValueError, match='axes must be two, got 1'):
        plot_power_spectra(spectra, axes=plt.subplots()[1])


# --- distribution of pixels ---

def make_comparison():
    rng = np.random.default_rng(2)
    reference = rng.normal(3, 1, (60, 60)) * u.mJy / u.pix
    return compare_pixels(reference + 0.25 * u.mJy / u.pix, reference)


def test_histograms():
    comparison = make_comparison()
    ax = plot_pixel_pdf(comparison)
    draw(ax)
    filled, outline = ax.patches
    for shown, name in ((filled, 'reference_pdf'), (outline, 'pdf')):
        values, edges, _ = shown.get_data()
        assert_allclose(values, comparison.pdf[name].value)
        assert_allclose(edges[:-1], comparison.pdf['low'].value)
        assert_allclose(edges[-1], comparison.pdf['high'][-1].value)
    assert filled.get_fill()
    assert not outline.get_fill()
    assert ax.get_xlabel() == 'Pixel value (mJy pix⁻¹)'
    assert ax.get_ylabel() == 'Probability density (pix mJy⁻¹)'
    assert legend_texts(ax) == ['original', 'predicted']
    assert ax.get_title('left').splitlines() == [
        f'3600 pixels, KS distance {comparison.ks_distance:.3g},',
        'Wasserstein distance 0.25 mJy pix⁻¹']


def test_labels_and_given_axes_of_histograms():
    _, given = plt.subplots()
    ax = plot_pixel_pdf(make_comparison(), axes=given,
                        labels=('true', 'network'))
    assert ax is given
    assert legend_texts(ax) == ['true', 'network']


def test_histograms_without_pixels_and_unit():
    field = np.random.default_rng(1).normal(size=(20, 20))
    ax = plot_pixel_pdf(compare_pixels(field, field, where=False))
    draw(ax)
    assert ax.get_title('left').startswith('0 pixels')
    assert ax.get_xlabel() == 'Pixel value'


def test_errors_of_histograms():
    with pytest.raises(ValueError, match='labels must be two, got'):
        plot_pixel_pdf(make_comparison(), labels=('a', 'b', 'c'))
    with pytest.raises(ValueError, match='axes must be one, got 2'):
        plot_pixel_pdf(make_comparison(), axes=plt.subplots(1, 2)[1])


# --- history ---

def make_history(n_epochs=40):
    epoch = np.arange(n_epochs)
    loss = 0.05 + 0.4 * np.exp(-epoch / 6)
    return {'epoch': epoch.tolist(), 'loss': loss.tolist(),
            'validation_loss': (loss + 0.02 + 0.002 * epoch).tolist(),
            'learning_rate': (0.005 * 0.5 ** (epoch // 9)).tolist(),
            'hole': [np.nan] * n_epochs}


def test_history():
    history = make_history()
    axes = plot_history(history)
    draw(axes)
    top, bottom = axes
    best = int(np.argmin(history['validation_loss']))
    assert 0 < best < 39
    label = f'best (epoch {best})'
    assert legend_texts(top) == ['training', 'validation', label]
    assert_allclose(line(top, 'training').get_ydata(), history['loss'])
    assert_allclose(line(top, 'validation').get_ydata(),
                    history['validation_loss'])
    assert line(top, label).get_xdata() == best
    assert line(top, label).get_ydata() == history['validation_loss'][best]
    assert_allclose(bottom.lines[0].get_ydata(), history['learning_rate'])
    assert [ax.get_yscale() for ax in axes] == ['log', 'log']
    assert (line(top, 'training').get_linestyle()
            != line(top, 'validation').get_linestyle())
    low, high = bottom.get_ylim()
    ticks = [value for value in bottom.get_yticks() if low <= value <= high]
    assert_allclose(ticks, [5e-4, 1e-3, 2e-3, 5e-3])


def test_best_epoch_is_the_first_of_equals():
    history = make_history(4)
    history['validation_loss'] = [np.nan, 0.3, 0.2, 0.2]
    axes = plot_history(history)
    assert legend_texts(axes[0])[-1] == 'best (epoch 2)'
    history['validation_loss'] = [np.nan] * 4
    axes = plot_history(history)
    assert legend_texts(axes[0]) == ['training', 'validation']
    draw(axes)


def test_losses_that_are_not_positive():
    history = make_history()
    history['loss'][-1] = -0.1
    axes = plot_history(history)
    draw(axes)
    assert [ax.get_yscale() for ax in axes] == ['linear', 'log']
    history['learning_rate'][-1] = 0.0
    history['loss'] = history['validation_loss'] = [np.nan] * 40
    axes = plot_history(history)
    draw(axes)
    assert axes[1].get_yscale() == 'linear'


@pytest.mark.parametrize('factor', [1, 0.7, 0.1, 1e-3, 1e-7])
def test_learning_rates_are_labelled(factor):
    history = make_history()
    history['learning_rate'] = np.geomspace(3e-3, 3e-3 * factor, 40).tolist()
    axes = plot_history(history)
    draw(axes)
    low, high = axes[1].get_ylim()
    texts = [text.get_text() for text in axes[1].get_yticklabels()
             if low <= text.get_position()[1] <= high]
    assert 2 <= len(texts) <= 9
    assert all(texts)


def test_single_epoch_and_given_axes():
    _, given = plt.subplots(1, 2)
    axes = plot_history(make_history(1), axes=given)
    assert all(a is b for a, b in zip(axes, given, strict=True))
    draw(axes)
    assert line(axes[0], 'training').get_marker() == 'o'
    assert axes[0].get_xlabel() == axes[1].get_xlabel() == 'Epoch'
    shown = [tick for tick in axes[1].get_xticks() if -0.5 <= tick <= 0.5]
    assert shown == [0]


def test_errors_of_history():
    history = make_history()
    with pytest.raises(ValueError, match=r"\['learning_rate'\] are missing"):
        plot_history({key: value for key, value in history.items()
                      if key != 'learning_rate'})
    for bad in (history | {'loss': [1.0]}, {key: [] for key in history}):
        with pytest.raises(ValueError,
                           match='history must have one value per epoch'):
            plot_history(bad)
    with pytest.raises(ValueError, match='axes must be two, got 1'):
        plot_history(history, axes=plt.subplots()[1])
