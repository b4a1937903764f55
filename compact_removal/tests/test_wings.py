# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the light outside the holes.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.instruments import get_band, list_bands
from compact_removal.psf import make_psf_stamp
from compact_removal.wings import core_fluxes, radial_profile, wing_map

KEYS = [(row['mode'], row['band']) for row in list_bands()]
BLUE = get_band('scanmap', 'blue')


@pytest.mark.parametrize('key', KEYS)
def test_round_psf(key):
    band = get_band(*key)
    profile = radial_profile(band, band.pixel_scale)
    model = wing_map((161, 161), [80.3], [79.8], [2.0], profile)
    stamp = 2 * make_psf_stamp(band, shape=(161, 161), center=(80.3, 79.8),
                               lobes=0.0,
                               elongation=1 / band.psf.elongation)
    reach = profile[0][-1]
    y, x = np.indices(stamp.shape)
    inside = np.hypot(x - 80.3, y - 79.8) < min(reach, 75)
    assert_allclose(model[inside], stamp[inside], rtol=0.2,
                    atol=0.01 * stamp.max())
    assert model.sum() == pytest.approx(stamp[inside].sum(), rel=0.05)


def test_flux_of_the_core():
    rng = np.random.default_rng(4)
    x, y = np.array([30.4, 100.0, 3.0]), np.array([40.1, 60.7, 97.0])
    flux = np.array([5.0, 1.0, 2.0])
    data = 7 + 1e-4 * rng.normal(size=(100, 120))
    for xi, yi, value in zip(x, y, flux, strict=True):
        data += value * make_psf_stamp(BLUE, shape=data.shape,
                                       center=(xi, yi))
    profile = radial_profile(BLUE, BLUE.pixel_scale)
    valid = np.ones(data.shape, dtype=bool)
    found = core_fluxes(data, valid, x, y, profile)
    assert_allclose(found, flux, rtol=0.05)
    left = data - wing_map(data.shape, x, y, found, profile)
    yy, xx = np.indices(data.shape)
    outside = np.all([np.hypot(xx - a, yy - b) > 5
                      for a, b in zip(x, y, strict=True)], axis=0)
    # The lobes remain, but on average the wings are gone.
    before = (data - 7)[outside]
    assert np.abs(left[outside] - 7).sum() < 0.6 * np.abs(before).sum()
    assert abs((left[outside] - 7).mean()) < 0.05 * before.mean()


def test_no_source_and_no_pixels():
    profile = radial_profile(BLUE, 1.6 * u.arcsec)
    y, x = np.indices((40, 40))
    bowl = np.hypot(x - 20, y - 20)
    assert core_fluxes(bowl, bowl >= 0, [20.0], [20.0], profile)[0] == 0
    assert core_fluxes(-bowl, bowl > 99, [20.0], [20.0], profile)[0] == 0
    assert core_fluxes(-bowl, bowl >= 0, [], [], profile).size == 0
    assert wing_map((5, 6), [], [], [], profile).shape == (5, 6)
