# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Model and loss of the network that sees the pixels under the sources.
"""

from typing import NamedTuple

import torch
from torch import nn

from compact_removal.nn import ERROR_RADII
from compact_removal.nn.devices import has_bfloat16
from compact_removal.nn.filling import fill_smoothly
from compact_removal.nn.weighted_loss import WeightedLoss

__all__ = ['Estimate', 'SeparationLoss', 'SeparationModel',
           'aperture_weights']

# Residuals of the fitted sources beyond this many standard deviations of
# the background tell nothing about it.
_LARGEST_RESIDUAL = 6.0

# The statistics of the background are taken within this many FWHM, but
# at least this many pixels, of the centre; and from so many pixels.
_REACH_FWHM = 7.0
_REACH_PIXELS = 18.0
_LEAST_PIXELS = 40

# Predicted errors (log) lie within these limits around a typical one.
_LOG_ERROR_LIMITS = (-4.0, 8.0)


class Estimate(NamedTuple):
    """
    What a model tells of cutouts.

    Attributes
    ----------
    background : `torch.Tensor`, (n, ny, nx)
        The background.
    error : `torch.Tensor` or `None`, (n, ny, nx)
        Its standard error.
    flux_error : `torch.Tensor` or `None`, (n, n_radii)
        Standard error of the sum of the background in apertures around
        the central source, with the radii
        `~compact_removal.nn.ERROR_RADII` (FWHM).

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.models import make_model
    >>> model = make_model('inpainting', width=1, seed=1).eval()
    >>> image = torch.full((2, 96, 96), 5.0)
    >>> with torch.no_grad():
    ...     estimate = model(image, image > 0)
    >>> estimate.background.shape, estimate.error
    (torch.Size([2, 96, 96]), None)
    """

    background: torch.Tensor
    error: torch.Tensor | None = None
    flux_error: torch.Tensor | None = None


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
    >>> from compact_removal.nn.separation import aperture_weights
    >>> four = torch.tensor([4.0])
    >>> round(aperture_weights((9, 9), four, four, four / 2).sum().item(), 1)
    13.1
    """
    rows = torch.arange(shape[0], device=x.device, dtype=x.dtype)
    columns = torch.arange(shape[1], device=x.device, dtype=x.dtype)
    squared = ((columns - x[:, None])[:, None, :] ** 2
               + (rows - y[:, None])[:, :, None] ** 2)
    return (radius[:, None, None] + 0.5 - squared.sqrt()).clamp(0, 1)


class SeparationModel(nn.Module):
    """
    Separate sources and background.

    Fitted models of the sources are out of the image already. Each
    cutout is scaled by the median and half the 16-84 % range of the
    background around the source. The network sees the residual of the
    sources, a smooth fill of the holes, and the fitted models. In the
    holes, the background is the smooth fill, plus a share of what the
    pixels show above it after a relative correction of the models, plus
    a correction; outside, the image plus a correction.

    Parameters
    ----------
    network : `torch.nn.Module`
        See `~compact_removal.nn.networks.SeparationUNet`.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.models import make_model
    >>> model = make_model('separation', width=1, seed=1).eval()
    >>> image = torch.rand(2, 64, 64)
    >>> with torch.no_grad():
    ...     estimate = model(image, image > 0, 0 * image,
    ...                      torch.full((2,), 3.0), torch.full((2,), 0.1))
    >>> estimate.background.shape, estimate.flux_error.shape
    (torch.Size([2, 64, 64]), torch.Size([2, 4]))
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def prepare(self, image, valid, sources, fwhm, psf_error):
        """
        Scale cutouts and arrange the input of the network.

        Parameters
        ----------
        image, valid, sources, fwhm, psf_error : `torch.Tensor`
            See `forward`.

        Returns
        -------
        inputs : `torch.Tensor`, (n, 9, ny, nx)
            Smooth fill and residual, compressed; their difference,
            clipped; the difference relative to the source models;
            holes; observed pixels; source models, compressed; logs of
            the width of the PSF and of its uncertainty.
        filled, difference, sources : `torch.Tensor`, (n, ny, nx)
            Smooth fill, residual minus fill, and source models, scaled.
        center, spread : `torch.Tensor`, (n, 1, 1)
            The limits: ``image = center + spread * scaled``.
        """
        with torch.no_grad():
            observed = torch.isfinite(image)
            valid = (valid > 0.5) & observed
            center, spread = _statistics(image, valid, fwhm)
            scaled = torch.where(observed, (image - center) / spread, 0.0)
            mask = valid.to(scaled.dtype)[:, None]
            filled = fill_smoothly(torch.where(valid, scaled, 0.0)[:, None],
                                   mask)[:, 0]
            difference = torch.where(observed, scaled - filled, 0.0)
            sources = sources / spread
            width, known = (
                value[:, None, None].expand_as(image) for value in
                (torch.log2(fwhm / 3.5), torch.log2(psf_error / 0.1) / 2))
            inputs = torch.stack((
                torch.asinh(filled),
                torch.asinh(filled + difference),
                _clip(difference) / 2,
                10 * difference / (sources.abs() + difference.abs() + 10),
                (observed & ~valid).to(scaled.dtype),
                observed.to(scaled.dtype),
                torch.asinh(sources) / 2,
                width, known), dim=1)
        return inputs, (filled, difference, sources), center, spread

    def predict_scaled(self, inputs, parts, fwhm):
        """
        Estimate background and errors in scaled units.

        Parameters
        ----------
        inputs : `torch.Tensor`, (n, 9, ny, nx)
            From `prepare`.
        parts : tuple of `torch.Tensor`, (n, ny, nx)
            Filled, difference and sources, from `prepare`.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).

        Returns
        -------
        background, log_error : `torch.Tensor`, (n, ny, nx)
            The background and the log of its error.
        log_flux_error : `torch.Tensor`, (n, n_radii)
            Log of the errors of aperture sums.
        """
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        # of the input's precision, whatever that of the network
        maps, values = (output.to(fwhm.dtype) for output in
                        self.network(inputs, fwhm))
        correction, share, scale, log_error = maps.unbind(1)
        filled, difference, sources = parts
        difference = _clip(difference - 0.1 * scale * sources)
        # new networks begin with most of what the pixels show
        background = (filled + torch.sigmoid(share + 2) * difference
                      + correction)
        area = torch.pi * (fwhm[:, None] * fwhm.new_tensor(ERROR_RADII)) ** 2
        return (background, log_error.clamp(*_LOG_ERROR_LIMITS) - 2,
                values.clamp(*_LOG_ERROR_LIMITS) - 2 + torch.log(area))

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``image``, ``validity``, ``sources``, ``target`` (the true
            background; NaN where it is not known) and ``aperture``,
            (n, ny, nx), and ``fwhm`` and ``psf_error``, (n,).
        loss : callable
            For example `SeparationLoss`.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        inputs, parts, center, spread = self.prepare(
            batch['image'], batch['validity'], batch['sources'],
            batch['fwhm'], batch['psf_error'])
        output = self.predict_scaled(inputs, parts, batch['fwhm'])
        target = (batch['target'] - center) / spread
        return loss(*output, target, batch['validity'],
                    batch['sources'] / spread, batch['aperture'],
                    batch['fwhm'])

    def forward(self, image, valid, sources, fwhm, psf_error):
        """
        Estimate the background of cutouts.

        On processors with instructions for bfloat16 the convolutions
        use them; the difference is a few 1e-4 of the standard deviation
        of the background.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts minus source models, in any unit; NaN where nothing
            was measured. The central source lies at pixel ``size //
            2``.
        valid : `torch.Tensor`, (n, ny, nx)
            True (or 1) outside the holes of all sources.
        sources : `torch.Tensor`, (n, ny, nx)
            The source models, see
            `~compact_removal.fitting.render_sources`.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).
        psf_error : `torch.Tensor`, (n,)
            Uncertainty of the shapes of sources, see
            `~compact_removal.fitting.SourcePSF`.

        Returns
        -------
        estimate : `Estimate`
            In the unit of the image.
        """
        inputs, parts, center, spread = self.prepare(
            image, valid, sources, fwhm, psf_error)
        with torch.autocast('cpu', torch.bfloat16,
                            enabled=has_bfloat16(image.device)):
            background, log_error, log_flux_error = self.predict_scaled(
                inputs, parts, fwhm)
        return Estimate(center + spread * background,
                        spread * torch.exp(log_error),
                        spread[:, 0] * torch.exp(log_flux_error))


def _clip(difference):
    """
    Differences, but large ones no larger than a few standard deviations.
    """
    return _LARGEST_RESIDUAL * torch.tanh(difference / _LARGEST_RESIDUAL)


def _statistics(image, valid, fwhm):
    """
    Median and half the 16-84 % range of the background at the centre.
    """
    ny, nx = image.shape[-2:]
    y = torch.arange(ny, device=image.device) - ny // 2
    x = torch.arange(nx, device=image.device) - nx // 2
    reach = (_REACH_FWHM * fwhm).clamp(min=_REACH_PIXELS)[:, None, None]
    near = valid & (y[:, None] ** 2 + x ** 2 <= reach ** 2)
    few = near.sum((1, 2), keepdim=True) < _LEAST_PIXELS
    near = torch.where(few, valid, near)
    values = torch.where(near, image, torch.nan).flatten(1)
    levels = torch.tensor([0.16, 0.5, 0.84], device=image.device,
                          dtype=image.dtype)
    low, center, high = torch.nanquantile(values, levels, dim=1)
    spread = (high - low) / 2
    spread = torch.where(spread > 0, spread, 1.0)
    return (torch.nan_to_num(center)[:, None, None],
            spread[:, None, None])


class SeparationLoss(WeightedLoss):
    r"""
    Logarithmic errors of background and fluxes, and of their errors.

    With all differences in units of the local standard deviation of the
    background, per cutout:

    * ``hole``: :math:`\ln(1 + \langle|\Delta|\rangle / 0.25)`, where the
      mean is over the holes and, with half the weight, over pixels
      outside that the source models reach;
    * ``flux``: :math:`\ln(1 + |\Delta F| / 0.12 A)`, mean over apertures
      of area A around the central source, with the radii
      `~compact_removal.nn.ERROR_RADII`;
    * ``error``, ``flux_error``: negative log-likelihood of these pixels,
      and of the aperture sums, under normal distributions of the
      predicted width with linear tails beyond three sigma.

    Parameters
    ----------
    hole, flux, error, flux_error : float, optional
        Weights of the terms.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.separation import SeparationLoss
    >>> zero = torch.zeros(1, 48, 48)
    >>> aperture = zero.clone()
    >>> aperture[:, 20:24, 20:24] = 1
    >>> total, terms = SeparationLoss()(
    ...     zero, zero, torch.zeros(1, 4), zero, zero, zero, aperture,
    ...     torch.tensor([3.0]))
    >>> terms['hole'].item(), terms['flux'].item()
    (0.0, 0.0)
    """

    def __init__(self, *, hole=1.0, flux=1.0, error=0.1, flux_error=0.1):
        super().__init__(hole=hole, flux=flux, error=error,
                         flux_error=flux_error)

    def forward(self, background, log_error, log_flux_error, target,
                validity, sources, aperture, fwhm):
        """
        Return the total and its terms.

        Parameters
        ----------
        background, log_error, log_flux_error : `torch.Tensor`
            From
            `~compact_removal.removal.SeparationModel.predict_scaled`.
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
        terms = {'hole': torch.log1p(mean / 0.25).mean()}
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
            sums.abs() / (0.12 * areas))).sum() / count
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
