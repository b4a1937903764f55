# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of partial-attribution instance segmentation (Hausen & Robertson
2022, Sect. 3.4).
"""

from torch import nn
from torch.nn import functional

__all__ = ['PaisLoss']


class PaisLoss(nn.Module):
    """
    Squares of centres, absolute values of vectors, the cross entropy of
    contributions, and their entropy.

    Pixels that are exactly 0 do not count.

    Parameters
    ----------
    centers, vectors, shares, entropy : float, optional
        Weights of the terms; the defaults are those of the paper. With a
        positive weight of the entropy, contributions become sharper; the
        paper is silent about the sign, its program adds it.

    Examples
    --------
    >>> from compact_removal.deblending.loss_pais import PaisLoss
    >>> PaisLoss(entropy=-2.0).entropy
    -2.0
    """

    def __init__(self, centers=15.0, vectors=0.06, shares=4.0, entropy=2.0):
        super().__init__()
        self.centers, self.vectors = centers, vectors
        self.shares, self.entropy = shares, entropy

    def forward(self, predicted, batch):
        """
        Compare predictions with the truth.

        Parameters
        ----------
        predicted : tuple of `torch.Tensor`
            From ``PaisModel.predict_logits``.
        batch : dict of `torch.Tensor`
            ``image``, ``truth_centers``, ``truth_vectors`` and
            ``truth_shares``, see ``PartialFields``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        centers, vectors, logit = predicted
        seen = (batch['image'] != 0).to(centers.dtype)

        def average(values):
            # the same pixels for all channels
            return (values.mean(dim=1) * seen).sum() / seen.sum().clamp(min=1)

        log_share = functional.log_softmax(logit, dim=1)
        n = logit.shape[1]
        terms = {
            'centers': average((centers - batch['truth_centers']).square()[
                :, None]),
            'vectors': average((vectors - batch['truth_vectors']).abs()),
            'shares': average(-n * batch['truth_shares'] * log_share),
            'entropy': average(-log_share.exp() * log_share)}
        total = sum(getattr(self, name) * value
                    for name, value in terms.items())
        return total, terms
