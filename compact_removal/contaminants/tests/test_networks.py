# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the networks and their losses.
"""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import nn
from compact_removal.contaminants import (CLASS_NAMES, ContaminantMasker,
                                          find_model_class,
                                          find_tracking_class,
                                          import_maximask)
from compact_removal.contaminants.loss_maximask import (MaxiMaskLoss,
                                                        pixel_weights)
from compact_removal.contaminants.loss_segmentation import (CORE_SHARE, SHARES,
                                                            SegmentationLoss,
                                                            split_truth)
from compact_removal.contaminants.network_update import UpdatedModel
from compact_removal.contaminants.priors import logit_shift, update_priors
from compact_removal.contaminants.simulation import CORE, UNKNOWN_CORE
from compact_removal.tests.helpers import get_data_path


def count(model):
    return sum(one.numel() for one in model.parameters())


def make_tiny(name='segmentation', width=1):
    return nn.make_model(find_model_class(name), {'width': width}, seed=1)


def test_sizes_of_the_paper():
    # Tables 5 and 6
    assert count(find_model_class('maximask')()) == 5727944
    assert count(find_tracking_class('maxitrack')()) == 3588482


@pytest.mark.parametrize('shape', [(50, 50), (64, 37), (25, 90)])
def test_maximask_takes_any_size(shape):
    model = make_tiny('maximask', 2)
    with torch.no_grad():
        logit, early = model.predict_logits(torch.zeros(1, *shape))
    assert logit.shape == (1, 14, *shape)
    assert [one.shape for one in early] == [(1, 14, *shape)] * 5
    assert all(one.min() >= 0 for one in early)


@pytest.fixture(scope='module')
def released(tmp_path_factory):
    source = get_data_path('contaminants/maximask_weights.safetensors')
    path = tmp_path_factory.mktemp('maximask') / 'maximask.safetensors'
    import_maximask(source, path)
    return path


@pytest.mark.slow
def test_the_released_network(released):
    # to the half precision of its weights
    with np.load(get_data_path(
            'contaminants/maximask_reference.npz')) as reference:
        image, expected = reference['image'], reference['probability']
    model, info = nn.load_weights(released, find_model_class)
    with torch.no_grad():
        found = model(torch.tensor(image)[None])['probability'][0].numpy()
    assert_allclose(found.mean(), expected.astype(float).mean(), atol=1e-5)
    different = np.abs(found - expected.astype(float))
    assert different.mean() < 3e-5
    assert np.mean(different > 0.01) < 1e-4
    assert different.max() < 0.1
    assert info['thresholds'][0] == 0.43


def test_imports_refuse_other_networks(tmp_path):
    path = tmp_path / 'one.safetensors'
    model = find_model_class('maximask')()
    variables = {
        f'{name.split(".")[0]}.'
        + ('kernel' if name.endswith('weight') else 'bias'):
            value.numpy().transpose(2, 3, 1, 0) if value.ndim == 4
            else value.numpy() for name, value in model.state_dict().items()}
    import_maximask(variables, path)
    again, _ = nn.load_weights(path, find_model_class)
    assert_allclose(again.conv1.weight.detach(), model.conv1.weight.detach(),
                    atol=1e-3)
    with pytest.raises(OSError, match='^path: .* exists'):
        import_maximask(variables, path)
    variables['conv1.kernel'] = variables['conv1.kernel'][1:]
    with pytest.raises(ValueError, match=r'^variables must have conv1.kernel '
                       'of the shape'):
        import_maximask(variables, tmp_path / 'two.safetensors')
    bad = tmp_path / 'bad.safetensors'
    bad.write_bytes(b'12345678 not one')
    with pytest.raises(ValueError, match=r'^weights in .* are not a safeten'):
        import_maximask(bad, tmp_path / 'three.safetensors')


def test_a_new_network_sees_nothing():
    model = make_tiny()
    with torch.no_grad():
        found = model(torch.randn(1, 64, 64))['probability'][0]
    means = found.mean(dim=(1, 2)).numpy()
    assert_allclose(means[1:], SHARES[1:], rtol=1e-3)
    assert_allclose(means[0], (0.1 + 0.9 * CORE_SHARE) * SHARES[0], rtol=1e-3)


@pytest.mark.parametrize('name', ['segmentation', 'maximask'])
def test_prediction_does_not_depend_on_tiles(name):
    model = make_tiny(name)
    with torch.no_grad():
        for one in model.parameters():
            one += 0.05 * torch.randn(one.shape, generator=torch.Generator(
                ).manual_seed(3))
    image = np.random.default_rng(1).normal(size=(300, 390)).astype('f4')
    # as wide as the largest defects, so that it matters
    image[:, 100:130] += 50
    first, second = (nn.predict_map(model, {'image': image}, tile_size=size)[
        'probability'] for size in (64, 512))
    assert_allclose(first, second, atol=2e-5)


def test_updates_are_those_of_the_priors():
    model = make_tiny()
    trained, target = [0.02, 0.3], [0.001, 0.4]
    updated = UpdatedModel(model, [0, 13], logit_shift(trained, target))
    image = torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(image)['probability'][0, [0, 13]].numpy()
        after = updated(image)['probability'][0].numpy()
    expected = update_priors(before, np.reshape(trained, (2, 1, 1)),
                             np.reshape(target, (2, 1, 1)))
    assert_allclose(after, expected, rtol=1e-4)


def test_flags_are_sums_of_bits():
    model = make_tiny()
    with torch.no_grad():
        flags = UpdatedModel(model, [0, 9, 13], [0.0] * 3, [0.0, 1.0, 0.0],
                             [1, 512, 0])(torch.zeros(1, 32, 32))['flags']
    assert torch.all(flags == 1)


def test_split_truth():
    truth = np.array([[[1, 1 | CORE, 1 | UNKNOWN_CORE, 1 << 13]]], 'i4')
    planes, known = split_truth(torch.tensor(truth))
    assert planes.shape == (1, len(CLASS_NAMES) + 1, 1, 4)
    assert_array_equal(planes[0, 0, 0], [1, 1, 1, 0])
    assert_array_equal(planes[0, 13, 0], [0, 0, 0, 1])
    assert_array_equal(planes[0, 14, 0], [0, 1, 0, 0])
    assert_array_equal(known[0, 0], [True, True, False, True])


def test_the_loss_of_who_sees_nothing_is_one():
    rng = np.random.default_rng(1)
    truth = sum((rng.random((2, 200, 200)) < share).astype('i4') << k
                for k, share in enumerate(SHARES))
    logit = torch.logit(torch.tensor([*SHARES, 1e-4]))[None, :, None, None]
    _, terms = SegmentationLoss()(logit.expand(2, -1, 200, 200),
                                  torch.tensor(truth))
    for name in ('CR', 'NEB', 'BG', 'TRL'):
        assert abs(terms[name] - 1) < 0.1
    # classes that are not learned do not count
    shares = [0.0] * 14
    shares[0] = SHARES[0]
    total, terms = SegmentationLoss(shares)(
        torch.full((2, 15, 200, 200), 3.0), torch.tensor(truth))
    assert terms['BG'] == 0
    assert_allclose(total, (terms['CR'] + terms['core']) / 2)


def test_cosmic_rays_count_twice():
    logit, truth = torch.zeros(1, 15, 8, 8), torch.ones(1, 8, 8).int()
    total, terms = SegmentationLoss()(logit, truth)
    hits = terms.pop('CR') + terms.pop('core')
    assert_allclose(total, (2 * hits + sum(terms.values())) / 17, rtol=1e-6)


def test_pixel_weights():
    # Equations 14 to 16
    shares = torch.tensor([0.1, 0.2, 0.7])
    planes = torch.zeros(1, 3, 9, 9)
    planes[0, 2] = 1
    planes[0, 0, 4, 4] = 1
    planes[0, 2, 4, 4] = 0
    found = pixel_weights(planes, shares)[0, 0]
    inverse = 1 / shares / (1 / shares).sum()
    assert_allclose(found[0, 0], inverse[2], rtol=1e-5)
    assert inverse[2] < found[4, 4] < inverse[0]
    assert found[4, 3] > found[3, 3] > found[0, 0]


def test_the_loss_of_maximask():
    model = make_tiny('maximask')
    batch = {'image': torch.randn(1, 32, 32),
             'truth': torch.randint(1, 2 ** 13, (1, 32, 32),
                                    dtype=torch.int32)}
    total, terms = model.compute_loss(batch, model.make_loss())
    assert_allclose(total.detach(), sum(one.detach()
                                        for one in terms.values()))
    none, _ = model.compute_loss(batch, model.make_loss(decay=0.0))
    assert none < total
    two, half = (model.compute_loss(batch, model.make_loss(early=early))[1]
                 for early in ((0, 0, 0, 0.5, 0.5), (0, 0, 0, 0.25, 0.25)))
    assert_allclose(two['early'].detach(), 2 * half['early'].detach(),
                    rtol=1e-5)
    with pytest.raises(ValueError, match='^early must have 5 weights'):
        MaxiMaskLoss(early=(1.0,))


@pytest.mark.parametrize('name', ['segmentation', 'maximask'])
def test_networks_learn(name):
    masker = ContaminantMasker(network=name, weights=None, seed=1,
                               batch_size=1)
    masker.fit(contaminants={'OV': None}, training={
        'n_epochs': 6, 'n_batches': 4, 'n_validation_batches': 1, 'size': 64,
        'width': 2, 'n_workers': 0, 'n_scores': 2, 'learning_rate': 0.003})
    loss = masker.history_['validation_loss']
    assert loss[-1] < loss[0]
    assert masker.classes_ == (
        ('SAT', 'SP', 'OV', 'BBG', 'BG'))
