# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of the inpainting network (equations 2 to 7 of the paper).
"""

import torch

from compact_removal.nn.features import FilterBankFeatures, VGG16Features
from compact_removal.nn.losses import (WeightedLoss, composite, hole_loss,
                                       ssim_loss, style_loss, valid_loss)
from compact_removal.utils.parameters import ParameterError

__all__ = ['InpaintingLoss', 'flux_loss', 'log_loss', 'source_loss']

# Errors below this share of the scale do not get better in `log_loss`.
_SMALL = 0.03


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
    >>> from compact_removal.removal.loss_inpainting import source_loss
    >>> image = torch.tensor([[[[1.0, 100.0]]]])
    >>> mask = torch.tensor([[[[1.0, 0.0]]]])
    >>> source_loss(0 * image + 5, 0 * image + 1, image, mask).item()
    2.0
    """
    return (composite(output, image, mask) - target).abs().mean()


def flux_loss(output, target, mask, aperture, *, annulus=(12.0, 22.0)):
    r"""
    Logarithmic error of the flux in the aperture (not in the paper).

    The mean of :math:`\ln(1 + |\Delta F| / \sigma)`, where
    :math:`\Delta F` is the error of the background summed with the
    weights of the aperture and :math:`\sigma` the standard deviation of
    the true background in an annulus.

    Parameters
    ----------
    output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth and the mask.
    aperture : `torch.Tensor`, (n, 1, ny, nx)
        The weight of each pixel in the aperture, >= 0. Cutouts whose
        weights are all zero do not count.
    annulus : tuple of 2 floats, optional
        Radii of the annulus in pixels around the centre of the
        aperture.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_inpainting import flux_loss
    >>> target = torch.randn(1, 1, 48, 48)
    >>> aperture = torch.zeros(1, 1, 48, 48)
    >>> aperture[..., 20:24, 20:24] = 1
    >>> flux_loss(target, target, 0 * target, aperture).item()
    0.0
    """
    dims = (1, 2, 3)
    weight = aperture.sum(dims)
    with torch.no_grad():
        ny, nx = target.shape[-2:]
        y = torch.arange(ny, device=target.device, dtype=target.dtype)
        x = torch.arange(nx, device=target.device, dtype=target.dtype)
        y, x = y.reshape(1, 1, ny, 1), x.reshape(1, 1, 1, nx)
        safe = weight.clamp(min=1e-6).reshape(-1, 1, 1, 1)
        y = y - (aperture * y).sum(dims, keepdim=True) / safe
        x = x - (aperture * x).sum(dims, keepdim=True) / safe
        radius = torch.sqrt(x**2 + y**2)
        ring = ((radius >= annulus[0]) & (radius < annulus[1])) * mask
        # An annulus full of holes is better than none.
        some = ring.sum(dims, keepdim=True) > 10
        ring = torch.where(some, ring, torch.ones_like(ring))
        count = ring.sum(dims, keepdim=True)
        deviation = target - (ring * target).sum(dims, keepdim=True) / count
        sigma = ((ring * deviation**2).sum(dims) / count.flatten()).sqrt()
        sigma = sigma.clamp(min=1e-4)
    error = (aperture * (output - target)).sum(dims)
    terms = torch.log1p(error.abs() / sigma) * (weight > 0)
    return terms.sum() / (weight > 0).sum().clamp(min=1)


def log_loss(output, target, mask):
    """
    Logarithmic error in holes (not in the paper).

    The mean over cutouts of the logarithm of one plus the mean absolute
    error in the holes over 0.03, so that a smooth background counts as
    much as a rough one.

    Parameters
    ----------
    output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth and the mask.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_inpainting import log_loss
    >>> mask = torch.tensor([[[[1.0, 0.0]]]])
    >>> round(log_loss(mask + 0.03, mask, mask).item(), 3)
    0.693
    """
    hole = 1 - mask
    error = ((output - target).abs() * hole).sum((1, 2, 3))
    error = error / hole.sum((1, 2, 3)).clamp(min=1)
    return torch.log1p(error / _SMALL).mean()


class InpaintingLoss(WeightedLoss):
    """
    The weighted sum of all terms (equation 7 of the paper).

    Terms of weight 0 are not computed.

    Parameters
    ----------
    valid, hole, style, ssim, source : float, optional
        Weights; the defaults are those of the paper.
    flux, log : float, optional
        Weights of `flux_loss` and `log_loss`, which the paper does not
        have.
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
    >>> from compact_removal.removal.loss_inpainting import InpaintingLoss
    >>> image, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    >>> total, terms = InpaintingLoss()(image, image, image, mask)
    >>> sorted(terms), abs(total.item()) < 1e-5
    (['hole', 'source', 'ssim', 'style', 'valid'], True)
    """

    def __init__(self, *, valid=2.0, hole=6.0, style=120.0, ssim=0.4,
                 source=1.0, flux=0.0, log=0.0, features=None):
        super().__init__(valid=valid, hole=hole, style=style, ssim=ssim,
                         source=source, flux=flux, log=log)
        if features is None:
            features = FilterBankFeatures()
        elif isinstance(features, str):
            features = VGG16Features(features)
        self.features = features

    def forward(self, output, target, image, mask, aperture=None):
        """
        Return the total and its terms.

        Parameters
        ----------
        output, target, image, mask : `torch.Tensor`, (n, 1, ny, nx)
            The prediction, the truth, the input and the mask.
        aperture : `torch.Tensor`, (n, 1, ny, nx), optional
            Weights of the aperture, for the flux term.

        Returns
        -------
        total : `torch.Tensor`
            The weighted sum.
        terms : dict of `torch.Tensor`
            Each term before the weighting.

        Raises
        ------
        ParameterError
            If the flux term is wanted and there is no aperture.
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
        if weights['log']:
            terms['log'] = log_loss(output, target, mask)
        if weights['flux']:
            if aperture is None:
                msg = 'aperture is needed for the flux term of the loss'
                raise ParameterError(msg, 'aperture')
            terms['flux'] = flux_loss(output, target, mask, aperture)
        return self.add(terms), terms
