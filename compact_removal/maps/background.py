# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Background and noise of images; images as networks see them.
"""

import warnings

import numpy as np
from astropy.stats import SigmaClip
from astropy.utils.exceptions import AstropyUserWarning

__all__ = ['estimate_background', 'scale_image']

# Side of the meshes (pixels), the limit of the clipping (standard
# deviations), and the side of the median filter on meshes: those of MaxiMask.
_MESH, _CLIP, _FILTER = 200, 3.0, 3

# Meshes with a larger share (percent) of pixels that cannot be used get their
# values from their neighbours.
_EXCLUDED = 70.0

# Columns between pixels whose differences are noise.
_LAG = 2


def estimate_background(data, *, structure=True):
    """
    Estimate background and noise as SExtractor does.

    See Sect. 2.1.2 of the paper. Meshes of 200 pixels are clipped at three
    standard deviations; their mode is the background.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``; NaN where a pixel cannot be used.
    structure : bool, optional
        Whether the noise is the standard deviation of the clipped pixels,
        as in the paper, which structure like nebulae raises; or that of
        the differences of pixels two columns apart, which know noise
        alone.

    Returns
    -------
    background, noise : `~numpy.ndarray`
        Level and standard deviation, single precision, shape ``(ny,
        nx)``. The noise is 1 where it cannot be measured, as in a
        constant image.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.background import estimate_background
    >>> image = np.random.default_rng(1).normal(100, 5, (300, 400))
    >>> background, noise = estimate_background(image)
    >>> f'{background.mean():.0f} {noise.mean():.0f}'
    '100 5'
    """
    if np.isnan(data).all():
        return np.zeros(data.shape, 'f4'), np.ones(data.shape, 'f4')
    background, noise = _measure_meshes(data.shape, data)
    if not structure and data.shape[1] > 2 * _LAG:
        # half of the rows are enough, where there are many
        step = 1 + (data.shape[0] > _MESH)
        rows = data[::step]
        difference = np.full_like(rows, np.nan)
        difference[:, _LAG:] = (rows[:, _LAG:] - rows[:, :-_LAG]) / np.sqrt(2)
        if not np.isnan(difference).all():
            noise = _measure_meshes(data.shape, difference, step)[1]
    good = noise > 0
    return background, np.where(good, noise, noise[good].mean()
                                if good.any() else 1).astype('f4')


def _measure_meshes(shape, values, step=1):
    """
    Level and noise in meshes, between which they change linearly.

    The values are those of each row of an image, or of each second one.
    """
    from photutils.background import (Background2D, SExtractorBackground,
                                      StdBackgroundRMS)

    # meshes of equal size, so that there are no slivers at the edges; an even
    # number of rows, so that half of them make as many meshes
    box = [-(-n // max(round(n / _MESH), 1)) for n in shape]
    box[0] += box[0] % 2
    options = {'box_size': (box[0] // step, box[1]), 'filter_size': _FILTER,
               'mask': ~np.isfinite(values),
               'sigma_clip': SigmaClip(
                   _CLIP, maxiters=10, cenfunc='median', stdfunc='mad_std'),
               'bkg_estimator': SExtractorBackground(sigma_clip=None),
               'bkg_rms_estimator': StdBackgroundRMS(sigma_clip=None)}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', AstropyUserWarning)
        try:
            found = Background2D(values, exclude_percentile=_EXCLUDED,
                                 **options)
        except ValueError:
            # no mesh has enough pixels
            found = Background2D(values, exclude_percentile=100, **options)
        meshes = found.background_mesh, found.background_rms_mesh
    weights = [_interpolate(n, size) for n, size in zip(
        shape, box, strict=True)]
    return [(weights[0] @ mesh.astype('f4') @ weights[1].T)
            for mesh in meshes]


def _interpolate(n, size):
    """
    Weights of the meshes of an axis in each of its pixels.
    """
    n_meshes = -(-n // size)
    centers = (np.arange(n_meshes) + 0.5) * size - 0.5
    return np.stack([np.interp(np.arange(n), centers, row)
                     for row in np.eye(n_meshes)], axis=1).astype('f4')


def scale_image(data, *, structure=True):
    """
    Subtract the background of an image, and divide by its noise.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``; NaN where a pixel cannot be used.
    structure : bool, optional
        See `estimate_background`.

    Returns
    -------
    scaled : `~numpy.ndarray`
        Single precision; 0 where a pixel cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.maps.background import scale_image
    >>> scale_image(np.full((50, 50), 7.0)).max()
    np.float32(0.0)
    """
    background, noise = estimate_background(data, structure=structure)
    return np.nan_to_num((data - background) / noise, nan=0.0, posinf=0.0,
                         neginf=0.0).astype('f4')
