# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the loss of the inpainting network.
"""

import math

import numpy as np
import pytest
import torch

from compact_removal.nn.losses import composite
from compact_removal.removal.loss_inpainting import (InpaintingLoss, flux_loss,
                                                     source_loss)


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


def make_flux_case():
    rng = np.random.default_rng(1)
    target = torch.as_tensor(rng.normal(size=(2, 1, 48, 48)),
                             dtype=torch.float32)
    y, x = np.mgrid[:48, :48]
    radius = np.hypot(x - 24, y - 20)
    aperture = torch.zeros_like(target)
    aperture[:, 0, radius < 4] = 1.0
    return target, aperture, radius


def test_flux():
    target, aperture, radius = make_flux_case()
    output = target.clone()
    output[0, 0, 20, 24] += 3.0
    output[1, 0, 0, 0] += 100.0
    mask = torch.ones_like(target)
    ring = (radius >= 12) & (radius < 22)
    sigma = target[0, 0].numpy()[ring].std()
    expected = math.log(1 + 3.0 / sigma) / 2
    value = flux_loss(output, target, mask, aperture)
    assert value.item() == pytest.approx(expected, rel=1e-4)
    weighted = flux_loss(output, target, mask, 0.5 * aperture)
    expected = math.log(1 + 1.5 / sigma) / 2
    assert weighted.item() == pytest.approx(expected, rel=1e-4)


def test_flux_only_valid_pixels_in_annulus():
    target, aperture, radius = make_flux_case()
    mask = torch.ones_like(target)
    output = target + 0.1
    expected = flux_loss(output, target, mask, aperture)
    spoiled = target.clone()
    ring = (radius >= 12) & (radius < 22)
    row, column = np.argwhere(ring)[0]
    spoiled[:, 0, row, column] = 1e4
    mask[:, 0, row, column] = 0
    value = flux_loss(spoiled + 0.1, spoiled, mask, aperture)
    assert value.item() == pytest.approx(expected.item(), rel=0.01)


def test_flux_empty():
    target, aperture, _ = make_flux_case()
    mask = torch.ones_like(target)
    aperture[1] = 0
    output = target + 1
    one = flux_loss(output, target, mask, aperture)
    alone = flux_loss(output[:1], target[:1], mask[:1], aperture[:1])
    assert one.item() == pytest.approx(alone.item())
    none = flux_loss(output, target, 0 * mask, 0 * aperture)
    assert none.item() == 0
    flat = flux_loss(0 * target + 1, 0 * target, mask, aperture)
    assert math.isfinite(flat.item())


def random_case():
    generator = torch.Generator().manual_seed(2)
    output, target, source = (
        2 * torch.rand(2, 1, 32, 32, generator=generator) - 1
        for _ in range(3))
    mask = torch.ones_like(target)
    mask[..., 12:20, 12:20] = 0
    return output, target, source, mask


def test_total_has_the_weights_of_the_paper():
    total, terms = InpaintingLoss()(*random_case())
    weights = {'valid': 2, 'hole': 6, 'style': 120, 'ssim': 0.4, 'source': 1}
    assert terms.keys() == weights.keys()
    expected = sum(weights[key] * terms[key].item() for key in weights)
    assert total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('name', ['valid', 'hole', 'style', 'ssim',
                                  'source', 'flux'])
def test_every_term_has_a_gradient(name):
    output, target, source, mask = random_case()
    weights = dict.fromkeys(['valid', 'hole', 'style', 'ssim', 'source',
                             'flux'], 0.0)
    output.requires_grad_()
    total, terms = InpaintingLoss(**weights | {name: 1.0})(
        output, target, source, mask, 1 - mask)
    assert list(terms) == [name]
    total.backward()
    in_hole = output.grad[mask == 0].abs().sum().item()
    outside = output.grad[mask == 1].abs().sum().item()
    assert math.isfinite(in_hole + outside)
    assert (in_hole > 0) == (name != 'valid')
    assert (outside > 0) == (name in ('valid', 'style', 'ssim'))


def test_errors():
    with pytest.raises(ValueError, match='^aperture is needed'):
        InpaintingLoss(flux=1.0)(*random_case())
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match='^hole must be a weight'):
            InpaintingLoss(hole=bad)
