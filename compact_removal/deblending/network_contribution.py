# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The default network of the deblender: centres, shares, fluxes and errors.
"""

from types import MappingProxyType

import torch

from compact_removal.deblending.loss_contribution import ContributionLoss
from compact_removal.deblending.pointers import N_PLANES
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.nn.symmetry import average_flips
from compact_removal.nn.unet import ResidualUNet
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['ContributionModel']

# Channels of the levels in units of the width.
_LEVELS = (2, 4, 6, 8, 8)

# Logarithm of the odds of a centre before anything is learned, and limits
# of the logarithm of the relative error of a flux.
_RARE = -5.0
_ERRORS = (-6.0, 2.0)

# Outputs beside the shares: light of none, centres, factor, error.
_N_OTHERS = 4


class ContributionModel(Model):
    """
    Find sources, and share the light of each pixel among the nearest.

    It is run twice: without pointers it finds centres; with planes that
    point to those (or to known ones) it predicts shares, and at each
    centre the logarithms of the factor between the flux and the light
    that was shared out, and of the relative error. Vectors need no
    prediction: they end at centres.

    Parameters
    ----------
    width : int, optional
        The levels have 2, 4, 6, 8 and 8 times as many channels.
    n_contributions : int, optional
        Each pixel may belong to so many of the nearest sources.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.networks import find_deblender_class
    >>> model = find_deblender_class('contribution')(width=2).eval()
    >>> with torch.no_grad():
    ...     outputs = model(torch.zeros(2, 64, 64),
    ...                     torch.zeros(2, 12, 64, 64))
    >>> outputs['shares'].shape, outputs['centers'].shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 64, 64]))
    """

    task = 'deblending'
    name = 'contribution'
    inputs = MappingProxyType({
        'image': Field('plane', fill=0.0),
        'pointers': Field('plane', fill=0.0)})
    targets = MappingProxyType({
        'truth_centers': Field('target'), 'truth_shares': Field('target'),
        'brightness': Field('target'), 'index': Field('target', dtype='int64'),
        'x': Field('value', fill=float('nan')),
        'y': Field('value', fill=float('nan')),
        'log_flux': Field('value', fill=float('nan'))})
    outputs = MappingProxyType({
        'centers': Field('plane'), 'shares': Field('plane'),
        'log_factor': Field('plane'), 'log_error': Field('plane')})
    loss_class = ContributionLoss
    size_step = 32
    min_size = 32
    usual_size = 128
    receptive_radius = 206
    tile_size = 640
    surrounded = False

    def __init__(self, width=8, n_contributions=3):
        width = check_positive_integer('width', width)
        n = check_positive_integer('n_contributions', n_contributions)
        super().__init__(width=width, n_contributions=n)
        self.network = ResidualUNet(
            [factor * width for factor in _LEVELS],
            n_inputs=2 + N_PLANES * n, n_maps=n + _N_OTHERS, normalize=True)
        # nothing is found at first; one value per pixel of a block
        with torch.no_grad():
            self.network.last.bias.view(n + _N_OTHERS, -1)[n + 1] = _RARE

    def predict_logits(self, image, pointers):
        """
        Predict logits of shares and centres, and numbers of fluxes.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise.
        pointers : `torch.Tensor`, (n, 4 n_contributions, ny, nx)
            From ``PointerPlanes``.

        Returns
        -------
        shares : `torch.Tensor`, (n, n_contributions + 1, ny, nx)
            Logits of the shares of the nearest sources, and of none.
        centers, log_factor, log_error : `torch.Tensor`, (n, ny, nx)
            Logit of a centre; and logarithms of the factor of the flux
            and of its relative error.
        """
        check_size(image, self)
        inputs = torch.cat([torch.asinh(image)[:, None],
                            torch.asinh(image / 30)[:, None], pointers], dim=1)
        maps = self.network(inputs.contiguous(
            memory_format=torch.channels_last)).float()
        n = self.config['n_contributions']
        # what does not exist has no light
        missing = pointers[:, 2::N_PLANES] <= 0
        shares = torch.cat([maps[:, :n].masked_fill(missing, -1e4),
                            maps[:, n:n + 1]], dim=1)
        low, high = _ERRORS
        error = low + (high - low) * torch.sigmoid(maps[:, n + 3])
        return shares, maps[:, n + 1], maps[:, n + 2], error

    def forward(self, image, pointers):
        """
        Predict centres, shares, factors and errors.

        These are means over mirror images.

        Parameters
        ----------
        image, pointers : `torch.Tensor`
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``centers``, (n, ny, nx); ``shares``, (n, n_contributions, ny,
            nx); ``log_factor`` and ``log_error``, (n, ny, nx).
        """
        def predict(axes, image, pointers):
            # directions change their signs
            for axis, first in ((-2, 0), (-1, 1)):
                if axis in axes:
                    pointers[:, first::N_PLANES] *= -1
            shares, centers, factor, error = self.predict_logits(image,
                                                                 pointers)
            return {'centers': torch.sigmoid(centers),
                    'shares': torch.softmax(shares, dim=1)[:, :-1],
                    'log_factor': factor, 'log_error': error}

        return average_flips(predict, image, pointers)

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The inputs and the targets.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(self.predict_logits(batch['image'], batch['pointers']),
                    batch)
