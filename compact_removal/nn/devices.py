# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the computer can compute on.
"""

import torch

__all__ = ['has_bfloat16', 'resolve_device']


def resolve_device(device):
    """
    Find the device to compute on.

    Parameters
    ----------
    device : str
        ``'auto'`` (CUDA if there is one, otherwise the CPU) or a name
        that `torch.device` knows.

    Returns
    -------
    device : `torch.device`
        The device.

    Raises
    ------
    ValueError
        If there is no such device.

    Examples
    --------
    >>> from compact_removal.nn.devices import resolve_device
    >>> resolve_device('cpu')
    device(type='cpu')
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(device)
        # the device 'meta' has no values
        torch.empty(0, device=found).cpu()
    except (AssertionError, NotImplementedError, RuntimeError,
            TypeError) as error:
        msg = (f"device must be 'auto' or a device that PyTorch can use "
               f"here, such as 'cpu' or 'cuda', got {device!r}")
        raise ValueError(msg) from error
    return found


def has_bfloat16(device):
    """
    Tell whether a processor computes with bfloat16 by itself.

    Parameters
    ----------
    device : `torch.device`
        The device.

    Returns
    -------
    found : bool
        False for GPUs, which are fast enough without.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.devices import has_bfloat16
    >>> has_bfloat16(torch.device('cuda'))
    False
    """
    if device.type != 'cpu':
        return False
    names = ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    return any(getattr(torch.cpu, name, bool)() for name in names)
