# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the segmentation: cross-entropy of classes that overlap.
"""

import torch
from torch import nn
from torch.nn import functional

from compact_removal.contaminants.classes import CLASS_NAMES
from compact_removal.contaminants.simulation import UNKNOWN_CORE

__all__ = ['CORE_SHARE', 'SHARES', 'SegmentationLoss', 'split_truth']

# Shares of the classes, measured on 300 exposures of the default simulation,
# and the share of the pixels of hits that are in their cores.
SHARES = (0.0096, 0.0074, 0.0097, 0.00018, 0.00017, 0.0113, 0.0389, 0.227,
          0.0997, 0.001, 0.0238, 0.0502, 0.0142, 0.612)
CORE_SHARE = 0.3

# Cosmic rays are what most users look for, and are learned most slowly: they
# and their cores have this weight, others 1.
_HITS = 2.0


def split_truth(truth):
    """
    Make planes of the bits of a truth.

    Parameters
    ----------
    truth : `torch.Tensor` of int, (n, ny, nx)
        See `~compact_removal.contaminants.ContaminatedExposure`.

    Returns
    -------
    planes : `torch.Tensor`, (n, n_classes + 1, ny, nx)
        0 or 1 for each class, and for the cores of cosmic rays.
    known : `torch.Tensor` of bool, (n, ny, nx)
        Whether the last of them counts.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.loss_segmentation import split_truth
    >>> split_truth(torch.ones((1, 2, 2), dtype=torch.int32))[0].shape
    torch.Size([1, 15, 2, 2])
    """
    bits = torch.arange(len(CLASS_NAMES) + 1, device=truth.device,
                        dtype=truth.dtype)[:, None, None]
    return ((truth[:, None] >> bits & 1).float(),
            truth & UNKNOWN_CORE == 0)


class SegmentationLoss(nn.Module):
    """
    Cross-entropy of each class over that of someone who sees nothing.

    The paper weights pixels by the inverse of the shares of their classes
    (Equations 12 to 16). Here each class as a whole is divided by the
    entropy of its share, so that all count alike, and the outputs are
    probabilities for the mixture of the training.

    Parameters
    ----------
    shares : sequence of float, optional
        Shares of the pixels of the training, one per class; 0 for a
        class that is not learned. Default: those of the default
        simulation.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.loss_segmentation import (
    ...     SegmentationLoss)
    >>> loss = SegmentationLoss([0.5] * 14)
    >>> total, terms = loss(torch.zeros(1, 15, 2, 2),
    ...                     torch.zeros((1, 2, 2), dtype=torch.int32))
    >>> round(float(terms['HCL']), 2)
    1.0
    """

    def __init__(self, shares=None):
        super().__init__()
        shares = torch.tensor(SHARES if shares is None else shares)
        # cores are a part of the hits
        shares = torch.cat([shares, CORE_SHARE * shares[:1]])
        learned = shares > 0
        shares = shares.clip(1e-5, 1 - 1e-5)
        entropy = -(shares * shares.log() + (1 - shares) * (1 - shares).log())
        weights = torch.ones_like(shares)
        weights[[0, -1]] = _HITS
        self.register_buffer('factor', learned / entropy)
        self.register_buffer('weight', learned * weights
                             / (learned * weights).sum())

    def forward(self, logit, truth):
        """
        Compare logits with the truth.

        Parameters
        ----------
        logit : `torch.Tensor`, (n, n_classes + 1, ny, nx)
            Of the classes, and of the cores of cosmic rays.
        truth : `torch.Tensor` of int, (n, ny, nx)
            See `split_truth`.

        Returns
        -------
        total : `torch.Tensor`
            The weighted mean of the terms.
        terms : dict of `torch.Tensor`
            One per class, and ``core``.
        """
        planes, known = split_truth(truth)
        values = functional.binary_cross_entropy_with_logits(
            logit, planes, reduction='none')
        core = (values[:, -1] * known).mean(dim=(0, 1, 2))
        means = torch.cat([values[:, :-1].mean(dim=(0, 2, 3)), core[None]])
        means = means * self.factor
        terms = dict(zip((*CLASS_NAMES, 'core'), means, strict=True))
        return (self.weight * means).sum(), terms
