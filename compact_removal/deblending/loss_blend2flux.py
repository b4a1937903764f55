# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of blend2flux and blend2mask2flux (Boucaud et al. 2020, Sect. 3).
"""

from torch import nn
from torch.nn import functional

__all__ = ['BlendLoss']

# Fluxes below this are not divided by (units of the noise).
_FAINTEST = 1.0


class BlendLoss(nn.Module):
    """
    Mean absolute relative errors of fluxes, and the cross entropy of
    masks.

    Parameters
    ----------
    fluxes, masks : float, optional
        Weights of the terms. The defaults are those of the paper; its
        program has them the other way round.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.loss_blend2flux import BlendLoss
    >>> batch = {'truth': torch.tensor([[100.0, 50.0]])}
    >>> total, terms = BlendLoss()(torch.tensor([[110.0, 50.0]]), None, batch)
    >>> f'{float(total):.2f}'
    '0.05'
    """

    def __init__(self, fluxes=1.0, masks=0.1):
        super().__init__()
        self.fluxes, self.masks = fluxes, masks

    def forward(self, flux, logit, batch):
        """
        Compare predictions with the truth.

        Parameters
        ----------
        flux : `torch.Tensor`, (n, 2)
            Fluxes in units of the noise.
        logit : `torch.Tensor` or None, (n, 2, ny, nx)
            Logits of the masks.
        batch : dict of `torch.Tensor`
            ``truth``, the fluxes, and ``masks``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        error = ((flux - batch['truth']).abs()
                 / batch['truth'].clamp(min=_FAINTEST)).mean()
        total, terms = self.fluxes * error, {'fluxes': error}
        if logit is not None:
            terms['masks'] = functional.binary_cross_entropy_with_logits(
                logit, batch['masks'])
            total = total + self.masks * terms['masks']
        return total, terms
