# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks of the detection, by name, and the weights that ship.

PyTorch is loaded when a network is first asked for.
"""

from importlib import import_module

from compact_removal import nn
from compact_removal.utils.parameters import check_choice

__all__ = ['NETWORKS', 'REGION_NETWORKS', 'WEIGHTS', 'find_model_class',
           'find_region_class']

# Module and class of each model.
NETWORKS = {
    'localization': ('compact_removal.detection.network_localization',
                     'LocalizationModel'),
}

REGION_NETWORKS = {
    'faster_rcnn': ('compact_removal.detection.network_rcnn',
                    'FasterRCNNModel'),
    'mask_rcnn': ('compact_removal.detection.network_rcnn', 'MaskRCNNModel'),
}

WEIGHTS = nn.WeightsRegistry('compact_removal.detection')


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
    >>> from compact_removal.detection.networks import find_model_class
    >>> find_model_class('localization').size_step
    8
    """
    module, name = NETWORKS[check_choice('network', network, NETWORKS)]
    return getattr(import_module(module), name)


def find_region_class(network):
    """
    Find the class of a region-based network.

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
    ImportError
        If torchvision is not installed, or does not work.
    ParameterError
        If there is no such network.

    Examples
    --------
    >>> from compact_removal.detection import find_region_class
    >>> model = find_region_class('mask_rcnn')  # doctest: +SKIP
    >>> model.has_masks  # doctest: +SKIP
    True
    """
    module, name = REGION_NETWORKS[check_choice('network', network,
                                                REGION_NETWORKS)]
    try:
        return getattr(import_module(module), name)
    except (ImportError, RuntimeError) as error:
        # another build of PyTorch: operators are missing
        msg = ('RegionDetector needs torchvision, which the extra [rcnn] '
               'installs: pip install ".[rcnn]" in the folder of the source '
               f'of compact-removal ({error})')
        raise ImportError(msg) from error
