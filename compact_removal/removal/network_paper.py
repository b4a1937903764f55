# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The model of the paper, as it is published.
"""

import torch

from compact_removal.nn.scaling import range_limits
from compact_removal.removal.network_inpainting import InpaintingModel

__all__ = ['PaperModel']


class PaperModel(InpaintingModel):
    """
    Estimate the background in holes as the paper does.

    No source models are taken out of the map first, all pixels of a
    cutout together span [-1, 1] (Section 2.4.2), holes are 0, the output
    of the network is the background (Section 3.2), and batch
    normalisation adds the usual 1e-5 to the variance.

    Parameters
    ----------
    width : int, optional
        Width of the network, see
        `~compact_removal.removal.network_inpainting.PartialConvUNet`.

    Raises
    ------
    ParameterError
        If ``width`` is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.removal import build_model
    >>> model = build_model('paper', width=1, seed=1).eval()
    >>> image = torch.rand(2, 96, 96)
    >>> with torch.no_grad():
    ...     model(image, torch.ones_like(image))['background'].shape
    torch.Size([2, 96, 96])
    """

    name = 'paper'
    removes_wings = False
    scales_eps = False

    def prepare(self, image, valid):
        """
        Scale raw cutouts, with their sources.

        Parameters
        ----------
        image, valid : `torch.Tensor`, (n, ny, nx)
            See `forward`.

        Returns
        -------
        scaled : `torch.Tensor`, (n, 1, ny, nx)
            The scaled cutouts, 0 in holes.
        mask : `torch.Tensor`, (n, 1, ny, nx)
            1 at valid pixels, 0 in holes.
        center, half_range : `torch.Tensor`, (n, 1, 1, 1)
            The limits: ``image = center + half_range * scaled``.
        """
        image, valid = image.unsqueeze(1), valid.unsqueeze(1) > 0.5
        known = torch.isfinite(image)
        with torch.no_grad():
            center, half_range = range_limits(image, known)
            half_range = half_range.masked_fill(half_range <= 0, 1.0)
            mask = (valid & known).to(image.dtype)
            image = torch.where(known, image, center)
            return ((image - center) / half_range * mask, mask, center,
                    half_range)

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
            The output of the network, in all pixels.
        """
        return self.network(filled, mask)
