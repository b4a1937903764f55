# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Power spectra of maps (paper, Sect. 5.3.1).

The transform is SciPy's. TurbuStat and powerbox were looked at for the
rest: neither tapers a map along the borders of its valid pixels.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.convolution import (Gaussian2DKernel, convolve_fft,
                                 interpolate_replace_nans)
from astropy.table import QTable
from scipy import fft, ndimage

from compact_removal.metrics._values import read_values
from compact_removal.utils.parameters import ParameterError

__all__ = ['PowerLaw', 'compare_power_spectra', 'fit_power_law',
           'power_spectrum']

# Invalid pixels at most this far (pixels) from a valid one are filled in
# by interpolation where no larger gap adjoins them.
_FILL_DEPTH = 2.5

# Width of the annuli: ratio of their edges, and at least this many
# times the lowest frequency.
_BIN_RATIO = 1.12
_BIN_WIDTH = 1.0

# Slope of the spectra for which the frequencies of annuli are exact.
_SLOPE = 3.0


def power_spectrum(image, *, mask=None, apodization=0.1):
    """
    Compute the azimuthally averaged power spectrum of a map.

    The mean is subtracted, and the map multiplied with a window that
    falls to 0 as a squared cosine towards the edges and towards gaps.
    Small gaps of up to about 5 pixels are interpolated over instead.
    Averages are taken in annuli from the frequency of the shorter side
    to the Nyquist frequency, a few percent wide.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array
        The map, shape ``(ny, nx)``. Pixels that are not finite are
        gaps.
    mask : array_like of bool, optional
        True where a pixel must not be used, beside those that the map
        masks.
    apodization : float, optional
        Width of the falling part of the window, as a fraction of the
        shorter side; at most 0.5.

    Returns
    -------
    spectrum : `~astropy.table.QTable`
        ``frequency`` (1/arcsec if the map has a celestial WCS, else
        1/pix), at which a spectrum of slope 3 has the mean power of the
        annulus; ``power``, the power spectral
        density, which integrates over the plane of frequencies to the
        variance (square of the unit of the map times arcsec2 or pix2);
        ``power_err``, the scatter of the modes over the square root of
        their number; ``n_modes``. In ``meta``: ``filled_fraction`` of
        the pixels that were interpolated, and ``window_area``, the mean
        square of the window.

    Raises
    ------
    TypeError
        If ``image`` holds no numbers.
    ValueError
        If the map is not 2-D, has less than 16 pixels a side or no
        valid ones, or ``apodization`` is out of range.

    Examples
    --------
    >>> from compact_removal.datasets import make_background
    >>> from compact_removal.metrics import fit_power_law, power_spectrum
    >>> field = make_background((256, 256), kind='cirrus', slope=3,
    ...                         fwhm=0, noise=0, seed=1)
    >>> spectrum = power_spectrum(field)
    >>> print(spectrum['frequency'].unit, spectrum['power'].unit)
    1 / pix pix2
    >>> print(f'{fit_power_law(spectrum).index:.1f}')
    -3.0
    """
    values = read_values(image, mask, ndim=2)
    if min(values.data.shape) < 16:
        msg = (f'image must have at least 16 pixels a side, got '
               f'{values.data.shape}')
        raise ParameterError(msg, 'image')
    if not 0 <= apodization <= 0.5:
        msg = f'apodization must be between 0 and 0.5, got {apodization!r}'
        raise ParameterError(msg, 'apodization')
    if not values.valid.any():
        msg = 'image must have valid pixels'
        raise ParameterError(msg, 'image')
    data, valid, filled = _fill_small_gaps(values)
    window = _window(valid, apodization * min(data.shape))
    total = window.sum()
    data = np.where(window > 0, data, 0.0)
    data = window * (data - np.sum(window * data) / total)
    scales = values.scales.value
    squares = np.mean(window ** 2)
    density = (np.abs(fft.fft2(data)) ** 2
               * np.prod(scales) / (data.size * squares))
    spectrum = _average(density, scales)
    unit = values.scales.unit
    table = QTable({'frequency': spectrum[0] / unit,
                    'power': spectrum[1] * values.unit ** 2 * unit ** 2,
                    'power_err': spectrum[2] * values.unit ** 2 * unit ** 2,
                    'n_modes': spectrum[3].astype(int)})
    table.meta['filled_fraction'] = float(filled)
    table.meta['window_area'] = float(squares)
    return table


def _fill_small_gaps(values):
    """
    Interpolate over small gaps: data, valid pixels, share of filled.
    """
    gaps = ~values.valid
    data = np.where(gaps, np.nan, values.data)
    small = np.zeros(gaps.shape, dtype=bool)
    if gaps.any():
        depth = ndimage.distance_transform_edt(gaps)
        labels, n_gaps = ndimage.label(gaps, np.ones((3, 3)))
        deepest = ndimage.maximum(depth, labels, np.arange(n_gaps + 1))
        on_edge = np.zeros(n_gaps + 1, dtype=bool)
        for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            on_edge[side] = True
        small = ((deepest <= _FILL_DEPTH) & ~on_edge)[labels] & gaps
    if small.any():
        # what is left of the large gaps does not matter
        offset = np.nanmedian(data)
        filled = interpolate_replace_nans(data - offset,
                                          Gaussian2DKernel(1.5),
                                          convolve=convolve_fft)
        data = np.where(small, filled + offset, data)
    return data, values.valid | small, small.mean()


def _window(valid, width):
    """
    A window that rises from the border of the valid pixels.
    """
    if width < 1:
        return valid.astype(float)
    # half a pixel inside the border for pixel centres
    distance = ndimage.distance_transform_edt(np.pad(valid, 1))[1:-1, 1:-1]
    phase = np.clip((distance - 0.5) / width, 0, 1)
    return np.sin(np.pi / 2 * phase) ** 2


def _average(density, scales):
    """
    Frequencies, means, errors and numbers of modes in annuli.
    """
    ny, nx = density.shape
    k = np.hypot(fft.fftfreq(ny, scales[0])[:, None],
                 fft.fftfreq(nx, scales[1])[None, :]).ravel()
    lowest = 1 / min(ny * scales[0], nx * scales[1])
    highest = 0.5 / scales.max()
    edges = [lowest * (1 - 1e-9)]
    while edges[-1] < highest:
        edges.append(max(edges[-1] * _BIN_RATIO,
                         edges[-1] + _BIN_WIDTH * lowest))
    # the last annulus may be cut by the Nyquist frequency
    edges[-1] = highest * (1 + 1e-9)
    bins = np.digitize(k, edges) - 1
    inside = (bins >= 0) & (bins < len(edges) - 1)
    bins, k, power = bins[inside], k[inside], density.ravel()[inside]
    n_modes = np.bincount(bins, minlength=len(edges) - 1)
    some = n_modes > 0

    def mean(numbers):
        return np.bincount(bins, numbers,
                           minlength=len(edges) - 1)[some] / n_modes[some]

    power_mean = mean(power)
    scatter = np.sqrt(np.maximum(mean(power ** 2) - power_mean ** 2, 0))
    # modes come in pairs that are equal
    error = scatter / np.sqrt(np.maximum(n_modes[some] / 2, 1))
    return (mean(k ** -_SLOPE) ** (-1 / _SLOPE), power_mean, error,
            n_modes[some])


def compare_power_spectra(spectrum, reference):
    """
    Compare two power spectra of maps of the same shape.

    Parameters
    ----------
    spectrum, reference : `~astropy.table.QTable`
        See `power_spectrum`.

    Returns
    -------
    comparison : `~astropy.table.QTable`
        ``frequency``; ``relative_difference``, the difference over the
        reference; ``normalized_difference``, the difference over the
        largest power of the reference, as the middle column of Fig. 13
        of the paper shows it.

    Raises
    ------
    ValueError
        If the frequencies differ.

    Examples
    --------
    >>> from compact_removal.datasets import make_background
    >>> from compact_removal.metrics import (compare_power_spectra,
    ...                                      power_spectrum)
    >>> field = make_background((64, 64), seed=1)
    >>> comparison = compare_power_spectra(power_spectrum(1.1 * field),
    ...                                    power_spectrum(field))
    >>> print(comparison['relative_difference'].max().round(2))
    0.21
    """
    first, second = spectrum['frequency'], reference['frequency']
    if (len(first) != len(second) or not first.unit.is_equivalent(second.unit)
            or not np.allclose(first.to_value(second.unit), second.value)):
        msg = ('spectrum must have the frequencies of reference: take both '
               'from maps of the same shape, pixel scale and mask')
        raise ParameterError(msg, 'spectrum')
    power = reference['power']
    difference = spectrum['power'].to(power.unit) - power
    table = QTable({'frequency': second})
    with np.errstate(divide='ignore', invalid='ignore'):
        table['relative_difference'] = (difference / power).value
        table['normalized_difference'] = (difference / power.max()).value
    return table


@dataclass(frozen=True)
class PowerLaw:
    """
    A power law ``amplitude * (x / pivot) ** index``.

    Attributes
    ----------
    index : float
        The exponent; for a power spectrum minus the slope.
    index_err : float
        Its statistical error: from the errors of the rows, or from
        their scatter about the line, whichever is larger. Spectra
        steeper than about 3.5 come out steeper by a hundredth of the
        slope or more, those of maps with many small gaps flatter.
    amplitude, pivot : `~astropy.units.Quantity`
        Value of the law at the pivot, and the pivot, a frequency or lag.

    Examples
    --------
    >>> from compact_removal.datasets import make_background
    >>> from compact_removal.metrics import fit_power_law, power_spectrum
    >>> spectrum = power_spectrum(make_background((128, 128), seed=1))
    >>> law = fit_power_law(spectrum)
    >>> model = law.amplitude * (spectrum['frequency'] / law.pivot)**law.index
    >>> print(model.unit, law.pivot.unit, law.index < -2)
    pix2 1 / pix True
    """

    index: float
    index_err: float
    amplitude: u.Quantity
    pivot: u.Quantity


def fit_power_law(table, *, limits=None):
    """
    Fit a power law to a power spectrum or a delta-variance.

    A straight line is fitted to the logarithms, weighted with the
    number of modes or the inverse square of the relative errors.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        From `power_spectrum` or
        `~compact_removal.metrics.delta_variance`. Rows that are not
        positive are left out.
    limits : `~astropy.units.Quantity`, optional
        Lowest and highest frequency or lag to use; leave out what beam
        and noise change. Default: all, for power spectra from twice the
        lowest frequency, as the window changes lower ones.

    Returns
    -------
    law : `PowerLaw`
        The exponent and the value at the pivot.

    Raises
    ------
    ValueError
        If fewer than three rows are left.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from compact_removal.metrics import fit_power_law
    >>> k = np.geomspace(0.01, 0.5, 20)
    >>> spectrum = QTable({'frequency': k / u.pix, 'power': k ** -3.0,
    ...                    'n_modes': [100] * 20})
    >>> print(f'{fit_power_law(spectrum).index:.3f}')
    -3.000
    """
    is_spectrum = 'power' in table.colnames
    x_name, y_name = (('frequency', 'power') if is_spectrum
                      else ('lag', 'delta_variance'))
    x, y = u.Quantity(table[x_name]), u.Quantity(table[y_name])
    if limits is None:
        limits = u.Quantity([2 * x[0] if is_spectrum else x[0], x[-1]])
    low, high = u.Quantity(limits).to_value(x.unit)
    use = ((x.value >= low * (1 - 1e-9)) & (x.value <= high * (1 + 1e-9))
           & (y.value > 0))
    if use.sum() < 3:
        msg = (f'limits must leave at least 3 rows of the table, got '
               f'{use.sum()} between {low:.4g} and {high:.4g} {x.unit}')
        raise ParameterError(msg, 'limits')
    log_x, log_y = np.log(x.value[use]), np.log(y.value[use])
    # inverse variances of the logarithms; modes come in equal pairs
    weight = (np.asarray(table['n_modes'])[use] / 2 if is_spectrum
              else (y / table[f'{y_name}_err']).value[use] ** 2)
    pivot = np.average(log_x, weights=weight)
    middle = np.average(log_y, weights=weight)
    variance = np.average((log_x - pivot) ** 2, weights=weight)
    index = np.average((log_x - pivot) * (log_y - middle),
                       weights=weight) / variance
    rest = log_y - middle - index * (log_x - pivot)
    # of the rows as they are, and from their scatter about the line
    formal = 1 / (weight.sum() * variance)
    found = np.average(rest ** 2, weights=weight) / variance / (use.sum() - 2)
    return PowerLaw(float(index), float(np.sqrt(max(formal, found))),
                    np.exp(middle) * y.unit, np.exp(pivot) * x.unit)
