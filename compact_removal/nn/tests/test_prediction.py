# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the bridge and the prediction module.
"""

import subprocess
import sys

import numpy as np
import pytest

from compact_removal import nn
from compact_removal.removal import build_model


def predict(model, image, validity, **kwargs):
    inputs = {'image': image, 'validity': validity, 'fwhm': 3.0}
    return nn.predict(model, inputs, **kwargs)['background']


@pytest.fixture(scope='module')
def model():
    return build_model('inpainting', width=2, seed=1)


@pytest.fixture
def cutouts():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(5, 96, 96)).cumsum(axis=1).astype(np.float32)
    validity = np.ones(image.shape, dtype=bool)
    validity[:, 40:57, 40:57] = False
    return image, validity


def test_predict(model, cutouts):
    image, validity = cutouts
    copy = image.copy()
    result = predict(model, image, validity)
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(image, copy)
    assert np.std(result - image) > 0


def test_batch_size(model, cutouts):
    image, validity = cutouts
    expected = predict(model, image, validity)
    for batch_size in (1, 2, 5):
        result = predict(model, image, validity, batch_size=batch_size)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


def test_order(model, cutouts):
    image, validity = cutouts
    expected = predict(model, image, validity)
    result = predict(model, image[::-1], validity[::-1], batch_size=2)
    np.testing.assert_allclose(result[::-1], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('dtype', [np.float64, '>f8'])
def test_pedestal(model, cutouts, dtype):
    image, validity = cutouts
    expected = predict(model, image, validity)
    shifted = image.astype(dtype) + 1e8
    result = predict(model, shifted, validity)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result - 1e8, expected, atol=1e-3)


@pytest.mark.parametrize('scale', [1e-30, 1e-3, 1e30])
def test_units(model, cutouts, scale):
    image, validity = cutouts
    expected = predict(model, image, validity)
    result = predict(model, scale * image.astype(float), validity)
    np.testing.assert_allclose(result / scale, expected, atol=1e-3)


def test_big_endian_and_integers(model, cutouts):
    image, validity = cutouts
    expected = predict(model, image, validity)
    result = predict(model, image.astype('>f4'), validity)
    np.testing.assert_array_equal(result, expected)
    whole = np.round(100 * image).astype(np.int16)
    result = predict(model, whole, validity)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result / 100, expected, atol=0.5)


def test_invalid_pixels_have_no_influence(model, cutouts):
    image, validity = cutouts
    expected = predict(model, image, validity)
    for value in (np.nan, np.inf, -1e30):
        changed = np.where(validity, image, np.float32(value))
        np.testing.assert_array_equal(
            predict(model, changed, validity), expected)
    image = image.copy()
    image[:, 0, 0] = np.nan
    validity[:, 0, 1] = False
    assert np.isfinite(predict(model, image, validity)).all()


def test_empty_cutouts(model, cutouts):
    image, validity = cutouts
    validity[0] = False
    image = image.copy()
    image[1] = 7.0
    result = predict(model, image, validity)
    assert (result[0] == 0).all()
    assert np.isfinite(result[1]).all()
    assert predict(model, image[:0], validity[:0]).shape == (0, 96, 96)


def test_extreme_values(model):
    limit = np.finfo(np.float32).max
    image = np.zeros((1, 96, 96), dtype=np.float32)
    image[:, ::2] = limit
    image[:, 1::2] = -limit
    model.eval()
    with np.errstate(over='ignore'):
        result = predict(model, image.astype(float), image < np.inf)
    assert np.isfinite(result).all()


def test_predict_does_not_depend_on_training_mode(model, cutouts):
    image, validity = cutouts
    expected = predict(model, image, validity)
    model.train()
    np.testing.assert_array_equal(predict(model, image, validity),
                                  expected)


def test_errors(model, cutouts):
    image, validity = cutouts
    with pytest.raises(ValueError, match='^image must have 3 dimensions'):
        predict(model, image[0], validity[0])
    with pytest.raises(ValueError, match='^validity must have the shape'):
        predict(model, image, validity[:2])
    with pytest.raises(ValueError, match='^image must have sides'):
        predict(model, image[:, :84], validity[:, :84])
    for batch_size in (0, 1.5):
        with pytest.raises(ValueError, match='^batch_size must be'):
            predict(model, image, validity, batch_size=batch_size)
    with pytest.raises(ValueError, match="^device must be 'auto'"):
        predict(model, image, validity, device='abacus')


def test_progress_bar(model, cutouts, capsys):
    predict(model, *cutouts, batch_size=2, progress_bar=True)
    assert '3/3' in capsys.readouterr().err


def test_torch_is_loaded_late():
    code = ('import sys, compact_removal.nn; '
            "sys.exit('torch' in sys.modules or 'kornia' in sys.modules)")
    subprocess.run([sys.executable, '-c', code], check=True)


def test_lazy_names():
    for name in nn.__all__:
        assert name in dir(nn)
        assert getattr(nn, name) is not None
    match = "module 'compact_removal.nn' has no attribute 'nothing'"
    with pytest.raises(AttributeError, match=match):
        _ = nn.nothing
