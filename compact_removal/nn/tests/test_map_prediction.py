# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the map_prediction module.
"""

import numpy as np
import pytest
import torch

from compact_removal.nn import (Field, Model, make_model, predict,
                                predict_map)
from compact_removal.removal import build_model


class Pyramid(Model):
    """
    Two levels of convolutions and a normalisation per pixel.
    """

    name = 'pyramid'
    inputs = {'image': Field('plane', 'affine'), 'validity': Field('mask')}  # noqa: RUF012
    outputs = {'smooth': Field('plane', 'affine'),  # noqa: RUF012
               'classes': Field('plane')}
    size_step = 4
    receptive_radius = 10

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(2, 6, 5, padding=2)
        self.down = torch.nn.Conv2d(6, 6, 4, stride=4)
        self.low = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.last = torch.nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, image, validity):
        observed = torch.isfinite(image)
        planes = torch.stack([torch.where(observed, image, 0.0), validity], 1)
        fine = torch.relu(self.first(planes))
        coarse = torch.relu(self.low(self.down(fine)))
        both = fine + torch.nn.functional.interpolate(coarse, scale_factor=4)
        maps = self.last(both)
        return {'smooth': maps[:, 0], 'classes': maps[:, 1:].sigmoid()}


@pytest.fixture(scope='module')
def model():
    return make_model(Pyramid, seed=1).eval()


@pytest.fixture(scope='module')
def planes():
    rng = np.random.default_rng(2)
    image = rng.normal(size=(150, 203)).cumsum(axis=1)
    image[40:44, 100:130] = np.nan
    return {'image': image, 'validity': rng.random(image.shape) > 0.1}


@pytest.mark.parametrize('surrounded', [True, False])
def test_tiles_leave_no_trace(model, planes, surrounded, monkeypatch):
    monkeypatch.setattr(Pyramid, 'surrounded', surrounded)
    expected = predict_map(model, planes, tile_size=1000)
    assert expected['smooth'].shape == (150, 203)
    assert expected['classes'].shape == (3, 150, 203)
    assert expected['smooth'].dtype == np.float32
    std = np.std(expected['smooth'])
    for tile_size in (16, 50, 64, 151):
        found = predict_map(model, planes, tile_size=tile_size)
        for name, scale in (('smooth', std), ('classes', 1.0)):
            np.testing.assert_allclose(found[name], expected[name], rtol=0,
                                       atol=1e-5 * scale)


def test_edges_are_those_of_the_map(model, planes, monkeypatch):
    monkeypatch.setattr(Pyramid, 'surrounded', False)
    planes = {name: plane[:148, :200] for name, plane in planes.items()}
    found = predict_map(model, planes, tile_size=64)['classes']
    # as it sees a cutout
    expected = predict(model, {name: plane[None] for name, plane
                               in planes.items()})['classes'][0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    monkeypatch.setattr(Pyramid, 'surrounded', True)
    other = predict_map(model, planes, tile_size=64)['classes']
    assert np.abs(other - found).max() > 1e-3


def test_a_halo_that_is_too_small_is_seen(model, planes, monkeypatch):
    # the check above can fail
    expected = predict_map(model, planes, tile_size=1000)
    monkeypatch.setattr(Pyramid, 'receptive_radius', 8)
    found = predict_map(model, planes, tile_size=64)
    assert np.abs(found['classes'] - expected['classes']).max() > 1e-4


def test_the_receptive_radius_is_enough(model, planes):
    expected = predict_map(model, planes)
    changed = planes['image'].copy()
    # within the range: the limits stay
    changed[75, 60] = np.nanmedian(changed)
    found = predict_map(model, {**planes, 'image': changed})
    rows, columns = np.nonzero(
        np.abs(found['classes'] - expected['classes']).max(axis=0) > 1e-6)
    assert 0 < max(np.abs(rows - 75).max(), np.abs(columns - 60).max()) <= 10


def test_scale_and_offset(model, planes):
    expected = predict_map(model, planes)
    found = predict_map(model, {**planes,
                                'image': 1e-20 * planes['image'] + 1e-14})
    np.testing.assert_allclose(found['classes'], expected['classes'],
                               atol=1e-3)
    # far from the level of the map digits are lost in single precision
    np.testing.assert_allclose(found['smooth'],
                               1e-20 * expected['smooth'] + 1e-14, rtol=1e-5)


def test_maps_smaller_than_a_step(model):
    image = np.ones((3, 2))
    found = predict_map(model, {'image': image, 'validity': image > 0})
    assert found['smooth'].shape == (3, 2)
    np.testing.assert_allclose(found['smooth'], 1.0)


def test_inputs_are_not_changed(model, planes):
    copies = {name: plane.copy() for name, plane in planes.items()}
    predict_map(model, planes, tile_size=64)
    for name, plane in planes.items():
        np.testing.assert_array_equal(plane, copies[name])


def test_bad_arguments(model, planes):
    image = planes['image']
    for bad, name in (({'image': image}, 'planes'),
                      ({**planes, 'image': image[0]}, 'image'),
                      ({**planes, 'validity': image[1:] > 0}, 'validity'),
                      ({**planes, 'image': image[:0]}, 'image')):
        with pytest.raises(ValueError, match=f'^{name} must have') as error:
            predict_map(model, bad)
        assert error.value.parameter == name
    wide = make_model(Pyramid, seed=1)
    wide.inputs = {**Pyramid.inputs, 'fwhm': Field('value', positive=True)}
    for value in (-1.0, [1.0, 2.0]):
        with pytest.raises(ValueError, match='^fwhm must be a positive num'):
            predict_map(wide, {**planes, 'fwhm': value})
    with pytest.raises(ValueError, match='^tile_size must be'):
        predict_map(model, planes, tile_size=0)
    with pytest.raises(ValueError, match='^model must be fully conv'):
        predict_map(build_model('inpainting', width=1), planes)


def test_progress_bar(model, planes, capsys):
    predict_map(model, planes, tile_size=104, progress_bar=True)
    assert '4/4' in capsys.readouterr().err
