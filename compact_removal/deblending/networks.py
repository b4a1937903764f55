# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks for blends, by name, and the weights that ship.

PyTorch is loaded when a network is first asked for.
"""

from importlib import import_module

from compact_removal import nn
from compact_removal.utils.parameters import check_choice

__all__ = ['DEBLENDER_NETWORKS', 'NETWORKS', 'WEIGHTS',
           'find_deblender_class', 'find_model_class']

# Module and class of each model.
NETWORKS = {
    'conditioned': ('compact_removal.deblending.network_conditioned',
                    'ConditionedModel'),
    'blend2flux': ('compact_removal.deblending.network_blend2flux',
                   'Blend2FluxModel'),
    'blend2mask2flux': ('compact_removal.deblending.network_blend2flux',
                        'Blend2Mask2FluxModel'),
}

DEBLENDER_NETWORKS = {
    'contribution': ('compact_removal.deblending.network_contribution',
                     'ContributionModel'),
    'pais': ('compact_removal.deblending.network_pais', 'PaisModel'),
}

WEIGHTS = nn.WeightsRegistry('compact_removal.deblending')


def find_model_class(network):
    """
    Find the class of a network that measures blends.

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
    >>> from compact_removal.deblending.networks import find_model_class
    >>> find_model_class('conditioned').usual_size
    64
    """
    module, name = NETWORKS[check_choice('network', network, NETWORKS)]
    return getattr(import_module(module), name)


def find_deblender_class(network):
    """
    Find the class of a network that takes blends apart.

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
    >>> from compact_removal.deblending.networks import find_deblender_class
    >>> find_deblender_class('pais').name
    'pais'
    """
    module, name = DEBLENDER_NETWORKS[check_choice('network', network,
                                                   DEBLENDER_NETWORKS)]
    return getattr(import_module(module), name)
