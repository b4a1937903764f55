# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The delta-variance, a spectrum that needs no window.
"""

import astropy.units as u
import numpy as np
from astropy.table import QTable
from scipy import fft

from compact_removal.metrics._values import read_values
from compact_removal.utils.parameters import ParameterError

__all__ = ['delta_variance']

# Ratio of the diameters of annulus and core; for the filter used here
# 1.5 keeps apart scales best (Ossenkopf et al. 2008, Sect. 2.3).
_DIAMETER_RATIO = 1.5

# Where less than this of the filter lies on valid pixels, its value is
# not used.
_LEAST_WEIGHT = 0.5


def delta_variance(image, *, lags=None, mask=None):
    """
    Compute the delta-variance: the variance of a map by scale.

    The map is convolved with a core minus an annulus of a size, the
    lag, and the variance of the result is taken (Stutzki et al. 1998).
    Core and annulus are Gaussians ("Mexican hat") with a ratio of
    diameters of 1.5, each convolved by itself with the map and with its
    valid pixels, so that edges and holes do not matter (Ossenkopf et
    al. 2008, eqs. 8 to 13). For a power spectrum ``k ** -slope`` with a
    slope between 2 and 6, it grows with the lag as ``lag ** (slope -
    2)``.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`, `~astropy.units.Quantity` or array
        The map, shape ``(ny, nx)``. Pixels that are not finite are left
        out.
    lags : `~astropy.units.Quantity`, optional
        Diameters of the core, rising: angles if the map has a celestial
        WCS, else pixels. Default: 12 values, evenly spaced in logarithm
        from 3 pixels to a quarter of the shorter side.
    mask : array_like of bool, optional
        True where a pixel is left out, beside those that the map masks,
        shape ``(ny, nx)``.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``lag``; ``delta_variance`` (square of the unit of the map) and
        ``delta_variance_err``, its error for a Gaussian field, from
        the number of areas of the filter's size that the map holds.
        NaN where no pixel has half of the filter on valid pixels.

    Raises
    ------
    TypeError
        If ``image`` holds no numbers.
    ValueError
        If the map is not 2-D, a lag is shorter than two pixels or
        longer than half of the shorter side, or without ``lags`` the
        map has less than 12 pixels a side.

    Examples
    --------
    >>> from compact_removal.datasets import make_background
    >>> from compact_removal.metrics import delta_variance, fit_power_law
    >>> field = make_background((256, 256), kind='cirrus', slope=3,
    ...                         fwhm=0, noise=0, seed=1)
    >>> law = fit_power_law(delta_variance(field))
    >>> print(f'{law.index:.1f}')
    1.0
    """
    values = read_values(image, mask, ndim=2)
    scales = values.scales.value
    lengths = _lags(lags, values)
    data = np.where(values.valid, values.data, 0.0)
    valid = values.valid.astype(float)
    if valid.any():
        # rounding errors of large offsets
        data -= data.sum() / valid.sum() * valid
    pad = np.ceil(1.3 * _DIAMETER_RATIO * lengths[-1] / scales).astype(int)
    shape = [fft.next_fast_len(int(n), real=True)
             for n in np.add(data.shape, pad)]
    k2 = ((fft.fftfreq(shape[0], scales[0])[:, None]) ** 2
          + (fft.rfftfreq(shape[1], scales[1])[None, :]) ** 2)
    transforms = [fft.rfft2(part, s=shape) for part in (data, valid)]
    results = [_one_lag(transforms, k2, length, shape, valid > 0)
               for length in lengths]
    variance, weight = np.transpose(results)
    # Filters overlap: count areas of the annulus.
    area = (np.pi / 4 * (_DIAMETER_RATIO * lengths) ** 2
            / np.prod(scales))
    n_independent = np.maximum(weight / area, 1.0)
    table = QTable({'lag': lengths * values.scales.unit})
    table['delta_variance'] = variance * values.unit ** 2
    table['delta_variance_err'] = (variance * np.sqrt(2 / n_independent)
                                   * values.unit ** 2)
    return table


def _lags(lags, values):
    """
    Lags in the unit of the pixel scales, checked.
    """
    unit = values.scales.unit
    scales = values.scales.value
    longest = np.min(values.data.shape * scales)
    if lags is None:
        low, high = 3 * scales.max(), longest / 4
        if high < low:
            msg = (f'image must have at least 12 pixels a side, got '
                   f'{values.data.shape}')
            raise ParameterError(msg, 'image')
        return np.geomspace(low, high, 12)
    lags = np.atleast_1d(u.Quantity(lags))
    if not lags.unit.is_equivalent(unit):
        msg = f'lags must have a unit like {unit}, got {lags.unit}'
        raise ParameterError(msg, 'lags')
    lengths = lags.to_value(unit)
    if (lengths.ndim != 1 or np.any(np.diff(lengths) <= 0)
            or not lengths[0] >= 2 * scales.max() * (1 - 1e-9)
            or not lengths[-1] <= longest / 2 * (1 + 1e-9)):
        msg = (f'lags must rise from at least {2 * scales.max():.4g} to at '
               f'most {longest / 2:.4g} {unit}, got {lags}')
        raise ParameterError(msg, 'lags')
    return lengths


def _one_lag(transforms, k2, length, shape, valid):
    """
    Variance of the filtered map at one lag, and the pixels that count.
    """
    core = np.exp(-(np.pi * length / 2) ** 2 * k2)
    wide = np.exp(-(np.pi * _DIAMETER_RATIO * length / 2) ** 2 * k2)
    squared = _DIAMETER_RATIO ** 2
    annulus = (squared * wide - core) / (squared - 1)
    rows, columns = valid.shape
    means, weights = [], []
    for kernel in (core, annulus):
        total, weight = (
            fft.irfft2(kernel * transform, s=shape)[:rows, :columns]
            for transform in transforms)
        means.append(total / np.maximum(weight, 1e-3))
        weights.append(weight)
    use = (np.minimum(*weights) > _LEAST_WEIGHT) & valid
    if not use.any():
        return np.nan, 0.0
    weight = (weights[0] * weights[1])[use]
    filtered = (means[0] - means[1])[use]
    total = weight.sum()
    middle = np.sum(weight * filtered) / total
    return np.sum(weight * (filtered - middle) ** 2) / total, total
