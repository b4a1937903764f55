# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Prediction for whole maps, in tiles that leave no trace.
"""

from itertools import pairwise, product

import numpy as np
import torch
from tqdm import tqdm

from compact_removal.nn.devices import resolve_device
from compact_removal.nn.prediction import scale_inputs, unscale_outputs
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['predict_map', 'predict_tiles']


def predict_map(model, planes, *, tile_size=512, device='auto',
                progress_bar=False):
    """
    Run a fully convolutional model over a map of any size.

    The map is cut into tiles with a halo as wide as the model sees, so
    that the result does not depend on the tiles but for rounding.
    Beyond the edges of the map each plane has its ``fill``, as far as the
    model sees if it is ``surrounded``, otherwise up to a whole step.
    Planes that scale are scaled once for the whole map.

    Parameters
    ----------
    model : `Model`
        A model with a ``receptive_radius``.
    planes : dict of ndarray
        One array for each name in ``model.inputs``: ``(ny, nx)`` or
        ``(c, ny, nx)``; a number for each value.
    tile_size : int, optional
        Largest side of the part of the map that is computed at once,
        without its halo (pixels). It limits the memory.
    device : str, optional
        See `resolve_device`.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    outputs : dict of ndarray
        One array for each name in ``model.outputs``: ``(ny, nx)`` or
        ``(c, ny, nx)``, single precision where they scale with the map.

    Raises
    ------
    ParameterError
        If the model is not fully convolutional, names or shapes do not
        fit it, or a value is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import predict_map
    >>> from compact_removal.removal import build_model
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> image = np.ones((50, 70))
    >>> predict_map(model, {'image': image, 'validity': image > 0})
    Traceback (most recent call last):
    ...
    compact_removal.utils.parameters.ParameterError: model must be fully
    convolutional (its receptive_radius is None): 'inpainting'
    """
    shape, results = _check_planes(model, planes), {}
    for window, outputs in predict_tiles(
            model, planes, tile_size=tile_size, device=device,
            progress_bar=progress_bar):
        for name, value in outputs.items():
            if name not in results:
                results[name] = np.empty((*value.shape[:-2], *shape),
                                         dtype=value.dtype)
            results[name][..., *window] = value
    return results


def predict_tiles(model, planes, *, tile_size=512, device='auto',
                  progress_bar=False):
    """
    Run a fully convolutional model over a map, one tile after the other.

    See `predict_map`. Planes may be objects that have ``shape`` and
    ``dtype`` and can be cut like arrays, so that whole ones are never in
    memory.

    Parameters
    ----------
    model, planes, tile_size, device, progress_bar : object
        See `predict_map`.

    Yields
    ------
    window : tuple of slice
        The part of the map that the tile stands for.
    outputs : dict of ndarray
        What the model predicts for it.

    Raises
    ------
    ParameterError
        See `predict_map`.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal import nn
    >>> from compact_removal.contaminants import find_model_class
    >>> model = nn.make_model(find_model_class('segmentation'), {'width': 1})
    >>> tiles = nn.predict_tiles(model, {'image': np.ones((40, 70))},
    ...                          tile_size=32)
    >>> [outputs['probability'].shape for window, outputs in tiles]
    [(14, 32, 32), (14, 32, 32), (14, 32, 6), (14, 8, 32), (14, 8, 32),
    (14, 8, 6)]
    """
    tile_size = check_positive_integer('tile_size', tile_size)
    shape = _check_planes(model, planes)
    step = model.size_step
    halo = -(-model.receptive_radius // step) * step
    limits = _find_limits(model, planes)
    device = resolve_device(device)
    model.to(device=device, memory_format=torch.channels_last).eval()
    tiles = list(product(*(
        _cut_axis(length, tile_size, step, halo, halo * model.surrounded)
        for length in shape)))
    for tile in tqdm(tiles, disable=not progress_bar, unit='tile'):
        with torch.inference_mode():
            outputs = _predict_tile(model, planes, tile, limits, device)
        yield _cut_core(outputs, shape, tile)


def _cut_axis(length, tile_size, step, halo, margin):
    """
    Cut an axis into tiles of whole steps.

    Each is a pair of ranges: what is kept, and what the model sees.
    """
    n_steps = -(-length // step)
    n_tiles = -(-n_steps // max(tile_size // step, 1))
    edges = [step * (n_steps * k // n_tiles) for k in range(n_tiles + 1)]
    return [((low, high), (max(low - halo, -margin),
                           min(high + halo, edges[-1] + margin)))
            for low, high in pairwise(edges)]


def _check_planes(model, planes):
    """
    Check that planes fit a model, and return the shape of the map.
    """
    if model.receptive_radius is None:
        msg = ('model must be fully convolutional (its receptive_radius is '
               f'None): {model.name!r}')
        raise ParameterError(msg, 'model')
    if set(planes) != set(model.inputs):
        msg = (f'planes must have the names {", ".join(model.inputs)}, got '
               f'{", ".join(planes)}')
        raise ParameterError(msg, 'planes')
    for name, field in model.outputs.items():
        if field.kind == 'value':
            msg = (f'model must have planes alone as outputs, {name!r} is '
                   'none')
            raise ParameterError(msg, 'model')
    shape = None
    for name, field in model.inputs.items():
        found = np.shape(planes[name])
        if field.kind == 'value':
            if np.size(planes[name]) != 1 or (
                    field.positive and not 0 < np.max(planes[name]) < np.inf):
                kind = 'a positive number' if field.positive else 'a number'
                msg = f'{name} must be {kind}, got {planes[name]!r}'
                raise ParameterError(msg, name)
            continue
        if len(found) not in (2, 3) or 0 in found:
            msg = (f'{name} must have shape (ny, nx) or (c, ny, nx), got '
                   f'{found}')
            raise ParameterError(msg, name)
        shape = found[-2:] if shape is None else shape
        if found[-2:] != shape:
            msg = f'{name} must have rows and columns {shape}, got {found}'
            raise ParameterError(msg, name)
    return shape


def _find_limits(model, planes):
    """
    Centre and half range of all valid pixels; None if nothing scales.
    """
    affine = [name for name, field in model.inputs.items()
              if field.scaling == 'affine']
    if not affine:
        return None
    masks = [name for name, field in model.inputs.items()
             if field.kind == 'mask']
    image = np.asarray(planes[affine[0]])
    low, high = np.inf, -np.inf
    for row in range(image.shape[-2]):
        values = image[..., row, :]
        valid = np.isfinite(values)
        for name in masks:
            valid = valid & (np.asarray(planes[name])[..., row, :] > 0.5)
        if valid.any():
            low = min(low, float(values[valid].min()))
            high = max(high, float(values[valid].max()))
    if low > high:
        low = high = 0.0
    limits = low / 2 + high / 2, high / 2 - low / 2
    return tuple(torch.tensor(value, dtype=torch.float64).reshape(1, 1, 1)
                 for value in limits)


def _predict_tile(model, planes, tile, limits, device):
    """
    Run the model on a tile with its halo.
    """
    inputs = {}
    for name, field in model.inputs.items():
        if field.kind == 'value':
            inputs[name] = np.reshape(planes[name], (1,))
            continue
        plane = planes[name]
        if not hasattr(plane, 'dtype'):
            plane = np.asarray(plane)
        window = np.full((*plane.shape[:-2],
                          *(high - low for _, (low, high) in tile)),
                         field.fill, dtype=np.result_type(plane.dtype,
                                                          np.float32))
        inside, outside = [], []
        for (_, (low, high)), length in zip(tile, plane.shape[-2:],
                                            strict=True):
            known = slice(max(low, 0), min(high, length))
            outside.append(known)
            inside.append(slice(known.start - low, known.stop - low))
        window[..., *inside] = plane[..., *outside]
        inputs[name] = window[None]
    tensors, limits = scale_inputs(model, inputs, limits)
    outputs = model(**{name: value.to(device)
                       for name, value in tensors.items()})
    return unscale_outputs(model, outputs, limits, np.float32)


def _cut_core(outputs, shape, tile):
    """
    The part of a map that a tile stands for, and what belongs to it.
    """
    target, source = [], []
    for ((start, stop), (low, _)), length in zip(tile, shape, strict=True):
        stop = min(stop, length)
        target.append(slice(start, stop))
        source.append(slice(start - low, stop - low))
    return tuple(target), {name: value[0][..., *source]
                           for name, value in outputs.items()}
