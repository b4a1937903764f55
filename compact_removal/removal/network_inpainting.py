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
from compact_removal.nn.unet import ResidualUNet
from compact_removal.removal.loss_inpainting import InpaintingLoss
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['InpaintingModel']

# The scale is that of the valid pixels within this radius of the centre
# (pixels); with fewer of them than this, of all.
_REACH = 30.0
_LEAST_PIXELS = 40

# Channels per level in units of the width.
_LEVELS = (2, 4, 8, 12)


class InpaintingModel(Model):
    """
    Estimate the background in holes from the pixels around them.

    The unit of each cutout is half the 16-84 % range of its valid pixels,
    so that one bright spot does not hide the structure. The network sees
    two fills of the holes, a flat one and one that continues the slopes
    around them, and where they are. It predicts how to mix the two, and
    a correction. A new network returns their mean.

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
    ...     model(image, torch.ones_like(image))['background'].shape
    torch.Size([2, 64, 64])
    """

    task = 'removal'
    name = 'inpainting'
    removes_wings = True
    inputs = MappingProxyType({
        'image': Field('plane', 'affine'),
        'validity': Field('mask')})
    targets = MappingProxyType({
        'target': Field('target', 'affine'),
        'aperture': Field('plane')})
    outputs = MappingProxyType({'background': Field('plane', 'affine')})
    loss_class = InpaintingLoss
    size_step = 16
    min_size = 32
    usual_size = 64

    def __init__(self, width=8):
        width = check_positive_integer('width', width)
        super().__init__(width=width)
        self.network = self.make_network(width)

    @staticmethod
    def make_network(width):
        """
        Make the network.

        Parameters
        ----------
        width : int
            Its width.

        Returns
        -------
        network : `~compact_removal.nn.unet.ResidualUNet`
            New.
        """
        return ResidualUNet([factor * width for factor in _LEVELS],
                            n_inputs=4, n_maps=2)

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
        center, half_range : `torch.Tensor`, (n, 1, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        valid = (valid > 0.5) & torch.isfinite(image)
        with torch.no_grad():
            center, half_range = (limit[:, None] for limit in robust_limits(
                image, valid, least=_LEAST_PIXELS,
                reach=image.new_full((len(image),), _REACH)))
            image, valid = image[:, None], valid[:, None]
            # Holes are set to the centre before the arithmetic, so that
            # NaN and the brightest sources leave no trace.
            scaled = (torch.where(valid, image, center) - center) / half_range
            mask = valid.to(image.dtype)
            filled = fill_smoothly(scaled, mask)
        return filled, mask, center, half_range

    def predict_scaled(self, filled, mask):
        """
        Estimate the background in scaled units.

        Parameters
        ----------
        filled, mask : `torch.Tensor`, (n, 1, ny, nx)
            From `prepare`.

        Returns
        -------
        background : `torch.Tensor`, (n, 1, ny, nx)
            The estimate, in all pixels.
        """
        with torch.no_grad():
            curved = fill_curved(filled, mask, filled)
            hole = 1 - mask
            inputs = torch.cat((
                torch.asinh(filled), torch.asinh(curved),
                torch.asinh(curved - filled), hole), dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        mixture, correction = self.network(inputs).split(1, dim=1)
        mixed = torch.lerp(filled, curved, torch.sigmoid(mixture))
        return mixed + hole * correction

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            ``image``, ``validity``, ``target`` (the true background;
            NaN where it is not known) and ``aperture``.
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
        output = self.predict_scaled(filled, mask)
        target = (batch['target'].unsqueeze(1) - center) / half_range
        target = torch.where(torch.isfinite(target), target,
                             output.detach())
        return loss(output, target, filled, mask,
                    batch['aperture'].unsqueeze(1))

    def forward(self, image, validity):
        """
        Estimate the background of raw cutouts.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts in any unit. Holes may hold anything, NaN included.
        validity : `torch.Tensor`, (n, ny, nx)
            True (or 1) at background pixels that may be used.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``background``, (n, ny, nx), in the unit of the image, in all
            pixels.

        Raises
        ------
        ParameterError
            If the size of the image does not fit the network.
        """
        check_size(image, self)
        filled, mask, center, half_range = self.prepare(image, validity)
        scaled = self.predict_scaled(filled, mask)
        return {'background': (center + half_range * scaled).squeeze(1)}
