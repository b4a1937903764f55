# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The whole fit of a map: its PSF, its sources, and what is in their way.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from compact_removal.fitting.models import SourceModels
from compact_removal.fitting.outliers import add_pixels, fit_good_pixels
from compact_removal.fitting.patches import measure_noise_ratio
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.solver import SourceFit
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.fitting.unlisted import find_unlisted

__all__ = ['MapFit', 'fit_map']

# Least peak over the noise of sources that teach the PSF, and distance of
# what changes that (full widths).
_BRIGHT = 8.0
_NEAR = 5.0

# Reach of the light of unlisted sources (full widths).
_REACH = 8.0


class MapFit(NamedTuple):
    """
    What `fit_map` found.

    Attributes
    ----------
    psf : SourcePSF
        The PSF of the map.
    n_psf : int
        Number of sources that it was learned from.
    fit : SourceFit
        Fluxes and shapes of the sources.
    outliers : `~numpy.ndarray` of int
        Rows and columns of pixels that were left out, as they stand out
        from the fit, shape ``(2, k)``.
    dented : `~numpy.ndarray` of bool
        Sources with a flat or dented core, shape ``(n,)``.
    unlisted : SourceModels
        Other sources, which change the fluxes of the given ones and were
        fitted along.
    unlisted_light : `~numpy.ndarray`
        Their light at the given positions, as the flux of a source with
        such a peak (unit of the map times pixel), shape ``(n,)``.
    """

    psf: SourcePSF
    n_psf: int
    fit: SourceFit
    outliers: np.ndarray
    dented: np.ndarray
    unlisted: SourceModels
    unlisted_light: np.ndarray


def fit_map(data, x, y, psf, noise, *, mask=None):
    """
    Learn the PSF of a map, and fit its sources without outlying pixels.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The nominal PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``.
    mask : array_like of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Returns
    -------
    result : `MapFit`
        The PSF, the fit, and the pixels that were left out.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourcePSF, render_sources
    >>> from compact_removal.fitting.robust import fit_map
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> data = render_sources((61, 61), [30], [30], [5.0], np.zeros((1, 5)),
    ...                       psf)
    >>> data += 1e-3 * np.random.default_rng(1).normal(size=data.shape)
    >>> data[30, 30] += 1
    >>> result = fit_map(data, [30], [30], psf, [1e-3])
    >>> print(result.outliers.ravel(), result.fit.flux.round(1))
    [30 30] [5.]
    """
    x, y, noise = (np.asarray(values, dtype=float)
                   for values in (x, y, noise))
    n_listed = x.size
    pixels = np.zeros((2, 0), dtype=int)
    dented = np.zeros(n_listed, dtype=bool)
    for again in (False, True):
        used = add_pixels(mask, pixels, np.shape(data))
        ratio = measure_noise_ratio(data, x, y, psf.fwhm, mask=used)
        learned, n_psf = learn_psf(data, x, y, psf, noise, mask=used,
                                   noise_ratio=ratio, n_teachers=n_listed)
        fit, found, dents = fit_good_pixels(
            data, x, y, learned, noise, mask=used, noise_ratio=ratio)
        pixels = np.unique(np.concatenate([pixels, found], axis=1), axis=1)
        dented |= dents[:n_listed]
        if again:
            break
        # the light of others stands out, too
        new = find_unlisted(data, x, y, fit, learned, noise, mask=mask)
        others = np.column_stack([new.x, new.y])
        if len(others):
            away = KDTree(others).query(pixels[::-1].T)[0] > psf.fwhm
            pixels = pixels[:, away]
        places = np.vstack([pixels[::-1].T, others])
        bright = fit.flux * psf(0) > _BRIGHT * noise
        if not new.x.size and not (n_psf and _any_near(
                places, x[bright], y[bright], _NEAR * psf.fwhm)):
            break
        # what was in the way teaches the PSF no more
        x, y, noise = (np.append(old, more) for old, more in (
            (x, new.x), (y, new.y), (noise, new.noise)))
    unlisted = SourceModels(x[n_listed:], y[n_listed:], fit.flux[n_listed:],
                            fit.shapes[n_listed:], learned, noise[n_listed:])
    fit = SourceFit(*(values[:n_listed] for values in fit))
    return MapFit(learned, n_psf, fit, pixels, dented, unlisted,
                  _light_at(x[:n_listed], y[:n_listed], unlisted))


def _light_at(x, y, models):
    """
    Light of sources at positions, as the flux of one with such a peak.
    """
    psf, light = models.psf, np.zeros(x.size)
    if models.x.size:
        near = KDTree(np.column_stack([models.x, models.y])).query_ball_point(
            np.column_stack([x, y]), _REACH * psf.fwhm)
        for k, others in enumerate(near):
            light[k] = np.sum(np.abs(models.flux[others]) * psf.evaluate(
                x[k] - models.x[others], y[k] - models.y[others],
                models.shapes[others]))
    return light / psf(0)


def _any_near(places, x, y, distance):
    """
    Whether any of the places, shape ``(k, 2)``, is near a position.
    """
    if not x.size or not len(places):
        return False
    return bool((KDTree(np.column_stack([x, y])).query(places)[0]
                 < distance).any())
