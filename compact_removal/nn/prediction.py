# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Prediction for stacks of cutouts, NumPy in and out.
"""

import numpy as np
import torch
from tqdm import tqdm

from compact_removal.nn.devices import resolve_device
from compact_removal.nn.scaling import apply_limits, range_limits
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['predict', 'read_inputs', 'scale_inputs', 'unscale_outputs']


def predict(model, inputs, *, batch_size=64, device='auto',
            progress_bar=False):
    """
    Run a model on stacks of cutouts.

    Parameters
    ----------
    model : `Model`
        The model.
    inputs : dict of ndarray
        One array for each name in ``model.inputs``: planes ``(n, ny,
        nx)`` or ``(n, c, ny, nx)`` in any unit, values ``(n,)`` or a
        number for all.
    batch_size : int, optional
        Number of cutouts per batch. The results do not depend on it
        but for rounding.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    outputs : dict of ndarray
        One array for each name in ``model.outputs``. Those that scale
        with the image are in its unit, float64 if the image is of
        double precision, else float32.

    Raises
    ------
    ParameterError
        If names or shapes do not fit the model or each other, there is
        no such device, or a value is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import predict
    >>> from compact_removal.removal import build_model
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> image = np.ones((2, 96, 96), dtype=np.float32)
    >>> outputs = predict(model, {'image': image, 'validity': image > 0,
    ...                           'fwhm': 3.0})
    >>> outputs['background'].shape
    (2, 96, 96)
    """
    batch_size = check_positive_integer('batch_size', batch_size)
    inputs = read_inputs(model, inputs)
    dtype = _output_dtype(model, inputs)
    device = resolve_device(device)
    model.to(device=device, memory_format=torch.channels_last).eval()
    n = len(next(iter(inputs.values())))
    results = []
    # nothing at all is a batch, too: it has the shapes of the outputs
    with torch.inference_mode():
        for start in tqdm(range(0, max(n, 1), batch_size), unit='batch',
                          disable=not progress_bar):
            part = {name: value[start:start + batch_size]
                    for name, value in inputs.items()}
            tensors, limits = scale_inputs(model, part)
            outputs = model(**{name: value.to(device)
                               for name, value in tensors.items()})
            results.append(unscale_outputs(model, outputs, limits, dtype))
    return {name: np.concatenate([one[name] for one in results])
            for name in model.outputs}


def read_inputs(model, inputs):
    """
    Check that inputs fit a model.

    Parameters
    ----------
    model : `Model`
        The model.
    inputs : dict of array_like
        See `predict`.

    Returns
    -------
    inputs : dict of ndarray
        Arrays with the same first axis, in the order of the model.

    Raises
    ------
    ParameterError
        If names, shapes or values do not fit.
    """
    if set(inputs) != set(model.inputs):
        msg = (f'inputs must have the names {", ".join(model.inputs)}, got '
               f'{", ".join(inputs)}')
        raise ParameterError(msg, 'inputs')
    arrays, first = {}, None
    for name, field in model.inputs.items():
        value = np.asarray(inputs[name])
        if field.kind != 'value':
            if value.ndim not in (3, 4):
                msg = (f'{name} must have 3 dimensions (n, ny, nx), or 4 with '
                       f'channels, got {value.ndim}')
                raise ParameterError(msg, name)
            if first is None:
                first = name
            elif _plane_shape(value) != _plane_shape(arrays[first]):
                msg = (f'{name} must have the shape of {first} '
                       f'{arrays[first].shape}, got {value.shape}')
                raise ParameterError(msg, name)
        arrays[name] = value
    n = len(arrays[first])
    for name, field in model.inputs.items():
        value = arrays[name]
        if field.kind == 'value':
            if value.ndim and value.shape[0] not in (1, n):
                msg = (f'{name} must be a number or have one per cutout '
                       f'({n}), got shape {value.shape}')
                raise ParameterError(msg, name)
            value = np.broadcast_to(value, (n, *value.shape[1:]))
            if field.positive and not np.all((value > 0)
                                             & np.isfinite(value)):
                msg = f'{name} must be positive and finite'
                raise ParameterError(msg, name)
            arrays[name] = value
    return arrays


def _plane_shape(value):
    """
    Number of cutouts, rows and columns.
    """
    return len(value), *value.shape[-2:]


def _output_dtype(model, inputs):
    """
    The type of outputs that scale with the image.
    """
    double = any(inputs[name].dtype.kind in 'fiu'
                 and inputs[name].dtype.itemsize > 4
                 for name, field in model.inputs.items()
                 if field.scaling == 'affine')
    return np.float64 if double else np.float32


def scale_inputs(model, inputs, limits=None):
    """
    Make tensors of inputs; planes that scale have numbers of order one.

    Parameters
    ----------
    model : `Model`
        The model.
    inputs : dict of ndarray
        From `read_inputs`.
    limits : tuple of `torch.Tensor`, optional
        Centre and half range; default: those of the valid pixels of
        each cutout.

    Returns
    -------
    tensors : dict of `torch.Tensor`
        The inputs, in the types that the model declares.
    limits : tuple of `torch.Tensor` or `None`
        Centre and half range of each cutout, ``(n, 1, 1)``; `None` where
        nothing scales.
    """
    tensors = {}
    for name, field in model.inputs.items():
        if field.scaling == 'none':
            # a copy, as the array of a caller may be read-only
            tensors[name] = torch.as_tensor(
                np.array(inputs[name], dtype=field.dtype))
    affine = [name for name, field in model.inputs.items()
              if field.scaling == 'affine']
    if not affine:
        return tensors, None
    images = {name: torch.as_tensor(np.array(inputs[name], dtype='f8'))
              for name, field in model.inputs.items()
              if field.scaling != 'none'}
    if limits is None:
        limits = _find_limits(model, images[affine[0]], tensors)
    center, half_range = limits
    for name, image in images.items():
        shape = (-1,) + (1,) * (image.ndim - 1)
        offset, factor = center.reshape(shape), half_range.reshape(shape)
        if model.inputs[name].scaling == 'linear':
            offset = torch.zeros_like(offset)
        tensors[name] = apply_limits(image, offset, factor)
    return tensors, limits


def _find_limits(model, image, tensors):
    """
    Limits of the valid pixels of each cutout.
    """
    valid = torch.isfinite(image)
    for name, field in model.inputs.items():
        if field.kind == 'mask':
            mask = tensors[name] > 0.5
            valid = valid & (mask if mask.ndim == image.ndim
                             else mask.unsqueeze(1))
    return range_limits(image, valid)


def unscale_outputs(model, outputs, limits, dtype):
    """
    Bring outputs back to the unit of the image.

    Parameters
    ----------
    model : `Model`
        The model.
    outputs : dict of `torch.Tensor`
        What it returned.
    limits : tuple of `torch.Tensor` or `None`
        From `scale_inputs`.
    dtype : type
        The type of outputs that scale.

    Returns
    -------
    arrays : dict of ndarray
        The outputs.
    """
    arrays = {}
    for name, field in model.outputs.items():
        value = outputs[name].cpu()
        if field.scaling == 'none' or limits is None:
            arrays[name] = value.numpy().astype(field.dtype, copy=False)
            continue
        shape = (-1,) + (1,) * (value.ndim - 1)
        center, half_range = (limit.reshape(shape) for limit in limits)
        value = half_range * value.double()
        if field.scaling == 'affine':
            value = center + value
        arrays[name] = value.numpy().astype(dtype)
    return arrays
