# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the loss of the paper.
"""

import math

import pytest
import torch

from compact_removal.nn.losses import composite
from compact_removal.removal.loss_paper import PaperLoss, source_loss


def image(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


TARGET = image([1.0, 2.0], [3.0, 4.0])
OUTPUT = image([1.5, 2.0], [1.0, 7.0])
MASK = image([1.0, 1.0], [0.0, 0.0])
INPUT = image([1.25, 2.0], [90.0, 80.0])


def test_source():
    # Real source minus extracted source: 0.25 where the input outside
    # the hole has light of the source, -2 and 3 in the hole.
    real = INPUT - TARGET
    extracted = INPUT - composite(OUTPUT, INPUT, MASK)
    expected = (real - extracted).abs().mean().item()
    value = source_loss(OUTPUT, TARGET, INPUT, MASK).item()
    assert value == pytest.approx(expected)
    assert value == pytest.approx((0.25 + 2 + 3) / 4)


def random_case():
    generator = torch.Generator().manual_seed(2)
    output, target, source = (
        2 * torch.rand(2, 1, 32, 32, generator=generator) - 1
        for _ in range(3))
    mask = torch.ones_like(target)
    mask[..., 12:20, 12:20] = 0
    return output, target, source, mask


def test_total_has_the_weights_of_the_paper():
    total, terms = PaperLoss()(*random_case())
    weights = {'valid': 2, 'hole': 6, 'style': 120, 'ssim': 0.4, 'source': 1}
    assert terms.keys() == weights.keys()
    expected = sum(weights[key] * terms[key].item() for key in weights)
    assert total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('name', ['valid', 'hole', 'style', 'ssim',
                                  'source'])
def test_every_term_has_a_gradient(name):
    output, target, source, mask = random_case()
    weights = dict.fromkeys(['valid', 'hole', 'style', 'ssim', 'source'],
                            0.0)
    output.requires_grad_()
    total, terms = PaperLoss(**weights | {name: 1.0})(
        output, target, source, mask)
    assert list(terms) == [name]
    total.backward()
    in_hole = output.grad[mask == 0].abs().sum().item()
    outside = output.grad[mask == 1].abs().sum().item()
    assert math.isfinite(in_hole + outside)
    assert (in_hole > 0) == (name != 'valid')
    assert (outside > 0) == (name in ('valid', 'style', 'ssim'))


def test_errors():
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match='^hole must be a weight'):
            PaperLoss(hole=bad)
