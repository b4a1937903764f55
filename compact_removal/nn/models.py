# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Models: a network with everything around it.

A model takes raw cutouts, scales them for its network, fills the holes
smoothly, runs the network and scales the result back.
"""

import sys

import torch
from torch import nn

from compact_removal.nn.filling import fill_smoothly
from compact_removal.nn.networks import get_network_class
from compact_removal.nn.separation import Estimate, SeparationModel

__all__ = ['InpaintingModel', 'SeparationModel', 'make_model',
           'scale_limits']


def scale_limits(image, valid):
    """
    Find the centre and half range of the valid pixels of each cutout.

    Parameters
    ----------
    image : `torch.Tensor`, (n, 1, ny, nx)
        The cutouts.
    valid : `torch.Tensor`, (n, 1, ny, nx)
        Bool, True at valid pixels. Their values are finite.

    Returns
    -------
    center, half_range : `torch.Tensor`, (n, 1, 1, 1)
        The valid pixels of ``(image - center) / half_range`` lie in
        [-1, 1]. Constant cutouts get a half range of 1; cutouts without
        valid pixels also a centre of 0.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.models import scale_limits
    >>> image = torch.tensor([[[[1.0, 3.0, 99.0]]]])
    >>> [value.item() for value in scale_limits(image, image < 50)]
    [2.0, 1.0]
    """
    infinity = float('inf')
    low = image.masked_fill(~valid, infinity).amin((1, 2, 3), keepdim=True)
    high = image.masked_fill(~valid, -infinity).amax((1, 2, 3), keepdim=True)
    empty = low > high
    low = low.masked_fill(empty, 0.0)
    high = high.masked_fill(empty, 0.0)
    # Halves first: the sum of two large numbers may overflow.
    half_range = high / 2 - low / 2
    half_range = half_range.masked_fill(half_range <= 0, 1.0)
    return low / 2 + high / 2, half_range


class InpaintingModel(nn.Module):
    """
    Estimate the background in holes from the pixels around them.

    Each cutout is scaled such that its valid pixels span [-1, 1]
    (Section 2.4.2 of the paper). The network sees the scaled valid
    pixels and predicts a correction to a smooth fill of the holes.

    Parameters
    ----------
    network : `torch.nn.Module`
        Called with (image, mask), both (n, 1, ny, nx).

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.models import make_model
    >>> model = make_model('inpainting', width=1, seed=1).eval()
    >>> image = torch.full((2, 96, 96), 5.0)
    >>> valid = torch.ones(2, 96, 96, dtype=torch.bool)
    >>> with torch.no_grad():
    ...     model(image, valid).background.shape
    torch.Size([2, 96, 96])
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

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
        image = image.unsqueeze(1)
        valid = (valid.unsqueeze(1) > 0.5) & torch.isfinite(image)
        with torch.no_grad():
            center, half_range = scale_limits(image, valid)
            # Holes are set to the centre before the arithmetic, so that
            # NaN and the brightest sources leave no trace.
            image = torch.where(valid, image, center)
            scaled = (image - center) / half_range
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
        return filled + self.network(filled, mask)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            ``image``, ``validity``, ``target`` (the true background;
            NaN where it is not known) and optionally ``aperture``.
        loss : callable
            For example `~compact_removal.removal.InpaintingLoss`.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        filled, mask, center, half_range = self.prepare(batch['image'],
                                                        batch['validity'])
        output = self.predict_scaled(filled, mask)
        target = (batch['target'].unsqueeze(1) - center) / half_range
        target = torch.where(torch.isfinite(target), target,
                             output.detach())
        aperture = batch.get('aperture')
        if aperture is not None:
            aperture = aperture.unsqueeze(1)
        return loss(output, target, filled, mask, aperture)

    def forward(self, image, valid, sources=None, fwhm=None,
                psf_error=None):
        """
        Estimate the background of raw cutouts.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Cutouts in any unit. Holes may hold anything, NaN included.
        valid : `torch.Tensor`, (n, ny, nx)
            True (or 1) at background pixels that may be used.
        sources, fwhm, psf_error : object, optional
            Not used; for models that see the sources.

        Returns
        -------
        estimate : `~compact_removal.removal.Estimate`
            In the unit of the image, in all pixels, without errors.
        """
        filled, mask, center, half_range = self.prepare(image, valid)
        scaled = self.predict_scaled(filled, mask)
        return Estimate((center + half_range * scaled).squeeze(1))


def make_model(network, *, width=None, seed=None):
    """
    Make a model with new weights.

    Parameters
    ----------
    network : str
        Name of the network.
    width : int, optional
        Width of the network; by default that of the paper.
    seed : int, optional
        Seed of the first weights. The global state of random numbers
        is not touched.

    Returns
    -------
    model : `torch.nn.Module`
        The model, with attributes ``network_name`` and ``width``.

    Raises
    ------
    ValueError
        If there is no such network or the width is not positive.

    Examples
    --------
    >>> from compact_removal.nn.models import make_model
    >>> make_model('inpainting', width=2, seed=1).width
    2
    """
    network_class = get_network_class(network)
    width = network_class.default_width if width is None else width
    wrapper = getattr(sys.modules[__name__], network_class.model_class)
    with torch.random.fork_rng(devices=[]):
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(int(seed))
        model = wrapper(network_class(width))
    model.network_name = network
    model.width = model.network.width
    return model
