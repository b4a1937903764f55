# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Prediction for stacks of cutouts, NumPy in and out.
"""

from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from compact_removal.nn.devices import resolve_device

__all__ = ['Prediction', 'predict_background']


# Largest scaled value, which leaves room for products in single precision.
_LARGEST = 1e30


class Prediction(NamedTuple):
    """
    What a model tells of cutouts.

    Attributes
    ----------
    background : ndarray, (n, ny, nx)
        The background in the unit of the image.
    error : ndarray or `None`, (n, ny, nx)
        Its standard error, if the model tells it.
    flux_error : ndarray or `None`, (n, n_radii)
        Standard error of the sum of the background in apertures around
        the central source, with the radii
        `~compact_removal.nn.ERROR_RADII` (FWHM).

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import build_model, predict
    >>> image = np.random.default_rng(1).normal(size=(2, 64, 64))
    >>> found = predict(build_model('separation', width=1, seed=1), image,
    ...                 image < 9)
    >>> found.background.shape, found.flux_error.shape
    ((2, 64, 64), (2, 4))
    """

    background: np.ndarray
    error: np.ndarray | None = None
    flux_error: np.ndarray | None = None


def predict_background(model, image, validity, *, sources=None, fwhm=3.0,
                       psf_error=0.1, batch_size=64, device='auto',
                       progress_bar=False):
    """
    Estimate the background of cutouts.

    Parameters
    ----------
    model : `torch.nn.Module`
        From `~compact_removal.removal.make_model`.
    image : ndarray, (n, ny, nx)
        The cutouts, in any unit; NaN where nothing was measured.
    validity : ndarray of bool, (n, ny, nx)
        True at background pixels that may be used.
    sources : ndarray, (n, ny, nx), optional
        Fitted sources, which are not in the image any more.
    fwhm : float or ndarray, (n,), optional
        Width of the PSF (pixels).
    psf_error : float or ndarray, (n,), optional
        Uncertainty of the shapes of sources, see
        `~compact_removal.fitting.SourcePSF`.
    batch_size : int, optional
        Number of cutouts per batch.
    device : str, optional
        See `~compact_removal.nn.devices.resolve_device`.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    prediction : `Prediction`
        Background and errors.

    Raises
    ------
    ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn.models import make_model
    >>> from compact_removal.nn.prediction import predict_background
    >>> model = make_model('inpainting', width=1, seed=1)
    >>> image = np.ones((2, 96, 96), dtype=np.float32)
    >>> predict_background(model, image, image > 0).background.dtype
    dtype('float32')
    """
    image = np.asarray(image)
    validity = np.asarray(validity)
    if image.ndim != 3:
        msg = f'image must have 3 dimensions (n, ny, nx), got {image.ndim}'
        raise ValueError(msg)
    sources = np.zeros_like(image) if sources is None else np.asarray(sources)
    for name, array in (('validity', validity), ('sources', sources)):
        if array.shape != image.shape:
            msg = (f'{name} must have the shape of image {image.shape}, got '
                   f'{array.shape}')
            raise ValueError(msg)
    numbers = []
    for name, value in (('fwhm', fwhm), ('psf_error', psf_error)):
        value = np.broadcast_to(np.asarray(value, dtype=np.float32),
                                len(image))
        if not np.all((value > 0) & np.isfinite(value)):
            msg = f'{name} must be positive and finite'
            raise ValueError(msg)
        numbers.append(value)
    if int(batch_size) != batch_size or batch_size < 1:
        msg = f'batch_size must be a positive integer, got {batch_size!r}'
        raise ValueError(msg)
    is_double = image.dtype.kind in 'fiu' and image.dtype.itemsize > 4
    dtype = np.float64 if is_double else np.float32
    device = resolve_device(device)
    model.to(device=device, memory_format=torch.channels_last).eval()
    results = []
    starts = range(0, len(image), int(batch_size))
    with torch.inference_mode():
        for start in tqdm(starts, disable=not progress_bar, unit='batch'):
            part = slice(start, start + int(batch_size))
            # Offset and range are taken out in double precision: single
            # precision is not enough for faint structure on a pedestal.
            scaled, valid, center, half_range = _scale(image[part],
                                                       validity[part])
            bright = np.clip(
                sources[part] / np.where(half_range > 0, half_range, 1),
                -_LARGEST, _LARGEST).astype(np.float32)
            estimate = model(*(torch.as_tensor(array, device=device)
                               for array in (scaled, valid, bright,
                                             *(value[part].copy() for value
                                               in numbers))))
            background, error, flux_error = (
                None if value is None
                else value.cpu().numpy().astype(np.float64)
                for value in estimate)
            background = center + half_range * background
            if error is not None:
                error = half_range * error
                flux_error = half_range[:, 0] * flux_error
            results.append((background, error, flux_error))
    if not results:
        return Prediction(np.empty(image.shape, dtype))
    return Prediction(*(None if stack[0] is None
                        else np.concatenate(stack).astype(dtype)
                        for stack in zip(*results, strict=True)))


def _scale(image, validity):
    """
    Scale the valid pixels of each cutout to [-1, 1].

    Parameters
    ----------
    image, validity : ndarray, (n, ny, nx)
        The cutouts.

    Returns
    -------
    scaled : ndarray of float32, (n, ny, nx)
        The scaled cutouts; NaN where they are not finite.
    valid : ndarray of bool, (n, ny, nx)
        True at valid, finite pixels.
    center, half_range : ndarray, (n, 1, 1)
        The limits: ``image = center + half_range * scaled``; where the
        range is 0, nothing is scaled.
    """
    image = image.astype(np.float64)
    finite = np.isfinite(image)
    valid = (validity > 0.5) & finite
    low = np.where(valid, image, np.inf).min(axis=(1, 2), keepdims=True)
    high = np.where(valid, image, -np.inf).max(axis=(1, 2), keepdims=True)
    empty = low > high
    low[empty] = 0.0
    high[empty] = 0.0
    center = low / 2 + high / 2
    half_range = high / 2 - low / 2
    # of a constant cutout all is known: it adds nothing to its level
    divisor = np.where(half_range > 0, half_range, 1.0)
    scaled = np.where(finite, image, center) / divisor
    scaled = np.clip(scaled - center / divisor, -_LARGEST, _LARGEST)
    scaled[~finite] = np.nan
    return scaled.astype(np.float32), valid, center, half_range
