# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The whole fit of a map: its PSF, its sources, and what is in their way.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.fitting.models import SourceFit, fit_sources
from compact_removal.fitting.outliers import add_pixels, find_outliers
from compact_removal.fitting.patches import measure_noise_ratio
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.source_psf import SourcePSF

__all__ = ['MapFit', 'fit_map']

# Rounds of fits and searches for outlying pixels.
_N_ROUNDS = 3


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
    """

    psf: SourcePSF
    n_psf: int
    fit: SourceFit
    outliers: np.ndarray
    dented: np.ndarray


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
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    ratio = measure_noise_ratio(data, x, y, psf, mask=mask)
    learned, n_psf = learn_psf(data, x, y, psf, noise, mask=mask,
                               noise_ratio=ratio)
    fit = fit_sources(data, x, y, learned, noise, mask=mask,
                      noise_ratio=ratio)
    pixels = np.zeros((2, 0), dtype=int)
    dented = np.zeros(x.size, dtype=bool)
    used = mask
    for _ in range(_N_ROUNDS):
        outliers = find_outliers(data, x, y, fit, learned, noise, mask=used,
                                 noise_ratio=ratio)
        if not outliers.affected.any():
            break
        dented |= outliers.dented
        pixels = np.unique(np.concatenate([pixels, outliers.pixels], axis=1),
                           axis=1)
        used = add_pixels(mask, pixels, np.shape(data))
        fit = fit_sources(data, x, y, learned, noise, mask=used,
                          noise_ratio=ratio, start=fit,
                          rows=np.flatnonzero(outliers.affected))
    return MapFit(learned, n_psf, fit, pixels, dented)
