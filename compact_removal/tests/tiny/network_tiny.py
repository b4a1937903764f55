# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A network of a few parameters: the weights of a mean.
"""

from types import MappingProxyType

import torch
from torch import nn

from compact_removal.nn import Field
from compact_removal.nn.models import Model
from compact_removal.tests.tiny.loss_tiny import SquareLoss

__all__ = ['MeanModel']


class MeanModel(Model):
    """
    The weighted mean of the valid pixels around each pixel.

    Parameters
    ----------
    size : int, optional
        Side of the box (pixels), odd. It has size**2 weights.
    """

    task = 'tiny'
    name = 'tiny'
    inputs = MappingProxyType({'image': Field('plane', 'affine'),
                               'validity': Field('mask')})
    targets = MappingProxyType({'mean': Field('target', 'affine')})
    outputs = MappingProxyType({'mean': Field('plane', 'affine')})
    loss_class = SquareLoss

    def __init__(self, size=3):
        super().__init__(size=size)
        self.receptive_radius = size // 2
        self.logits = nn.Parameter(2 * torch.randn(1, 1, size, size))

    def get_kernel(self):
        """
        The weights of the pixels, which are positive; their sum is 1.
        """
        weights = torch.softmax(self.logits.flatten(), 0)
        return weights.reshape(self.logits.shape)

    def forward(self, image, validity):
        """
        Take the means.

        Parameters
        ----------
        image, validity : `torch.Tensor`, (n, ny, nx)
            The pixels, and 1 where they are valid, else 0.

        Returns
        -------
        outputs : dict of `torch.Tensor`, (n, ny, nx)
            ``mean``.
        """
        valid = ((validity > 0.5) & torch.isfinite(image)).unsqueeze(1)
        image = torch.where(valid, image.unsqueeze(1), 0.0)
        kernel, padding = self.get_kernel(), self.receptive_radius
        total = nn.functional.conv2d(image, kernel, padding=padding)
        weight = nn.functional.conv2d(valid.to(image.dtype), kernel,
                                      padding=padding)
        return {'mean': (total / weight.clamp_min(1e-12)).squeeze(1)}

    def compute_loss(self, batch, loss):
        """
        Compare with the truth.
        """
        outputs = self(batch['image'], batch['validity'])
        return loss(outputs['mean'], batch['mean'])
