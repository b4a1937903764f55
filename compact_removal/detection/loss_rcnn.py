# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of region-based detectors.
"""

from torch import nn

__all__ = ['RegionLoss']

# What torchvision calls the terms.
_NAMES = {'objectness': 'loss_objectness', 'proposals': 'loss_rpn_box_reg',
          'kinds': 'loss_classifier', 'boxes': 'loss_box_reg',
          'masks': 'loss_mask'}


class RegionLoss(nn.Module):
    """
    The sum of the losses of proposals, kinds, boxes and masks.

    Parameters
    ----------
    objectness, proposals, kinds, boxes, masks : float, optional
        Weights of the terms; 1 in the papers.

    Examples
    --------
    >>> from compact_removal.detection.loss_rcnn import RegionLoss
    >>> RegionLoss(masks=0.5).weights['masks']
    0.5
    """

    def __init__(self, objectness=1.0, proposals=1.0, kinds=1.0, boxes=1.0,
                 masks=1.0):
        super().__init__()
        self.weights = {'objectness': objectness, 'proposals': proposals,
                        'kinds': kinds, 'boxes': boxes, 'masks': masks}

    def forward(self, terms):
        """
        Add the terms.

        Parameters
        ----------
        terms : dict of `torch.Tensor`
            From torchvision.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        found = {name: terms[key] for name, key in _NAMES.items()
                 if key in terms}
        return sum(self.weights[name] * value
                   for name, value in found.items()), found
