# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the paper's network as it is published.
"""

import numpy as np
import pytest
import torch
from astropy.utils.exceptions import AstropyUserWarning
from numpy.testing import assert_allclose

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (FLUX_LEVELS, make_background,
                                      make_example_field)
from compact_removal.removal import TrainingCutouts, build_model
from compact_removal.removal.loss_paper import PaperLoss
from compact_removal.removal.training import choose_scenes, choose_settings


@pytest.fixture
def cutouts():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, 96, 96, generator=generator).cumsum(1).cumsum(2)
    valid = torch.ones(3, 96, 96, dtype=torch.bool)
    valid[:, 40:57, 38:59] = False
    return image, valid


def test_size_and_normalisation():
    model = build_model('paper')
    assert sum(one.numel() for one in model.parameters()) == 35_069_409
    layers = [one for one in model.modules()
              if isinstance(one, torch.nn.BatchNorm2d)]
    assert len(layers) == 21
    assert {one.eps for one in layers} == {1e-5}


def test_scale_is_that_of_all_pixels(cutouts):
    # Sect. 2.4.2: the minimum and the maximum of the image
    image, valid = cutouts
    model = build_model('paper', width=1, seed=1)
    image = image.clone()
    image[:, 48, 48] = 1e4
    image[:, 3, 3] = float('nan')
    scaled, mask, center, half_range = model.prepare(image, valid)
    low = image.nan_to_num(1e9).amin((1, 2))
    assert_allclose((center - half_range).flatten(), low, rtol=1e-3,
                    atol=1e-2)
    assert_allclose((center + half_range).flatten(), 1e4, rtol=1e-5)
    assert (scaled[~valid[:, None]] == 0).all()
    assert (mask[:, 0, 3, 3] == 0).all()


def test_output_is_that_of_the_network(cutouts):
    image, valid = cutouts
    model = build_model('paper', width=1, seed=1).eval()
    scaled, mask, center, half_range = model.prepare(image, valid)
    with torch.no_grad():
        expected = center + half_range * model.network(scaled, mask)
        assert torch.equal(model(image, valid)['background'],
                           expected[:, 0])


def test_loss_has_the_weights_of_equation_7():
    loss = build_model('paper', width=1, seed=1).make_loss()
    assert isinstance(loss, PaperLoss)
    assert loss.weights == {'valid': 2, 'hole': 6, 'style': 120,
                            'ssim': 0.4, 'source': 1}


def test_simulations_are_those_of_table_1():
    settings = {'size': 96, 'batch_size': 8, 'n_batches': 2, 'n_fields': 2,
                'field_size': 128, 'n_psfs': 2, 'seed': 1}
    scenes = choose_scenes('paper')
    assert_allclose(10 ** np.array(scenes['log_ratios']),
                    FLUX_LEVELS / FLUX_LEVELS[0])
    cutouts = TrainingCutouts('scanmap', bands=['blue', 'red'], **settings,
                              **scenes)
    usual = TrainingCutouts('scanmap', bands=['blue', 'red'], **settings,
                            **{**scenes, 'subtract_models': True})
    assert [band.name for band in cutouts.bands] == ['blue', 'red']
    raw, clean = cutouts.batch(0, 0), usual.batch(0, 0)
    # the sources are still there, and the rest is the same
    assert_allclose(raw['target'], clean['target'])
    peak = np.nanmax(np.abs(raw['image'] - clean['image']), axis=(1, 2))
    assert np.all(peak > 0)


def test_augmentation_is_that_of_the_paper():
    settings = choose_settings('paper', None, has_maps=False,
                               has_weights=False)
    assert settings.augment
    assert settings.learning_rate == 0.005
    assert (settings.scheduler, settings.n_epochs) == ('plateau', 100)


def test_fit_and_remove(tmp_path):
    image, catalog = make_example_field(shape=(128, 128), n_sources=3,
                                        seed=1)
    remover = CompactSourceRemover('scanmap', 'blue', network='paper',
                                   weights=None, seed=1, batch_size=2)
    maps = [make_example_field(shape=(256, 256), n_sources=0, seed=seed)[0]
            for seed in (2, 3)]
    for seed, field in enumerate(maps):
        field.data[:] = 1e-3 * make_background(field.shape, kind='cloud',
                                               fwhm=3.1, seed=seed)
    remover.fit(maps[:1], validation=maps[1:], training={
        'width': 1, 'n_epochs': 1, 'n_batches': 2,
        'n_validation_batches': 2})
    remover.save(tmp_path / 'paper.safetensors')
    again = CompactSourceRemover.load(tmp_path / 'paper.safetensors')
    background, sources = again.remove(image, catalog['sky_center'])
    assert again.network == 'paper'
    assert np.isfinite(sources['flux_err']).all()
    # nothing but the holes changes: there are no models of the wings
    y, x = np.indices(image.shape)
    away = np.min([np.hypot(x - row['x_center'], y - row['y_center'])
                   - row['mask_radius'] for row in sources], axis=0) > 4
    assert_allclose(background.data[away], image.data[away], rtol=1e-6)


def test_shipped_weights_warn():
    image, catalog = make_example_field(shape=(96, 96), n_sources=1, seed=1)
    remover = CompactSourceRemover('scanmap', 'blue', network='paper')
    with pytest.warns(AstropyUserWarning, match='not to be relied on'):
        remover.remove(image, catalog['sky_center'])
