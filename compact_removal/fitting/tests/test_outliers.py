# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Pixels that stand out from fitted sources are found, and no others.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from compact_removal.fitting import SourcePSF, fit_sources, render_sources
from compact_removal.fitting.outliers import add_pixels, find_outliers
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
NOISE = 1e-3


def make_map(x, y, flux, *, seed=1, shape=(61, 61)):
    data = render_sources(shape, x, y, flux, np.zeros((len(x), 5)), PSF)
    return data + NOISE * np.random.default_rng(seed).normal(size=shape)


def search(data, x, y, mask=None, noise=NOISE):
    noise = np.broadcast_to(noise, len(x))
    fit = fit_sources(data, x, y, PSF, noise, mask=mask)
    return find_outliers(data, x, y, fit, PSF, noise, mask=mask)


@pytest.mark.parametrize('flux', [0.0, 0.05, 5.0])
def test_nothing_on_good_sources(flux):
    for seed in range(5):
        outliers = search(make_map([30], [30], [flux], seed=seed), [30], [30])
        assert outliers.pixels.shape == (2, 0)
        assert not outliers.affected.any()
        assert not outliers.dented.any()


@settings(max_examples=15)
@given(dx=st.integers(-3, 3), dy=st.integers(-3, 3),
       flux=st.sampled_from([0.0, 0.05, 5.0]),
       sign=st.sampled_from([-1, 1]))
def test_a_pixel_is_found(dx, dy, flux, sign):
    data = make_map([30], [30], [flux])
    data[30 + dy, 30 + dx] += sign * max(0.4 * flux, 0.05)
    outliers = search(data, [30], [30])
    assert (30 + dy, 30 + dx) in set(zip(*outliers.pixels.tolist(),
                                         strict=True))
    assert outliers.affected.all()


def test_rows_and_columns_are_not_exchanged():
    data = make_map([20], [35], [5.0], shape=(50, 45))
    data[36, 22] += 1
    assert_array_equal(search(data, [20], [35]).pixels, [[36], [22]])


def test_positions_between_pixels():
    for x, y in ((20.49, 30.51), (20.5, 30.5), (19.51, 29.49)):
        data = make_map([x], [y], [5.0])
        data[31, 22] += 1
        # one beside it may go with it
        found = search(data, [x], [y]).pixels.T.tolist()
        assert [31, 22] in found
        assert len(found) <= 2


def test_only_its_source_is_affected():
    x, y = [15, 45], [30, 30]
    data = make_map(x, y, [5.0, 5.0])
    data[31, 44] += 1
    outliers = search(data, x, y)
    assert_array_equal(outliers.affected, [False, True])
    assert_array_equal(outliers.pixels, [[31], [44]])


def test_a_neighbor_is_no_outlier():
    x, y = [28, 32.5], [30, 30]
    data = make_map(x, y, [5.0, 2.0])
    assert not search(data, x, y).affected.any()


def test_masked_pixels_are_not_searched():
    data = make_map([30], [30], [5.0])
    mask = np.zeros(data.shape, dtype=bool)
    for value in (50.0, -50.0):
        data[31, 31] = value
        mask[31, 31] = True
        assert not search(data, [30], [30], mask=mask).affected.any()
    data[31, 31] = np.nan
    assert not search(data, [30], [30]).affected.any()


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('noise', [0.0, np.nan])
def test_nothing_where_the_noise_is_unknown(noise):
    data = make_map([30], [30], [5.0])
    data[31, 29] += 1
    outliers = search(data, [30], [30], noise=noise)
    assert outliers.pixels.shape == (2, 0)
    assert not outliers.affected.any()


@pytest.mark.filterwarnings('error')
def test_nothing_where_little_is_known():
    data = np.full((61, 61), np.nan)
    assert not search(data, [30], [30]).affected.any()
    data[29:31, 29:31] = [[0, 1], [2, 3]]
    assert not search(data, [30], [30]).affected.any()
    assert search(data, np.zeros(0), np.zeros(0)).pixels.shape == (2, 0)


@pytest.mark.parametrize('depth', [0.15, 0.3, 0.7])
def test_dents(depth):
    x, y = [15, 45], [30, 30]
    data = make_map(x, y, [5.0, 5.0])
    light = render_sources(data.shape, x[1:], y[1:], [5.0], np.zeros((1, 5)),
                           PSF)
    radius = np.hypot(*(np.indices(data.shape)
                        - np.array([30, 45])[:, None, None]))
    data -= depth * light * np.exp(-(radius / 1.5) ** 4)
    outliers = search(data, x, y)
    assert_array_equal(outliers.dented, [False, True])
    # the whole core is left out, and nothing else
    rows, columns = outliers.pixels
    distance = np.hypot(rows - 30, columns - 45)
    assert distance.max() <= 0.75 * PSF.fwhm
    assert rows.size == np.count_nonzero(radius <= 0.75 * PSF.fwhm)


def test_a_sharp_core_is_not_dented():
    data = make_map([30], [30], [5.0])
    light = render_sources(data.shape, [30], [30], [5.0], np.zeros((1, 5)),
                           PSF)
    radius = np.hypot(*(np.indices(data.shape) - 30))
    data += 0.3 * light * np.exp(-(radius / 1.5) ** 4)
    assert not search(data, [30], [30]).dented.any()


def test_chunks_change_nothing(monkeypatch):
    x, y = np.array([15.0, 45, 30]), np.array([15.0, 15, 45])
    data = make_map(x, y, [5.0, 5.0, 5.0])
    data[16, 16] += 1
    data[44, 31] -= 1
    whole = search(data, x, y)
    monkeypatch.setattr('compact_removal.fitting.outliers._CHUNK', 1)
    parts = search(data, x, y)
    assert_array_equal(whole.pixels, parts.pixels)
    assert_array_equal(whole.affected, parts.affected)
    assert whole.affected.sum() == 2


def test_add_pixels():
    pixels = np.array([[1, 0], [2, 1]])
    mask = np.zeros((3, 4), dtype=bool)
    mask[2, 3] = True
    added = add_pixels(mask, pixels, (3, 4))
    assert_array_equal(np.argwhere(added), [[0, 1], [1, 2], [2, 3]])
    # the given one is as it was
    assert mask.sum() == 1
    assert_array_equal(np.argwhere(add_pixels(None, pixels, (3, 4))),
                       [[0, 1], [1, 2]])
    nothing = np.zeros((2, 0), dtype=int)
    assert add_pixels(None, nothing, (3, 4)) is None
    assert add_pixels(mask, nothing, (3, 4)) is mask
