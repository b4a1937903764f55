# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the inpainting model.
"""

import numpy as np
import pytest
import torch

from compact_removal.nn.filling import fill_curved
from compact_removal.removal import build_model


FWHM = torch.full((3,), 3.0)


@pytest.fixture(scope='module')
def model():
    return build_model('inpainting', width=1, seed=1).eval()


@pytest.fixture
def cutouts():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 96, 96, generator=generator).cumsum(1).cumsum(2)
    valid = torch.ones(3, 96, 96, dtype=torch.bool)
    valid[:, 40:57, 38:59] = False
    return image, valid


def test_output_in_unit_of_input(model, cutouts):
    image, valid = cutouts
    with torch.no_grad():
        first = model(image, valid, FWHM)['background']
        second = model(4.0 * image + 8.0, valid, FWHM)['background']
    torch.testing.assert_close(second, 4.0 * first + 8.0, rtol=1e-4,
                               atol=1e-3)


def test_only_valid_pixels_count(model, cutouts):
    image, valid = cutouts
    with torch.no_grad():
        first = model(image, valid, FWHM)['background']
        for value in (float('nan'), float('inf'), 1e30):
            changed = image.masked_fill(~valid, value)
            again = model(changed, valid, FWHM)['background']
            assert torch.equal(again, first)


def test_nan_is_invalid(model, cutouts):
    image, valid = cutouts
    hole = valid.clone()
    hole[:, 5, 5] = False
    with_nan = image.clone()
    with_nan[:, 5, 5] = float('nan')
    with torch.no_grad():
        assert torch.equal(model(with_nan, valid, FWHM)['background'],
                           model(image, hole, FWHM)['background'])


def test_empty_and_constant(model, cutouts):
    image, valid = cutouts
    image, valid = image.clone(), valid.clone()
    valid[0] = False
    image[1] = 3.0
    with torch.no_grad():
        output = model(image, valid, FWHM)['background']
    assert torch.isfinite(output).all()
    assert (output[0] == 0).all()


def test_new_network_returns_mean_of_fills(model, cutouts):
    image, valid = cutouts
    filled, mask, center, half_range = model.prepare(image, valid)
    curved = fill_curved(filled, mask, filled)
    assert (curved - filled).abs().max() > 0.01
    with torch.no_grad():
        background, log_error, log_flux_error = model.predict_scaled(
            filled, mask, FWHM)
    torch.testing.assert_close(background, (filled + curved)[:, 0] / 2)
    assert log_error.shape == background.shape
    # larger apertures have larger errors
    assert (log_flux_error.diff(dim=1) > 0).all()


def test_errors_in_unit_of_input(model, cutouts):
    image, valid = cutouts
    with torch.no_grad():
        first = model(image, valid, FWHM)
        second = model(4.0 * image + 8.0, valid, FWHM)
    for name in ('error', 'flux_error'):
        assert (first[name] > 0).all()
        torch.testing.assert_close(second[name], 4.0 * first[name],
                                   rtol=1e-3, atol=0)


def test_correction_is_in_holes(cutouts):
    image, valid = cutouts
    model = build_model('inpainting', width=1, seed=1).eval()
    torch.nn.init.normal_(model.network.last.weight)
    filled, mask, center, half_range = model.prepare(image, valid)
    with torch.no_grad():
        change = model.predict_scaled(filled, mask, FWHM)[0] - filled[:, 0]
    mask = mask[:, 0]
    assert (change[mask > 0] == 0).all()
    assert change[mask == 0].abs().min() > 0


@pytest.mark.parametrize('share', [0, 1])
def test_mixture_is_of_the_two_fills(cutouts, share):
    image, valid = cutouts
    model = build_model('inpainting', width=1, seed=1).eval()
    # the first four of the channels are the mixture
    model.network.last.bias.data[:4] = 50 if share else -50
    filled, mask, center, half_range = model.prepare(image, valid)
    expected = fill_curved(filled, mask, filled) if share else filled
    with torch.no_grad():
        background, *_ = model.predict_scaled(filled, mask, FWHM)
    torch.testing.assert_close(background, expected[:, 0])


def test_scale_is_that_of_the_structure(model, cutouts):
    image, valid = cutouts
    first, mask, *limits = model.prepare(image, valid)
    values = first[0, 0][18:79, 18:79][valid[0, 18:79, 18:79]].numpy()
    low, high = np.percentile(values, [16, 84])
    assert high - low == pytest.approx(2, rel=0.15)
    # one bright spot changes nothing but itself
    image = image.clone()
    image[:, 20, 48] += 1e6
    second, _, *others = model.prepare(image, valid)
    for one, other in zip(limits, others, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)


def test_compute_loss_ignores_unknown_target(cutouts):
    image, valid = cutouts
    model = build_model('inpainting', width=1, seed=1).eval()
    target = image.clone()
    target[:, 45:50, 45:50] = float('nan')
    batch = {'image': image, 'validity': valid.float(), 'target': target,
             'aperture': torch.zeros_like(image), 'fwhm': FWHM}
    loss = model.make_loss()
    assert loss.small == 0.03
    total, terms = model.compute_loss(batch, loss)
    assert terms['hole'].item() > 0
    total.backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters())
    # nothing is compared where nothing is known
    batch['target'] = torch.full_like(image, float('nan'))
    assert model.compute_loss(batch, loss)[0].item() == 0
