# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the network that finds centres, and of its loss.
"""

import numpy as np
import pytest
import torch

from compact_removal import nn
from compact_removal.detection import WEIGHTS, find_model_class
from compact_removal.detection.loss_localization import (LocalizationLoss,
                                                         center_loss)


@pytest.fixture
def model():
    model = nn.make_model(find_model_class('localization'), {'width': 2},
                          seed=1)
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def test_new_network_finds_nothing():
    model = nn.make_model(find_model_class('localization'), {'width': 2})
    with torch.no_grad():
        logit = model(torch.randn(1, 3, 32, 32), torch.ones(1))['logit']
    assert (logit == -5).all()


def test_result_does_not_depend_on_tiles(model):
    planes = np.random.default_rng(1).normal(size=(3, 150, 170))
    first, second = (nn.predict_map(
        model, {'significance': planes, 'fwhm': 3.0}, tile_size=size)
        for size in (512, 48))
    first, second = first['logit'], second['logit']
    assert np.abs(first - second).max() < 1e-5 * np.abs(first).max()


def test_receptive_radius(model):
    planes = np.zeros((3, 240, 240))
    spot = planes.copy()
    spot[:, 120, 120] = 1e3
    first, second = (nn.predict_map(
        model, {'significance': one, 'fwhm': 3.0})['logit']
        for one in (planes, spot))
    rows, columns = np.nonzero(np.abs(first - second).max(axis=0) > 0)
    reach = max(np.ptp(rows), np.ptp(columns)) / 2
    assert 20 < reach <= model.receptive_radius


def test_bad_size(model):
    with pytest.raises(ValueError, match='^image must have sides'):
        model(torch.zeros(1, 3, 30, 32), torch.ones(1))


def test_loss_by_hand():
    logit = torch.tensor([[0.0, 0.0, 0.0]])
    truth = torch.tensor([[1.0, 0.5, float('nan')]])
    expected = np.log(2) * (0.25 + 0.5 ** 4 * 0.25)
    assert center_loss(logit, truth).item() == pytest.approx(expected)


def test_loss_falls():
    model = nn.make_model(find_model_class('localization'), {'width': 2},
                          seed=1)
    rng = np.random.default_rng(1)
    planes = rng.normal(size=(4, 3, 32, 32)).astype(np.float32)
    truth = np.zeros((4, 3, 32, 32), dtype=np.float32)
    for k in range(4):
        y, x = rng.integers(4, 28, 2)
        planes[k, :, y - 1:y + 2, x - 1:x + 2] += 10
        truth[k, 0, y, x] = 1
    batch = {'significance': torch.from_numpy(planes),
             'fwhm': torch.full((4,), 3.0), 'truth': torch.from_numpy(truth)}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    losses = []
    for _ in range(60):
        total, _ = model.compute_loss(batch, LocalizationLoss())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < 0.3 * losses[0]


def test_weights_in_the_folder():
    for row in WEIGHTS.list():
        model, info = nn.load_weights(WEIGHTS.path(row['name']),
                                      find_model_class, sha256=row['sha256'])
        assert info['network'] == row['network']
        assert model.config == {'width': row['width'], 'n_channels': 1,
                                'counts': False}
        assert sum(one.numel() for one in model.parameters()
                   ) == row['n_parameters']
