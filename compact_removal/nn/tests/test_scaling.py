# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the scaling module.
"""

import torch

from compact_removal.nn.scaling import (apply_limits, range_limits,
                                        robust_limits)


def test_range_limits():
    image = torch.tensor([[1.0, 5.0, 99.0], [7.0, 7.0, 0.0],
                          [1.0, 2.0, 3.0]]).reshape(3, 1, 1, 3)
    valid = torch.tensor([[1, 1, 0], [1, 1, 0],
                          [0, 0, 0]]).reshape(3, 1, 1, 3).bool()
    center, half_range = range_limits(image, valid)
    assert center.flatten().tolist() == [3.0, 7.0, 0.0]
    assert half_range.flatten().tolist() == [2.0, 0.0, 0.0]


def test_large_numbers_do_not_overflow():
    largest = torch.finfo(torch.float32).max
    image = torch.tensor([[[-largest, largest]]])
    center, half_range = range_limits(image, image < torch.inf)
    assert center.item() == 0
    assert half_range.item() == largest


def test_apply_limits():
    image = torch.tensor([[[1.0, 3.0, torch.nan, torch.inf]]]).double()
    scaled = apply_limits(image, *range_limits(image, image < 5))
    assert scaled.dtype == torch.float32
    assert scaled[0, 0, :2].tolist() == [-1.0, 1.0]
    assert torch.isnan(scaled[0, 0, 2:]).all()


def test_robust_limits_know_the_centre_only():
    image = torch.zeros(2, 21, 21)
    image[:, 8:13, 8:13] = torch.arange(25.0).reshape(5, 5)
    image[:, 0] = 1e6
    valid = torch.ones_like(image).bool()
    center, half_range = robust_limits(
        image, valid, reach=torch.tensor([2.0, 2.0]), least=5)
    assert (center == 12).all()
    valid[1] = False
    valid[1, 0] = True
    center, half_range = robust_limits(
        image, valid, reach=torch.tensor([2.0, 2.0]), least=5)
    assert center.flatten().tolist() == [12.0, 1e6]
    assert half_range[1].item() == 1.0
