# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The loss of networks that estimate a background and its errors.
"""

import math

import torch

from compact_removal.nn.losses import WeightedLoss
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.utils.parameters import ParameterError

__all__ = ['BackgroundLoss', 'aperture_weights']

# Mean errors in apertures that hardly count, over those of pixels.
_FLUX_SHARE = 0.48


def aperture_weights(shape, x, y, radius):
    """
    Compute weights of pixels in round apertures with soft edges.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y, radius : `torch.Tensor`, (n,)
        Centres and radii (pixels).

    Returns
    -------
    weights : `torch.Tensor`, (n, ny, nx)
        Values in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_background import aperture_weights
    >>> four = torch.tensor([4.0])
    >>> round(aperture_weights((9, 9), four, four, four / 2).sum().item(), 1)
    13.1
    """
    rows = torch.arange(shape[0], device=x.device, dtype=x.dtype)
    columns = torch.arange(shape[1], device=x.device, dtype=x.dtype)
    squared = ((columns - x[:, None])[:, None, :] ** 2
               + (rows - y[:, None])[:, :, None] ** 2)
    return (radius[:, None, None] + 0.5 - squared.sqrt()).clamp(0, 1)


class BackgroundLoss(WeightedLoss):
    r"""
    Logarithmic errors of background and fluxes, and of their errors.

    With all differences in units of the local standard deviation of the
    background, per cutout:

    * ``hole``: :math:`\ln(1 + \langle|\Delta|\rangle / s)`, where the
      mean is over the holes and, with half the weight, over pixels
      outside that the source models reach;
    * ``flux``: :math:`\ln(1 + |\Delta F| / 0.48 s A)`, mean over
      apertures of area A around the central source, with the radii
      `compact_removal.removal.ERROR_RADII`;
    * ``error``, ``flux_error``: negative log-likelihood of these pixels,
      and of the aperture sums, under normal distributions of the
      predicted width with linear tails beyond three sigma.

    Parameters
    ----------
    hole, flux, error, flux_error : float, optional
        Weights of the terms.
    small : float, optional
        Errors below this, s, hardly count.

    Raises
    ------
    ParameterError
        If a weight is negative or not finite, or ``small`` is not
        positive.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal.loss_background import BackgroundLoss
    >>> zero = torch.zeros(1, 48, 48)
    >>> aperture = zero.clone()
    >>> aperture[:, 20:24, 20:24] = 1
    >>> total, terms = BackgroundLoss()(
    ...     zero, zero, torch.zeros(1, 4), zero, zero, zero, aperture,
    ...     torch.tensor([3.0]))
    >>> terms['hole'].item(), terms['flux'].item()
    (0.0, 0.0)
    """

    def __init__(self, *, hole=1.0, flux=1.0, error=0.1, flux_error=0.1,
                 small=0.25):
        super().__init__(hole=hole, flux=flux, error=error,
                         flux_error=flux_error)
        if not 0 < small < math.inf:
            msg = f'small must be a positive number, got {small!r}'
            raise ParameterError(msg, 'small')
        self.small = small

    def forward(self, background, log_error, log_flux_error, target,
                validity, sources, aperture, fwhm):
        """
        Return the total and its terms.

        Parameters
        ----------
        background, log_error, log_flux_error : `torch.Tensor`
            From ``predict_scaled`` of the model.
        target, validity, sources, aperture : `torch.Tensor`, (n, ny, nx)
            The true background, NaN where it is not known; 0 in holes;
            the source models; weights of an aperture around the central
            source, whose centroid is its position.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).

        Returns
        -------
        total : `torch.Tensor`
            The weighted sum.
        terms : dict of `torch.Tensor`
            Each term before the weighting.
        """
        known = torch.isfinite(target)
        difference = torch.where(known, background - target, 0.0)
        hole = ((validity < 0.5) & known).to(background.dtype)
        reached = ((sources > 0.05) & (validity > 0.5) & known)
        weight = hole + 0.5 * reached
        mean = ((weight * difference.abs()).sum((1, 2))
                / weight.sum((1, 2)).clamp(min=1))
        terms = {'hole': torch.log1p(mean / self.small).mean()}
        terms['error'] = ((weight * _surprise(difference, log_error))
                          .sum() / weight.sum().clamp(min=1))

        ny, nx = target.shape[-2:]
        rows = torch.arange(ny, device=target.device, dtype=fwhm.dtype)
        columns = torch.arange(nx, device=target.device, dtype=fwhm.dtype)
        total = aperture.sum((1, 2)).clamp(min=1e-6)
        y = (aperture.sum(2) * rows).sum(1) / total
        x = (aperture.sum(1) * columns).sum(1) / total
        sums, areas, usable = [], [], []
        for radius in ERROR_RADII:
            weights = aperture_weights((ny, nx), x, y, radius * fwhm)
            sums.append((weights * difference).sum((1, 2)))
            areas.append(weights.sum((1, 2)))
            usable.append((weights * ~known).sum((1, 2)) < 0.5)
        sums, areas = torch.stack(sums, 1), torch.stack(areas, 1)
        usable = torch.stack(usable, 1).to(sums.dtype)
        count = usable.sum().clamp(min=1)
        terms['flux'] = (usable * torch.log1p(
            sums.abs() / (_FLUX_SHARE * self.small * areas))
        ).sum() / count
        terms['flux_error'] = (usable * _surprise(
            sums, log_flux_error)).sum() / count
        return self.add(terms), terms


def _surprise(difference, log_error):
    """
    Negative log-likelihood with linear tails; only of the error.
    """
    ratio = difference.detach().abs() * torch.exp(-log_error)
    return log_error + torch.where(ratio < 3, 0.5 * ratio ** 2,
                                   3 * ratio - 4.5)
