# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the classifiers of exposures.
"""

from torch import nn
from torch.nn import functional

__all__ = ['TrackingLoss']


class TrackingLoss(nn.Module):
    """
    Cross-entropy of two classes.

    That of Sect. 3.2 of the paper.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.loss_tracking import TrackingLoss
    >>> total, terms = TrackingLoss()(torch.zeros(2), torch.ones(2))
    >>> f'{float(total):.3f}'
    '0.693'
    """

    def forward(self, logit, truth):
        """
        Compare logits with the truth.

        Parameters
        ----------
        logit, truth : `torch.Tensor`, (n,)
            Logits of a tracking error, and 0 or 1.

        Returns
        -------
        total : `torch.Tensor`
            The mean over exposures.
        terms : dict of `torch.Tensor`
            ``entropy``, the same.
        """
        total = functional.binary_cross_entropy_with_logits(logit, truth)
        return total, {'entropy': total}
