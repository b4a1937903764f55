# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network that sees the pixels under the sources, and its model.
"""

from types import MappingProxyType

import torch
from torch.nn import functional

from compact_removal.fitting.models import LEAST_SHOWN
from compact_removal.nn import Field
from compact_removal.nn.devices import has_bfloat16
from compact_removal.nn.filling import fill_smoothly
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.scaling import robust_limits
from compact_removal.nn.unet import CenteredUNet
from compact_removal.removal.loss_background import BackgroundLoss
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['SeparationModel']

# Residuals of the fitted sources beyond this many standard deviations of
# the background do not show it.
_LARGEST_RESIDUAL = 6.0

# The limits of the background are taken within this many FWHM, but at
# least this many pixels, of the centre; and from so many pixels.
_REACH_FWHM = 7.0
_REACH_PIXELS = 18.0
_LEAST_PIXELS = 40

# Predicted errors (log) lie within these limits around a typical one.
_LOG_ERROR_LIMITS = (-4.0, 8.0)

# Share of what the network changes that is believed where pixels were
# observed: a little, and more the more light of sources there is, in standard
# deviations of the background. On maps unlike those of its training all of it
# makes errors under faint sources larger than the fit leaves them, and half
# of it still by 4 to 8 %; under bright ones the network corrects the PSF
# (benchmarks/unbiased.py).
_BELIEF = 0.2
_BRIGHT = 20.0

# Structure finer than the beam is noise, or an error of the PSF, of this
# share of the light of sources; the beam is that of a Gaussian with this
# share of its width as standard deviation.
_FINE_ERROR = 0.06
_FINE_SIGMA = 0.3

# A source counts where its peak is within so many pixels.
_NEAR = 7

# Channels per level in units of the width.
_LEVELS = (3, 8, 12)


class SeparationModel(Model):
    """
    Separate sources and background.

    Fitted models of the sources are out of the image already, with
    fluxes of either sign. Each cutout is scaled by the median and half
    the 16-84 % range of the background around the source. The network
    sees the residual of the sources, a smooth fill of the holes, and
    models that hide the fluxes of faint sources. None of these changes
    when light of the PSF is added to a faint source, so the estimate is
    equivariant: the flux changes by what was added, the background does
    not, and there is nothing to guess a flux from. A new network returns
    the image; what it learns is a correction, and how far residuals of
    bright sources are believed. A fifth of what it changes is used, and
    more under bright sources.

    Parameters
    ----------
    width : int, optional
        The three levels of the network have 3, 8 and 12 times as many
        channels.

    Raises
    ------
    ParameterError
        If ``width`` is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal import build_model
    >>> model = build_model('separation', width=1, seed=1).eval()
    >>> image = torch.rand(2, 64, 64)
    >>> with torch.no_grad():
    ...     outputs = model(image, image > 0, 0 * image,
    ...                     torch.full((2,), 3.0), torch.full((2,), 0.1))
    >>> outputs['background'].shape, outputs['flux_error'].shape
    (torch.Size([2, 64, 64]), torch.Size([2, 4]))
    """

    task = 'removal'
    name = 'separation'
    removes_wings = True
    inputs = MappingProxyType({
        'image': Field('plane', 'affine'),
        'validity': Field('mask'),
        'sources': Field('plane', 'linear'),
        'fwhm': Field('value', positive=True),
        'psf_error': Field('value', positive=True)})
    targets = MappingProxyType({
        'target': Field('target', 'affine'),
        'aperture': Field('plane')})
    outputs = MappingProxyType({
        'background': Field('plane', 'affine'),
        'error': Field('plane', 'linear'),
        'flux_error': Field('value', 'linear')})
    loss_class = BackgroundLoss
    size_step = 8
    min_size = 32
    usual_size = 48

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = CenteredUNet(
            [factor * width for factor in _LEVELS], n_inputs=9, n_maps=4,
            n_values=len(ERROR_RADII))

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
        center, half_range : `torch.Tensor`, (n, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        with torch.no_grad():
            observed = torch.isfinite(image)
            valid = (valid > 0.5) & observed
            center, half_range = robust_limits(
                image, valid, least=_LEAST_PIXELS,
                reach=(_REACH_FWHM * fwhm).clamp(min=_REACH_PIXELS))
            scaled = torch.where(observed, (image - center) / half_range, 0.0)
            mask = valid.to(scaled.dtype)[:, None]
            filled = fill_smoothly(torch.where(valid, scaled, 0.0)[:, None],
                                   mask)[:, 0]
            difference = torch.where(observed, scaled - filled, 0.0)
            sources = sources / half_range
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
        return inputs, (filled, difference, sources), center, half_range

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
        # new networks begin with what the pixels show
        background = (filled + torch.sigmoid(4 * share + 4) * difference
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
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        check_size(batch['image'], self)
        inputs, parts, center, half_range = self.prepare(
            batch['image'], batch['validity'], batch['sources'],
            batch['fwhm'], batch['psf_error'])
        output = self.predict_scaled(inputs, parts, batch['fwhm'])
        target = (batch['target'] - center) / half_range
        return loss(*output, target, batch['validity'],
                    batch['sources'] / half_range, batch['aperture'],
                    batch['fwhm'])

    def forward(self, image, validity, sources, fwhm, psf_error):
        """
        Estimate the background of cutouts.

        On processors with matrix units the convolutions use bfloat16;
        the difference is a few 1e-4 of the standard deviation of the
        background.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts minus source models, in any unit; NaN where nothing
            was measured. The central source lies at pixel ``size //
            2``.
        validity : `torch.Tensor`, (n, ny, nx)
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
        outputs : dict of `torch.Tensor`
            In the unit of the image: ``background`` and ``error`` (its
            standard error), (n, ny, nx), and ``flux_error``, (n,
            n_radii), the standard error of the sum of the background in
            apertures around the central source, with the radii
            ``ERROR_RADII`` (FWHM).

        Raises
        ------
        ParameterError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
        inputs, parts, center, half_range = self.prepare(
            image, validity, sources, fwhm, psf_error)
        with torch.autocast('cpu', torch.bfloat16,
                            enabled=has_bfloat16(image.device)):
            background, log_error, log_flux_error = self.predict_scaled(
                inputs, parts, fwhm)
        filled, difference, light = parts
        light = light.abs()
        belief = torch.where(torch.isfinite(image), _BELIEF + (
            1 - _BELIEF) * light / (light + _BRIGHT), 1.0)
        background = torch.lerp(filled + _clip(difference), background,
                                belief)
        background = _smooth_cores(background, validity, light, fwhm)
        return {'background': center + half_range * background,
                'error': half_range * torch.exp(log_error),
                'flux_error': half_range[:, 0] * torch.exp(log_flux_error)}


def _smooth_cores(background, validity, light, fwhm):
    """
    Damp what is finer than the beam where errors of the PSF exceed noise.

    This is done in holes. The optimal share of it is the variance of the
    noise over the sum of both; the noise is what the pixels outside of
    all holes show.
    """
    sizes = background.shape[-2:]
    matrices = []
    for size in sizes:
        place = torch.arange(size, device=fwhm.device, dtype=fwhm.dtype)
        matrix = torch.exp(-0.5 * ((place - place[:, None])
                                   / (_FINE_SIGMA * fwhm[:, None, None])) ** 2)
        matrices.append(matrix / matrix.sum(2, keepdim=True))
    smooth = matrices[0] @ background @ matrices[1].transpose(1, 2)
    fine = background - smooth
    noise = torch.where(validity > 0.5, fine, torch.nan).flatten(1)
    noise = torch.nan_to_num(torch.nanmedian(noise.abs(), dim=1).values / 0.67)
    noise = noise[:, None, None] ** 2
    # faint sources are shown brighter than they are
    peak = functional.max_pool2d(light[:, None], 2 * _NEAR + 1, stride=1,
                                 padding=_NEAR)[:, 0]
    light = light * (1 - LEAST_SHOWN / peak.clamp(min=LEAST_SHOWN))
    share = noise / (noise + (_FINE_ERROR * light) ** 2).clamp(min=1e-30)
    return torch.where(validity > 0.5, background, smooth + share * fine)


def _clip(difference):
    """
    Differences, but large ones no larger than a few standard deviations.

    Those up to half of that stay as they are.
    """
    ratio = (difference / _LARGEST_RESIDUAL).clamp(-1e4, 1e4)
    return _LARGEST_RESIDUAL * ratio * (1 + ratio ** 8) ** -0.125
