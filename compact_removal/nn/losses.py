# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Terms of losses, and the base class of weighted sums of them.

Images are tensors of shape (n, 1, ny, nx) in scaled units (valid pixels
in [-1, 1]); masks have 1 at valid pixels and 0 in holes.
"""

import torch
from kornia.metrics import ssim
from torch import nn

from compact_removal.utils.parameters import ParameterError

__all__ = ['WeightedLoss', 'composite', 'gram_matrix', 'hole_loss',
           'ssim_loss', 'style_loss', 'valid_loss']


class WeightedLoss(nn.Module):
    """
    Base class of losses that are weighted sums of terms.

    Parameters
    ----------
    **weights : float
        Weight of each term.

    Raises
    ------
    ParameterError
        If a weight is negative or not finite.

    Examples
    --------
    >>> from compact_removal.nn.losses import WeightedLoss
    >>> WeightedLoss(hole=2.0, flux=1.0).add({'hole': 3.0, 'flux': 0.5})
    6.5
    """

    def __init__(self, **weights):
        super().__init__()
        for name, weight in weights.items():
            if not 0 <= weight < float('inf'):
                msg = f'{name} must be a weight >= 0, got {weight!r}'
                raise ParameterError(msg, name)
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
