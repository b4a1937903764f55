# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Numbers of the table of sources are right within their errors, or flagged:
bad pixels, damaged cores, missing pixels.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.removal.flags import PIXEL_FLAG
from compact_removal.removal.tests.damaged_field import (ALARMS, DamagedField,
                                                         flags_of, pulls)


@pytest.fixture(scope='module')
def field():
    return DamagedField()


@pytest.fixture(scope='module')
def clean(field):
    return field.remove().sources


@pytest.fixture(scope='module')
def dented(field):
    """
    The first core of FAULTS that does not look like the PSF.
    """
    radius = field.radius(field.brightest)
    return field.remove(field.data * (1 - 0.7 * np.exp(-(radius / 1.6) ** 4)))


def assert_right(field, sources, row, limit=3.0):
    """
    Right within some errors, or with an alarm.
    """
    assert (abs(pulls(field, sources)[row]) < limit
            or flags_of(sources, row) & ALARMS), (
        pulls(field, sources)[row], flags_of(sources, row))


class TestClean:

    def test_right_without_alarm(self, field, clean):
        assert np.all(np.abs(pulls(field, clean)) < 3)
        assert not clean['flags'].any()
        assert np.all(clean['missing_fraction'] == 0)
        assert np.all(np.abs(clean['fwhm_ratio'] - 1) < 0.1)

    def test_errors_are_of_use(self, field, clean):
        # an error that covers everything is no error
        share = (clean['flux_err'] / clean['flux']).value
        assert share[field.brightest] < 0.02
        assert np.all(share < 0.25)

    def test_fits_and_limits(self, field, clean):
        truth = field.flux * u.Jy
        pull = (clean['flux_fit'] - truth) / clean['flux_fit_err']
        assert np.all(np.abs(pull) < 4)
        assert np.all(clean['upper_limit'] > clean['flux_fit'])

    @pytest.mark.parametrize('band', ['green', 'red'])
    def test_other_bands(self, band):
        other = DamagedField(band=band)
        sources = other.remove().sources
        assert np.all(np.abs(pulls(other, sources)) < 3)
        assert not any(flags_of(sources, k) & ALARMS for k in range(4))
        data = other.damage(other.brightest, 1, 1, 0.3)
        sources = other.remove(data).sources
        assert abs(pulls(other, sources)[other.brightest]) < 3
        assert 'outlier_pixels' in flags_of(sources, other.brightest)


class TestDentedCores:

    def test_a_dent(self, field, dented):
        k = field.brightest
        assert abs(pulls(field, dented.sources)[k]) < 3
        assert {'saturated', 'outlier_pixels'} <= flags_of(dented.sources, k)
        # 6.16 Jy came out of 8.90
        ratio = dented.sources['flux'][k].to_value('Jy') / field.flux[k]
        assert abs(ratio - 1) < 0.08

    def test_error_grows(self, field, clean, dented):
        k = field.brightest
        assert dented.sources['flux_err'][k] > 1.5 * clean['flux_err'][k]
        assert dented.sources['missing_fraction'][k] > 0.3

    def test_others_are_as_before(self, field, clean, dented):
        others = np.arange(4) != field.brightest
        # the star that taught the PSF is gone
        change = (dented.sources['flux'] - clean['flux'])[others]
        assert np.all(np.abs(change) < 0.7 * clean['flux_err'][others])
        assert not np.any(dented.sources['flags'][others])

    @settings(max_examples=6)
    @given(depth=st.floats(0.1, 0.8), width=st.floats(1.2, 2.0),
           power=st.sampled_from([2, 4, 8]))
    def test_any_dent(self, field, depth, width, power):
        k = field.brightest
        radius = field.radius(k)
        light = field.light(field.x[k], field.y[k], field.flux[k])
        sources = field.remove(field.data - depth * light * np.exp(
            -(radius / width) ** power)).sources
        assert_right(field, sources, k)

    @settings(max_examples=6)
    @given(level=st.floats(0.2, 0.9))
    def test_clipped(self, field, level):
        sources = field.remove(field.clip(field.brightest, level)).sources
        for k in range(4):
            assert_right(field, sources, k)

    @pytest.mark.parametrize('level', [0.4, 0.7])
    def test_others_are_not_faint(self, level):
        # they came out 3 percent faint
        field = DamagedField(n_sources=8, seed=2)
        order = np.argsort(field.flux)
        clean = field.remove().sources['flux']
        clipped = field.remove(field.clip(order[-1], level)).sources['flux']
        bright = order[-4:-1]
        assert np.all(np.abs((clipped / clean)[bright].value - 1) < 0.01)

    def test_clipped_and_nan_within(self, field):
        k = field.brightest
        peak = field.data.max()
        data = np.minimum(field.data, 0.5 * peak)
        data[field.data > 0.8 * peak] = np.nan
        assert_right(field, field.remove(data).sources, k)

    def test_all_stars_clipped(self):
        field = DamagedField(n_sources=6, seed=3)
        data = np.minimum(field.data, np.median(field.data)
                          + 0.15 * np.ptp(field.data))
        sources = field.remove(data).sources
        for k in range(6):
            assert_right(field, sources, k)


class TestHotPixels:

    def test_on_empty_sky(self, field):
        # came out as a source of 2621 +- 167 mJy
        data = field.data.copy()
        data[20, 64] += 1
        result = field.remove(data, x=[64.0], y=[20.0])
        flux, error = (result.sources[name][0].to_value('Jy')
                       for name in ('flux', 'flux_err'))
        assert abs(flux) < 3 * error < 0.1
        assert {'sharp', 'outlier_pixels'} <= flags_of(result.sources, 0)
        assert result.sources['upper_limit'][0].to_value('Jy') < 0.1
        assert result.background.flags[20, 64] & PIXEL_FLAG['outlier']
        # the background does not hold it
        assert abs(result.background.data[20, 64] - field.data[20, 64]) < 0.05

    def test_beside_a_faint_source(self, field, clean):
        # came out as 580 +- 21 mJy
        k = int(np.argmin(field.flux))
        sources = field.remove(field.damage(k, 2, 0, 0.5)).sources
        assert abs(pulls(field, sources)[k]) < 3
        assert 'outlier_pixels' in flags_of(sources, k)
        assert 0 < sources['missing_fraction'][k] < 0.2
        assert sources['flux_err'][k] < 2 * clean['flux_err'][k]

    @settings(max_examples=14)
    @given(row=st.integers(0, 3), dx=st.integers(-3, 3),
           dy=st.integers(-3, 3), size=st.floats(-1.5, 1.5),
           sign=st.sampled_from([-1, 1]))
    def test_any_single_pixel(self, field, row, dx, dy, size, sign):
        # from 3 percent of the flux to 30 times as much
        light = sign * 10 ** size * field.flux[row]
        sources = field.remove(field.damage(row, dx, dy, light)).sources
        assert_right(field, sources, row)

    @settings(max_examples=5)
    @given(angle=st.floats(0, np.pi), size=st.floats(-0.5, 1),
           n_pixels=st.integers(3, 9))
    def test_tracks(self, field, angle, size, n_pixels):
        k = field.brightest
        steps = np.arange(n_pixels) - n_pixels // 2
        rows = np.rint(field.y[k] + steps * np.sin(angle)).astype(int)
        columns = np.rint(field.x[k] + 1 + steps * np.cos(angle)).astype(int)
        data = field.data.copy()
        np.add.at(data, (rows, columns),
                  10 ** size * field.flux[k] / n_pixels)
        assert_right(field, field.remove(data).sources, k)

    @pytest.mark.parametrize('value', [0.0, -1e30, 1e30])
    def test_dead_pixel(self, field, value):
        k = field.brightest
        data = field.data.copy()
        data[round(field.y[k]), round(field.x[k])] = value
        sources = field.remove(data).sources
        assert np.all(np.abs(pulls(field, sources)) < 3)
        assert flags_of(sources, k) & {'outlier_pixels', 'sharp'}

    def test_other_pixels(self):
        # pixels of 1 arcsec
        field = DamagedField(pixel_scale=1 * u.arcsec)
        k = field.brightest
        sources = field.remove().sources
        assert np.all(np.abs(pulls(field, sources)) < 3)
        sources = field.remove(field.damage(k, 1, -2, 0.4)).sources
        assert abs(pulls(field, sources)[k]) < 3
        assert 'outlier_pixels' in flags_of(sources, k)


def mask_core(field, half):
    """
    A mask over a square in the core of the brightest source.
    """
    mask = np.zeros(field.data.shape, dtype=bool)
    k = field.brightest
    y, x = round(field.y[k]), round(field.x[k])
    mask[y - half:y + half + 1, x - half:x + half + 1] = True
    return mask


class TestMissingPixels:

    @pytest.mark.parametrize('network', ['separation', 'inpainting'])
    @pytest.mark.parametrize(('half', 'least', 'most'), [
        (0, 0.04, 0.15), (1, 0.4, 0.65)])
    def test_masked_core(self, field, network, half, least, most):
        # 0.92 and 0.49 of the flux were left, pulls of -8 and -58
        k = field.brightest
        sources = field.remove(mask=mask_core(field, half),
                               network=network).sources
        assert abs(pulls(field, sources)[k]) < 3
        assert abs(sources['flux'][k].to_value('Jy') / field.flux[k] - 1) < 0.1
        assert least < sources['missing_fraction'][k] < most
        assert {'invalid_pixels', 'invalid_center'} <= flags_of(sources, k)
        others = np.arange(4) != k
        assert np.all(sources['missing_fraction'][others] == 0)

    def test_error_grows_with_what_is_missing(self, field, clean):
        k = field.brightest
        errors = [clean['flux_err'][k].value] + [
            field.remove(mask=mask_core(field, half)).sources[
                'flux_err'][k].value for half in (0, 1, 2)]
        assert np.all(np.diff(errors) > 0)

    def test_all_forms_are_one(self, field):
        # what lies under a mask, or how pixels are unknown
        k = field.brightest
        mask = mask_core(field, 1)
        expected = field.remove(mask=mask).sources
        for value in (np.nan, np.inf, -np.inf):
            data = np.where(mask, value, field.data)
            sources = field.remove(data).sources
            assert sources['flux'][k] == expected['flux'][k]
            assert sources['flags'][k] == expected['flags'][k]
        data = np.where(mask, -32768.0, field.data)
        sources = field.remove(data, mask=mask).sources
        assert sources['flux'][k] == expected['flux'][k]

    def test_mask_on_unsigned_integers(self, field):
        unit = field.data.max() / 60_000
        mask = mask_core(field, 1)
        data = np.where(mask, 0, np.rint(field.data / unit)).astype('>u2')
        ccd = CCDData(data, unit=u.Unit(unit * u.Jy / u.pix), mask=mask,
                      wcs=field.ccd.wcs)
        sources = CompactSourceRemover('scanmap', 'blue').remove(
            ccd, field.catalog).sources
        assert abs(pulls(field, sources)[field.brightest]) < 3

    @settings(max_examples=8)
    @given(share=st.floats(0, 0.5), seed=st.integers(0, 10_000),
           row=st.integers(0, 3))
    def test_any_mask(self, field, share, seed, row):
        core = np.argwhere(field.radius(row) < field.fwhm)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(core))[:round(share * len(core))]
        mask = np.zeros(field.data.shape, dtype=bool)
        mask[tuple(core[chosen].T)] = True
        sources = field.remove(mask=mask).sources
        assert abs(pulls(field, sources)[row]) < 4
        assert (sources['missing_fraction'][row] > 0) == mask.any()

    @settings(max_examples=5)
    @given(offset=st.integers(-3, 3), width=st.integers(1, 3),
           axis=st.sampled_from([0, 1]))
    def test_rows_and_columns(self, field, offset, width, axis):
        k = field.brightest
        data = field.data.copy()
        start = round((field.y, field.x)[axis][k]) + offset
        np.moveaxis(data, axis, 0)[start:start + width] = np.nan
        sources = field.remove(data).sources
        assert abs(pulls(field, sources)[k]) < 4

    @settings(max_examples=6)
    @given(left=st.sampled_from([True, False]), dx=st.integers(-1, 2),
           bottom=st.sampled_from([True, False, None]),
           dy=st.integers(-1, 2), off=st.sampled_from(['cut', 'nan']))
    @pytest.mark.filterwarnings('ignore:none of the positions')
    def test_edges_and_corners(self, field, left, dx, bottom, dy, off):
        k = field.brightest
        ny, nx = field.data.shape
        x, y = round(field.x[k]), round(field.y[k])
        columns = slice(x - dx, nx) if left else slice(0, x + dx + 1)
        rows = (slice(0, ny) if bottom is None else
                slice(y - dy, ny) if bottom else slice(0, y + dy + 1))
        sources = field.remove_part(rows, columns, cut=off == 'cut')
        names = flags_of(sources, k)
        if {'off_map', 'no_background'} & names:
            assert np.isnan(sources['flux'][k])
        else:
            assert abs(pulls(field, sources)[k]) < 4
            assert {'edge', 'invalid_pixels'} & names

    def test_nothing_known(self, field):
        data = np.full_like(field.data, np.nan)
        sources = field.remove(data).sources
        assert np.isnan(sources['flux'].value).all()
        assert all('no_background' in names for names
                   in decode_flags(np.asarray(sources['flags'])))
