# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks of the removal, by name, and the weights that ship.

PyTorch is loaded when a network is first asked for.
"""

from importlib import import_module

from compact_removal import nn
from compact_removal.utils.parameters import check_choice

__all__ = ['ERROR_RADII', 'NETWORKS', 'WEIGHTS', 'build_model',
           'find_model_class']

# Module and class of each model.
NETWORKS = {
    'separation': ('compact_removal.removal.network_separation',
                   'SeparationModel'),
    'inpainting': ('compact_removal.removal.network_inpainting',
                   'InpaintingModel'),
}

WEIGHTS = nn.WeightsRegistry('compact_removal.removal')

# Radii of apertures, in FWHM of the PSF, whose errors networks predict.
ERROR_RADII = (0.8, 1.2, 1.8, 2.7)


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
    (32, 96)
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
        Its configuration, such as ``width``; default: that of the paper
        for inpainting, 8 for separation.

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
