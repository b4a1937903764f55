# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of fluxes and of the parts of their errors.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import make_example_field
from compact_removal.fitting import SourceModels, SourcePSF
from compact_removal.instruments import get_band
from compact_removal.maps.images import read_image
from compact_removal.photometry import aperture_scatter, aperture_sums
from compact_removal.psf import fwhm_in_pixels
from compact_removal.removal.aperture_errors import background_scatter
from compact_removal.removal.background import BackgroundEstimate
from compact_removal.removal.fit import fit
from compact_removal.removal.locate import locate
from compact_removal.removal.inspection import inspect_sources
from compact_removal.removal.measure import measure, sum_light

BAND = get_band('scanmap', 'blue')
APERTURES = [6, 10] * u.arcsec
RADII = APERTURES.value / 1.6


class Case:
    """
    Records of the steps before the measurement.
    """

    def __init__(self):
        self.image, catalog = make_example_field(shape=(120, 120),
                                                 n_sources=3, seed=2)
        self.image.uncertainty = None
        input_map = read_image(self.image)
        self.located = locate(input_map, catalog['sky_center'], BAND,
                              recenter=False)
        self.fitted = fit(input_map, self.located, BAND)
        self.located, self.inspection = inspect_sources(
            input_map, self.located, self.fitted, BAND)
        shape = self.image.shape
        n = self.located.x.size
        quiet = np.random.default_rng(1).normal(size=shape)
        self.estimate = BackgroundEstimate(
            data=1e-3 * quiet, error=np.zeros(shape),
            pixel_flags=np.zeros(shape, dtype=np.uint8),
            footprint=np.full(n, 20.0),
            flux_error=np.tile([0.1, 0.2, 0.3, 0.4], (n, 1)),
            sums=np.array([np.full(n, 5.0), np.full(n, 7.0)]),
            missing=np.zeros((2, n)),
            flags=np.zeros(n, dtype=int))

    def measure(self, noise=None, factor=1.0, **changes):
        image = self.image.copy()
        if noise is not None:
            image.uncertainty = StdDevUncertainty(noise)
        fitted = replace(self.fitted, blend_error=changes.pop(
            'blend_error', np.zeros(self.located.x.size)))
        estimate = replace(self.estimate, **changes)
        return measure(read_image(image), self.located, fitted,
                       self.inspection, estimate, band=BAND,
                       apertures=APERTURES,
                       error_scale=lambda snr: np.full(snr.shape, factor))


@pytest.fixture(scope='module')
def case():
    return Case()


def test_flux_is_the_sum_over_the_encircled_energy(case):
    columns = case.measure().columns
    for suffix, total in (('', 5), ('_1', 7)):
        assert_allclose(columns[f'flux{suffix}'],
                        total / columns[f'aperture_correction{suffix}'])
    assert_allclose(columns['aperture_radius_1'], 10)


def test_predicted_errors_are_scaled(case):
    none, two = case.measure(factor=0.0), case.measure(factor=2.0)
    larger = case.measure(flux_error=3 * case.estimate.flux_error)
    for suffix in ('', '_1'):
        own = none.columns[f'flux_err{suffix}'] ** 2
        twice = two.columns[f'flux_err{suffix}'] ** 2 - own
        assert_allclose(larger.columns[f'flux_err{suffix}'] ** 2 - own,
                        9 / 4 * twice)
        # apertures of 1.2 and 2 full widths, errors at 1 to 3 of them
        error = np.sqrt(twice) / 2 * two.columns[
            f'aperture_correction{suffix}']
        assert np.all((error > 0.1) & (error < 0.4))


def test_errors_of_blends_are_part_of_those_of_fluxes(case):
    plain = case.measure().columns
    blended = case.measure(blend_error=np.array([0.0, 0.5, 2.0])).columns
    for name in ('flux_err', 'flux_err_1'):
        # of the flux of the whole source, so no correction
        extra = blended[name] ** 2 - plain[name] ** 2
        assert_allclose(extra, [0, 0.25, 4], atol=1e-12)
    assert_array_equal(blended['flux'], plain['flux'])


def test_noise_beyond_that_of_the_background_is_added(case):
    plain = case.measure().columns
    noise = np.full(case.image.shape, 0.02)
    even = case.measure(noise).columns
    # the network has seen the noise that is everywhere
    assert_allclose(even['flux_err'], plain['flux_err'], rtol=1e-6)
    x, y = (np.rint(value).astype(int) for value in (case.located.x,
                                                     case.located.y))
    noise[y[0], x[0]] = 0.5
    noise[y[2], x[2]] = 3.0
    noisy = case.measure(noise).columns
    for suffix in ('', '_1'):
        extra = (noisy[f'flux_err{suffix}'] ** 2
                 - plain[f'flux_err{suffix}'] ** 2)
        extra *= noisy[f'aperture_correction{suffix}'] ** 2
        assert_allclose(extra, [0.5 ** 2 - 0.02 ** 2, 0, 3 ** 2 - 0.02 ** 2],
                        rtol=1e-6, atol=1e-9)
    # less noise than around it is no gain
    noise[y, x] = 0
    assert_allclose(case.measure(noise).columns['flux_err'],
                    plain['flux_err'], rtol=1e-6)


def test_without_predicted_errors_the_scatter_is_taken(case):
    unknown = np.full_like(case.estimate.flux_error, np.nan)
    columns = case.measure(flux_error=unknown, factor=1.5).columns
    others = case.measure(flux_error=unknown, factor=0.0).columns['flux_err']
    # the background decides, not the sources in the input
    expected = 1.5 * background_scatter(
        case.estimate.data, case.located.x, case.located.y, RADII[[0, 0, 0]],
        fwhm_in_pixels(BAND, BAND.pixel_scale))
    assert_allclose(np.sqrt(columns['flux_err'] ** 2 - others ** 2)
                    * columns['aperture_correction'], expected, rtol=1e-6)
    # white noise of 1e-3, and the scatter of twelve apertures
    white = 1.5e-3 * np.sqrt(np.pi) * RADII[0]
    assert np.all((expected > 0.9 * white) & (expected < 2 * white))


def test_standard_photometry_leaves_out_the_holes_of_others(case):
    plain = case.measure().columns
    band = replace(BAND, photometry_annulus=[6, 60] * u.arcsec)
    image = case.image.copy()
    ys, xs = np.indices(image.shape)
    holes = np.zeros(image.shape, dtype=bool)
    for x, y, radius in zip(case.located.x, case.located.y,
                            case.located.radius, strict=True):
        holes |= np.hypot(xs - x, ys - y) <= radius
    # a constant would be taken for missing pixels
    image.data = np.where(holes, image.data + 30, 0.25 + 1e-9 * xs * ys)
    columns = measure(read_image(image), case.located, case.fitted,
                      case.inspection, case.estimate, band=band,
                      apertures=APERTURES, error_scale=np.ones_like).columns
    total, _, area = aperture_sums(image.data, case.located.x,
                                   case.located.y, RADII[[0, 0, 0]])
    assert_allclose(columns['annulus_flux'],
                    (total - 0.25 * area) / columns['aperture_correction'],
                    rtol=1e-6)
    assert np.all(plain['annulus_flux_err'] > 0)


@pytest.mark.parametrize('unknown', [np.nan, np.inf, 0.0, -1.0])
def test_unknown_errors_are_no_perfect_knowledge(case, unknown):
    plain = case.measure().columns
    noise = np.full(case.image.shape, 0.02)
    x, y = (np.rint(value).astype(int) for value in (case.located.x,
                                                     case.located.y))
    # single pixels, an aperture, the annulus, all of the map
    noise[y[0] - 2:y[0] + 3, x[0]] = unknown
    noise[y[1] - 8:y[1] + 9, x[1] - 8:x[1] + 9] = unknown
    some = case.measure(noise).columns
    every = case.measure(np.full_like(noise, unknown)).columns
    for name in ('flux_err', 'flux_err_1', 'annulus_flux_err'):
        assert np.all(some[name] >= plain[name] * (1 - 1e-9))
        assert_allclose(every[name], plain[name])


def test_nothing_measured_is_not_zero(case):
    sums = case.estimate.sums.copy()
    sums[:, 1] = np.nan
    columns = case.measure(sums=sums).columns
    for name in ('flux', 'flux_err', 'flux_1', 'flux_err_1'):
        assert_array_equal(np.isnan(columns[name]), [False, True, False])


def test_scatter_is_at_least_that_of_white_noise():
    rng = np.random.default_rng(3)
    data = rng.normal(size=(91, 91))
    place = [45.0], [45.0], [3.0]
    white = 3 * np.sqrt(np.pi)
    scatter = background_scatter(data, *place, 10 / 3)
    assert scatter >= aperture_scatter(data, *place, 20.0)
    assert 0.95 * white < scatter < 1.8 * white
    # what is left of a source in the annulus does not count
    data[60:66, 45:50] += 300
    assert background_scatter(data, *place, 10 / 3) < 1.8 * white
    mask = np.ones(data.shape, dtype=bool)
    assert np.isnan(background_scatter(data, *place, 10 / 3, mask=mask))


def make_models(x, flux):
    x = np.asarray(x)
    n = x.size
    return SourceModels(x, np.full(n, 40.0), np.asarray(flux, dtype=float),
                        np.zeros((n, 5)), SourcePSF(BAND, BAND.pixel_scale),
                        np.full(n, 0.01))


def test_light_of_overlapping_sources_is_shared():
    models = make_models([38.0, 42.0], [9.0, 3.0])
    light = models.render((81, 81))
    # a tenth more than the models was removed
    args = (models, np.arange(2), np.full(2, 1e-6), np.full(2, 30.0),
            np.array([3.0]))
    sums = sum_light(1.1 * light, light, *args)[0][0]
    alone = [sum_light(*2 * [make_models([x], [flux]).render((81, 81))],
                       make_models([x], [flux]), np.array([0]),
                       np.array([1e-6]), np.array([30.0]),
                       np.array([3.0]))[0][0, 0]
             for x, flux in ((38.0, 9.0), (42.0, 3.0))]
    assert_allclose(sums, 1.1 * np.array(alone), rtol=1e-3)
    # all of it is in the plain sums
    both = aperture_sums(1.1 * light, models.x, models.y, [3.0, 3.0])[0]
    assert np.all(sums < both)


def test_apertures_end_at_the_footprint():
    models = make_models([40.0], [5.0])
    light = models.render((81, 81))
    args = light, light, models, np.array([0]), np.array([0.01])
    wide, missing = sum_light(*args, np.array([20.0]), np.array([4.0, 9.0]))
    narrow, _ = sum_light(*args, np.array([4.0]), np.array([4.0, 9.0]))
    assert_array_equal(missing, 0)
    assert wide[1] > wide[0]
    assert_allclose(narrow[:, 0], wide[0, 0])
    lost = np.full_like(light, np.nan)
    sums, missing = sum_light(lost, *args[1:], np.array([9.0]),
                              np.array([4.0]))
    assert np.isnan(sums[0, 0])
    assert missing[0, 0] == 1


def test_unknown_pixels_are_filled_by_the_model():
    models = make_models([40.0], [5.0])
    light = models.render((81, 81))
    args = light, models, np.array([0]), np.array([1e-6]), np.array([20.0]), (
        np.array([4.0]))
    whole, _ = sum_light(light, *args)
    holed = light.copy()
    holed[39:42, 39:42] = np.nan
    sums, missing = sum_light(holed, *args)
    assert_allclose(sums, whole)
    share = light[39:42, 39:42].sum() / whole[0, 0]
    assert_allclose(missing[0, 0], share, rtol=1e-3)
    # a tenth more than the model, where pixels are known
    sums, _ = sum_light(1.1 * holed, *args)
    assert_allclose(sums / whole, 1.1 - 0.1 * share, rtol=1e-3)
