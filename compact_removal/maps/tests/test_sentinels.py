# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of values that stand for missing pixels.
"""

import numpy as np
import pytest
from astropy.nddata import CCDData, InverseVariance
from numpy.testing import assert_array_equal

from compact_removal.datasets import make_example_field
from compact_removal.maps.images import read_image
from compact_removal.maps.sentinels import find_sentinels

SHAPE = 80, 90
Y, X = np.mgrid[:80, :90]
NOISE = np.random.default_rng(0).normal(size=SHAPE)
RADIUS = np.hypot(X - 40, Y - 40)

BLOCKS = {'corner': (Y < 20) & (X < 30), 'outside': abs(X - Y) > 50,
          'hole': np.hypot(X - 50, Y - 30) < 5, 'column': X == 40,
          'rows': Y < 2}


@pytest.mark.parametrize('dtype', ['f4', 'f8', '>f4'])
@pytest.mark.parametrize('offset', [0, 7])
@pytest.mark.parametrize('name', list(BLOCKS))
@pytest.mark.parametrize('value', [0, -99, -999, -1.6e30, -3.4e38, 1e30, -1])
def test_blocks(value, name, offset, dtype):
    data = np.where(BLOCKS[name], value, NOISE + offset).astype(dtype)
    copy = data.copy()
    found = find_sentinels(data)
    assert found == [float(np.dtype(dtype).type(value))]
    assert_array_equal(data, copy)


@pytest.mark.parametrize('value', [-99, -999, -1.6e30, -3.4e38, 3.4e38])
def test_scattered(value):
    data = NOISE.astype('f4')
    data[::17, ::13] = value
    assert find_sentinels(data) == [float(np.float32(value))]


def test_hot_pixels_are_none():
    data = NOISE.copy()
    data[::17, ::13] = 5000
    assert find_sentinels(data) == []


def test_two_values():
    data = np.where(BLOCKS['corner'], 0, NOISE)
    data[BLOCKS['hole']] = -999
    assert find_sentinels(data) == [-999, 0]
    assert find_sentinels(data, BLOCKS['hole']) == [0]


def stamps(n_sigma):
    """
    Sources without noise on a background of 0.
    """
    data = np.zeros(SHAPE)
    for x, y, flux in ((20, 30, 1), (50, 60, 30), (70, 20, 5)):
        radius = np.hypot(X - x, Y - y)
        data += np.where(radius < 2 * n_sigma,
                         flux * np.exp(-radius ** 2 / 8), 0)
    return data


@pytest.mark.parametrize('data', [
    NOISE, np.zeros(SHAPE), np.ones(SHAPE), stamps(1), stamps(2), stamps(3),
    stamps(99), np.exp(-RADIUS ** 2 / 8), (RADIUS < 8).astype(float),
    np.minimum(NOISE + 100 * np.exp(-RADIUS ** 2 / 60), 60),
    np.round(3 * NOISE), np.kron(NOISE[:20, :30], np.ones((4, 3))),
    np.random.default_rng(1).poisson(0.3, SHAPE),
    np.random.default_rng(1).poisson(1, SHAPE),
    np.full(SHAPE, np.nan), NOISE[:1], NOISE[:2, :2]])
def test_what_is_none(data):
    assert find_sentinels(np.asarray(data)) == []


def test_simulation_with_a_border():
    assert find_sentinels(np.where(BLOCKS['corner'], -999, stamps(3))) == [
        -999]


def test_input_map():
    image, _ = make_example_field(shape=(64, 64), n_sources=1)
    image.data[:10] = -99
    copy = image.data.copy()
    with pytest.warns(UserWarning, match='^image has 640 pixels of exactly '
                                         '-99 in blocks'):
        input_map = read_image(image)
    assert input_map.mask[:10].all()
    assert not input_map.mask[10:].any()
    assert_array_equal(image.data, copy)


def test_blank_pixels_of_unsigned_integers():
    image, _ = make_example_field(shape=(64, 64), n_sources=1)
    data = np.random.default_rng(0).integers(1, 9999, (64, 64), dtype='u2')
    data[5, 6] = 0
    meta = {'BZERO': 32768, 'BSCALE': 1, 'BLANK': -32768}
    ccd = CCDData(data, unit='Jy/pix', wcs=image.wcs, meta=meta)
    assert np.argwhere(read_image(ccd).mask).tolist() == [[5, 6]]


def test_pixels_without_weight():
    image, _ = make_example_field(shape=(64, 64), n_sources=1)
    weight = np.ones((64, 64))
    weight[:3] = 0
    image.uncertainty = InverseVariance(weight)
    mask = read_image(image).mask
    assert mask[:3].all()
    assert not mask[3:].any()
