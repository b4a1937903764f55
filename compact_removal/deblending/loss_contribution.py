# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the default network of the deblender.
"""

import torch
from torch import nn
from torch.nn import functional

__all__ = ['ContributionLoss']

# Fluxes are at least this, in units of the noise of a pixel.
_FAINTEST = 1.0

# Errors of fluxes beyond so many standard deviations count linearly.
_FAR = 3.0


class ContributionLoss(nn.Module):
    """
    Errors of centres, shares and fluxes.

    Centres: the focal loss of Law & Deng (2018), per source. Shares: the
    divergence (Kullback-Leibler), weighted by the signal-to-noise ratio
    of the pixel. Fluxes: the negative logarithm of the likelihood of the
    logarithm of the flux with the predicted error, with a Huber function
    in place of the square. The paper has squares, the cross entropy, and
    no fluxes.

    Parameters
    ----------
    centers, shares, fluxes : float, optional
        Weights of the terms.
    entropy : float, optional
        Weight of the entropy of the shares, which is positive in the
        program of the paper.

    Examples
    --------
    >>> from compact_removal.deblending.loss_contribution import (
    ...     ContributionLoss)
    >>> ContributionLoss(entropy=0.1).entropy
    0.1
    """

    def __init__(self, centers=0.1, shares=2.0, fluxes=0.5, entropy=0.0):
        super().__init__()
        self.centers, self.shares, self.fluxes = centers, shares, fluxes
        self.entropy = entropy

    def forward(self, predicted, batch):
        """
        Compare predictions with the truth.

        Parameters
        ----------
        predicted : tuple of `torch.Tensor`
            From ``ContributionModel.predict_logits``.
        batch : dict of `torch.Tensor`
            ``image``, ``truth_centers`` (NaN where a centre is neither
            right nor wrong), ``truth_shares``, ``brightness``, ``index``,
            ``x``, ``y`` and ``log_flux``, see ``ContributionBlends``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms, and ``difference``, the mean absolute one of the
            logarithms of fluxes.
        """
        logit, centers, factor, error = predicted
        found = _compare_centers(centers, batch['truth_centers'])
        log_share = functional.log_softmax(logit, dim=1)
        share = log_share.exp()
        given = (batch['index'][:, :1] >= 0).to(share.dtype)
        target = torch.cat([batch['truth_shares'], 1 - batch[
            'truth_shares'].sum(dim=1, keepdim=True)], dim=1).clamp(min=0)
        brightness = batch['brightness'][:, None]
        weight = given * brightness / (1 + brightness)
        total_weight = weight.sum().clamp(min=1)
        divergence = (torch.xlogy(target, target) - target * log_share).sum(
            dim=1, keepdim=True)
        mean_share = (weight * divergence).sum() / total_weight
        entropy = -(weight * (share * log_share).sum(
            dim=1, keepdim=True)).sum() / total_weight
        flux, difference = _compare_fluxes(share[:, :-1], factor, error, batch)
        total = (self.centers * found + self.shares * mean_share
                 + self.fluxes * flux + self.entropy * entropy)
        return total, {'centers': found, 'share': mean_share, 'flux': flux,
                       'difference': difference, 'entropy': entropy}


def _compare_centers(logit, truth):
    """
    Focal loss, over the number of centres.
    """
    known = torch.isfinite(truth)
    truth = torch.where(known, truth, 0)
    chance = torch.sigmoid(logit)
    good = functional.logsigmoid(logit) * (1 - chance) ** 2
    bad = functional.logsigmoid(-logit) * chance ** 2 * (1 - truth) ** 4
    # the pixel of a centre has exactly 1
    peak = truth >= 1
    value = -torch.where(peak, good, bad) * known
    return value.sum() / peak.sum().clamp(min=1)


def _compare_fluxes(share, factor, error, batch):
    """
    Likelihood of the logarithms of fluxes, and their mean difference.
    """
    index, truth = batch['index'], batch['log_flux']
    n = truth.shape[1]
    slot = torch.where(index >= 0, index, n)
    light = (share * batch['image'][:, None]).flatten(1)
    total = light.new_zeros(len(truth), n + 1).scatter_add(
        1, slot.flatten(1), light)[:, :n]
    known = torch.isfinite(truth)
    row, column = (torch.nan_to_num(batch[name]).round().long().clamp(
        0, side - 1) for name, side in (('y', factor.shape[1]),
                                        ('x', factor.shape[2])))
    sample = torch.arange(len(truth), device=truth.device)[:, None]
    factor, error = (plane[sample, row, column] for plane in (factor, error))
    change = torch.where(known, torch.log(total.clamp(min=_FAINTEST)) + factor
                         - truth, 0)
    value = functional.huber_loss(
        change * torch.exp(-error), torch.zeros_like(change),
        reduction='none', delta=_FAR) + error
    count = known.sum().clamp(min=1)
    return (value * known).sum() / count, change.abs().sum() / count
