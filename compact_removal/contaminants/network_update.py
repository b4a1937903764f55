# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A model around a model: other priors, some of its classes, and flags.
"""

from types import MappingProxyType

import numpy as np
import torch
from scipy.special import expit, logit

from compact_removal.nn import Field
from compact_removal.nn.models import Model

__all__ = ['UpdatedModel']

# Probabilities are this far from 0 and 1 where logits are made of them.
_TINY = 1e-7


class UpdatedModel(Model):
    """
    Update the probabilities of a model, tile by tile.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        A model whose output is ``probability``.
    index : sequence of int
        The classes that are wanted.
    shift : sequence of float
        What is added to the logit of each.
    thresholds : sequence of float, optional
        If given, the output is ``flags`` instead: the sum of the bits of
        the classes whose probability reaches its threshold.
    bits : sequence of int, optional
        These bits.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.network_update import UpdatedModel
    >>> from compact_removal.contaminants.networks import find_model_class
    >>> model = UpdatedModel(find_model_class('segmentation')(width=1),
    ...                      [0, 3], [0.0, -1.0])
    >>> with torch.no_grad():
    ...     model(torch.zeros(1, 32, 32))['probability'].shape
    torch.Size([1, 2, 32, 32])
    """

    task = 'contaminants'
    name = 'updated'

    def __init__(self, model, index, shift, thresholds=None, bits=None):
        super().__init__()
        self.model = model
        for name in ('inputs', 'size_step', 'min_size', 'usual_size',
                     'receptive_radius', 'surrounded'):
            setattr(self, name, getattr(model, name))
        self.outputs = MappingProxyType(
            {'probability': Field('plane')} if thresholds is None
            else {'flags': Field('plane', dtype='int32')})
        self._index, self._shift = list(index), list(shift)
        self._bits = bits
        # thresholds before the update: flags need no logits of all pixels
        self._limits = None if thresholds is None else expit(
            logit(np.asarray(thresholds, dtype=float)) - shift).tolist()

    def see_nothing(self, shape):
        """
        Make the output for an image in which there is nothing.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.

        Returns
        -------
        outputs : dict of `~numpy.ndarray`
            See `forward`; zeros.
        """
        if self._limits is not None:
            return {'flags': np.zeros(shape, dtype=np.int32)}
        return {'probability': np.zeros((len(self._index), *shape),
                                        dtype=np.float32)}

    def forward(self, image):
        """
        Predict probabilities, or flags.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            What the model takes.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``probability``, (n, n_wanted, ny, nx), or ``flags``, (n, ny,
            nx).
        """
        probability = self.model(image)['probability'][:, self._index]
        if self._limits is not None:
            flags = torch.zeros(image.shape, dtype=torch.int32,
                                device=image.device)
            for k, (limit, bit) in enumerate(zip(self._limits, self._bits,
                                                 strict=True)):
                flags += (probability[:, k] >= limit) * int(bit)
            return {'flags': flags}
        for k, shift in enumerate(self._shift):
            # of no shift nothing is lost
            if shift:
                plane = probability[:, k]
                plane.copy_(torch.sigmoid(torch.logit(plane, _TINY) + shift))
        return {'probability': probability}
