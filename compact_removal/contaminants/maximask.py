# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The weights of the released MaxiMask, for those who have them.
"""

import numpy as np

from compact_removal import nn
from compact_removal.contaminants.classes import CLASSES
from compact_removal.contaminants.networks import find_model_class
from compact_removal.utils.files import check_overwrite
from compact_removal.utils.parameters import ParameterError

__all__ = ['import_maximask']


def import_maximask(variables, path, *, overwrite=False):
    """
    Make a file of weights of the variables of the released MaxiMask.

    MaxiMask 1.4.1 is published under the MIT licence, on PyPI. This
    package does not ship its weights: the script
    ``docs/examples/import_maximask.py`` reads them from the wheel.

    Parameters
    ----------
    variables : path-like or dict of `~numpy.ndarray`
        The variables by their names, such as ``'conv1.kernel'``, with
        kernels as (height, width, in, out); or a safetensors file of
        them.
    path : path-like
        The file to write, for ``weights`` of
        `~compact_removal.ContaminantMasker`.
    overwrite : bool, optional
        Whether it may be replaced.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.
    ParameterError
        If variables are missing, or of another network.

    Examples
    --------
    >>> from compact_removal.contaminants import import_maximask
    >>> import_maximask({}, 'maximask.safetensors')
    Traceback (most recent call last):
    ...
    compact_removal.utils.parameters.ParameterError: variables must have
    conv1.kernel
    """
    path = check_overwrite(path, overwrite=overwrite)
    if not isinstance(variables, dict):
        variables = nn.read_tensors(variables)
    model = nn.make_model(find_model_class('maximask'), seed=0)
    state = {}
    for name, tensor in model.state_dict().items():
        layer, kind = name.split('.')
        key = f'{layer}.{"kernel" if kind == "weight" else "bias"}'
        if key not in variables:
            msg = f'variables must have {key}'
            raise ParameterError(msg, 'variables')
        value = np.asarray(variables[key], dtype=np.float32)
        if kind == 'weight':
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
        if value.shape != tuple(tensor.shape):
            msg = (f'variables must have {key} of the shape of MaxiMask, got '
                   f'{np.shape(variables[key])}')
            raise ParameterError(msg, 'variables')
        state[name] = tensor.new_tensor(np.ascontiguousarray(value))
    model.load_state_dict(state)
    nn.save_weights(model, path, {
        'data': 'MaxiMask 1.4.1 (Paillassa et al. 2020), MIT licence',
        'shares': [one.maximask_share for one in CLASSES],
        'thresholds': [one.maximask_threshold for one in CLASSES]})
