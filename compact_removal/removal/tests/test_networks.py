# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the networks, by name and by their tables.
"""

import pytest
import torch

from compact_removal import nn
from compact_removal.removal import (NETWORKS, WEIGHTS, build_model,
                                     find_model_class)
from compact_removal.removal.network_paper import PartialConvUNet

# Table 4 of the paper: in channels, out channels, kernel size, stride,
# padding; and the side of the output for 96x96 pixels.
ENCODER = [(1, 32, 3, 1, 1, 96), (32, 64, 4, 2, 1, 48),
           (64, 64, 3, 1, 1, 48), (64, 128, 4, 2, 1, 24),
           (128, 128, 3, 1, 1, 24), (128, 256, 4, 2, 1, 12),
           (256, 256, 3, 1, 1, 12), (256, 512, 4, 2, 1, 6),
           (512, 512, 3, 1, 1, 6), (512, 512, 4, 2, 1, 3),
           (512, 512, 3, 1, 0, 1)]
DECODER = [(512, 512, 3, 1, 0, 3), (1024, 512, 4, 2, 1, 6),
           (1024, 512, 3, 1, 1, 6), (1024, 256, 4, 2, 1, 12),
           (512, 256, 3, 1, 1, 12), (512, 128, 4, 2, 1, 24),
           (256, 128, 3, 1, 1, 24), (256, 64, 4, 2, 1, 48),
           (128, 64, 3, 1, 1, 48), (128, 32, 4, 2, 1, 96),
           (64, 1, 3, 1, 1, 96)]


def test_table_4():
    with torch.device('meta'):
        network = PartialConvUNet(32)
        for blocks, rows in ((network.down, ENCODER), (network.up, DECODER)):
            assert len(blocks) == len(rows)
            for block, row in zip(blocks, rows, strict=True):
                conv = block.conv
                assert (conv.in_channels, conv.out_channels,
                        conv.kernel_size, conv.stride,
                        conv.padding) == row[:5]
    n_parameters = sum(one.numel() for one in network.parameters()
                       if one.requires_grad)
    assert n_parameters == 35_069_409
    assert [block.activation.__class__.__name__ for block in network.down
            ] == ['ReLU'] * 11
    assert [block.activation.negative_slope for block in network.up[:-1]
            ] == [0.2] * 10
    last = network.up[-1]
    assert last.norm is None
    assert last.activation is None
    assert last.conv.bias is not None


def test_layer_shapes():
    network = PartialConvUNet(1).eval()
    sizes = []
    for block in (*network.down, *network.up):
        block.register_forward_hook(
            lambda module, args, output: sizes.append(
                (output[0].shape[2:], output[1].shape)))
    image = torch.randn(2, 1, 96, 96)
    with torch.no_grad():
        assert network(image, torch.ones_like(image)).shape == image.shape
    expected = [row[5] for row in (*ENCODER, *DECODER)]
    assert [size for size, _ in sizes] == [(side, side) for side in expected]
    assert [mask for _, mask in sizes] == [(2, 1, side, side)
                                           for side in expected]


@pytest.mark.parametrize('shape', [(96, 128), (160, 96)])
def test_other_sizes(shape):
    network = PartialConvUNet(1).eval()
    image = torch.randn(1, 1, *shape)
    with torch.no_grad():
        assert network(image, torch.ones_like(image)).shape == image.shape


@pytest.mark.parametrize('shape', [(64, 64), (100, 100), (96, 97)])
def test_bad_sizes(shape):
    image = torch.zeros(1, *shape)
    with pytest.raises(ValueError, match='^image must have sides.*32'):
        build_model('paper', width=1)(image, image)


@pytest.mark.parametrize('width', [0, -2, 1.5])
@pytest.mark.parametrize('network', NETWORKS)
def test_bad_config(network, width):
    with pytest.raises(ValueError, match='^width must be a positive'):
        build_model(network, width=width)
    with pytest.raises(ValueError, match='^config of network'):
        build_model(network, depth=3)


def test_holes_have_no_influence():
    network = PartialConvUNet(2).eval()
    image = torch.randn(1, 1, 96, 96)
    mask = torch.ones_like(image)
    mask[..., 40:60, 40:60] = 0
    other = image.clone()
    other[..., 40:60, 40:60] = 1e6
    with torch.no_grad():
        first = network(image, mask)
        assert torch.equal(network(other, mask), first)
        other[..., 39, 39] += 1
        assert not torch.equal(network(other, mask), first)


@pytest.mark.parametrize('network', NETWORKS)
def test_what_models_declare(network):
    model = build_model(network, width=1, seed=1)
    assert type(model) is find_model_class(network)
    assert model.name == network
    assert model.config == {'width': 1}
    assert {'image', 'validity'} <= set(model.inputs)
    assert {'target'} <= set(model.targets) <= {'target', 'aperture'}
    assert model.usual_size % model.size_step == 0
    assert model.usual_size >= model.min_size


def test_unknown_network():
    with pytest.raises(ValueError, match="^network must be one of.*'x'"):
        find_model_class('x')


def test_shipped_weights():
    for row in WEIGHTS.list():
        path = WEIGHTS.path(row['name'])
        model, metadata = nn.load_weights(path, find_model_class,
                                          sha256=row['sha256'])
        n_parameters = sum(one.numel() for one in model.parameters())
        assert n_parameters == row['n_parameters']
        assert metadata['network'] == row['network']
        assert metadata['config'] == {'width': row['width']}
        assert WEIGHTS.find(row['network'], row['mode'])
