# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How good a removal or a training was, in figures.
"""

from collections.abc import Mapping

import astropy.units as u
import numpy as np

from compact_removal.plotting._boxes import (box_statistics, draw_boxes,
                                             ratio_limits)
from compact_removal.plotting._inputs import (make_axes, read_history,
                                              read_limits, read_ratios,
                                              read_spectra, read_values)
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['plot_flux_ratios', 'plot_history', 'plot_pixel_pdf',
           'plot_power_spectra']

# Colours that the colour-blind tell apart; dashes for gray.
_BLUE, _SKY, _RED, _GREEN = '#0072b2', '#56b4e9', '#d55e00', '#009e73'
_LINES = ((_RED, '--'), (_GREEN, '-.'), ('#000000', ':'),
          (_BLUE, (0, (6, 1, 1, 1, 1, 1))))

# Relative differences up to the first are drawn to scale; all are if
# none is beyond the second.
_SMALL, _MODERATE = 0.01, 0.1

_MOST_LEVELS = 100


def plot_flux_ratios(levels, ratios, *, axes=None, limits=None):
    """
    Show measured over injected fluxes as boxes (paper, Figures 11, 12).

    One box per level and label: quartiles, median, and whiskers to the
    last ratio within 1.5 interquartile ranges of the box. Ratios beyond
    are not shown.

    Parameters
    ----------
    levels : `~astropy.units.Quantity`
        Injected flux of each source, shape ``(n,)``. Sources whose
        fluxes agree to six digits share a box; those without a finite
        flux are left out.
    ratios : dict
        For each label (``'network'``, ``'annulus'``, ...) the measured
        over the injected flux, dimensionless, shape ``(n,)``. Ratios
        that are not finite are left out.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.
    limits : tuple of 2 floats, optional
        Lowest and highest ratio shown. Default: symmetric about 1, at
        least 0.8 to 1.2, with all boxes and whiskers of the first
        label; up to three times as wide for boxes of the others. What
        is outside is cut; a triangle at the edge stands for a box that
        is not seen at all.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes, with levels at 0, 1, 2, ...

    Raises
    ------
    ValueError
        If ``levels`` have no unit or none is finite, there are no
        ``ratios`` or their shape or unit is wrong, ``axes`` are not
        one, or ``limits`` do not rise.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import astropy.units as u
    >>> from compact_removal.plotting import plot_flux_ratios
    >>> axes = plot_flux_ratios([40, 40, 90, 90] * u.mJy,
    ...                         {'network': [0.9, 1.0, 1.0, 1.1],
    ...                          'annulus': [0.6, 1.0, 1.1, 1.2]})
    >>> [label.get_text() for label in axes.get_xticklabels()]
    ['40', '90']
    """
    levels, ratios = read_ratios(levels, ratios)
    limits = read_limits(limits)
    texts = np.array([f'{value:.6g}' for value in levels.value])
    distinct = sorted(set(texts[np.isfinite(levels)]), key=float)
    if not distinct:
        msg = 'levels must have at least one finite value, got none'
        raise ParameterError(msg, 'levels')
    if len(distinct) > _MOST_LEVELS:
        msg = (f'levels must have at most {_MOST_LEVELS} different values, '
               f'got {len(distinct)}: put fluxes into groups')
        raise ParameterError(msg, 'levels')
    boxes = [box_statistics([values[texts == text] for text in distinct])
             for values in ratios.values()]
    width = np.clip(2.0 + 0.25 * len(distinct) * (1 + len(ratios)), 5, 12)
    (ax,) = make_axes(axes, 1, figsize=(width, 4))
    low, high = limits or ratio_limits(boxes)
    ax.axhline(1, color='black', linewidth=1, linestyle='--', zorder=1)
    step = 0.8 / len(ratios)
    for i, (label, found) in enumerate(zip(ratios, boxes, strict=True)):
        shift = step * (i - (len(ratios) - 1) / 2)
        draw_boxes(ax, {x + shift: box for x, box in found.items()},
                   low=low, high=high, width=min(0.85 * step, 0.5),
                   style=i, label=label)
    ax.set_xlim(-0.6, len(distinct) - 0.4)
    ax.set_ylim(low, high)
    ax.set_xlabel(_with_unit('Injected flux', levels.unit))
    ax.set_ylabel('Measured / injected flux')
    ax.set_xticks(range(len(distinct)), labels=distinct)
    # about 11 letters fit in an inch
    if sum(map(len, distinct)) + 2 * len(distinct) > 11 * _width(ax):
        for text in ax.get_xticklabels():
            text.set(rotation=45, ha='right', rotation_mode='anchor')
    ax.legend(loc='upper right', ncols=min(len(ratios), 4))
    return ax


def plot_power_spectra(spectra, *, reference=None, axes=None):
    """
    Compare power spectra of maps (paper, Figure 13).

    Parameters
    ----------
    spectra : dict
        For each label (``'original'``, ``'with sources'``, ...) a
        `~astropy.table.QTable` with the columns ``frequency`` and
        ``power``, as `~compact_removal.metrics.power_spectrum` returns
        it. All have the same frequencies.
    reference : str, optional
        Label of the spectrum that the others are compared with.
        Default: the first one.
    axes : sequence of 2 `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
        Two axes: the spectra; and the differences of the others from
        the reference, relative to it. If one is above 0.1, they are
        drawn to scale up to 0.01 and logarithmically beyond.

    Raises
    ------
    ValueError
        If there are no ``spectra``, their columns, frequencies or units
        do not match, ``reference`` is none of them, or ``axes`` are not
        two.
    TypeError
        If ``spectra`` is no dict.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from compact_removal.plotting import plot_power_spectra
    >>> original = QTable({'frequency': [0.01, 0.1] / u.arcsec,
    ...                    'power': [1000, 1] * u.Jy**2})
    >>> predicted = original.copy()
    >>> predicted['power'] *= 1.02
    >>> axes = plot_power_spectra({'original': original,
    ...                            'predicted': predicted})
    >>> axes[1].get_ylabel()
    'Relative difference from original'
    """
    if not isinstance(spectra, Mapping):
        msg = f'spectra must be a dict, got {type(spectra).__name__}'
        raise ParameterTypeError(msg, 'spectra')
    if not spectra:
        msg = 'spectra must have at least one label, got none'
        raise ParameterError(msg, 'spectra')
    reference = next(iter(spectra)) if reference is None else reference
    if reference not in spectra:
        msg = f'reference must be one of {list(spectra)}, got {reference!r}'
        raise ParameterError(msg, 'reference')
    frequency, powers = read_spectra(spectra, reference)
    left, right = axes = make_axes(axes, 2, ncols=2, figsize=(10, 4))
    x = frequency.value
    differences = {label: _relative_difference(power, powers[reference])
                   for label, power in powers.items()}
    for ax in axes:
        ax.set_xscale('log', nonpositive='mask')
        ax.set_xlabel(_with_unit('Spatial frequency', frequency.unit))
    left.set_yscale('log', nonpositive='mask')
    _scale_differences(right, list(differences.values()))
    # broad and light: lines on top of it do not hide it
    broad = {'color': _SKY, 'linewidth': 5, 'solid_capstyle': 'butt'}
    left.plot(x, powers[reference].value, label=reference, **broad)
    right.plot(x, np.zeros(x.shape), label=reference, **broad)
    others = [label for label in spectra if label != reference]
    for i, label in enumerate(others):
        color, dashes = _LINES[i % len(_LINES)]
        style = {'color': color, 'linestyle': dashes, 'linewidth': 1.8}
        left.plot(x, powers[label].value, label=label, **style)
        right.plot(x, differences[label], label=label, **style)
    left.set_ylabel(_with_unit('Power', powers[reference].unit))
    left.legend()
    right.set_ylabel(f'Relative difference from {reference}')
    return axes


def plot_pixel_pdf(comparison, *, axes=None,
                   labels=('original', 'predicted')):
    """
    Compare the distributions of pixel values (paper, Figure 13).

    Parameters
    ----------
    comparison : `~compact_removal.metrics.PixelComparison`
        Histograms of the pixels of two maps, and their distances.
    axes : `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.
    labels : tuple of 2 str, optional
        Names of the reference and of the map compared with it.

    Returns
    -------
    axes : `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If ``labels`` are not two, or ``axes`` not one.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> import numpy as np
    >>> from compact_removal.metrics import compare_pixels
    >>> from compact_removal.plotting import plot_pixel_pdf
    >>> reference = np.random.default_rng(1).normal(size=(50, 50))
    >>> axes = plot_pixel_pdf(compare_pixels(reference + 0.1, reference))
    >>> axes.get_ylabel()
    'Probability density'
    """
    labels = tuple(labels)
    if len(labels) != 2:
        msg = f'labels must be two, got {labels}'
        raise ParameterError(msg, 'labels')
    (ax,) = make_axes(axes, 1, figsize=(5.5, 4))
    low, high, density, other = (
        read_values(comparison.pdf[name])
        for name in ('low', 'high', 'reference_pdf', 'pdf'))
    edges = np.append(low.value, high[-1:].to_value(low.unit))
    ax.stairs(density.value, edges, fill=True, facecolor=(_SKY, 0.5),
              label=labels[0])
    ax.stairs(other.to_value(density.unit), edges, color=_RED,
              linewidth=1.8, label=labels[1])
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_with_unit('Pixel value', low.unit))
    ax.set_ylabel(_with_unit('Probability density', density.unit))
    distance = u.Quantity(comparison.wasserstein_distance)
    title = (f'{comparison.n_pixels} pixels, KS distance '
             f'{comparison.ks_distance:.3g},\n'
             f'Wasserstein distance {distance.value:.3g} '
             f'{distance.unit.to_string("unicode")}')
    ax.set_title(title.rstrip(), loc='left', fontsize='small')
    ax.locator_params(axis='x', nbins=5)
    ax.legend(fontsize='small', handlelength=1.2)
    return ax


def plot_history(history, *, axes=None):
    """
    Show how the losses and the learning rate fell in a training.

    Parameters
    ----------
    history : dict of list
        ``history_`` of a fitted
        `~compact_removal.CompactSourceRemover`: ``epoch``, ``loss``,
        ``validation_loss``, ``learning_rate``, one value per epoch.
        Other keys are not shown.
    axes : sequence of 2 `~matplotlib.axes.Axes`, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
        Two axes: losses of training and validation, with the epoch of
        the best validation loss, whose weights are kept; learning rate.
        Logarithmic where all values are positive.

    Raises
    ------
    ValueError
        If ``history`` lacks a key, has no epoch or lists of different
        lengths, or ``axes`` are not two.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use('agg')
    >>> from compact_removal.plotting import plot_history
    >>> axes = plot_history({'epoch': [0, 1, 2], 'loss': [3, 2, 1],
    ...                      'validation_loss': [3.2, 2.5, 2.8],
    ...                      'learning_rate': [0.005, 0.005, 0.005]})
    >>> axes[0].get_legend_handles_labels()[1]
    ['training', 'validation', 'best (epoch 1)']
    """
    epoch, loss, validation, rate = read_history(history)
    top, bottom = axes = make_axes(axes, 2, nrows=2, figsize=(6, 5.5),
                                    sharex=True, height_ratios=(2, 1))
    # a single epoch makes no line
    style = {'linewidth': 1.8, 'marker': 'o' if epoch.size == 1 else None}
    top.plot(epoch, loss, color=_RED, linestyle='--', label='training',
             **style)
    top.plot(epoch, validation, color=_BLUE, label='validation', **style)
    bottom.plot(epoch, rate, color='black', drawstyle='steps-mid', **style)
    _scale_positive(top, np.append(loss, validation))
    _scale_positive(bottom, rate)
    if np.isfinite(validation).any():
        best = np.nanargmin(validation)
        top.plot(epoch[best], validation[best], color='black', marker='*',
                 markersize=13, linestyle='none',
                 label=f'best (epoch {epoch[best]:g})')
        for ax in axes:
            ax.axvline(epoch[best], color='black', linewidth=0.8,
                       linestyle=':')
    top.set_ylabel('Loss')
    top.legend()
    bottom.set_ylabel('Learning rate')
    bottom.set_xlabel('Epoch')
    if not top.get_shared_x_axes().joined(top, bottom):
        top.set_xlabel('Epoch')
    for ax in axes:
        ax.set_xlim(epoch.min() - 0.5, epoch.max() + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True,
                                                min_n_ticks=1)
    return axes


def _width(ax):
    """
    Width of axes in inches.
    """
    return ax.get_position().width * ax.figure.get_figwidth()


def _with_unit(name, unit):
    """
    The label of an axis, with the unit in parentheses.
    """
    text = unit.to_string('unicode')
    return f'{name} ({text})' if text else name


def _relative_difference(power, reference):
    """
    Power over that of the reference, less 1; NaN without either.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        difference = (power / reference).to_value(u.one) - 1
    difference[~np.isfinite(difference)] = np.nan
    return difference


def _scale_differences(ax, differences):
    """
    A scale for differences of a ten thousandth as well as of hundreds.
    """
    if np.fmax.reduce(np.abs(np.ravel(differences)), initial=0) > _MODERATE:
        ax.set_yscale('symlog', linthresh=_SMALL, subs=range(2, 10))
        ax.yaxis.set_major_formatter(lambda value, _: f'{value:g}')
    else:
        ax.ticklabel_format(axis='y', scilimits=(-3, 3))


def _scale_positive(ax, values):
    """
    A logarithmic scale with plain labels, if all values are positive.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    values = values[np.isfinite(values)]
    if values.size == 0 or values.min() <= 0:
        return
    ratio = values.max() / values.min()
    labelled = (1, 2, 5) if ratio < 30 else (1, 3) if ratio < 1000 else (1,)
    ax.set_yscale('log')
    ax.yaxis.set_major_locator(LogLocator(subs=labelled))
    ax.yaxis.set_major_formatter(lambda value, _: f'{value:.4g}')
    ax.yaxis.set_minor_formatter(NullFormatter())
