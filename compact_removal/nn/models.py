# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The base class of models, and models with new weights.

A model is a network with everything around it: it takes cutouts in any
unit, scales them for its network, and scales the result back.
"""

from types import MappingProxyType

import torch
from torch import nn

from compact_removal.utils.parameters import ParameterError

__all__ = ['Model', 'make_model']


class Model(nn.Module):
    """
    Base class of models.

    Subclasses have these attributes, and the methods below.

    Attributes
    ----------
    task, name : str
        The names of its task and of the network in files.
    inputs : dict of str to `~compact_removal.nn.Field`
        What ``forward`` takes, by name.
    targets : dict of str to `~compact_removal.nn.Field`
        What batches of the training have besides the inputs.
    outputs : dict of str to `~compact_removal.nn.Field`
        What ``forward`` returns, by name.
    config : dict
        The arguments of ``__init__`` that make the model anew; JSON can
        hold them.
    size_step, min_size : int
        The sides of cutouts are multiples of the first and at least the
        second (pixels).
    usual_size : int
        The side of cutouts beyond which larger ones do not help.
    receptive_radius : int or `None`
        How far a pixel of the output sees (pixels), for models that are
        fully convolutional; `None` for others.
    surrounded : bool
        Whether maps are surrounded by what is unknown, as far as the model
        sees; otherwise it sees their edges, like those of the cutouts of
        its training.

    Parameters
    ----------
    **config
        The configuration.

    Examples
    --------
    >>> from compact_removal.nn import Model
    >>> Model(width=3).config
    {'width': 3}
    """

    task = ''
    name = ''
    inputs = MappingProxyType({})
    targets = MappingProxyType({})
    outputs = MappingProxyType({})
    loss_class = None
    size_step = 1
    min_size = 1
    usual_size = 64
    receptive_radius = None
    surrounded = True

    def __init__(self, **config):
        super().__init__()
        self.config = config

    @classmethod
    def make_loss(cls, **weights):
        """
        Make the loss of this model.

        Parameters
        ----------
        **weights
            Arguments of ``loss_class``, such as weights of its terms.

        Returns
        -------
        loss : `torch.nn.Module`
            The loss.
        """
        return cls.loss_class(**weights)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The inputs and the targets.
        loss : callable
            From `make_loss`.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        raise NotImplementedError


def make_model(model_class, config=None, *, seed=None):
    """
    Make a model with new weights.

    Parameters
    ----------
    model_class : type
        A subclass of `Model`.
    config : dict, optional
        Its configuration; default: that of the class.
    seed : int, optional
        Seed of the first weights. The global state of random numbers
        is not touched.

    Returns
    -------
    model : `Model`
        The model.

    Raises
    ------
    ParameterError
        If the configuration is not allowed.

    Examples
    --------
    >>> from compact_removal.nn import make_model
    >>> from compact_removal.removal import find_model_class
    >>> make_model(find_model_class('separation'), {'width': 2}, seed=1).config
    {'width': 2}
    """
    config = {} if config is None else dict(config)
    with torch.random.fork_rng(devices=[]):
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(int(seed))
        try:
            return model_class(**config)
        except TypeError as error:
            msg = f'config of network {model_class.name!r}: {error}'
            raise ParameterError(msg, 'config') from error
