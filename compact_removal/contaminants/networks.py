# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks of the contaminants, by name, and the weights that ship.

PyTorch is loaded when a network is first asked for.
"""

from importlib import import_module

from compact_removal import nn
from compact_removal.utils.parameters import check_choice

__all__ = ['NETWORKS', 'TRACKING_NETWORKS', 'WEIGHTS', 'find_model_class',
           'find_tracking_class']

# Module and class of each model.
NETWORKS = {
    'segmentation': ('compact_removal.contaminants.network_segmentation',
                     'SegmentationModel'),
    'maximask': ('compact_removal.contaminants.network_maximask',
                 'MaxiMaskModel'),
}

TRACKING_NETWORKS = {
    'small': ('compact_removal.contaminants.network_tracking',
              'SmallTrackingModel'),
    'maxitrack': ('compact_removal.contaminants.network_tracking',
                  'MaxiTrackModel'),
}

WEIGHTS = nn.WeightsRegistry('compact_removal.contaminants')


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
    >>> from compact_removal.contaminants.networks import find_model_class
    >>> find_model_class('segmentation').size_step
    32
    """
    module, name = NETWORKS[check_choice('network', network, NETWORKS)]
    return getattr(import_module(module), name)


def find_tracking_class(network):
    """
    Find the class of a network that finds tracking errors.

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
    >>> from compact_removal.contaminants.networks import find_tracking_class
    >>> find_tracking_class('maxitrack').usual_size
    400
    """
    module, name = TRACKING_NETWORKS[check_choice('network', network,
                                                  TRACKING_NETWORKS)]
    return getattr(import_module(module), name)
