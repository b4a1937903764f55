# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the network that finds centres.
"""

import torch
from torch.nn import functional

from compact_removal.nn.losses import WeightedLoss

__all__ = ['LocalizationLoss', 'center_loss']

# Exponents: how little sure pixels count, and those beside a centre.
_SURE, _BESIDE = 2.0, 4.0


def center_loss(logit, truth):
    r"""
    Focal loss of maps of centres.

    At centres, where the truth is 1, :math:`-(1 - p)^2 \ln p`; elsewhere
    :math:`-(1 - t)^4 p^2 \ln (1 - p)`, so that pixels beside a centre
    count little. The sum is divided by the number of centres.

    Parameters
    ----------
    logit : `torch.Tensor`, (n, ...)
        Logits of the probability ``p`` of a centre.
    truth : `torch.Tensor`, (n, ...)
        Between 0 and 1; NaN does not count.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.detection.loss_localization import center_loss
    >>> truth = torch.tensor([[0.0, 1.0, 0.0]])
    >>> bool(center_loss(20 * truth - 10, truth) < 1e-6)
    True
    """
    known = torch.isfinite(truth)
    truth = torch.where(known, truth, 0.0)
    p = torch.sigmoid(logit)
    center = truth > 0.999
    hit = (1 - p) ** _SURE * functional.softplus(-logit)
    miss = (1 - truth) ** _BESIDE * p ** _SURE * functional.softplus(logit)
    total = torch.where(center, hit, miss) * known
    return total.sum() / (center & known).sum().clamp(min=1)


class LocalizationLoss(WeightedLoss):
    """
    The focal loss of centres, of all kinds of sources together.

    Parameters
    ----------
    center : float, optional
        Weight of `center_loss`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.detection.loss_localization import (
    ...     LocalizationLoss)
    >>> total, terms = LocalizationLoss()(torch.zeros(1, 3, 8, 8),
    ...                                   torch.zeros(1, 3, 8, 8))
    >>> list(terms)
    ['center']
    """

    def __init__(self, *, center=1.0):
        super().__init__(center=center)

    def forward(self, logit, truth):
        """
        Return the total and its terms.

        Parameters
        ----------
        logit, truth : `torch.Tensor`
            See `center_loss`.

        Returns
        -------
        total : `torch.Tensor`
            The weighted sum.
        terms : dict of `torch.Tensor`
            Each term before the weighting.
        """
        terms = {'center': center_loss(logit, truth)}
        return self.add(terms), terms
