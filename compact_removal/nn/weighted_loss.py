# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What losses of several weighted terms have in common.
"""

from torch import nn

__all__ = ['WeightedLoss']


class WeightedLoss(nn.Module):
    """
    Base class of losses that are weighted sums of terms.

    Parameters
    ----------
    **weights : float
        Weight of each term.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.

    Examples
    --------
    >>> from compact_removal.nn.weighted_loss import WeightedLoss
    >>> WeightedLoss(hole=2.0, flux=1.0).add({'hole': 3.0, 'flux': 0.5})
    6.5
    """

    def __init__(self, **weights):
        super().__init__()
        for name, weight in weights.items():
            if not 0 <= weight < float('inf'):
                msg = f'{name} must be a weight >= 0, got {weight!r}'
                raise ValueError(msg)
        self.weights = weights

    def add(self, terms):
        """
        Return the weighted sum of terms.

        Parameters
        ----------
        terms : dict of `torch.Tensor` or float
            Terms by name; each has a weight.

        Returns
        -------
        total : `torch.Tensor` or float
            The sum of the terms times their weights.
        """
        return sum(self.weights[name] * term for name, term in terms.items())
