# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the paper (equations 2 to 7 of the paper).
"""

from compact_removal.nn.features import FilterBankFeatures, VGG16Features
from compact_removal.nn.losses import (WeightedLoss, composite, hole_loss,
                                       ssim_loss, style_loss, valid_loss)

__all__ = ['PaperLoss', 'source_loss']


def source_loss(output, target, image, mask):
    """
    Mean absolute difference of real and extracted source (equation 6).

    As in the authors' code, the prediction is the composite image: the
    output in holes, the input outside. The input cancels in holes and
    the output outside, where light of the source that the mask misses
    remains as a constant.

    Parameters
    ----------
    output, target, image, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth, the input and the mask.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_paper import source_loss
    >>> image = torch.tensor([[[[1.0, 100.0]]]])
    >>> mask = torch.tensor([[[[1.0, 0.0]]]])
    >>> source_loss(0 * image + 5, 0 * image + 1, image, mask).item()
    2.0
    """
    return (composite(output, image, mask) - target).abs().mean()


class PaperLoss(WeightedLoss):
    """
    The weighted sum of all terms (equation 7 of the paper).

    Terms of weight 0 are not computed.

    Parameters
    ----------
    valid, hole, style, ssim, source : float, optional
        Weights; the defaults are those of the paper.
    features : `torch.nn.Module` or str, optional
        For the style loss: maps images to a list of feature maps; or a
        file for `~compact_removal.nn.features.VGG16Features`, as in the
        paper. Default: a fixed
        `~compact_removal.nn.features.FilterBankFeatures`.

    Raises
    ------
    ParameterError
        If a weight is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_paper import PaperLoss
    >>> image, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    >>> total, terms = PaperLoss()(image, image, image, mask)
    >>> sorted(terms), abs(total.item()) < 1e-5
    (['hole', 'source', 'ssim', 'style', 'valid'], True)
    """

    def __init__(self, *, valid=2.0, hole=6.0, style=120.0, ssim=0.4,
                 source=1.0, features=None):
        super().__init__(valid=valid, hole=hole, style=style, ssim=ssim,
                         source=source)
        if features is None:
            features = FilterBankFeatures()
        elif isinstance(features, str):
            features = VGG16Features(features)
        self.features = features

    def forward(self, output, target, image, mask):
        """
        Return the total and its terms.

        Parameters
        ----------
        output, target, image, mask : `torch.Tensor`, (n, 1, ny, nx)
            The prediction, the truth, the input and the mask.

        Returns
        -------
        total : `torch.Tensor`
            The weighted sum.
        terms : dict of `torch.Tensor`
            Each term before the weighting.
        """
        weights = self.weights
        terms = {}
        if weights['valid']:
            terms['valid'] = valid_loss(output, target, mask)
        if weights['hole']:
            terms['hole'] = hole_loss(output, target, mask)
        if weights['style']:
            terms['style'] = style_loss(output, target, mask,
                                        self.features)
        if weights['ssim']:
            terms['ssim'] = ssim_loss(output, target)
        if weights['source']:
            terms['source'] = source_loss(output, target, image, mask)
        return self.add(terms), terms
