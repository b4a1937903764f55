# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of signal-to-noise ratios and source masks.
"""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal.instruments import get_band, list_bands
from compact_removal.maps.holes import draw_discs, mask_radius, source_snr

KEYS = [(row['mode'], row['band']) for row in list_bands()]


def _plain_snr(data, x, y, source_radius, annulus_radii):
    yy, xx = np.indices(data.shape)
    radius = np.hypot(xx - x, yy - y)
    known = np.isfinite(data)
    ring = data[known & (radius >= annulus_radii[0])
                & (radius <= annulus_radii[1])]
    peak = data[known & (radius <= source_radius)].max()
    return (peak - ring.mean()) / ring.std()


@settings(max_examples=20, deadline=None)
@given(x=st.floats(0, 59), y=st.floats(0, 49), seed=st.integers(0, 99))
def test_snr_is_equation_1(x, y, seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(100, 3, size=(50, 60))
    data[rng.random(data.shape) < 0.05] = np.nan
    snr, mean, std = source_snr(data, [x], [y], source_radius=8,
                                annulus_radii=(10, 22))
    assert snr[0] == pytest.approx(_plain_snr(data, x, y, 8, (10, 22)))
    assert mean[0] == pytest.approx(100, abs=2)
    assert std[0] == pytest.approx(3, abs=1)


def test_snr_mask_and_empty():
    data = np.random.default_rng(1).normal(size=(60, 60))
    data[30, 30] = 1000
    mask = data > 500
    keys = {'source_radius': 8, 'annulus_radii': (10, 22)}
    assert source_snr(data, 30, 30, **keys)[0][0] > 900
    assert source_snr(data, 30, 30, mask=mask, **keys)[0][0] < 10
    everything = source_snr(np.full((60, 60), np.nan), 30, 30, **keys)
    assert np.all(np.isnan(everything))
    constant = source_snr(np.ones((60, 60)), 30, 30, **keys)
    assert np.isnan(constant[0][0])
    assert constant[1][0] == 1
    assert source_snr(data, [], [], **keys)[0].shape == (0,)


@pytest.mark.parametrize('key', KEYS)
def test_mask_radius_at_every_threshold(key):
    band = get_band(*key)
    for threshold, above, below in zip(
            band.snr_thresholds, band.mask_radii[:-1], band.mask_radii[1:],
            strict=True):
        assert mask_radius(threshold, band) == above
        assert mask_radius(threshold + 0.1, band) == above
        assert mask_radius(np.nextafter(threshold, 0), band) == below
    assert mask_radius(-5, band) == band.mask_radii[-1]
    assert mask_radius(np.nan, band) == band.mask_radii[-1]
    assert mask_radius(np.inf, band) == band.mask_radii[0]


def test_mask_radius_follows_the_pixel_scale():
    band = get_band('scanmap', 'blue')
    assert_allclose(mask_radius([1, 500], band, pixel_scale=1 * u.arcsec),
                    [8, 19.2])
    with pytest.raises(ValueError, match='pixel_scale must lie between 0.8'):
        mask_radius(1, band, pixel_scale=0.7 * u.arcsec)
    with pytest.raises(ValueError, match="band 'blue' of mode 'scanmap'"):
        mask_radius(1, band, pixel_scale=4 * u.arcsec)


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-20, 60), y=st.floats(-20, 60), radius=st.floats(0.5, 15))
def test_discs(x, y, radius):
    count = draw_discs((40, 45), [x, 10], [y, 10], [radius, 3])
    yy, xx = np.indices((40, 45))
    expected = (((xx - x) ** 2 + (yy - y) ** 2 <= radius ** 2).astype(int)
                + ((xx - 10) ** 2 + (yy - 10) ** 2 <= 9))
    assert np.array_equal(count, expected)
