# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks, by name.

To add a network, write one module with one class and add one entry to
`NETWORKS`. The class has these attributes: ``model_class`` (name of the
class in `compact_removal.removal` that prepares the cutouts for it),
``loss_class`` (name of its loss in `compact_removal.removal`),
``default_width``, ``size_step`` and ``min_size`` (which cutouts fit),
``usual_size`` and ``separates`` (see `compact_removal.nn.network_limits`).
"""

from compact_removal.nn.networks.partial_conv_unet import PartialConvUNet
from compact_removal.nn.networks.separation_unet import SeparationUNet

__all__ = ['NETWORKS', 'PartialConvUNet', 'SeparationUNet',
           'get_network_class']

NETWORKS = {'separation': SeparationUNet, 'inpainting': PartialConvUNet}


def get_network_class(name):
    """
    Return the class of a network.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.

    Returns
    -------
    class_ : type
        A subclass of `torch.nn.Module`.

    Raises
    ------
    ValueError
        If there is no network of that name.

    Examples
    --------
    >>> from compact_removal.nn.networks import get_network_class
    >>> get_network_class('inpainting').__name__
    'PartialConvUNet'
    """
    if not isinstance(name, str) or name not in NETWORKS:
        msg = (f'network must be one of {", ".join(sorted(NETWORKS))}, got '
               f'{name!r}')
        raise ValueError(msg)
    return NETWORKS[name]
