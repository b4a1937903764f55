# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How wide sources are.

Templates of several widths are laid on a source, each with a free flux
and a constant, by generalised least squares. Near the width of the PSF
all pixels within two full widths take part. Larger sources need more room
and fewer pixels: every second or so within four and a half full widths.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.fitting.covariance import make_whitener
from compact_removal.fitting.patches import masked_median
from compact_removal.maps.cutouts import chunk_slices, extract_cutouts

__all__ = ['Extent', 'find_extended', 'fit_width']

# Widths over that of the PSF.
_WIDTHS = (0.35, 0.5, 0.7, 0.85, 0.95, 1.05, 1.15, 1.35, 1.7, 2.3, 3.2)
_LARGE_WIDTHS = (1.0, 1.35, 1.7, 2.2, 2.8, 3.6, 4.8)

# Radius of the large patches, and the steps between their pixels (full
# widths).
_RADIUS = 4.5
_STEP = 0.6

# Parameters of a template, and the least variance of what it leaves, over
# the expected one.
_N_FREE = 3
_LEAST_LEFT = 1e-3

# How much better the largest template must fit to be believed.
_LEAST_GAIN_OF_WIDEST = 60.0

# Share of the pixels that must be known.
_LEAST_KNOWN = 0.5


class Extent(NamedTuple):
    """
    What `find_extended` found; all have the shape ``(n,)``.

    Attributes
    ----------
    gain : `~numpy.ndarray`
        How much better the larger template fits than the PSF
        (difference of chi-square); not below 0, and 0 where too little
        is known.
    ratio, error : `~numpy.ndarray`
        Width over that of the PSF, and the relative error.
    flux : `~numpy.ndarray`
        Flux of the template, in the unit of the map times pixel.
    """

    gain: np.ndarray
    ratio: np.ndarray
    error: np.ndarray
    flux: np.ndarray


def fit_width(patches, rows, shapes, psf):
    """
    Fit the width of sources near that of the PSF.

    Parameters
    ----------
    patches : SourcePatches
        Patches around sources, without the light of others.
    rows : `~numpy.ndarray` of int
        Which of them, shape ``(n,)``.
    shapes : `~numpy.ndarray`
        Fitted shapes of all sources, whose shifts are taken, shape
        ``(m, 5)``.
    psf : SourcePSF
        The PSF.

    Returns
    -------
    ratio, error : `~numpy.ndarray`
        Width over that of the PSF, and the relative error, shape
        ``(n,)``.
    """
    shift = shapes[rows, None, :2]
    templates = _templates(psf, patches.dx[rows] - shift[..., 0],
                           patches.dy[rows] - shift[..., 1], _WIDTHS)
    columns = np.zeros((*patches.dx.shape, 2 + len(_WIDTHS)))
    columns[rows] = np.concatenate(
        [patches.values[rows, :, None], np.ones_like(templates[..., :1]),
         templates], axis=-1)
    gain, _, _ = _gains(patches.whiten(columns, psf)[rows],
                        patches.std[rows])
    top, error = _parabola(np.log(_WIDTHS), gain)
    return np.exp(top), error


def find_extended(clean, models, index, std, levels):
    """
    Find sources that are larger than the PSF.

    Parameters
    ----------
    clean : `~numpy.ndarray`
        The map minus the models of all sources, NaN where a pixel must
        not be used, shape ``(ny, nx)``.
    models : SourceModels
        The sources.
    index : `~numpy.ndarray` of int
        Which of them, shape ``(n,)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around them, shape
        ``(n,)``.
    levels : `~numpy.ndarray` of int
        Levels of their noise, see
        `~compact_removal.fitting.covariance.NOISE_LEVELS`, shape
        ``(n,)``.

    Returns
    -------
    extent : `Extent`
        How large they are.
    """
    psf = models.psf
    step = max(round(_STEP * psf.fwhm), 1)
    (rows, columns), _ = make_whitener(psf.fwhm, 0, _RADIUS, step=step)
    size = int(rows.max()) + 1
    known = np.isfinite(std) & (std > 0)
    unit = np.where(known, std, 1.0)
    values = np.zeros((4, index.size))
    for part in chunk_slices(index.size, size):
        mine = index[part]
        x, y = models.x[mine], models.y[mine]
        stack, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
        pixels = stack[:, rows, columns]
        shift = models.shapes[mine, None, :2]
        dx = columns + (corners[:, 0] - x)[:, None] - shift[..., 0]
        dy = rows + (corners[:, 1] - y)[:, None] - shift[..., 1]
        shapes = models.shapes[mine, None].copy()
        shapes[..., :2] = 0
        pixels = pixels + models.flux[mine, None] * psf.evaluate(dx, dy,
                                                                 shapes)
        used = np.isfinite(pixels)
        level = masked_median(pixels, used)[:, None]
        pixels = np.where(used, pixels - level, 0.0)
        design = np.concatenate(
            [pixels[..., None] / unit[part, None, None],
             np.ones_like(dx)[..., None],
             _round_templates(psf, dx, dy)], axis=-1)
        design *= used[..., None]
        for one in np.unique(levels[part]):
            chosen = levels[part] == one
            _, matrix = make_whitener(psf.fwhm, one, _RADIUS, step=step)
            design[chosen] = np.matmul(matrix, design[chosen])
        # the error of the PSF counts as in the fit
        peak = np.maximum(models.flux[mine], 0) * psf(0) / unit[part]
        gain, flux, total = _gains(design,
                                   np.hypot(1, psf.model_error * peak))
        # in units of what is left by the best of them
        left = total - gain.max(axis=1)
        left /= np.maximum(used.sum(axis=1) - _N_FREE, 1)
        gain /= np.maximum(left, _LEAST_LEFT)[:, None]
        best = gain.argmax(axis=1)
        each = np.arange(mine.size)
        top, error = _parabola(np.log(_LARGE_WIDTHS), gain)
        better = gain[each, best] - gain[:, 0]
        # structure curves as the largest of them does
        widest = best == len(_LARGE_WIDTHS) - 1
        better[widest & (better < _LEAST_GAIN_OF_WIDEST)] = 0
        enough = known[part] & (used.mean(axis=1) > _LEAST_KNOWN)
        values[:, part] = (np.where(enough, better, 0), np.exp(top), error,
                           flux[each, best] * unit[part])
    return Extent(*values)


def _templates(psf, dx, dy, widths):
    """
    The PSF, with all of its profile stretched, shape ``(n, p, k)``.
    """
    shape = np.concatenate([[0, 0], psf.mean[2:]])
    return np.stack([psf.evaluate(dx / width, dy / width, shape)
                     / width ** 2 for width in widths], axis=-1)


def _round_templates(psf, dx, dy):
    """
    The same for large widths, where the round PSF is good enough.
    """
    radius = np.hypot(dx, dy)
    widths = np.array(_LARGE_WIDTHS) * np.exp(psf.mean[2])
    return np.stack([psf(radius / width) / width ** 2 for width in widths],
                    axis=-1)


def _gains(white, std):
    """
    Reductions of chi-square by templates with a flux that is not negative.

    Takes white columns of values, constant, and templates. Returns the
    reductions and the fluxes, shape ``(n, k)``, and the chi-square of a
    constant alone, shape ``(n,)``.
    """
    constant = white[..., 1]
    norm = np.maximum((constant ** 2).sum(axis=1), 1e-12)[:, None, None]
    columns = np.delete(white, 1, axis=-1)
    share = np.einsum('np,npk->nk', constant, columns)[:, None]
    columns = columns - constant[..., None] * share / norm
    values, templates = columns[..., 0], columns[..., 1:]
    product = np.maximum(np.einsum('npk,np->nk', templates, values), 0)
    power = np.maximum((templates ** 2).sum(axis=1), 1e-300)
    return (product ** 2 / power / std[:, None] ** 2, product / power,
            (values ** 2).sum(axis=1) / std ** 2)


def _parabola(x, values):
    """
    Place of the largest of values, by a parabola, and its error.

    At an end of the grid it is the end, and the error that of a value
    beyond it.
    """
    largest = values.argmax(axis=1)
    middle = np.clip(largest, 1, x.size - 2)
    near = middle[:, None] + [-1, 0, 1]
    place, value = x[near], np.take_along_axis(values, near, axis=1)
    first, second = ((value[:, k + 1] - value[:, k])
                     / (place[:, k + 1] - place[:, k]) for k in (0, 1))
    curvature = (second - first) / (place[:, 2] - place[:, 0])
    with np.errstate(divide='ignore', invalid='ignore'):
        top = (place[:, 0] + place[:, 1]) / 2 - first / (2 * curvature)
        error = 1 / np.sqrt(-2 * curvature)
    inside = (curvature < 0) & (largest == middle)
    top = np.where(inside, np.clip(top, place[:, 0], place[:, 2]),
                   x[largest])
    # at an end, where the gain has fallen by one
    last = np.where(largest == 0, 0, 1)
    each = np.arange(last.size)
    span = place[each, last + 1] - place[each, last]
    fall = np.abs(value[each, last + 1] - value[each, last])
    return top, np.where(inside, error, span / np.maximum(fall, 0.5))
