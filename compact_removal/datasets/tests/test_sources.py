# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of injected sources.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (FLUX_LEVELS, flux_levels_between,
                                      inject_sources, make_example_field,
                                      make_simulations, make_source_catalog)
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp

BLUE = get_band('scanmap', 'blue')


@pytest.fixture(name='empty')
def _empty():
    ccd, _ = make_example_field(shape=(100, 120), n_sources=0)
    ccd.data[:] = 0
    return ccd


def test_flux_levels():
    assert FLUX_LEVELS.shape == (51,)
    assert FLUX_LEVELS.unit == u.mJy
    assert np.all(np.diff(FLUX_LEVELS) > 0)
    assert FLUX_LEVELS[0] == 10 * u.mJy
    assert FLUX_LEVELS[-1] == 40 * u.Jy
    # from the first to the last column of each row of Table 1
    for number, value in ((12, 350), (13, 400), (25, 3000), (26, 3500),
                          (38, 14000), (39, 15000)):
        assert FLUX_LEVELS[number].value == value
    with pytest.raises(ValueError, match='read-only'):
        FLUX_LEVELS[0] = 1 * u.mJy


def test_flux_levels_between():
    # the example of the paper
    assert_array_equal(
        flux_levels_between(0.04 * u.Jy, 0.125 * u.Jy).value,
        [40, 60, 80, 100, 125])
    assert len(flux_levels_between(41 * u.mJy, 59 * u.mJy)) == 0
    with pytest.raises(ValueError, match='maximum must not be below'):
        flux_levels_between(2 * u.Jy, 1 * u.Jy)


@pytest.mark.parametrize('unit', ['Jy/pixel', 'mJy/pixel', 'MJy/sr',
                                  'mJy/arcsec2', 'Jy/beam'])
def test_injected_flux(empty, unit):
    area = (1.6 * u.arcsec) ** 2
    ccd = CCDData(np.zeros(empty.shape), unit=unit, wcs=empty.wcs)
    if unit == 'Jy/beam':
        ccd.meta.update(BMAJ=8 / 3600, BMIN=6 / 3600)
        area /= np.pi / (4 * np.log(2)) * 48 * u.arcsec ** 2 / u.beam
    catalog = make_source_catalog(ccd, 1, 300 * u.mJy, border=40, seed=2)
    new = inject_sources(ccd, catalog, BLUE, position_angle=20 * u.deg)
    assert np.all(ccd.data == 0)
    assert new.unit == ccd.unit
    stamp = make_psf_stamp(
        BLUE, shape=ccd.shape, position_angle=20 * u.deg,
        center=(catalog['x_center'][0], catalog['y_center'][0]))
    total = new.data.sum() * new.unit
    if total.unit.is_equivalent(u.Jy / u.pix):
        flux = total * u.pix
    else:
        flux = total * area
    assert_allclose(flux.to_value(u.mJy), 300 * stamp.sum(), rtol=3e-3)
    peak = np.unravel_index(new.data.argmax(), new.shape)
    assert peak == (round(catalog['y_center'][0]),
                    round(catalog['x_center'][0]))
    assert_allclose(new.data / new.data.max(), stamp / stamp.max(),
                    atol=1e-4)


def test_injected_flux_of_a_line(empty):
    flux = 3e-16 * u.W / u.m ** 2
    catalog = make_source_catalog(empty, 1, flux, border=40, seed=2)
    ccd = CCDData(np.zeros(empty.shape), unit='W/(m2 sr)', wcs=empty.wcs)
    new = inject_sources(ccd, catalog, BLUE, position_angle=20 * u.deg)
    total = new.data.sum() * new.unit * (1.6 * u.arcsec) ** 2
    assert 0.8 < total / flux < 1
    with pytest.raises(ValueError, match='catalog must have fluxes in a unit '
                                         'like Jy, got W / m2'):
        inject_sources(empty, catalog, BLUE)


def test_pixel_scale_from_wcs(empty):
    # the same sky on finer pixels: the same surface brightness
    fine = empty.wcs.deepcopy()
    fine.wcs.cdelt = fine.wcs.cdelt / 2
    catalog = make_source_catalog(empty, 1, 1 * u.Jy, border=45, seed=2)
    catalog['sky_center'] = empty.wcs.pixel_to_world([59.5], [49.5])
    peaks = []
    for wcs in (empty.wcs, fine):
        ccd = CCDData(np.zeros(empty.shape), unit='MJy/sr', wcs=wcs)
        data = inject_sources(ccd, catalog, BLUE,
                              position_angle=0 * u.deg).data
        peaks.append(data.max() / 1e3)
    assert_allclose(peaks[0], peaks[1], rtol=0.12)
    assert peaks[1] > peaks[0]


def test_injection_keeps_input(empty):
    empty.data[50, 60] = np.nan
    empty.meta['KEY'] = 'value'
    before = empty.data.copy()
    catalog = make_source_catalog(empty, 3, 1 * u.Jy, seed=1)
    new = inject_sources(empty, catalog, BLUE, seed=1)
    assert_array_equal(empty.data, before)
    assert np.isnan(new.data[50, 60])
    assert np.isfinite(new.data).sum() == new.data.size - 1
    assert new.meta['KEY'] == 'value'
    again = inject_sources(empty, catalog, BLUE, seed=1)
    assert_array_equal(new.data, again.data)
    other = inject_sources(empty, catalog, BLUE, seed=2)
    assert np.nanmax(np.abs(new.data - other.data)) > 0


def test_injection_off_the_map(empty):
    catalog = make_source_catalog(empty, 1, 1 * u.Jy, seed=1)
    catalog['sky_center'] = empty.wcs.pixel_to_world([500.0], [50.0])
    assert np.all(inject_sources(empty, catalog, BLUE).data == 0)
    # on the other side of the sky there are no pixels at all
    catalog['sky_center'] = catalog['sky_center'].directional_offset_by(
        0 * u.deg, 180 * u.deg)
    assert np.all(inject_sources(empty, catalog, BLUE).data == 0)


def test_no_sources_to_inject(empty):
    catalog = make_source_catalog(empty, 1, 1 * u.Jy, seed=1)[:0]
    empty.data = np.arange(empty.data.size).reshape(empty.shape)
    new = inject_sources(empty, catalog, BLUE)
    assert_array_equal(new.data, empty.data)
    assert new.data.dtype == float
    assert new.data is not empty.data


def test_injection_errors(empty):
    catalog = make_source_catalog(empty, 1, 1 * u.Jy, seed=1)
    with pytest.raises(TypeError, match='ccd must be a CCDData'):
        inject_sources(empty.data, catalog, BLUE)
    with pytest.raises(ValueError, match='ccd must have a celestial WCS'):
        inject_sources(CCDData(empty.data, unit='Jy/pixel'), catalog, BLUE)
    with pytest.raises(ValueError, match='ccd must have as unit a flux'):
        inject_sources(CCDData(empty.data, unit='K', wcs=empty.wcs),
                       catalog, BLUE)
    with pytest.raises(ValueError, match='ccd must have BMAJ and BMIN'):
        inject_sources(CCDData(empty.data, unit='Jy/beam', wcs=empty.wcs),
                       catalog, BLUE)
    with pytest.raises(ValueError, match='catalog must have the columns'):
        inject_sources(empty, catalog['id', 'flux'], BLUE)
    with pytest.raises(ValueError, match='stamp_size must be'):
        inject_sources(empty, catalog, BLUE, stamp_size=10)


def test_simulations(empty):
    kwargs = {'n_sources': 3, 'minimum': 40 * u.mJy, 'min_separation': 15,
              'maximum': 125 * u.mJy, 'border': 10}
    runs = [list(make_simulations(empty, BLUE, seed=5, **kwargs))
            for _ in range(2)]
    assert [catalog['flux'][0].value for _, catalog in runs[0]] == [
        40, 60, 80, 100, 125]
    for (first, catalog), (second, _) in zip(*runs, strict=True):
        assert_array_equal(first.data, second.data)
        assert len(catalog) == 3
        total = first.data.sum() * 1e3 / catalog['flux'].value.sum()
        assert 0.8 < total < 1
    assert runs[0][0][1]['x_center'][0] != runs[0][1][1]['x_center'][0]
