# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fill small defects with what their surroundings predict.
"""

import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from scipy import fft, linalg, ndimage
from scipy.spatial import cKDTree

from compact_removal.maps.arrays import read_array, to_ccd
from compact_removal.maps.background import estimate_background
from compact_removal.utils.flags import Flag
from compact_removal.utils.parameters import ParameterError

__all__ = ['FILL_FLAGS', 'clean']

FILL_FLAGS = (
    Flag(1, 'filled', 'the value was predicted from the surroundings'),
    Flag(2, 'not_filled', 'too far from pixels that are known; the value is '
         'that of the image, and the pixel stays masked'),
)

# The covariance is measured up to this lag (pixels), on parts of an image of
# this side, of values clipped to these limits (standard deviations).
_LAG, _PART = 24, 1024
_LIMITS = -5.0, 1000.0

# Each pixel is predicted from the pixels within so many pixels of a group of
# defects, no more than so many; groups have no more than so many pixels.
_MARGIN, _MOST, _GROUP = 5.0, 300, 60

# Correlations fade with a Gaussian of this width (pixels), and are those of
# a field on a periodic grid of this side.
_FADE, _GRID = 8.0, 160

# Added to the variance, relative to that of the signal; the first that makes
# the matrix positive definite.
_JITTERS = 1e-4, 1e-3, 1e-2, 0.1


def clean(image, mask=None, *, max_distance=3.5):
    """
    Fill small defects of an exposure.

    A defect gets the values that are most probable given the pixels around
    it (Gaussian-process regression, or kriging): for their covariance, that
    of the image, which stars of all brightness give its shape, is scaled
    to the variance around the defect. So a cosmic ray on a star is filled
    with a piece of a star.

    Parameters
    ----------
    image : `~astropy.nddata.CCDData`, Quantity or array_like
        The exposure, shape ``(ny, nx)``. It is never modified.
    mask : array_like of bool, optional
        True where a pixel is to be filled. Default: the mask of the
        image, such as that of
        `~compact_removal.ContaminantMasker.mask`. Pixels that are not
        finite are filled in any case.
    max_distance : float, optional
        Pixels that are farther from the nearest known one stay as they
        are (pixels).

    Returns
    -------
    cleaned : `~astropy.nddata.CCDData`
        The image with filled pixels. ``uncertainty`` is that of the
        image, or the noise of its background, and where a pixel was
        filled that of the prediction; ``mask`` has what was not filled;
        ``flags`` are bits of ``FILL_FLAGS``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message starts with its name.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.contaminants import clean
    >>> image = np.random.default_rng(1).normal(100, 2, (60, 60))
    >>> image[30, 20:24] = 5000
    >>> cleaned = clean(image, image > 1000)
    >>> bool(np.all(abs(cleaned.data[30, 20:24] - 100) < 8))
    True
    """
    if not (isinstance(max_distance, (int, float, np.number))
            and 0 < max_distance < np.inf):
        msg = f'max_distance must be positive, got {max_distance!r}'
        raise ParameterError(msg, 'max_distance')
    plain = image.data if isinstance(image, NDData) else image
    data = read_array(plain if mask is not None else image)
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype.kind != 'b' and not np.isin(mask, (0, 1)).all():
            msg = ('mask must be True or False, got numbers; of flags take '
                   'flags & bit > 0')
            raise ParameterError(msg, 'mask')
        mask = mask.astype(bool)
        if mask.shape != data.shape:
            msg = (f'mask must have the shape of the image, {data.shape}, got '
                   f'{mask.shape}')
            raise ParameterError(msg, 'mask')
        data[mask] = np.nan
    bad = ~np.isfinite(data)
    if bad.all():
        msg = 'image must have pixels that are known, all are masked'
        raise ParameterError(msg, 'image')
    background, noise = estimate_background(data)
    scaled = np.where(bad, 0, (data - background) / noise)
    distance = ndimage.distance_transform_edt(bad) if bad.any() else bad
    wanted = bad & (distance <= max_distance)
    values, errors = _predict(scaled, bad, wanted)
    filled = np.where(wanted, background + noise * values, read_array(
        getattr(plain, 'value', plain)))
    return _make_result(image, filled, np.where(wanted, noise * errors, noise),
                        wanted, bad)


def _make_result(image, data, errors, wanted, bad):
    """
    The filled image with uncertainty, mask and flags.
    """
    given = getattr(image, 'uncertainty', None)
    if given is not None:
        known = given.represent_as(StdDevUncertainty).array
        errors = np.where(wanted, errors, known)
    flags = np.where(wanted, FILL_FLAGS[0].value,
                     np.where(bad, FILL_FLAGS[1].value, 0))
    result = to_ccd(image, data=data, mask=bad & ~wanted,
                    uncertainty=StdDevUncertainty(errors))
    result.flags = flags.astype(np.int16)
    return result


def _predict(scaled, bad, wanted):
    """
    Predict pixels: values and errors, in units of the noise.
    """
    values, errors = np.zeros(scaled.shape), np.ones(scaled.shape)
    if not wanted.any():
        return values, errors
    correlation = _measure_correlation(scaled, ~bad)
    places = np.argwhere(wanted)
    known = np.argwhere(~bad & ndimage.binary_dilation(
        wanted, iterations=int(_MARGIN) + 1))
    tree = cKDTree(known)
    for group in _make_groups(wanted, places):
        near = np.unique(np.concatenate(
            tree.query_ball_point(group, _MARGIN)).astype(int))
        if near.size > _MOST:
            reach = cKDTree(group).query(known[near])[0]
            near = near[np.argsort(reach, kind='stable')[:_MOST]]
        if near.size == 0:
            near = np.unique(tree.query(group, k=min(8, len(known)))[1])
        around = known[near]
        found = _regress(scaled[tuple(around.T)], around, group, correlation)
        values[tuple(group.T)], errors[tuple(group.T)] = found
    return values, errors


def _make_groups(wanted, places):
    """
    Pixels that touch, in groups that are not too large.
    """
    labels, _ = ndimage.label(wanted, np.ones((3, 3)))
    mine = labels[tuple(places.T)]
    order = np.argsort(mine, kind='stable')
    for part in np.split(order, np.flatnonzero(np.diff(mine[order])) + 1):
        for start in range(0, len(part), _GROUP):
            yield places[part[start:start + _GROUP]]


def _regress(values, around, group, correlation):
    """
    Mean and error of pixels given those around, whose mean is not known.
    """
    mean = np.median(values)
    # what noise does not explain, here or right at the defect, where a star
    # may be
    close = np.min(np.abs(around[:, None] - group).max(axis=2), axis=1) <= 1
    squares = (values - mean) ** 2
    signal = max(np.mean(squares), np.mean(squares[close])
                 if close.any() else 0.0) - 1
    if signal < 0.05:
        error = np.sqrt(1 + 1 / len(values))
        return np.full(len(group), np.mean(values)), np.full(len(group),
                                                             error)
    inner = signal * _look_up(correlation, around, around)
    outer = signal * _look_up(correlation, group, around)
    weights = _solve(inner, signal, outer)
    variance = signal - np.einsum('ij,ij->i', weights, outer)
    return (mean + weights @ (values - mean),
            np.sqrt(np.maximum(variance, 0) + 1))


def _solve(inner, signal, outer):
    """
    Weights of the pixels around.
    """
    for jitter in _JITTERS:
        matrix = inner.copy()
        matrix[np.diag_indices_from(matrix)] += 1 + jitter * signal
        try:
            return linalg.cho_solve(linalg.cho_factor(matrix), outer.T).T
        except linalg.LinAlgError:
            continue
    return np.full(outer.shape, 1 / outer.shape[1])


def _look_up(correlation, first, second):
    """
    Correlation of pixels of two lists.
    """
    lag = np.abs(first[:, None] - second[None])
    sign = (first[:, None, 0] - second[None, :, 0]) * (
        first[:, None, 1] - second[None, :, 1]) < 0
    dy, dx = np.minimum(lag, _LAG).transpose(2, 0, 1)
    return correlation[dy + _LAG, np.where(sign, _LAG - dx, _LAG + dx)]


def _measure_correlation(scaled, known):
    """
    Correlation of the signal of an image at all lags.

    It is made positive definite: its power has no negative values.
    """
    total, number = 0.0, 0.0
    ny, nx = scaled.shape
    size = [fft.next_fast_len(min(n, _PART) + _LAG) for n in (ny, nx)]
    parts = [(y, x) for y in range(0, ny, _PART) for x in range(0, nx, _PART)]
    for y, x in parts:
        part = np.s_[y:y + _PART, x:x + _PART]
        good = known[part].astype(float)
        values = good * np.clip(scaled[part], *_LIMITS)
        total += _correlate(values, size)
        number += _correlate(good, size)
    covariance = total / np.maximum(number, 1)
    # noise is on the diagonal alone
    covariance[0, 0] = max(covariance[0, 0] - 1, covariance[0, 1],
                           covariance[1, 0])
    lags = np.arange(-_LAG, _LAG + 1)
    window = covariance[np.ix_(lags, lags)]
    if not window[_LAG, _LAG] > 0:
        # nothing but noise
        window = np.zeros_like(window)
        window[_LAG, _LAG] = 1.0
        return window
    field = np.zeros((_GRID, _GRID))
    field[np.ix_(lags, lags)] = window * _gauss(lags)
    power = fft.fft2(field).real
    field = fft.ifft2(np.maximum(power, 0)).real
    window = field[np.ix_(lags, lags)] * _gauss(lags)
    return window / window[_LAG, _LAG]


def _gauss(lags):
    """
    A factor that fades with the lag, and is positive definite itself.
    """
    line = np.exp(-0.5 * (lags / (np.sqrt(2) * _FADE)) ** 2)
    return line * line[:, None]


def _correlate(values, size):
    """
    Sums of products of pixels at each lag, from the transform.
    """
    return fft.irfft2(np.abs(fft.rfft2(values, s=size)) ** 2, s=size)
