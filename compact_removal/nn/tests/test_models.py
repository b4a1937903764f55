# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the models module.
"""

import pytest
import torch

from compact_removal.nn.losses import InpaintingLoss
from compact_removal.nn.models import fill_smoothly, make_model, scale_limits


@pytest.fixture(scope='module')
def model():
    return make_model('inpainting', width=1, seed=1).eval()


@pytest.fixture
def cutouts():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 96, 96, generator=generator).cumsum(1).cumsum(2)
    valid = torch.ones(3, 96, 96, dtype=torch.bool)
    valid[:, 40:57, 38:59] = False
    return image, valid


def test_scale_limits():
    image = torch.tensor([[1.0, 5.0, 99.0], [7.0, 7.0, 0.0],
                          [1.0, 2.0, 3.0]]).reshape(3, 1, 1, 3)
    valid = torch.tensor([[1, 1, 0], [1, 1, 0],
                          [0, 0, 0]]).reshape(3, 1, 1, 3).bool()
    center, half_range = scale_limits(image, valid)
    assert center.flatten().tolist() == [3.0, 7.0, 0.0]
    assert half_range.flatten().tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize('value', [-2.5, 0.0, 3.0])
def test_fill_constant(value):
    valid = torch.ones(1, 1, 96, 96)
    valid[..., 30:70, 30:70] = 0
    image = torch.where(valid > 0, value, 1e6)
    filled = fill_smoothly(image, valid)
    torch.testing.assert_close(filled, torch.full_like(filled, value))


def test_fill_plane():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0),
                          indexing='ij')
    plane = (0.02 * x - 0.01 * y)[None, None]
    valid = ((x - 48)**2 + (y - 48)**2 > 100).float()[None, None]
    filled = fill_smoothly(plane * valid, valid)
    error = (filled - plane).abs().max().item()
    # The hole spans 0.4 in x.
    assert error < 0.08
    assert torch.equal(filled[valid > 0], plane[valid > 0])


def test_fill_edges():
    image = torch.ones(1, 1, 96, 128)
    assert (fill_smoothly(image, 0 * image) == 0).all()
    valid = 0 * image
    valid[..., 5, 7] = 1
    torch.testing.assert_close(fill_smoothly(image, valid), image)


def test_output_in_unit_of_input(model, cutouts):
    image, valid = cutouts
    with torch.no_grad():
        first = model(image, valid).background
        second = model(4.0 * image + 8.0, valid).background
    torch.testing.assert_close(second, 4.0 * first + 8.0, rtol=1e-4,
                               atol=1e-3)


def test_only_valid_pixels_count(model, cutouts):
    image, valid = cutouts
    with torch.no_grad():
        first = model(image, valid).background
        for value in (float('nan'), float('inf'), 1e30):
            changed = image.masked_fill(~valid, value)
            assert torch.equal(model(changed, valid).background, first)


def test_nan_is_invalid(model, cutouts):
    image, valid = cutouts
    hole = valid.clone()
    hole[:, 5, 5] = False
    with_nan = image.clone()
    with_nan[:, 5, 5] = float('nan')
    with torch.no_grad():
        assert torch.equal(model(with_nan, valid).background,
                           model(image, hole).background)


def test_empty_and_constant(model, cutouts):
    image, valid = cutouts
    image, valid = image.clone(), valid.clone()
    valid[0] = False
    image[1] = 3.0
    with torch.no_grad():
        output = model(image, valid).background
    assert torch.isfinite(output).all()
    assert (output[0] == 0).all()


def test_correction_to_fill(cutouts):
    image, valid = cutouts
    model = make_model('inpainting', width=1, seed=1).eval()
    for parameter in model.network.up[-1].parameters():
        torch.nn.init.zeros_(parameter)
    filled, mask, center, half_range = model.prepare(image, valid)
    assert filled[mask > 0].abs().max() <= 1 + 1e-6
    with torch.no_grad():
        assert torch.equal(model.predict_scaled(filled, mask), filled)
        output = model(image, valid).background
    torch.testing.assert_close(output[valid], image[valid], rtol=1e-4,
                               atol=1e-2)


def test_compute_loss_ignores_unknown_target(cutouts):
    image, valid = cutouts
    model = make_model('inpainting', width=1, seed=1).eval()
    batch = {'image': image, 'validity': valid.float(),
             'target': torch.full_like(image, float('nan'))}
    loss = InpaintingLoss(style=0, ssim=0)
    total, terms = model.compute_loss(batch, loss)
    assert total.item() > 0
    assert terms['hole'].item() == 0
    assert terms['valid'].item() == 0
    total.backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters())


def test_make_model():
    state = torch.get_rng_state()
    first = make_model('inpainting', width=1, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert (first.network_name, first.width) == ('inpainting', 1)
    second = make_model('inpainting', width=1, seed=5)
    other = make_model('inpainting', width=1)
    key = 'network.down.3.conv.weight'
    assert torch.equal(first.state_dict()[key], second.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    with pytest.raises(ValueError, match='^network must be one of'):
        make_model('separator', width=1)
