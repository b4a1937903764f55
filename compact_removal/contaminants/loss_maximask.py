# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of MaxiMask (Paillassa et al. 2020, Sect. 3.1.2).
"""

import torch
from torch import nn
from torch.nn import functional

from compact_removal.contaminants.classes import CLASSES
from compact_removal.contaminants.loss_segmentation import split_truth
from compact_removal.utils.parameters import ParameterError

__all__ = ['MaxiMaskLoss', 'pixel_weights']

# Pixels of an image of the paper, over which its loss is a sum.
_N_PIXELS = 400 ** 2


def pixel_weights(planes, shares):
    """
    Weigh pixels by how rare their classes are (Equations 14 to 16).

    The weight of a class is the inverse of its share, and all add up to 1;
    a pixel has those of its classes; a Gaussian of 3 x 3 pixels and a
    standard deviation of 1 smooths the map.

    Parameters
    ----------
    planes : `torch.Tensor`, (n, n_classes, ny, nx)
        0 or 1.
    shares : `torch.Tensor`, (n_classes,)
        Shares of the pixels of the training.

    Returns
    -------
    weights : `torch.Tensor`, (n, 1, ny, nx)
        The weights.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.loss_maximask import pixel_weights
    >>> planes = torch.ones(1, 2, 5, 5)
    >>> float(pixel_weights(planes, torch.tensor([0.1, 0.4]))[0, 0, 2, 2])
    1.0
    """
    weights = torch.where(shares > 0, 1 / shares.clip(min=1e-7), 0)
    weights = weights / weights.sum()
    pixels = (planes * weights[:, None, None]).sum(dim=1, keepdim=True)
    line = torch.exp(-0.5 * torch.tensor([-1.0, 0.0, 1.0]) ** 2)
    kernel = (line[:, None] * line).to(pixels)
    padded = functional.pad(pixels, (1, 1, 1, 1), mode='replicate')
    return functional.conv2d(padded, (kernel / kernel.sum())[None, None])


class MaxiMaskLoss(nn.Module):
    """
    Weighted cross-entropy, that of coarse predictions, and a penalty.

    Parameters
    ----------
    shares : sequence of float, optional
        Shares of the pixels of the training, one per class; 0 for a
        class that is not learned. Default: those of the released
        network.
    early : sequence of float, optional
        Weights of the predictions of the resolutions, the finest first.
    decay : float, optional
        Factor on the sum of the norms of the kernels (Equation 17), for
        a loss that is a sum over 400 x 400 pixels.

    Raises
    ------
    ParameterError
        If there is not one weight for each of five resolutions.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.loss_maximask import MaxiMaskLoss
    >>> logit = torch.zeros(1, 14, 4, 4)
    >>> total, terms = MaxiMaskLoss(decay=0)(
    ...     logit, [logit] * 5, torch.ones((1, 4, 4), dtype=torch.int32), [])
    >>> list(terms)
    ['final', 'early', 'norm']
    """

    def __init__(self, shares=None, early=(0, 0, 1 / 3, 1 / 3, 1 / 3),
                 decay=1.0):
        super().__init__()
        if len(early) != 5:
            msg = f'early must have 5 weights, got {len(early)}'
            raise ParameterError(msg, 'early')
        if shares is None:
            shares = [one.maximask_share for one in CLASSES]
        self.register_buffer('shares', torch.tensor(shares))
        self._early, self._decay = tuple(early), decay

    def forward(self, logit, early, truth, kernels):
        """
        Compare logits with the truth.

        Parameters
        ----------
        logit : `torch.Tensor`, (n, n_classes, ny, nx)
            The final ones.
        early : list of `torch.Tensor`
            Those of the resolutions.
        truth : `torch.Tensor` of int, (n, ny, nx)
            Bits of the classes.
        kernels : list of `torch.Tensor`
            Of the convolutions.

        Returns
        -------
        total : `torch.Tensor`
            The sum of the terms, per pixel.
        terms : dict of `torch.Tensor`
            ``final``, ``early`` and ``norm``.
        """
        planes = split_truth(truth)[0][:, :-1]
        weights = pixel_weights(planes, self.shares)

        def compare(prediction):
            values = functional.binary_cross_entropy_with_logits(
                prediction, planes, reduction='none')
            values = values * (self.shares > 0)[:, None, None]
            return (weights * values).sum(dim=1).mean()

        terms = {
            'final': compare(logit),
            'early': sum((share * compare(one) for share, one in zip(
                self._early, early, strict=True) if share),
                logit.new_zeros(())),
            'norm': self._decay / _N_PIXELS * sum(
                (one.norm() for one in kernels), logit.new_zeros(()))}
        return sum(terms.values()), terms
