# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Both networks train with augmented cutouts.
"""

import numpy as np
import pytest
import torch

from compact_removal import nn
from compact_removal.removal import TrainingCutouts, build_model


class Chosen:
    """
    The fields of the cutouts that a network needs.
    """

    def __init__(self, cutouts, model):
        self.cutouts = cutouts
        self.names = [*model.inputs, *model.targets]

    def __len__(self):
        return len(self.cutouts)

    def batch(self, epoch, number):
        batch = self.cutouts.batch(epoch, number)
        return {name: batch[name] for name in self.names}


@pytest.fixture(name='batch', scope='module')
def _batch():
    return TrainingCutouts('scanmap', bands=['blue'], size=96, batch_size=12,
                           n_batches=1, n_fields=2, field_size=128, n_psfs=2,
                           loss_chance=0.5, seed=2).batch(0, 0)


@pytest.mark.parametrize('network', ['separation', 'inpainting'])
def test_fields_of_the_networks(network, batch):
    model = build_model(network, width=1, seed=1)
    fields = {**model.inputs, **model.targets}
    before = {name: torch.as_tensor(batch[name]) for name in fields}
    after = nn.RandomTransform()(before, np.random.default_rng(1), fields)
    assert list(after) == list(before)
    assert torch.isnan(after['image']).sum() > torch.isnan(
        before['image']).sum()
    # beyond the edges nothing is known, and nothing is valid
    unknown = torch.isnan(after['target'])
    assert unknown.any()
    assert torch.isnan(after['image'][unknown]).all()
    assert (after['validity'][torch.isnan(after['image'])] == 0).all()
    assert torch.isfinite(after['aperture']).all()
    # the central source is where the network looks for it
    total = after['aperture'].sum((1, 2))
    grid = torch.arange(96.0)
    for axis in (1, 2):
        center = (after['aperture'].sum(axis) * grid).sum(1) / total
        assert ((center - 48).abs() < 2.8).all()
    if network == 'separation':
        assert torch.isfinite(after['sources']).all()
        assert torch.equal(after['fwhm'], before['fwhm'])
    total, _ = model.train().compute_loss(after, model.make_loss())
    total.backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters()
               if one.grad is not None)


@pytest.mark.parametrize(('network', 'size'), [('separation', 48),
                                               ('inpainting', 96)])
def test_training(network, size):
    cutouts = TrainingCutouts('scanmap', bands=['blue'], size=size,
                              batch_size=4, n_batches=2, n_fields=2,
                              field_size=2 * size, n_psfs=2, seed=1)

    def train(**kwargs):
        model = build_model(network, width=1, seed=1)
        batches = Chosen(cutouts, model)
        return nn.train(model, batches, batches,
                        nn.TrainingSettings(n_epochs=1), seed=3,
                        device='cpu', **kwargs)['loss']

    plain, first, again = (train(), train(augment=nn.RandomTransform()),
                           train(augment=nn.RandomTransform()))
    assert np.all(np.isfinite(first))
    assert first == again
    assert first != plain
