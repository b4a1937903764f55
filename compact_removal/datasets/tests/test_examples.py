# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import make_example_field, make_test_fields
from compact_removal.instruments import get_band, list_bands
from compact_removal.maps.holes import source_snr


def test_example_field():
    ccd, catalog, background = make_example_field(return_background=True)
    assert ccd.shape == (256, 256)
    assert ccd.unit == u.Jy / u.pix
    assert len(catalog) == 20
    assert ccd.uncertainty.array.shape == ccd.shape
    assert np.all(background.data > 0)
    assert np.all(ccd.data >= background.data)
    band = get_band('scanmap', 'blue')
    scale = ccd.wcs.proj_plane_pixel_scales()[0]
    assert u.isclose(scale, band.pixel_scale, rtol=1e-6)

    # from faint to bright, on the background without sources
    kwargs = {'source_radius': band.source_radius,
              'annulus_radii': band.annulus_radii}
    x, y = catalog['x_center'], catalog['y_center']
    _, _, spread = source_snr(background.data, x, y, **kwargs)
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    peak = (ccd.data - background.data)[row, column] / spread
    assert 1 < peak.min() < 3
    assert 130 < peak.max() < 230
    noise = np.diff(ccd.data[:, :], axis=1)
    assert np.median(np.abs(noise)) < 2 * ccd.uncertainty.array[0, 0]


def test_deterministic():
    first, second, third = (make_example_field(shape=(80, 90), n_sources=3,
                                               seed=seed)[0].data
                            for seed in (1, 1, 2))
    assert_array_equal(first, second)
    assert np.abs(first - third).max() > 0


def test_same_brightness_in_all_bands():
    for row in list_bands():
        _, _, background = make_example_field(
            shape=(64, 64), n_sources=2, mode=str(row['mode']),
            band=str(row['band']), return_background=True)
        spread = (background.data.std() * u.Jy
                  / row['pixel_scale'] ** 2).to_value(u.MJy / u.sr)
        assert_allclose(spread, 80, rtol=0.01)


@pytest.mark.parametrize('n_sources', [0, 30])
def test_any_number(n_sources):
    _, catalog = make_example_field(shape=(64, 64), n_sources=n_sources)
    assert len(catalog) == n_sources


@pytest.mark.parametrize(('mode', 'name'), [('scanmap', 'blue'),
                                            ('parallel', 'red')])
def test_test_fields(mode, name):
    fields = make_test_fields(mode, name, shape=(90, 100), seed=5)
    assert len(fields) == 6
    spreads = [ccd.data.std() for ccd in fields.values()]
    assert np.all(np.diff(np.log(spreads)) > 0)
    assert_allclose([spreads[0], spreads[-1]], [0.67e-3, 60e-3], rtol=0.02)
    band = get_band(mode, name)
    for ccd in fields.values():
        assert ccd.shape == (90, 100)
        assert ccd.unit == u.Jy / u.pix
        assert ccd.data.min() == 0
        scale = ccd.wcs.proj_plane_pixel_scales()[0]
        assert u.isclose(scale, band.pixel_scale, rtol=1e-6)
    again = make_test_fields(mode, name, shape=(90, 100), seed=5)
    other = make_test_fields(mode, name, shape=(90, 100), seed=6)
    first = next(iter(fields))
    assert_array_equal(again[first].data, fields[first].data)
    assert np.any(other[first].data != fields[first].data)
    with pytest.raises(ValueError, match='n_fields must be a positive'):
        make_test_fields(mode, name, n_fields=0)
