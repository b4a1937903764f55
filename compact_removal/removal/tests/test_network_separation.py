# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the network that sees the pixels under the sources.
"""

import math

import numpy as np
import pytest
import torch

from compact_removal import nn
from compact_removal.removal import (ERROR_RADII, WEIGHTS, build_model,
                                     find_model_class, network_separation)
from compact_removal.removal.loss_background import (BackgroundLoss,
                                                     aperture_weights)

FWHM = torch.tensor([2.6, 3.1, 6.0])
PSF_ERROR = torch.tensor([0.02, 0.1, 0.3])


@pytest.fixture
def cutouts():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 64, 64, generator=generator).cumsum(2)
    valid = torch.ones(3, 64, 64, dtype=torch.bool)
    valid[:, 26:39, 26:39] = False
    sources = torch.zeros(3, 64, 64)
    sources[:, 30:35, 30:35] = 500.0
    return image, valid, sources, FWHM, PSF_ERROR


@pytest.fixture(scope='module')
def model():
    # random weights everywhere: new ones give no correction at all
    model = build_model('separation', width=1, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        with torch.no_grad():
            parameter += 0.05 * torch.randn(parameter.shape,
                                            generator=generator)
    return model


def test_first_estimate(cutouts):
    # what the pixels show; exactly the image outside the holes
    image, valid, sources, *psf = cutouts
    model = build_model('separation', width=1, seed=1).eval()
    _, (filled, difference, _), center, spread = model.prepare(*cutouts)
    with torch.no_grad():
        found = model(*cutouts)
    torch.testing.assert_close(found['background'][valid], image[valid],
                               rtol=1e-4, atol=1e-4)
    assert (difference[valid] == 0).all()
    # under bright sources what is finer than the beam is damped
    small = (difference.abs() < 0.3) & ~valid & (sources == 0)
    assert small.sum() > 50
    share = (1 + 1 / (1 + math.exp(-4))) / 2
    expected = (center + spread * (filled + share * difference))[small]
    torch.testing.assert_close(found['background'][small], expected, rtol=1e-2,
                               atol=1e-2)
    assert (found['error'] > 0).all()
    # sums over larger apertures have larger errors
    assert (found['flux_error'].diff(dim=1) > 0).all()


@pytest.mark.parametrize(('factor', 'offset'), [(1e-8, 0), (1e6, 0),
                                                (2.0, 30.0)])
def test_scale_free(model, cutouts, factor, offset):
    image, valid, sources, *psf = cutouts
    with torch.no_grad():
        first = model(*cutouts)
        second = model(factor * image + offset, valid, factor * sources,
                       *psf)
    torch.testing.assert_close((second['background'] - offset) / factor,
                               first['background'], rtol=1e-3, atol=1e-2)
    for name in ('error', 'flux_error'):
        torch.testing.assert_close(second[name] / factor,
                                   first[name], rtol=1e-2,
                                   atol=1e-3)


def test_sees_pixels_in_holes_but_not_unmeasured(model, cutouts):
    image, valid, sources, *psf = cutouts
    changed = image.clone()
    changed[:, 30:34, 30:34] += 3.0
    with torch.no_grad():
        first = model(*cutouts)['background']
        second = model(changed, valid, sources, *psf)['background']
        assert (second - first)[:, 30:34, 30:34].mean() > 0.3
        hidden = image.clone()
        hidden[:, 20:24, 5:9] = math.nan
        results = []
        for value in (math.nan, math.inf, -math.inf):
            hidden[:, 20:24, 5:9] = value
            results.append(model(hidden, valid, sources, *psf))
    for result in results:
        assert torch.isfinite(result['background']).all()
        assert torch.equal(result['background'], results[0]['background'])


def test_empty_and_constant(model, cutouts):
    image, valid, sources, *psf = cutouts
    image, valid = image.clone(), valid.clone()
    valid[0] = False
    image[1] = 3.0
    image[2] = math.nan
    with torch.no_grad():
        found = model(image, valid, sources, *psf)
    for values in found.values():
        assert torch.isfinite(values).all()


def test_dynamic_range(model, cutouts):
    image, valid, sources, *psf = cutouts
    bright = image.clone()
    bright[:, 28:37, 28:37] += 1e5
    with torch.no_grad():
        found = model(bright, valid, 1e6 * sources, *psf)
    assert torch.isfinite(found['background']).all()
    # the background stays near the rest of the image
    assert found['background'].abs().max() < 40 * image.abs().max()


def test_unknown_target():
    model = build_model('separation', width=1, seed=1)
    image = torch.randn(2, 48, 48)
    aperture = aperture_weights((48, 48), *torch.full((3, 2), 24.0))
    batch = {'image': image, 'validity': torch.zeros(2, 48, 48),
             'sources': torch.ones(2, 48, 48), 'aperture': aperture,
             'target': torch.full((2, 48, 48), math.nan),
             'fwhm': torch.full((2,), 3.0),
             'psf_error': torch.full((2,), 0.1)}
    total, terms = model.compute_loss(batch, BackgroundLoss())
    assert terms['hole'].item() == 0
    assert terms['flux'].item() == 0
    total.backward()
    for parameter in model.parameters():
        assert torch.isfinite(parameter.grad).all()


class Batches:
    """
    Sources of two unknown widths on a slope.
    """

    def __init__(self, n_batches):
        self.n_batches = n_batches

    def __len__(self):
        return self.n_batches

    def batch(self, epoch, number):
        y, x = np.indices((32, 32)) - 16.0
        radius = np.hypot(x, y)
        rng = np.random.default_rng([epoch, number])
        slope = rng.normal(size=(8, 1, 1))
        target = slope * x + 0.1 * rng.normal(size=(8, 32, 32))
        core = np.exp(-radius ** 2 / rng.choice([6, 9], size=(8, 1, 1)))
        nominal = np.exp(-radius ** 2 / 7.5)
        flux = rng.uniform(5, 50, size=(8, 1, 1))
        hole = radius < 7
        return {'image': target + flux * (core - nominal),
                'sources': flux * nominal, 'target': target,
                'validity': np.broadcast_to(~hole, target.shape),
                'aperture': np.broadcast_to(radius < 4, target.shape),
                'fwhm': np.full(8, 4.0), 'psf_error': np.full(8, 0.1)}


@pytest.mark.slow
def test_training(tmp_path):
    model = build_model('separation', width=2, seed=1)
    settings = nn.TrainingSettings(n_epochs=4, learning_rate=0.005,
                                   scheduler='cosine')
    history = nn.train(model, Batches(20), Batches(2), settings)
    assert history['flux'][-1] < 0.7 * history['flux'][0]
    assert history['validation_hole'][-1] < 0.8 * history['hole'][0]

    saved = tmp_path / 'weights.safetensors'
    nn.save_weights(model, saved, {'mode': 'any'})
    loaded, metadata = nn.load_weights(saved, find_model_class)
    assert metadata['network'] == 'separation'
    batch = Batches(1).batch(9, 0)
    inputs = {name: batch[name] for name in model.inputs}
    first, second = (nn.predict(one, inputs) for one in (model, loaded))
    std = np.std(batch['target'])
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], atol=0.02 * std,
                                   rtol=0.05)


def test_predict(model, cutouts):
    inputs = {name: value.numpy() for name, value
              in zip(model.inputs, cutouts, strict=True)}
    image = inputs['image']
    found = nn.predict(model, inputs)
    assert found['background'].shape == found['error'].shape == image.shape
    assert found['flux_error'].shape == (3, len(ERROR_RADII))
    single = nn.predict(model, {
        **{name: value[1:2] for name, value in inputs.items()},
        'fwhm': float(inputs['fwhm'][1])})
    for name, value in single.items():
        np.testing.assert_allclose(value[0], found[name][1], rtol=1e-3,
                                   atol=1e-3)
    big = nn.predict(model, {
        **inputs, 'image': 1e20 * image.astype(float) + 1e23,
        'sources': 1e20 * inputs['sources']})
    np.testing.assert_allclose(big['background'] / 1e20 - 1e3,
                               found['background'], rtol=1e-3, atol=1e-2)
    for name, value, match in (
            ('sources', image[:1], '^sources must have the shape'),
            ('fwhm', -1.0, '^fwhm must be positive'),
            ('psf_error', np.nan, '^psf_error must be positive')):
        with pytest.raises(ValueError, match=match):
            nn.predict(model, {**inputs, name: value})
    with pytest.raises(ValueError, match='^inputs must have the names'):
        nn.predict(model, {'image': image})
    # what is known of the PSF matters
    other = nn.predict(model, {**inputs, 'psf_error': 0.5})
    assert np.any(other['background'] != found['background'])


def test_bfloat16_makes_little_difference(cutouts, monkeypatch):
    model, _ = nn.load_weights(WEIGHTS.path('separation'), find_model_class)
    image, valid, sources, fwhm, psf_error = cutouts
    results = []
    for wanted in (True, False):
        monkeypatch.setattr(network_separation, 'has_bfloat16',
                            lambda device, wanted=wanted: wanted)
        with torch.inference_mode():
            results.append(model(image, valid, sources, fwhm, psf_error))
    half, single = results
    assert all(value.dtype == torch.float32 for value in half.values())
    assert not torch.equal(half['background'], single['background'])
    torch.testing.assert_close(half['error'], single['error'], rtol=0.1,
                               atol=0)
    difference = ((half['background'] - single['background'])
                  / single['error'])
    assert difference.abs().max() < 0.1


def test_sides_of_cutouts():
    image = torch.zeros(1, 36, 48)
    with pytest.raises(ValueError, match='^image must have sides'):
        build_model('separation', width=1)(image, image, image,
                                           torch.ones(1), torch.ones(1))


@pytest.mark.parametrize(('peak', 'damped'), [(8, False), (500, True)])
def test_fine_residuals_of_bright_sources_are_damped(peak, damped):
    # a pattern finer than the beam, as errors of the PSF leave it
    model = build_model('separation', width=1, seed=1).eval()
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 48, 48, generator=generator).cumsum(1).cumsum(2)
    image = image / image.std()
    y, x = torch.arange(48)[:, None] - 24, torch.arange(48) - 24
    squared = (x ** 2 + y ** 2)[None]
    light = torch.exp(-squared / 8.0)
    pattern = 2 * light * (1 - 2 * ((x + y) % 2))
    inputs = {'validity': (squared > 64).float(), 'sources': peak * light,
              'fwhm': torch.tensor([3.3]), 'psf_error': torch.tensor([0.1])}
    with torch.no_grad():
        clean, rough = (model(one, **inputs)['background']
                        for one in (image, image + pattern))
    left = (rough - clean).abs().amax() / 2
    assert left < 0.35 if damped else left > 0.8
