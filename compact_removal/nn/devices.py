# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the computer can compute on, and with how many threads.
"""

import os

import torch

from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['has_bfloat16', 'limit_threads', 'resolve_device']


def resolve_device(device):
    """
    Find the device to compute on.

    Parameters
    ----------
    device : str
        ``'auto'`` (CUDA if there is one, otherwise the CPU) or a name
        of a device of PyTorch.

    Returns
    -------
    device : `torch.device`
        The device.

    Raises
    ------
    ParameterError
        If there is no such device.

    Examples
    --------
    >>> from compact_removal.nn import resolve_device
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
        raise ParameterError(msg, 'device') from error
    return found


def has_bfloat16(device):
    """
    Whether a processor computes faster in bfloat16.

    Only those with matrix units (AMX) do. Others may have instructions
    for bfloat16, but convolutions are slower with them.

    Parameters
    ----------
    device : `torch.device`
        The device.

    Returns
    -------
    found : bool
        False for GPUs, which are fast enough without, and where
        ``ONEDNN_MAX_CPU_ISA`` forbids the matrix units.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.devices import has_bfloat16
    >>> has_bfloat16(torch.device('cuda'))
    False
    """
    if device.type != 'cpu':
        return False
    allowed = os.environ.get('ONEDNN_MAX_CPU_ISA', 'DEFAULT').upper()
    return (getattr(torch.cpu, '_is_amx_tile_supported', bool)()
            and (allowed in ('DEFAULT', 'ALL') or 'AMX' in allowed))


def limit_threads(n_threads):
    """
    Let this process compute with no more than some threads.

    Parameters
    ----------
    n_threads : int
        The most threads; if fewer are set already, nothing changes.

    Returns
    -------
    n_threads : int
        The number that is set now.

    Raises
    ------
    ParameterError
        If it is not positive.

    Examples
    --------
    >>> from compact_removal.nn import limit_threads
    >>> limit_threads(1000) <= 1000
    True
    """
    n_threads = check_positive_integer('n_threads', n_threads)
    if n_threads < torch.get_num_threads():
        torch.set_num_threads(n_threads)
    return torch.get_num_threads()
