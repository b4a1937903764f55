# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the loss of backgrounds and their errors.
"""

import math

import numpy as np
import pytest
import torch

from compact_removal.removal import ERROR_RADII
from compact_removal.removal.loss_background import (BackgroundLoss,
                                                     aperture_weights)


def test_loss_by_hand():
    target = torch.zeros(1, 48, 48)
    validity = torch.ones(1, 48, 48)
    validity[:, 20:28, 20:28] = 0
    sources = torch.zeros(1, 48, 48)
    sources[:, :4, :8] = 1.0
    aperture = aperture_weights((48, 48), *torch.full((2, 1), 24.0),
                                torch.tensor([4.0]))
    background = torch.zeros(1, 48, 48)
    background[:, 20:28, 20:28] = 0.5
    log_error = torch.full((1, 48, 48), math.log(0.5))
    fwhm = torch.tensor([2.0])
    total, terms = BackgroundLoss(hole=2, flux=3, error=5, flux_error=7)(
        background, log_error, torch.zeros(1, 4), target, validity, sources,
        aperture, fwhm)
    # 64 pixels of the hole off by 0.5; 32 pixels reached count half
    mean = 64 * 0.5 / (64 + 0.5 * 32)
    assert terms['hole'].item() == pytest.approx(math.log1p(mean / 0.25))
    expected = math.log(0.5) + 0.5 * 64 / (64 + 0.5 * 32)
    assert terms['error'].item() == pytest.approx(expected)
    # the two small apertures lie in the hole
    sums = [torch.sum(aperture_weights((48, 48), *torch.full((2, 1), 24.0),
                                       torch.tensor([2.0 * radius]))
                      * background).item() for radius in ERROR_RADII]
    areas = [aperture_weights((48, 48), *torch.full((2, 1), 24.0),
                              torch.tensor([2.0 * radius])).sum().item()
             for radius in ERROR_RADII]
    flux = np.mean([math.log1p(s / (0.12 * a))
                    for s, a in zip(sums, areas, strict=True)])
    assert terms['flux'].item() == pytest.approx(flux, rel=1e-4)
    surprise = np.mean([s ** 2 / 2 if s < 3 else 3 * s - 4.5 for s in sums])
    assert terms['flux_error'].item() == pytest.approx(surprise, rel=1e-4)
    assert total.item() == pytest.approx(
        2 * terms['hole'].item() + 3 * terms['flux'].item()
        + 5 * terms['error'].item() + 7 * terms['flux_error'].item())


def test_error_terms_find_the_scatter():
    # the most likely error is the scatter of the differences
    generator = torch.Generator().manual_seed(3)
    background = 0.7 * torch.randn(8, 48, 48, generator=generator)
    zero = torch.zeros(8, 48, 48)
    aperture = aperture_weights((48, 48), *torch.full((3, 8), 24.0))
    losses = {}
    for width in (0.5, 0.7, 1.0):
        log_error = torch.full((8, 48, 48), math.log(width))
        _, terms = BackgroundLoss()(background, log_error,
                                    torch.zeros(8, 4), zero, zero, zero,
                                    aperture, torch.full((8,), 3.0))
        losses[width] = terms['error'].item()
    assert min(losses, key=losses.get) == 0.7


def test_small_scales_both_terms():
    generator = torch.Generator().manual_seed(4)
    image = torch.randn(2, 48, 48, generator=generator)
    zero = torch.zeros(2, 48, 48)
    aperture = aperture_weights((48, 48), *torch.full((3, 2), 24.0))
    rest = (zero, torch.zeros(2, 4), zero, zero, zero, aperture,
            torch.full((2,), 3.0))
    _, coarse = BackgroundLoss()(image, *rest)
    _, fine = BackgroundLoss(small=0.025)(image / 10, *rest)
    for name in ('hole', 'flux'):
        torch.testing.assert_close(fine[name], coarse[name])


@pytest.mark.parametrize('small', [0, -1, math.nan, math.inf])
def test_small_is_positive(small):
    with pytest.raises(ValueError, match='^small must be a positive'):
        BackgroundLoss(small=small)


def test_errors():
    with pytest.raises(ValueError, match='^flux must be a weight'):
        BackgroundLoss(flux=-1)
