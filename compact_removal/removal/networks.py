# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks of the removal, by name, and the weights that ship.

PyTorch is loaded when a network is first asked for.
"""

import math
from importlib import import_module

from compact_removal import nn
from compact_removal.utils.parameters import check_choice

__all__ = ['ERROR_RADII', 'NETWORKS', 'WEIGHTS', 'build_model',
           'choose_size', 'find_model_class']

# Module and class of each model.
NETWORKS = {
    'separation': ('compact_removal.removal.network_separation',
                   'SeparationModel'),
    'inpainting': ('compact_removal.removal.network_inpainting',
                   'InpaintingModel'),
    'paper': ('compact_removal.removal.network_paper', 'PaperModel'),
}

WEIGHTS = nn.WeightsRegistry('compact_removal.removal')

# Radii of apertures, in FWHM of the PSF, whose errors networks predict.
ERROR_RADII = (0.8, 1.2, 1.8, 2.7)

# Least side of cutouts in FWHM of the PSF.
_LEAST_SIZE = 12


def choose_size(model, fwhm):
    """
    Choose the side of cutouts, unless holes need larger ones.

    Parameters
    ----------
    model : `~compact_removal.nn.Model` or type
        The model, or its class.
    fwhm : float
        Width of the PSF (pixels).

    Returns
    -------
    size : int
        In pixels: the usual size, more for wide PSFs.

    Examples
    --------
    >>> from compact_removal.removal import find_model_class
    >>> from compact_removal.removal.networks import choose_size
    >>> [choose_size(find_model_class('separation'), fwhm)
    ...  for fwhm in (2, 6)]
    [48, 72]
    """
    step = model.size_step
    return max(model.usual_size, step * math.ceil(_LEAST_SIZE * fwhm / step))


def find_model_class(network):
    """
    Find the class of a network.

    Parameters
    ----------
    network : str
        Its name.

    Returns
    -------
    model_class : type
        A subclass of `~compact_removal.nn.Model`.

    Raises
    ------
    ParameterError
        If there is no such network.

    Examples
    --------
    >>> from compact_removal.removal import find_model_class
    >>> model_class = find_model_class('inpainting')
    >>> model_class.size_step, model_class.min_size
    (16, 32)
    """
    module, name = NETWORKS[check_choice('network', network, NETWORKS)]
    return getattr(import_module(module), name)


def build_model(network, *, seed=None, **config):
    """
    Make a model with new weights.

    Parameters
    ----------
    network : str
        Name of the network.
    seed : int, optional
        Seed of the weights.
    **config
        Its configuration, such as ``width``; default: 8, for
        ``paper`` that of the paper.

    Returns
    -------
    model : `~compact_removal.nn.Model`
        The model.

    Raises
    ------
    ParameterError
        If there is no such network, or the configuration is not allowed.

    Examples
    --------
    >>> from compact_removal.removal import build_model
    >>> build_model('inpainting', width=1, seed=1).name
    'inpainting'
    """
    return nn.make_model(find_model_class(network), config, seed=seed)
