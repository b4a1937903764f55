# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the layers module.
"""

import pytest
import torch
from torch.nn import functional

from compact_removal.nn.layers import PartialConv2d, PartialConvTranspose2d

CASES = [(3, 1, 1), (4, 2, 1), (3, 1, 0), (1, 1, 0), (5, 3, 2)]
CLASSES = {PartialConv2d: functional.conv2d,
           PartialConvTranspose2d: functional.conv_transpose2d}


def slow_reference(layer, convolve, features, mask):
    """
    The definition: a mask with all channels and a second convolution.
    """
    full = torch.cat([mask[:, i:i + 1].expand(-1, count, -1, -1)
                      for i, count in enumerate(layer.mask_groups)], dim=1)
    options = {'stride': layer.stride, 'padding': layer.padding}
    count = convolve(full, torch.ones_like(layer.weight), **options).round()
    output = convolve(torch.where(full > 0, features, 0.0), layer.weight,
                      **options)
    bias = 0.0 if layer.bias is None else layer.bias.reshape(1, -1, 1, 1)
    output = torch.where(count > 0, output / count.clamp(min=1) + bias, 0.0)
    return output, (count > 0).to(features.dtype)


def make_input(groups, size=14):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(2, sum(groups), size, size, generator=generator)
    mask = torch.ones(2, len(groups), size, size)
    mask[:, :, 3:11, 2:12] = 0
    mask[1, 0] = torch.rand(size, size, generator=generator).round()
    return features, mask


@pytest.mark.parametrize('class_', CLASSES)
@pytest.mark.parametrize(('kernel_size', 'stride', 'padding'), CASES)
@pytest.mark.parametrize('groups', [(1,), (6,), (4, 2), (1, 2, 3)])
@pytest.mark.parametrize('bias', [False, True])
def test_definition(class_, kernel_size, stride, padding, groups, bias):
    features, mask = make_input(groups)
    layer = class_(sum(groups), 5, kernel_size=kernel_size, stride=stride,
                   padding=padding, bias=bias, mask_groups=groups)
    if bias:
        torch.nn.init.normal_(layer.bias)
    with torch.no_grad():
        output, new_mask = layer(features, mask)
        expected, full_mask = slow_reference(layer, CLASSES[class_],
                                             features, mask)
    assert new_mask.shape[1] == 1
    assert torch.equal(new_mask.expand_as(full_mask), full_mask)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)
    assert (output[new_mask.expand_as(output) == 0] == 0).all()


@pytest.mark.parametrize('class_', CLASSES)
def test_large_hole_stays(class_):
    layer = class_(1, 2, kernel_size=3, padding=1, bias=True)
    torch.nn.init.ones_(layer.bias)
    mask = torch.ones(1, 1, 9, 9)
    mask[..., 2:7, 2:7] = 0
    output, new_mask = layer(torch.ones(1, 1, 9, 9), mask)
    assert (new_mask == 0).sum() == 9
    assert (output[..., 3:6, 3:6] == 0).all()


@pytest.mark.parametrize('class_', CLASSES)
def test_no_valid_pixel(class_):
    layer = class_(2, 3, kernel_size=3, padding=1, bias=True)
    torch.nn.init.ones_(layer.bias)
    output, mask = layer(torch.ones(1, 2, 6, 6), torch.zeros(1, 1, 6, 6))
    assert (output == 0).all()
    assert (mask == 0).all()


@pytest.mark.parametrize('class_', CLASSES)
def test_by_hand(class_):
    layer = class_(1, 1, kernel_size=3, padding=1)
    torch.nn.init.ones_(layer.weight)
    features = torch.arange(9.0).reshape(1, 1, 3, 3)
    mask = torch.ones(1, 1, 3, 3)
    mask[..., 1, 1] = 0
    output, _ = layer(features, mask)
    # The mean of the valid pixels in the window.
    assert output[0, 0, 1, 1].item() == pytest.approx(32 / 8)
    assert output[0, 0, 0, 0].item() == pytest.approx((0 + 1 + 3) / 3)


@pytest.mark.parametrize('class_', CLASSES)
def test_gradients(class_):
    features, mask = make_input((2, 1), size=6)
    features = features.double().requires_grad_()
    layer = class_(3, 2, kernel_size=3, padding=1, bias=True,
                   mask_groups=(2, 1)).double()
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: torch.func.functional_call(
            layer, {'weight': weight, 'bias': bias},
            (x, mask.double()))[0],
        (features, layer.weight, layer.bias))


@pytest.mark.parametrize('class_', CLASSES)
def test_masked_input(class_):
    groups = (2, 4)
    features, mask = make_input(groups)
    layer = class_(6, 3, kernel_size=3, padding=1, mask_groups=groups)
    expected = layer(features, mask)[0]
    layer.masked_input = True
    masked = features.clone()
    masked[:, :2] *= mask[:, :1]
    masked[:, 2:] *= mask[:, 1:]
    assert torch.equal(layer(masked, mask)[0], expected)
    assert not torch.equal(layer(features, mask)[0], expected)


@pytest.mark.parametrize('groups', [(2, 2), (3, 0), (4, -1)])
def test_bad_groups(groups):
    with pytest.raises(ValueError, match='^mask_groups must be'):
        PartialConv2d(3, 2, mask_groups=groups)


def test_initialisation():
    layer = PartialConv2d(64, 64, kernel_size=3, bias=True)
    expected = (2 / (64 * 9))**0.5
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert (layer.bias == 0).all()
    assert 'mask_groups=(64,)' in repr(layer)
