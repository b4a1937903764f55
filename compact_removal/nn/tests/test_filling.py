# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the filling module.
"""

import pytest
import torch

from compact_removal.nn.filling import fill_smoothly


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
