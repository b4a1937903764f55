# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Numbers of the table of sources are right within their errors, or flagged:
other PSFs, extended sources, neighbours, empty positions, odd maps.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData, InverseVariance
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.removal.tests.damaged_field import (ALARMS, DamagedField,
                                                         flags_of, pulls)

# Says that nothing of the size of the PSF is there, so it is no flux.
NOTHING = ALARMS | {'not_detected'}


@pytest.fixture(scope='module')
def field():
    return DamagedField()


@pytest.fixture(scope='module')
def many():
    return DamagedField(n_sources=10, seed=4)


def with_widths(field, widths):
    """
    The field with a PSF that is stretched for each source.
    """
    return field.background + sum(map(field.light, field.x, field.y,
                                      field.flux, widths))


class TestPSF:

    @pytest.mark.parametrize('width', [0.93, 1.07])
    def test_another_width(self, many, width):
        data = with_widths(many, np.full(10, width))
        pull = pulls(many, many.remove(data).sources)
        # 18 percent of the bright ones were within one error
        assert np.mean(np.abs(pull) < 1) >= 0.5
        assert np.all(np.abs(pull) < 3)

    def test_another_width_and_inpainting(self, many):
        # the structure below the sources counts for more, and is the same
        # for all widths, so one field says little
        pull = []
        for one in (many, *(DamagedField(n_sources=10, seed=seed)
                            for seed in (5, 7, 8))):
            pull.append([pulls(one, one.remove(with_widths(one, np.full(
                10, width)), network='inpainting').sources)
                for width in (1.0, 0.93, 1.07)])
            assert np.all(np.abs(np.diff(pull[-1], axis=0)) < 2)
        assert 0.55 < np.mean(np.abs(pull) < 1) < 0.8

    def test_error_holds_the_psf(self, field):
        # of a bright source it is known no better than some 0.9 percent
        sources = field.remove().sources
        k = field.brightest
        assert sources['flux_err'][k] > 0.007 * sources['flux'][k]

    @pytest.mark.parametrize('slope', [-0.15, 0.15])
    def test_changes_across_the_map(self, many, slope):
        ny, nx = many.data.shape
        widths = 1 + slope * (many.x / (nx - 1) * 2 - 1)
        sources = many.remove(with_widths(many, widths)).sources
        pull = pulls(many, sources)
        fine = np.array([not flags_of(sources, k) & ALARMS
                         for k in range(10)])
        assert np.sqrt(np.mean(pull[fine] ** 2)) < 1.5
        assert np.all(np.abs(pull[fine]) < 4)

    @pytest.mark.parametrize('radius', [4.5, 9.0])
    def test_other_apertures(self, field, radius):
        sources = field.remove(apertures=[6, radius] * u.arcsec).sources
        k = field.brightest
        pull = ((sources['flux_1'][k].to_value('Jy') - field.flux[k])
                / sources['flux_err_1'][k].to_value('Jy'))
        assert abs(pull) < 3
        assert abs(sources['flux_1'][k].to_value('Jy') / field.flux[k] - 1) < (
            0.05)


class TestExtended:

    @pytest.mark.parametrize('width', [1.8, 2.5, 3.0, 4.0])
    def test_wide_sources(self, field, width):
        # 3 Jy and 3 beams came out as 197 +- 191 mJy
        sigma = width * field.fwhm / np.sqrt(8 * np.log(2))
        spot = np.zeros_like(field.data)
        spot[20, 64] = 3.0
        data = field.data + gaussian_filter(spot, sigma, truncate=6)
        sources = field.remove(data, x=[64.0, *field.x],
                               y=[20.0, *field.y]).sources
        assert 'extended' in flags_of(sources, 0)
        assert abs(sources['fwhm_ratio'][0] / width - 1) < 0.2
        error = sources['flux_err'][0].to_value('Jy')
        assert abs(sources['flux'][0].to_value('Jy') - 3.0) < 3 * error
        # the others as before
        rest = sources[1:]
        assert np.all(np.abs(pulls(field, rest)) < 3)
        assert not any(flags_of(rest, k) & ALARMS for k in range(4))

    @settings(max_examples=5)
    @given(width=st.floats(1.8, 4.0), flux=st.floats(0.05, 5.0))
    def test_any_width_and_flux(self, field, width, flux):
        sigma = width * field.fwhm / np.sqrt(8 * np.log(2))
        spot = np.zeros_like(field.data)
        spot[20, 64] = flux
        sources = field.remove(
            field.data + gaussian_filter(spot, sigma, truncate=6), x=[64.0],
            y=[20.0]).sources
        pull = ((sources['flux'][0].to_value('Jy') - flux)
                / sources['flux_err'][0].to_value('Jy'))
        assert abs(pull) < 3 or flags_of(sources, 0) & NOTHING

    @pytest.mark.parametrize('width', [0.4, 0.6])
    def test_narrower_than_the_psf(self, field, width):
        widths = np.ones(4)
        widths[0] = width
        sources = field.remove(with_widths(field, widths)).sources
        assert flags_of(sources, 0) & {'sharp', 'poor_fit'}

    @pytest.mark.parametrize('angle', [0, 1, 2])
    def test_unknown_neighbor(self, angle):
        # one full width away, half as bright, in no catalogue
        field = DamagedField(n_sources=8, seed=2)
        k = int(np.argsort(field.flux)[-2])
        data = field.data + field.light(
            field.x[k] + field.fwhm * np.cos(angle),
            field.y[k] + field.fwhm * np.sin(angle), 0.5 * field.flux[k])
        sources = field.remove(data).sources
        assert (abs(pulls(field, sources)[k]) < 3
                or flags_of(sources, k) & (ALARMS | {'off_center'}))


class TestNeighbors:

    def test_errors_beside_a_bright_source(self):
        # inpainting gave 87 mJy beside 3 Jy where 4.3 are true
        field = DamagedField(n_sources=0)
        x, y = [64.0, 77.0], [64.0, 64.0]
        faint = field.data + field.light(x[0], y[0], 0.06)
        alone = field.remove(faint, x=x[:1], y=y[:1], network='inpainting')
        beside = field.remove(faint + field.light(x[1], y[1], 3.0), x=x, y=y,
                              network='inpainting')
        errors = [result.sources['flux_err'][0].to_value('mJy')
                  for result in (alone, beside)]
        assert 0.5 < errors[1] / errors[0] < 2
        assert abs(beside.sources['flux'][0].to_value('mJy') - 60) < (
            3 * errors[1])

    def test_snr_is_its_own(self):
        # 20 mJy beside 20 Jy had an S/N of 174 and a hole of 11 pixels
        field = DamagedField(n_sources=0)
        data = field.data + field.light(70.5, 64.0, 20.0) + field.light(
            64.0, 64.0, 0.02)
        sources = field.remove(data, x=[64.0, 70.5], y=[64.0, 64.0]).sources
        assert sources['snr'][0] < 0.15 * sources['snr'][1]
        assert sources['mask_radius'][0] < sources['mask_radius'][1]

    @pytest.mark.parametrize('angle', [0, 1, 2, 3])
    def test_recenter_stays_on_its_source(self, angle):
        # both rows were the source of 3 Jy
        field = DamagedField(n_sources=0)
        x, y = (np.array([64.0, 64.0 + 4 * part]) for part in
                (np.cos(angle), np.sin(angle)))
        data = field.data + field.light(x[0], y[0], 3.0) + field.light(
            x[1], y[1], 0.1)
        sources = field.remove(data, x=x, y=y, recenter=True).sources
        moved = np.hypot(sources['x_center'] - x, sources['y_center'] - y)
        assert np.all(moved < 0.9 * field.fwhm)
        assert 'duplicate' not in flags_of(sources, 1)
        assert abs(sources['flux'][1].to_value('Jy') - 0.1) < (
            4 * sources['flux_err'][1].to_value('Jy'))

    def test_duplicates_are_one(self, field):
        sources = field.remove(x=np.repeat(field.x, 2),
                               y=np.repeat(field.y, 2)).sources
        assert np.all(sources['flux'][::2] == sources['flux'][1::2])
        assert np.all(np.abs(pulls(field, sources[::2])) < 3)


class TestNothingThere:

    @pytest.mark.parametrize('network', ['separation', 'inpainting'])
    def test_upper_limits(self, network):
        # they held for 92.5 percent
        field = DamagedField(n_sources=0, seed=5)
        axis = np.arange(12, 128, 13.0)
        x, y = (part.ravel() for part in np.meshgrid(axis, axis))
        flux = np.where(np.arange(x.size) % 2, 0.004, 0.0)
        data = field.data + sum(map(field.light, x, y, flux))
        sources = field.remove(data, x=x, y=y, network=network).sources
        limit = sources['upper_limit'].to_value('Jy')
        assert np.mean(limit > flux) > 0.92
        assert not np.isnan(limit).any()
        # and are not wide
        assert np.median(limit) < 0.03

    @pytest.mark.filterwarnings('ignore:none of the positions')
    def test_no_rows(self, field):
        for coordinates in (SkyCoord([] * u.deg, [] * u.deg),
                            SkyCoord([10, 20] * u.deg, [80, 81] * u.deg)):
            result = CompactSourceRemover('scanmap', 'blue').remove(
                field.ccd, coordinates)
            assert len(result.sources) == len(coordinates)
            assert np.all(result.background.data == field.data)
            assert np.isnan(result.sources['flux'].value).all()

    @pytest.mark.parametrize('shape', [(20, 20), (16, 40), (128, 128)])
    @pytest.mark.parametrize('value', [0.0, 5.0])
    def test_constant_maps(self, field, shape, value):
        ccd = CCDData(np.full(shape, value), unit='Jy/pix',
                      wcs=field.ccd.wcs)
        sources = CompactSourceRemover('scanmap', 'blue').remove(
            ccd, ccd.wcs.pixel_to_world([8.0], [8.0])).sources
        names = decode_flags(np.asarray(sources['flags']))[0]
        assert {'constant_pixels', 'no_background'} & set(names)

    @pytest.mark.parametrize('side', [12, 20, 33])
    def test_tiny_maps(self, field, side):
        k = field.brightest
        x, y = (round(value) - side // 2 for value in
                (field.x[k], field.y[k]))
        sources = field.remove_part(slice(y, y + side), slice(x, x + side),
                                    cut=True)
        names = flags_of(sources, k)
        if 'no_background' in names:
            assert np.isnan(sources['flux'][k])
        else:
            assert abs(pulls(field, sources)[k]) < 4


class TestOddMaps:

    def test_unknown_errors_stay_unknown(self, field):
        # they came back as 0
        weights = np.full(field.data.shape, 1e6)
        weights[:, :40] = 0
        background = field.remove(
            uncertainty=InverseVariance(weights)).background
        error = background.uncertainty.array
        assert not np.any(error[:, :40] == 0)
        assert not np.isfinite(error[:12, :40]).any()
        assert np.all(error[:12, 50:] > 0)

    def test_units_and_bytes(self, field):
        expected = field.remove().sources['flux']
        area = ((1.6 * u.arcsec) ** 2).to_value('sr')
        big = CCDData(field.data.astype('>f4'), unit='Jy/pix',
                      wcs=field.ccd.wcs)
        offset = CCDData(field.data / area / 1e6 + 1e4, unit='MJy/sr',
                         wcs=field.ccd.wcs)
        for ccd in (big, offset):
            flux = CompactSourceRemover('scanmap', 'blue').remove(
                ccd, field.catalog).sources['flux']
            assert np.all(np.abs((flux / expected).value - 1) < 0.01)
