# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the residual U-Net.
"""

import pytest
import torch

from compact_removal.nn import unet
from compact_removal.nn.unet import ResidualUNet


@pytest.fixture
def network():
    torch.manual_seed(1)
    network = ResidualUNet((4, 6, 8), n_inputs=2, n_maps=3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_output_is_zero_at_first():
    torch.manual_seed(1)
    network = ResidualUNet((4, 6), n_inputs=2, n_maps=1)
    image = torch.randn(1, 2, 16, 24)
    with torch.no_grad():
        assert (network(image) == 0).all()
    network(image).sum().backward()
    assert network.last.weight.grad.abs().max() > 0


def test_output_has_size_of_input(network):
    with torch.no_grad():
        assert network(torch.randn(2, 2, 24, 40)).shape == (2, 3, 24, 40)
        assert network(torch.randn(0, 2, 24, 40)).shape == (0, 3, 24, 40)


def test_first_level_may_have_all_pixels():
    network = ResidualUNet((4, 6, 8), n_inputs=1, n_maps=3, block=1)
    features = network.make_features(torch.randn(2, 1, 8, 12))
    assert features.shape == (2, 4, 8, 12)
    assert network.make_maps(features).shape == (2, 3, 8, 12)


def test_distant_pixels_have_no_influence(network):
    image = torch.randn(1, 2, 128, 128)
    other = image.clone()
    other[..., 4, 4] += 1e4
    with torch.no_grad():
        change = (network(other) - network(image)).abs()
    assert change[..., :8, :8].max() > 1
    assert change[..., 96:, 96:].max() == 0


def test_pool_is_centred_on_the_source():
    # the central pixel of the cutout, size // 2, seen in blocks of 2
    for size in (32, 48):
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size),
                              indexing='ij')
        offsets = torch.stack([x - size // 2, y - size // 2]).double()
        blocks = torch.nn.functional.avg_pool2d(offsets[None], 2)
        pooled = unet._pool(
            blocks, torch.full((1,), 1.5, dtype=torch.float64))
        assert pooled.abs().max() < 0.01
