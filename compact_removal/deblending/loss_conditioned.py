# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the network that is pointed at a source.
"""

import torch
from torch import nn
from torch.nn import functional

__all__ = ['ConditionedLoss']

# Light that is no source's is so much (standard deviations of the noise).
_NONE = 0.5


class ConditionedLoss(nn.Module):
    """
    Errors of fluxes, and those of shares.

    The first is the negative logarithm of the likelihood of the logarithm
    of the flux, with the predicted error; the second the divergence
    (Kullback-Leibler) of the shares, weighted by the signal-to-noise
    ratio of the pixel.

    Parameters
    ----------
    shares : float, optional
        Weight of the second term.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.loss_conditioned import ConditionedLoss
    >>> light = torch.ones(1, 2, 2)
    >>> logit = torch.zeros(1, 3, 2, 2)
    >>> total, terms = ConditionedLoss()((logit, torch.zeros(1),
    ...                                   torch.zeros(1)), light, light,
    ...                                  torch.zeros(1))
    >>> f'{float(terms["flux"]):.2f} {float(terms["share"]):.2f}'
    '0.00 0.04'
    """

    def __init__(self, shares=1.0):
        super().__init__()
        self.shares = shares

    def forward(self, predicted, light, other_light, truth):
        """
        Compare predictions with the truth.

        Parameters
        ----------
        predicted : tuple of `torch.Tensor`
            From ``ConditionedModel.predict_logits``.
        light, other_light : `torch.Tensor`, (n, ny, nx)
            Light of the source and of others, over the noise.
        truth : `torch.Tensor`, (n,)
            Natural logarithm of the flux.

        Returns
        -------
        total : `torch.Tensor`
            The mean over sources.
        terms : dict of `torch.Tensor`
            ``flux``, ``share``, and ``difference``, the mean absolute
            one of the logarithms.
        """
        logit, log_flux, log_error = predicted
        change = log_flux - truth
        # a few far off do not decide
        flux = functional.huber_loss(
            change * torch.exp(-log_error), torch.zeros_like(change),
            reduction='none', delta=3.0) + log_error
        parts = torch.stack([light, other_light, torch.full_like(
            light, _NONE)], dim=1)
        brightness = parts.sum(dim=1)
        target = parts / brightness[:, None]
        divergence = (torch.xlogy(target, target) - target
                      * functional.log_softmax(logit, dim=1)).sum(dim=1)
        weight = brightness / (1 + brightness)
        share = (weight * divergence).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))
        total = flux.mean() + self.shares * share.mean()
        return total, {'flux': flux.mean(), 'share': share.mean(),
                       'difference': change.abs().mean()}
