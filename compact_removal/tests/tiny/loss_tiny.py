# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the tiny network.
"""

from compact_removal.nn.losses import WeightedLoss

__all__ = ['SquareLoss']


class SquareLoss(WeightedLoss):
    """
    The mean square of the errors.

    Parameters
    ----------
    square : float, optional
        Weight of the only term.
    """

    def __init__(self, square=1.0):
        super().__init__(square=square)

    def forward(self, output, target):
        """
        Compare two tensors; the total and the terms.
        """
        terms = {'square': (output - target).square().mean()}
        return self.add(terms), terms
