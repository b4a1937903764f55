# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the losses module.
"""

import pytest
import torch
from kornia.metrics import ssim

from compact_removal.nn import losses


def image(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


TARGET = image([1.0, 2.0], [3.0, 4.0])
OUTPUT = image([1.5, 2.0], [1.0, 7.0])
MASK = image([1.0, 1.0], [0.0, 0.0])


def test_hole_and_valid():
    assert losses.hole_loss(OUTPUT, TARGET, MASK).item() == (2 + 3) / 4
    assert losses.valid_loss(OUTPUT, TARGET, MASK).item() == 0.5 / 4


def test_composite():
    expected = image([1.0, 2.0], [1.0, 7.0])
    assert torch.equal(losses.composite(OUTPUT, TARGET, MASK), expected)


def test_gram_matrix():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    # Channels (1, 2) and (3, -1); K = 1 / (2 channels x 2 pixels).
    expected = torch.tensor([[[5.0, 1.0], [1.0, 10.0]]]) / 4
    torch.testing.assert_close(losses.gram_matrix(features), expected)


def test_style():
    def features(one):
        return [torch.cat((one, 2 * one), dim=1), one]

    # Sums of squares: target 30, output 56.25 + ..., by hand.
    squares = {'target': 30.0, 'output': 2.25 + 4 + 1 + 49,
               'composite': 1 + 4 + 1 + 49}
    expected = 0.0
    for key in ('output', 'composite'):
        difference = abs(squares[key] - squares['target'])
        # Two channels: the matrix (1, 2; 2, 4) times the sum of squares,
        # K = 1 / 8, 1 / C^2 = 1 / 4. One channel: K = 1 / 4.
        expected += 9 * difference / 8 / 4 + difference / 4
    value = losses.style_loss(OUTPUT, TARGET, MASK, features)
    assert value.item() == pytest.approx(expected)


def test_style_is_a_mean_over_cutouts():
    def features(one):
        return [one]

    twice = [torch.cat((one, one)) for one in (OUTPUT, TARGET, MASK)]
    single = losses.style_loss(OUTPUT, TARGET, MASK, features)
    double = losses.style_loss(*twice, features)
    assert double.item() == pytest.approx(single.item())


def test_ssim():
    generator = torch.Generator().manual_seed(1)
    first = 2 * torch.rand(4, 1, 24, 32, generator=generator) - 1
    second = 2 * torch.rand(4, 1, 24, 32, generator=generator) - 1
    assert losses.ssim_loss(first, first).item() == pytest.approx(0, abs=1e-6)
    expected = 1 - ssim(first, second, 5, 2.0).mean()
    value = losses.ssim_loss(first, second)
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    assert 0.5 < value.item() < 1.5


def test_ssim_of_constants():
    # Variances vanish; what remains is the term of the means.
    c1 = (0.01 * 2)**2
    expected = 1 - (2 * 0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1)
    one = torch.ones(1, 1, 16, 16)
    value = losses.ssim_loss(0.5 * one, 0.25 * one).item()
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('bad', [-1.0, float('nan'), float('inf')])
def test_bad_weights(bad):
    with pytest.raises(ValueError, match='^hole must be a weight'):
        losses.WeightedLoss(hole=bad)
