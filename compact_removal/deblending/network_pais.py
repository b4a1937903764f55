# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network of partial-attribution instance segmentation (Hausen &
Robertson 2022, Sect. 3), as its program has it.
"""

from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from compact_removal.deblending.loss_pais import PaisLoss
from compact_removal.nn import Field
from compact_removal.nn.layers import check_size
from compact_removal.nn.models import Model
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['FastAttention', 'PaisModel']

# Channels of the stages of the encoder, that of the heads, and dropout.
_FILTERS = (8, 16, 32, 32)
_HEAD = 32
_DROPOUT = 0.1


class FastAttention(nn.Module):
    """
    Attention of all pixels to all pixels, at a cost linear in their
    number.

    Parameters
    ----------
    n_channels : int
        Number of channels.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.network_pais import FastAttention
    >>> FastAttention(4)(torch.zeros(2, 4, 8, 6)).shape
    torch.Size([2, 4, 8, 6])
    """

    def __init__(self, n_channels):
        super().__init__()
        self.query, self.key, self.value = (
            nn.Sequential(nn.Conv2d(n_channels, n_channels, 1),
                          nn.BatchNorm2d(n_channels)) for _ in range(3))
        self.last = nn.Sequential(
            nn.Conv2d(n_channels, n_channels, 3, padding=1),
            nn.BatchNorm2d(n_channels), nn.ReLU())

    def forward(self, features):
        """
        Attend.

        Parameters
        ----------
        features : `torch.Tensor`, (n, n_channels, ny, nx)
            The features.

        Returns
        -------
        features : `torch.Tensor`, (n, n_channels, ny, nx)
            The new ones.
        """
        n_channels, shape = features.shape[1], features.shape
        value = self.value(features)
        query, key = (functional.normalize(layer(features), dim=1).flatten(2)
                      for layer in (self.query, self.key))
        flat = torch.relu(value).flatten(2)
        n_pixels = flat.shape[2]
        if n_pixels >= n_channels:
            # (n, value, key), then pixels
            mixed = torch.einsum('nvp,nkp->nvk', flat, key)
            seen = torch.einsum('nvk,nkp->nvp', mixed, query) / n_pixels
        else:
            likeness = torch.einsum('nkp,nkq->npq', query, key) / n_pixels
            seen = torch.einsum('npq,nvq->nvp', likeness, flat)
        return self.last(seen.reshape(shape)) + value


class _Residual(nn.Module):
    """
    Two convolutions and a shortcut.
    """

    def __init__(self, n_inputs, n_outputs, stride):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(n_inputs, n_outputs, 3, stride=stride, padding=1),
            nn.BatchNorm2d(n_outputs), nn.Dropout(_DROPOUT), nn.ReLU(),
            nn.Conv2d(n_outputs, n_outputs, 3, padding=1),
            nn.BatchNorm2d(n_outputs), nn.Dropout(_DROPOUT))
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(
            n_inputs, n_outputs, 3, stride=stride, padding=1)

    def forward(self, features):
        """
        Return the new features.
        """
        return torch.relu(self.change(features) + self.shortcut(features))


class _FuseUp(nn.Module):
    """
    Twice the resolution, and the attention of a finer stage.
    """

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.match = (nn.Identity() if n_inputs == n_outputs
                      else nn.Conv2d(n_inputs, n_outputs, 1))
        self.dropout = nn.Dropout(_DROPOUT)
        self.last = nn.Sequential(
            nn.Conv2d(n_outputs, n_outputs, 3, padding=1),
            nn.BatchNorm2d(n_outputs))

    def forward(self, features, attention):
        """
        Return the finer features.
        """
        features = self.dropout(torch.relu(functional.interpolate(
            features, scale_factor=2)))
        return self.last(self.match(features) + attention)


class _Decoder(nn.Module):
    """
    Attention on all stages, fused from coarse to fine.
    """

    def __init__(self, channels):
        super().__init__()
        self.attention = nn.ModuleList(FastAttention(n) for n in channels)
        self.fuse = nn.ModuleList(
            _FuseUp(channels[k + 1], channels[k])
            for k in range(len(channels) - 1))

    def forward(self, stages):
        """
        Return the maps of all stages, and that of the full resolution.
        """
        seen = [layer(stage) for layer, stage in zip(self.attention, stages,
                                                     strict=True)]
        maps = [seen[-1]]
        for fuse, attention in zip(reversed(self.fuse), reversed(seen[:-1]),
                                   strict=True):
            maps.insert(0, fuse(maps[0], attention))
        return maps, functional.interpolate(maps[0], scale_factor=2)


def _make_head(n_inputs, n_outputs):
    """
    A wide convolution, and one of single pixels.
    """
    return nn.Sequential(nn.Conv2d(n_inputs, _HEAD, 5, padding=2), nn.ReLU(),
                         nn.Conv2d(_HEAD, n_outputs, 1))


class PaisModel(Model):
    """
    Predict centres, vectors and contributions.

    One encoder, a spatial decoder for centres and vectors, and an
    attribution decoder that sees the maps of the spatial one without
    changing them.

    Parameters
    ----------
    n_contributions : int, optional
        Each pixel may belong to so many sources.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.deblending.networks import find_deblender_class
    >>> model = find_deblender_class('pais')().eval()
    >>> with torch.no_grad():
    ...     outputs = model(torch.zeros(1, 64, 48))
    >>> [outputs[name].shape[1:] for name in model.outputs]
    [torch.Size([64, 48]), torch.Size([6, 64, 48]), torch.Size([3, 64, 48])]
    """

    task = 'deblending'
    name = 'pais'
    inputs = MappingProxyType({'image': Field('plane', fill=0.0)})
    targets = MappingProxyType({
        'truth_centers': Field('target'), 'truth_vectors': Field('target'),
        'truth_shares': Field('target')})
    outputs = MappingProxyType({
        'centers': Field('plane'), 'vectors': Field('plane'),
        'shares': Field('plane')})
    loss_class = PaisLoss
    size_step = 16
    min_size = 16
    usual_size = 256
    # attention sees all of a tile: they overlap by a quarter
    receptive_radius = 64
    tile_size = 128
    surrounded = False

    def __init__(self, n_contributions=3):
        n = check_positive_integer('n_contributions', n_contributions)
        super().__init__(n_contributions=n)
        stages, before = [], 1
        for n_channels in _FILTERS:
            stages.append(nn.Sequential(_Residual(before, n_channels, 2),
                                        _Residual(n_channels, n_channels, 1)))
            before = n_channels
        self.encoder = nn.ModuleList(stages)
        self.spatial = _Decoder(_FILTERS)
        self.mix = nn.ModuleList(nn.Conv2d(2 * n_channels, n_channels, 3,
                                           padding=1)
                                 for n_channels in _FILTERS)
        self.attribution = _Decoder(_FILTERS)
        self.centers = _make_head(_FILTERS[0], 1)
        self.vectors = _make_head(_FILTERS[0], 2 * n)
        self.shares = _make_head(_FILTERS[0], n)

    def predict_logits(self, image):
        """
        Predict centres, vectors, and logits of contributions.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise; not scaled otherwise.

        Returns
        -------
        centers : `torch.Tensor`, (n, ny, nx)
            Between 0 and 1.
        vectors : `torch.Tensor`, (n, 2 n_contributions, ny, nx)
            In y and x by turns (pixels).
        shares : `torch.Tensor`, (n, n_contributions, ny, nx)
            Logits.
        """
        check_size(image, self)
        stages, features = [], image[:, None]
        for stage in self.encoder:
            features = stage(features)
            stages.append(features)
        maps, spatial = self.spatial(stages)
        mixed = [layer(torch.cat([one.detach(), stage], dim=1))
                 for layer, one, stage in zip(self.mix, maps, stages,
                                              strict=True)]
        _, attribution = self.attribution(mixed)
        return (torch.sigmoid(self.centers(spatial)[:, 0]),
                self.vectors(spatial), self.shares(attribution))

    def forward(self, image):
        """
        Predict centres, vectors and contributions.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``centers``, (n, ny, nx); ``vectors``, (n, 2 n_contributions,
            ny, nx); ``shares``, (n, n_contributions, ny, nx), whose sum
            is 1.
        """
        centers, vectors, shares = self.predict_logits(image)
        return {'centers': centers, 'vectors': vectors,
                'shares': torch.softmax(shares, dim=1)}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            The image and the targets.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        return loss(self.predict_logits(batch['image']), batch)
