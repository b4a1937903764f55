# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the features module.
"""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import correlate

from compact_removal.nn.features import (FilterBankFeatures, VGG16Features,
                                         _gaussian_derivatives)
from compact_removal.nn.losses import gram_matrix

SHAPES = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128),
          10: (256, 128), 12: (256, 256), 14: (256, 256)}


def test_filters():
    filters = _gaussian_derivatives()
    np.testing.assert_allclose((filters**2).sum(axis=1), 1)
    np.testing.assert_allclose(filters[1:].sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(filters[1], -filters[1, ::-1], atol=1e-12)
    np.testing.assert_allclose(filters[2], filters[2, ::-1])


def test_against_scipy():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(3, 1, 20, 24))
    maps = FilterBankFeatures(2).double()(torch.as_tensor(image))
    filters = _gaussian_derivatives()
    orders = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    for i in range(3):
        for j, (in_x, in_y) in enumerate(orders):
            kernel = np.outer(filters[in_y], filters[in_x])
            expected = correlate(image[i, 0], kernel, mode='nearest')
            np.testing.assert_allclose(maps[0][i, j], expected, atol=1e-6)
    half = image.reshape(3, 1, 10, 2, 12, 2).mean(axis=(3, 5))
    expected = FilterBankFeatures(1).double()(torch.as_tensor(half))[0]
    torch.testing.assert_close(maps[1], expected)


def test_constant_image_has_no_features():
    for one in FilterBankFeatures()(torch.full((1, 1, 32, 32), 7.0)):
        assert one.abs().max() < 1e-5


def test_direction():
    x = torch.arange(96.0).expand(1, 1, 96, 96)
    stripes = torch.sin(x)
    power = gram_matrix(FilterBankFeatures()(stripes)[0])[0].diagonal()
    in_x, in_y = power[0].item(), power[1].item()
    assert in_x > 1000 * abs(in_y)


def test_nothing_to_train():
    assert not list(FilterBankFeatures().parameters())
    assert not FilterBankFeatures().state_dict()


@pytest.fixture(scope='module')
def state():
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for index, (n_out, n_in) in SHAPES.items():
        tensors[f'features.{index}.weight'] = 0.05 * torch.randn(
            n_out, n_in, 3, 3, generator=generator)
        tensors[f'features.{index}.bias'] = torch.randn(
            n_out, generator=generator)
    tensors['classifier.0.bias'] = torch.zeros(3)
    return tensors


def test_vgg16(state, tmp_path):
    save_file(state, tmp_path / 'vgg.safetensors')
    image = torch.randn(2, 1, 32, 32, requires_grad=True)
    features = VGG16Features(tmp_path / 'vgg.safetensors')
    first = features(image)
    assert [tuple(one.shape) for one in first] == [
        (2, 64, 16, 16), (2, 128, 8, 8), (2, 256, 4, 4)]
    # The first layer and pool by hand.
    expected = image.detach().repeat(1, 3, 1, 1)
    for index in (0, 2):
        expected = torch.nn.functional.conv2d(
            expected, state[f'features.{index}.weight'],
            state[f'features.{index}.bias'], padding=1).relu()
    expected = torch.nn.functional.max_pool2d(expected, 2)
    torch.testing.assert_close(first[0], expected)
    first[2].sum().backward()
    assert image.grad.abs().sum() > 0
    assert not any(one.requires_grad for one in features.parameters())


def test_vgg16_missing_or_odd(state, tmp_path):
    less = {key: value for key, value in state.items()
            if key != 'features.7.weight'}
    save_file(less, tmp_path / 'less.safetensors')
    with pytest.raises(ValueError, match=r'^path must hold features\.7\.'):
        VGG16Features(tmp_path / 'less.safetensors')
    odd = state | {'features.2.bias': torch.zeros(3)}
    save_file(odd, tmp_path / 'odd.safetensors')
    with pytest.raises(ValueError, match=r'got shape \(3,\)'):
        VGG16Features(tmp_path / 'odd.safetensors')
    with pytest.raises(FileNotFoundError):
        VGG16Features(tmp_path / 'none.safetensors')


class _Trap:
    def __reduce__(self):
        return (open, ('/dev/null',))


@pytest.mark.parametrize('content', [b'', b'not tensors',
                                     pickle.dumps({'a': _Trap()})])
def test_vgg16_no_pickle(content, tmp_path):
    path = tmp_path / 'file.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='^path is no safetensors'):
        VGG16Features(path)
