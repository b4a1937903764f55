# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Prediction for stacks of cutouts, NumPy in and out.
"""

import numpy as np
import torch
from tqdm import tqdm

from compact_removal.nn.training import resolve_device

__all__ = ['predict_background']


def predict_background(model, image, validity, *, batch_size=64,
                       device='auto', progress_bar=False):
    """
    Estimate the background of cutouts.

    Parameters
    ----------
    model : `torch.nn.Module`
        From `~compact_removal.nn.models.make_model`.
    image : ndarray, (n, ny, nx)
        The cutouts.
    validity : ndarray of bool, (n, ny, nx)
        True at background pixels that may be used.
    batch_size : int, optional
        Number of cutouts per batch.
    device : str, optional
        See `~compact_removal.nn.training.resolve_device`.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    background : ndarray, (n, ny, nx)
        The estimate, in all pixels.

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
    >>> predict_background(model, image, image > 0).dtype
    dtype('float32')
    """
    image = np.asarray(image)
    validity = np.asarray(validity)
    if image.ndim != 3:
        msg = f'image must have 3 dimensions (n, ny, nx), got {image.ndim}'
        raise ValueError(msg)
    if validity.shape != image.shape:
        msg = (f'validity must have the shape of image {image.shape}, got '
               f'{validity.shape}')
        raise ValueError(msg)
    if int(batch_size) != batch_size or batch_size < 1:
        msg = f'batch_size must be a positive integer, got {batch_size!r}'
        raise ValueError(msg)
    is_double = image.dtype.kind in 'fiu' and image.dtype.itemsize > 4
    background = np.empty(image.shape, np.float64 if is_double
                          else np.float32)
    device = resolve_device(device)
    model.to(device=device, memory_format=torch.channels_last).eval()
    starts = range(0, len(image), int(batch_size))
    with torch.no_grad():
        for start in tqdm(starts, disable=not progress_bar, unit='batch'):
            part = slice(start, start + int(batch_size))
            # Offset and range are taken out in double precision: single
            # precision is not enough for faint structure on a pedestal.
            scaled, valid, center, half_range = _scale(image[part],
                                                       validity[part])
            result = model(torch.as_tensor(scaled, device=device),
                           torch.as_tensor(valid, device=device))
            result = result.cpu().numpy().astype(np.float64)
            background[part] = center + half_range * result
    return background


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
        The scaled cutouts; 0 at invalid pixels.
    valid : ndarray of bool, (n, ny, nx)
        True at valid, finite pixels.
    center, half_range : ndarray, (n, 1, 1)
        The limits: ``image = center + half_range * scaled``.
    """
    image = image.astype(np.float64)
    valid = (validity > 0.5) & np.isfinite(image)
    low = np.where(valid, image, np.inf).min(axis=(1, 2), keepdims=True)
    high = np.where(valid, image, -np.inf).max(axis=(1, 2), keepdims=True)
    empty = low > high
    low[empty] = 0.0
    high[empty] = 0.0
    center = low / 2 + high / 2
    half_range = high / 2 - low / 2
    half_range[half_range == 0] = 1.0
    scaled = np.where(valid, image, center) - center
    return (scaled / half_range).astype(np.float32), valid, center, half_range
