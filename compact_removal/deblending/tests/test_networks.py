# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import nn
from compact_removal.deblending import (BlendPhotometer,
                                        find_deblender_class,
                                        find_model_class, make_blends)
from compact_removal.deblending.loss_blend2flux import BlendLoss
from compact_removal.deblending.loss_contribution import ContributionLoss
from compact_removal.deblending.loss_pais import PaisLoss
from compact_removal.deblending.network_blend2flux import FluxNetwork
from compact_removal.deblending.network_pais import FastAttention
from compact_removal.deblending.tests.recipe import TINY, make_image

# Parameters of Table 2 of blend2flux.
TABLE_2 = {64: 1_607_106, 256: 25_696_002}

PAIR = {**TINY, 'size': 128}


def count(model):
    return sum(value.numel() for value in model.parameters())


@pytest.mark.parametrize('width', TABLE_2)
def test_blend2flux_has_the_parameters_of_the_paper(width):
    assert count(FluxNetwork(width)) == TABLE_2[width]


def test_widest_blend2flux():
    # 100 million parameters are counted, not made
    with torch.device('meta'):
        assert count(FluxNetwork(512)) == 102_772_226


def test_blend2mask2flux_has_about_the_parameters_of_the_paper():
    with torch.device('meta'):
        model = find_model_class('blend2mask2flux')()
    assert f'{count(model.masks) / 1e6:.2f}' == '8.63'
    assert abs(count(model) / 18.5e6 - 1) < 0.02


@pytest.mark.parametrize('network', ['blend2flux', 'blend2mask2flux'])
def test_pairs(network):
    config = {'n_channels': 1} if network == 'blend2mask2flux' else {}
    photometer = BlendPhotometer(network=network, weights=None, batch_size=2,
                                 seed=1).fit(training={**PAIR, **config})
    image, places = make_image(n_sources=2)
    table = photometer.measure(image, places)
    assert len(table) == 2
    assert np.all(np.isfinite(table['flux'].value))
    assert np.all(table['flux_err'].value >= 0)
    scaled = photometer.measure(4 * image.data + 7, places)
    assert_allclose(scaled['flux'].value, 4 * table['flux'].value, rtol=1e-3)
    for wrong in (places[:1], np.vstack([places, places[:1]]),
                  places + [500, 0]):
        with pytest.raises(ValueError, match='^positions must be two'):
            photometer.measure(image, wrong)
    if network == 'blend2flux':
        with pytest.raises(ValueError, match="^network must be 'cond"):
            photometer.segment(image, places)
        return
    masks = photometer.segment(image, places)
    assert masks.shape == (2, *image.shape)
    assert masks.dtype == bool
    # from the masks alone, then all of it
    first = photometer.fit(training={**PAIR, **config,
                                     'loss': {'fluxes': 0.0}})
    assert_allclose(first.history_['loss'], 0.1 * np.array(
        first.history_['masks']), rtol=1e-6)


def test_published_networks_have_no_weights():
    for network in ('blend2flux', 'blend2mask2flux'):
        with pytest.raises(ValueError, match='^weights'):
            BlendPhotometer(network=network).measure(*make_image(n_sources=2))


def test_masks_of_the_default_network():
    blend, = make_blends(1, n_sources=2, seed=3)
    places = np.column_stack([blend.x, blend.y])
    photometer = BlendPhotometer()
    masks = photometer.segment(blend.image, np.vstack([places, [500, 3]]))
    assert masks.shape == (3, *blend.image.shape)
    assert not masks[2].any()
    for mask, truth in zip(masks, blend.masks, strict=False):
        assert (mask & truth).sum() > 0.5 * (mask | truth).sum()
    # smaller pixels: the masks have more of them
    light = np.kron(blend.sources.sum(axis=0), np.ones((3, 3))) / 3
    large = light + np.random.default_rng(1).standard_normal(light.shape)
    grown = photometer.segment(large, 3 * places + 1)
    assert 5 < grown.sum() / masks.sum() < 14


def test_attention_is_the_sum_over_all_pixels():
    layer = FastAttention(3).eval()
    features = torch.randn(2, 3, 4, 5, generator=torch.manual_seed(1))
    with torch.no_grad():
        value = layer.value(features)
        query, key = (torch.nn.functional.normalize(part(features), dim=1)
                      .flatten(2) for part in (layer.query, layer.key))
        weight = torch.einsum('ncp,ncq->npq', query, key)
        seen = torch.einsum('npq,ncq->ncp', weight, torch.relu(
            value).flatten(2)) / 20
        expected = layer.last(seen.reshape(features.shape)) + value
        assert_allclose(layer(features), expected, atol=1e-5)
        # few pixels, many channels: the other order of the product
        layer = FastAttention(8).eval()
        small = torch.randn(1, 8, 2, 2)
        assert layer(small).shape == small.shape


def test_pais_of_any_size():
    model = nn.make_model(find_deblender_class('pais'), seed=1).eval()
    with torch.no_grad():
        outputs = model(torch.zeros(1, 48, 32))
    assert outputs['vectors'].shape == (1, 6, 48, 32)
    assert_allclose(outputs['shares'].sum(dim=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match='^image must have sides'):
        model(torch.zeros(1, 40, 32))
    # the attribution does not change the spatial decoder
    model.train()
    centers, vectors, shares = model.predict_logits(torch.randn(2, 32, 32))
    shares.sum().backward()
    assert all(value.grad is None for value in model.spatial.parameters())


def test_loss_of_the_paper():
    image = torch.ones(1, 4, 4)
    image[0, 0] = 0
    batch = {'image': image, 'truth_centers': torch.zeros(1, 4, 4),
             'truth_vectors': torch.zeros(1, 6, 4, 4),
             'truth_shares': torch.full((1, 3, 4, 4), 1 / 3)}
    centers, vectors = torch.zeros(1, 4, 4), torch.zeros(1, 6, 4, 4)
    centers[0, 1:] = 0.5
    vectors[0, :, 1:] = 2.0
    # what is where the image is 0 does not count
    vectors[0, :, 0] = 100.0
    total, terms = PaisLoss()((centers, vectors, torch.zeros(1, 3, 4, 4)),
                              batch)
    assert_allclose(terms['centers'], 0.25)
    assert_allclose(terms['vectors'], 2.0)
    assert_allclose(terms['shares'], np.log(3), rtol=1e-6)
    assert_allclose(terms['entropy'], np.log(3) / 3, rtol=1e-6)
    assert_allclose(total, 15 * 0.25 + 0.12 + 4 * np.log(3)
                    + 2 * np.log(3) / 3, rtol=1e-6)


def test_loss_of_fluxes_in_masks():
    batch = {'truth': torch.tensor([[10.0, 20.0]]),
             'masks': torch.zeros(1, 2, 2, 2)}
    total, terms = BlendLoss(fluxes=2.0, masks=3.0)(
        torch.tensor([[12.0, 20.0]]), torch.zeros(1, 2, 2, 2), batch)
    assert_allclose(terms['fluxes'], 0.1)
    assert_allclose(terms['masks'], np.log(2), rtol=1e-6)
    assert_allclose(total, 0.2 + 3 * np.log(2), rtol=1e-6)


def test_loss_of_contributions():
    index = torch.zeros(1, 2, 3, 3, dtype=torch.long)
    index[:, 1] = -1
    batch = {'image': torch.full((1, 3, 3), 10.0), 'index': index,
             'truth_centers': torch.zeros(1, 3, 3),
             'truth_shares': torch.zeros(1, 2, 3, 3),
             'brightness': torch.ones(1, 3, 3),
             'x': torch.tensor([[1.0, torch.nan]]),
             'y': torch.tensor([[1.0, torch.nan]]),
             'log_flux': torch.tensor([[np.log(90.0), torch.nan]])}
    batch['truth_centers'][0, 1, 1] = 1
    batch['truth_shares'][:, 0] = 1
    logit = torch.zeros(1, 3, 3, 3)
    logit[:, 0], logit[:, 1:] = 50.0, -50.0
    centers = torch.full((1, 3, 3), -50.0)
    centers[0, 1, 1] = 50.0
    zero = torch.zeros(1, 3, 3)
    total, terms = ContributionLoss()((logit, centers, zero, zero), batch)
    for name, value in terms.items():
        assert abs(float(value)) < 1e-4, name
    assert abs(float(total)) < 1e-4
    # nothing is learned where the truth is not known
    batch['truth_centers'][0, 0, 0] = torch.nan
    centers[0, 0, 0] = 50.0
    assert float(ContributionLoss()((logit, centers, zero, zero), batch)[1][
        'centers']) < 1e-4


@pytest.mark.parametrize('offset', [0, 15, 16, 31])
def test_how_far_the_network_sees(offset):
    model = find_deblender_class('contribution')(width=1).double().eval()
    with torch.no_grad():
        for values in model.parameters():
            values.fill_(0.1)
    image = torch.zeros(1, 480, 480, dtype=torch.double, requires_grad=True)
    center = 224 + offset
    pointers = torch.zeros(1, 12, 480, 480, dtype=torch.double)
    model.predict_logits(image, pointers)[1][0, center, center].backward()
    seen = torch.nonzero(image.grad[0])
    reach = (seen - center).abs().max()
    assert reach <= model.receptive_radius
    assert reach > model.receptive_radius - 32


@pytest.mark.parametrize('name', ['pais', 'contribution'])
def test_empty_batches(name):
    model = nn.make_model(find_deblender_class(name), seed=1)
    arrays = {'image': np.zeros((1, 32, 32), np.float32)}
    if name == 'contribution':
        arrays['pointers'] = np.zeros((1, 12, 32, 32), np.float32)
    one = nn.predict(model, arrays)
    assert_array_equal(np.isfinite(one['shares']), True)
