# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The model that fills holes from the pixels around them.
"""

from types import MappingProxyType

import torch

from compact_removal.nn import Field
from compact_removal.nn.filling import fill_curved, fill_smoothly
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.scaling import robust_limits
from compact_removal.nn.unet import CenteredUNet
from compact_removal.removal.loss_background import BackgroundLoss
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['InpaintingModel']

# The scale is that of the valid pixels within this radius of the centre
# (pixels); with fewer of them than this, of all.
_REACH = 30.0
_LEAST_PIXELS = 40

# Channels per level in units of the width.
_LEVELS = (2, 4, 8, 12)

# Predicted errors (log) lie within these limits, and around this one in a
# new network.
_LOG_ERROR_LIMITS = (-7.0, 6.0)
_USUAL_LOG_ERROR = -2.0

# Errors below this share of the scale hardly count in the loss: a smooth
# background counts as much as a rough one.
_SMALL = 0.03


class InpaintingModel(Model):
    """
    Estimate the background in holes from the pixels around them.

    The unit of each cutout is half the 16-84 % range of its valid pixels,
    so that one bright spot does not hide the structure. The network sees
    two fills of the holes, a flat one and one that continues the slopes
    around them, and where they are. It predicts how to mix the two, a
    correction, and errors. A new network returns the mean of the two.

    Parameters
    ----------
    width : int, optional
        The levels of the network have 2, 4, 8 and 12 times as many
        channels.

    Raises
    ------
    ParameterError
        If ``width`` is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal import build_model
    >>> model = build_model('inpainting', width=1, seed=1).eval()
    >>> image = torch.full((2, 64, 64), 5.0)
    >>> with torch.no_grad():
    ...     outputs = model(image, torch.ones_like(image),
    ...                     torch.full((2,), 3.0))
    >>> outputs['background'].shape, outputs['flux_error'].shape
    (torch.Size([2, 64, 64]), torch.Size([2, 4]))
    """

    task = 'removal'
    name = 'inpainting'
    removes_wings = True
    inputs = MappingProxyType({
        'image': Field('plane', 'affine'),
        'validity': Field('mask'),
        'fwhm': Field('value', positive=True)})
    targets = MappingProxyType({
        'target': Field('target', 'affine'),
        'aperture': Field('plane')})
    outputs = MappingProxyType({
        'background': Field('plane', 'affine'),
        'error': Field('plane', 'linear'),
        'flux_error': Field('value', 'linear')})
    loss_class = BackgroundLoss
    size_step = 16
    min_size = 32
    usual_size = 64

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = CenteredUNet(
            [factor * width for factor in _LEVELS], n_inputs=5, n_maps=3,
            n_values=len(ERROR_RADII))

    @classmethod
    def make_loss(cls, **weights):
        """
        Make the loss of this model.

        Parameters
        ----------
        **weights
            Arguments of
            `~compact_removal.removal.loss_background.BackgroundLoss`;
            ``small`` is 0.03 unless given.

        Returns
        -------
        loss : `torch.nn.Module`
            The loss.
        """
        return super().make_loss(**{'small': _SMALL, **weights})

    def prepare(self, image, valid):
        """
        Scale raw cutouts and fill their holes.

        Parameters
        ----------
        image, valid : `torch.Tensor`, (n, ny, nx)
            See `forward`.

        Returns
        -------
        filled : `torch.Tensor`, (n, 1, ny, nx)
            The scaled cutouts with smoothly filled holes.
        mask : `torch.Tensor`, (n, 1, ny, nx)
            1 at valid pixels, 0 in holes.
        center, half_range : `torch.Tensor`, (n, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        valid = (valid > 0.5) & torch.isfinite(image)
        with torch.no_grad():
            center, half_range = robust_limits(
                image, valid, least=_LEAST_PIXELS,
                reach=image.new_full((len(image),), _REACH))
            # Holes are set to the centre before the arithmetic, so that
            # NaN and the brightest sources leave no trace.
            scaled = (torch.where(valid, image, center) - center) / half_range
            mask = valid.to(image.dtype)[:, None]
            filled = fill_smoothly(scaled[:, None], mask)
        return filled, mask, center, half_range

    def predict_scaled(self, filled, mask, fwhm):
        """
        Estimate background and errors in scaled units.

        Parameters
        ----------
        filled, mask : `torch.Tensor`, (n, 1, ny, nx)
            From `prepare`.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).

        Returns
        -------
        background, log_error : `torch.Tensor`, (n, ny, nx)
            The estimate, in all pixels, and the log of its error.
        log_flux_error : `torch.Tensor`, (n, n_radii)
            Log of the errors of aperture sums.
        """
        with torch.no_grad():
            curved = fill_curved(filled, mask, filled)
            hole = 1 - mask
            inputs = torch.cat((
                torch.asinh(filled), torch.asinh(curved),
                torch.asinh(curved - filled), hole,
                torch.log2(fwhm / 3.5)[:, None, None, None].expand_as(hole)),
                dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        maps, values = self.network(inputs, fwhm)
        mixture, correction, log_error = maps.unbind(1)
        mixed = torch.lerp(filled[:, 0], curved[:, 0],
                           torch.sigmoid(mixture))
        area = torch.pi * (fwhm[:, None] * fwhm.new_tensor(ERROR_RADII)) ** 2
        log_error, values = ((values + _USUAL_LOG_ERROR).clamp(
            *_LOG_ERROR_LIMITS) for values in (log_error, values))
        return (mixed + hole[:, 0] * correction, log_error,
                values + torch.log(area))

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``image``, ``validity``, ``target`` (the true background;
            NaN where it is not known) and ``aperture``, (n, ny, nx), and
            ``fwhm``, (n,).
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
        filled, mask, center, half_range = self.prepare(batch['image'],
                                                        batch['validity'])
        output = self.predict_scaled(filled, mask, batch['fwhm'])
        target = (batch['target'] - center) / half_range
        # no model of a source reaches beyond its hole
        return loss(*output, target, mask[:, 0], torch.zeros_like(target),
                    batch['aperture'], batch['fwhm'])

    def forward(self, image, validity, fwhm):
        """
        Estimate the background of raw cutouts.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts in any unit. Holes may hold anything, NaN included.
            The central source lies at pixel ``size // 2``.
        validity : `torch.Tensor`, (n, ny, nx)
            True (or 1) at background pixels that may be used.
        fwhm : `torch.Tensor`, (n,)
            Width of the PSF (pixels).

        Returns
        -------
        outputs : dict of `torch.Tensor`
            In the unit of the image: ``background`` and ``error`` (its
            standard error), (n, ny, nx), in all pixels, and
            ``flux_error``, (n, n_radii), the standard error of the sum
            of the background in apertures around the central source,
            with the radii ``ERROR_RADII`` (FWHM).

        Raises
        ------
        ParameterError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
        filled, mask, center, half_range = self.prepare(image, validity)
        background, log_error, log_flux_error = self.predict_scaled(
            filled, mask, fwhm)
        return {'background': center + half_range * background,
                'error': half_range * torch.exp(log_error),
                'flux_error': half_range[:, 0] * torch.exp(log_flux_error)}
