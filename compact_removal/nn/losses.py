# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Terms of the training loss (equations 2 to 7 of the paper).

Images are tensors of shape (n, 1, ny, nx) in scaled units (valid pixels
in [-1, 1]); masks have 1 at valid pixels and 0 in holes.
"""

import torch
from kornia.metrics import ssim
from torch import nn

from compact_removal.nn.features import FilterBankFeatures
from compact_removal.nn.separation import SeparationLoss
from compact_removal.nn.weighted_loss import WeightedLoss

__all__ = ['FluxLoss', 'HoleLoss', 'InpaintingLoss', 'SSIMLoss',
           'SeparationLoss', 'SourceLoss', 'StyleLoss', 'ValidLoss',
           'composite', 'flux_loss',
           'gram_matrix', 'hole_loss', 'source_loss', 'ssim_loss',
           'style_loss', 'valid_loss']


def composite(output, other, mask):
    """
    Put the output into the holes of another image.

    Parameters
    ----------
    output, other, mask : `torch.Tensor`, (n, 1, ny, nx)
        The output, the image outside the holes, and the mask.

    Returns
    -------
    image : `torch.Tensor`, (n, 1, ny, nx)
        ``other`` at valid pixels, ``output`` in holes.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import composite
    >>> one = torch.ones(1, 1, 1, 2)
    >>> composite(2 * one, one, torch.tensor([[[[1.0, 0.0]]]])).tolist()
    [[[[1.0, 2.0]]]]
    """
    return torch.where(mask > 0.5, other, output)


def hole_loss(output, target, mask):
    """
    Mean absolute error, counting only holes (equation 2 of the paper).

    Parameters
    ----------
    output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth and the mask.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar; the sum is divided by the number of all pixels.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import hole_loss
    >>> mask = torch.tensor([[[[1.0, 0.0]]]])
    >>> hole_loss(mask + 3, mask, mask).item()
    1.5
    """
    return ((1 - mask) * (output - target).abs()).mean()


def valid_loss(output, target, mask):
    """
    Mean absolute error, counting only valid pixels (equation 2).

    Parameters
    ----------
    output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth and the mask.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar; the sum is divided by the number of all pixels.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import valid_loss
    >>> mask = torch.tensor([[[[1.0, 0.0]]]])
    >>> valid_loss(mask + 3, mask, mask).item()
    1.5
    """
    return (mask * (output - target).abs()).mean()


def gram_matrix(features):
    r"""
    Compute the correlations between the channels of a feature map.

    Parameters
    ----------
    features : `torch.Tensor`, (n, c, ny, nx)
        The feature map.

    Returns
    -------
    gram : `torch.Tensor`, (n, c, c)
        :math:`K_p \Psi^T \Psi` with :math:`K_p = 1 / (C_p H_p W_p)`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import gram_matrix
    >>> gram_matrix(torch.ones(1, 2, 3, 3)).tolist()
    [[[0.5, 0.5], [0.5, 0.5]]]
    """
    n_channels = features.shape[1]
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (n_channels * flat.shape[2])


def style_loss(output, target, mask, features):
    """
    Difference of Gram matrices of output and composite (equation 3).

    Parameters
    ----------
    output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
        The prediction, the truth and the mask.
    features : callable
        Maps images to a list of feature maps.

    Returns
    -------
    loss : `torch.Tensor`
        A scalar: output term plus composite term, each summed over the
        feature maps and averaged over the cutouts.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import style_loss
    >>> one = torch.ones(1, 1, 2, 2)
    >>> style_loss(2 * one, one, 0 * one, lambda x: [x]).item()
    6.0
    """
    with torch.no_grad():
        truth = [gram_matrix(one) for one in features(target)]
    images = torch.cat((output, composite(output, target, mask)))
    loss = 0.0
    for feature_map, true in zip(features(images), truth, strict=True):
        gram = gram_matrix(feature_map)
        # The mean over matrices and cutouts holds the factor 1 / C_p**2;
        # twice the mean is the sum of the two terms.
        loss = loss + 2 * (gram - true.repeat(2, 1, 1)).abs().mean()
    return loss


def ssim_loss(output, target, *, window_size=5, max_val=2.0):
    """
    One minus the mean structural similarity (equations 4 and 5).

    Parameters
    ----------
    output, target : `torch.Tensor`, (n, 1, ny, nx)
        The prediction and the truth.
    window_size : int, optional
        Size of the Gaussian window in pixels. The paper does not give
        it; the authors' code has 5.
    max_val : float, optional
        The dynamic range L; 2 for images in [-1, 1].

    Returns
    -------
    loss : `torch.Tensor`
        A scalar in [0, 2].

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import ssim_loss
    >>> image = torch.eye(8)[None, None]
    >>> round(ssim_loss(image, image).item(), 6)
    0.0
    """
    # Images as channels: the same numbers, much faster on a CPU.
    return 1 - ssim(output.transpose(0, 1), target.transpose(0, 1),
                    window_size, max_val).mean()


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
    >>> from compact_removal.nn.losses import source_loss
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
    >>> from compact_removal.nn.losses import flux_loss
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


class HoleLoss(nn.Module):
    """
    Module form of `hole_loss`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import HoleLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(HoleLoss()(one, one, one).item()) < 1e-6
    True
    """

    def forward(self, output, target, mask):
        """
        Return the loss.

        Parameters
        ----------
        output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
            See `hole_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return hole_loss(output, target, mask)


class ValidLoss(nn.Module):
    """
    Module form of `valid_loss`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import ValidLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(ValidLoss()(one, one, one).item()) < 1e-6
    True
    """

    def forward(self, output, target, mask):
        """
        Return the loss.

        Parameters
        ----------
        output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
            See `valid_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return valid_loss(output, target, mask)


class StyleLoss(nn.Module):
    """
    Module form of `style_loss`.

    Parameters
    ----------
    features : `torch.nn.Module`, optional
        Maps images to a list of feature maps; by default a fixed
        `~compact_removal.nn.features.FilterBankFeatures`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import StyleLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(StyleLoss()(one, one, one).item()) < 1e-6
    True
    """

    def __init__(self, features=None):
        super().__init__()
        self.features = FilterBankFeatures() if features is None else features

    def forward(self, output, target, mask):
        """
        Return the loss.

        Parameters
        ----------
        output, target, mask : `torch.Tensor`, (n, 1, ny, nx)
            See `style_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return style_loss(output, target, mask, self.features)


class SSIMLoss(nn.Module):
    """
    Module form of `ssim_loss`.

    Parameters
    ----------
    window_size : int, optional
        Size of the window in pixels.
    max_val : float, optional
        The dynamic range.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import SSIMLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(SSIMLoss()(one, one).item()) < 1e-6
    True
    """

    def __init__(self, window_size=5, max_val=2.0):
        super().__init__()
        self.window_size = window_size
        self.max_val = max_val

    def forward(self, output, target):
        """
        Return the loss.

        Parameters
        ----------
        output, target : `torch.Tensor`, (n, 1, ny, nx)
            See `ssim_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return ssim_loss(output, target, window_size=self.window_size,
                         max_val=self.max_val)


class SourceLoss(nn.Module):
    """
    Module form of `source_loss`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import SourceLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(SourceLoss()(one, one, one, one).item()) < 1e-6
    True
    """

    def forward(self, output, target, image, mask):
        """
        Return the loss.

        Parameters
        ----------
        output, target, image, mask : `torch.Tensor`, (n, 1, ny, nx)
            See `source_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return source_loss(output, target, image, mask)


class FluxLoss(nn.Module):
    """
    Module form of `flux_loss`.

    Parameters
    ----------
    annulus : tuple of 2 floats, optional
        Radii in pixels.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import FluxLoss
    >>> one = torch.ones(1, 1, 32, 32)
    >>> abs(FluxLoss()(one, one, one, one).item()) < 1e-6
    True
    """

    def __init__(self, annulus=(12.0, 22.0)):
        super().__init__()
        self.annulus = annulus

    def forward(self, output, target, mask, aperture):
        """
        Return the loss.

        Parameters
        ----------
        output, target, mask, aperture : `torch.Tensor`, (n, 1, ny, nx)
            See `flux_loss`.

        Returns
        -------
        loss : `torch.Tensor`
            A scalar.
        """
        return flux_loss(output, target, mask, aperture,
                         annulus=self.annulus)


class InpaintingLoss(WeightedLoss):
    """
    The weighted sum of all terms (equation 7 of the paper).

    Terms of weight 0 are not computed.

    Parameters
    ----------
    valid, hole, style, ssim, source : float, optional
        Weights; the defaults are those of the paper.
    flux : float, optional
        Weight of `flux_loss`, which the paper does not have.
    features : `torch.nn.Module`, optional
        For the style loss, see `StyleLoss`.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.losses import InpaintingLoss
    >>> image, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    >>> total, terms = InpaintingLoss()(image, image, image, mask)
    >>> sorted(terms), abs(total.item()) < 1e-5
    (['hole', 'source', 'ssim', 'style', 'valid'], True)
    """

    def __init__(self, *, valid=2.0, hole=6.0, style=120.0, ssim=0.4,
                 source=1.0, flux=0.0, features=None):
        super().__init__(valid=valid, hole=hole, style=style, ssim=ssim,
                         source=source, flux=flux)
        self.style_loss = StyleLoss(features)
        self.ssim_loss = SSIMLoss()

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
        ValueError
            If the flux term is wanted and there is no aperture.
        """
        weights = self.weights
        terms = {}
        if weights['valid']:
            terms['valid'] = valid_loss(output, target, mask)
        if weights['hole']:
            terms['hole'] = hole_loss(output, target, mask)
        if weights['style']:
            terms['style'] = self.style_loss(output, target, mask)
        if weights['ssim']:
            terms['ssim'] = self.ssim_loss(output, target)
        if weights['source']:
            terms['source'] = source_loss(output, target, image, mask)
        if weights['flux']:
            if aperture is None:
                msg = 'aperture is needed for the flux term of the loss'
                raise ValueError(msg)
            terms['flux'] = flux_loss(output, target, mask, aperture)
        return self.add(terms), terms
