# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the PSF that is learned from a map.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import make_background
from compact_removal.fitting import fit_sources, render_sources
from compact_removal.fitting.psf_learning import _pointlike, learn_psf
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.instruments import get_band
from compact_removal.psf import as_psf, make_psf_stamp

BAND = get_band('scanmap', 'blue')
SIZE = 160
GRID = np.array([(x, y) for y in (30, 80, 130) for x in (30, 80, 130)])
ANGLE = 40 * u.deg
NOMINAL = as_psf(BAND, pixel_scale=BAND.pixel_scale)


@pytest.fixture(scope='module')
def psf():
    return SourcePSF(BAND, BAND.pixel_scale)


def make_map(varied, flux, seed=1):
    """
    A structured map with sources of one PSF near a grid of positions.
    """
    rng = np.random.default_rng(seed)
    background = make_background((SIZE, SIZE), fwhm=3.1, noise=0.05,
                                 seed=rng)
    image = background.copy()
    positions = GRID + rng.uniform(-0.5, 0.5, GRID.shape)
    for (x, y), value in zip(positions, np.broadcast_to(flux, len(GRID)),
                             strict=True):
        image += value * make_psf_stamp(
            varied, shape=image.shape, center=(x, y), position_angle=ANGLE,
            pixel_scale=BAND.pixel_scale)
    return image, background, *positions.T


def rest(image, background, x, y, psf):
    """
    What the fit of the sources leaves, at the sources.
    """
    flux, shapes, *_ = fit_sources(image, x, y, psf, np.full(x.size, 0.5))
    model = render_sources(image.shape, x, y, flux, shapes, psf)
    difference = image - background - model
    return np.array([np.std(difference[int(b) - 6:int(b) + 8,
                                       int(a) - 6:int(a) + 8])
                     for a, b in zip(x, y, strict=True)])


@pytest.fixture(scope='module')
def varied():
    return NOMINAL.vary(broadening=1.08, elongation=1.08, lobes=1.5,
                              wings=1.2)


@pytest.fixture(scope='module')
def bright(varied):
    return make_map(varied, 3e3)


def learn(image, x, y, psf, noise=0.5):
    return learn_psf(image, x, y, psf, np.full(np.size(x), noise))


def test_learned_psf_leaves_less(bright, psf):
    image, background, x, y = bright
    learned, n_used = learn(image, x, y, psf)
    assert n_used == len(GRID)
    assert learned is not psf
    before = rest(image, background, x, y, psf)
    after = rest(image, background, x, y, learned)
    assert np.median(after) < 0.5 * np.median(before)
    # the other sources of the map, too, which it was not learned from
    part, _ = learn(image, x[:5], y[:5], psf)
    after = rest(image, background, x[5:], y[5:], part)
    assert np.median(after) < 0.6 * np.median(before)
    # it is broader and known better
    assert 0.03 < learned.mean[2] < 0.12
    assert learned.uncertainty < 0.4 * psf.uncertainty
    assert learned.model_error < psf.model_error
    assert_array_equal(psf.mean, 0)


def test_knows_more_from_more_sources(bright, psf):
    image, _, x, y = bright
    few, n_used = learn(image, x[:1], y[:1], psf)
    assert n_used == 1
    many, _ = learn(image, x, y, psf)
    assert many.uncertainty < few.uncertainty < psf.uncertainty


def test_order_does_not_matter(bright, psf):
    image, _, x, y = bright
    order = np.random.default_rng(3).permutation(x.size)
    first, _ = learn(image, x, y, psf)
    second, _ = learn(image, x[order], y[order], psf)
    assert_allclose(second.mean, first.mean, atol=1e-9)
    assert_allclose(second.evaluate(1.3, -2.1, second.mean),
                    first.evaluate(1.3, -2.1, first.mean), rtol=1e-9)


def test_faint_sources_teach_nothing(varied, psf):
    image, _, x, y = make_map(varied, 5.0)
    found, n_used = learn(image, x, y, psf)
    assert found is psf
    assert n_used == 0


def test_an_outlier_has_little_influence(varied, psf):
    # one source of nine is extended
    image, _, x, y = make_map(varied, [3e3] * 8 + [0])
    clean, _ = learn(image, x[:8], y[:8], psf)
    wide = NOMINAL.vary(broadening=1.5)
    image += 3e3 * make_psf_stamp(
        wide, shape=image.shape, center=(x[8], y[8]),
        position_angle=ANGLE, pixel_scale=BAND.pixel_scale)
    found, n_used = learn(image, x, y, psf)
    assert n_used == 9
    # a plain mean would move by 0.4 / 9
    assert abs(found.mean[2] - clean.mean[2]) < 0.02
    # but sources are seen to differ
    assert found.prior[2] > clean.prior[2]


def test_extended_sources_do_not_widen_the_psf(varied, psf):
    # half of the bright sources are larger than the beam
    image, background, x, y = make_map(varied, [3e3] * 5 + [0] * 4)
    points, _ = learn(image, x[:5], y[:5], psf)
    for size, a, b in zip((1.12, 1.2, 1.3, 1.4), x[5:], y[5:], strict=True):
        image += 3e3 * make_psf_stamp(
            varied.vary(broadening=size), shape=image.shape, center=(a, b),
            position_angle=ANGLE, pixel_scale=BAND.pixel_scale)
    found, n_used = learn(image, x, y, psf)
    assert n_used == 9
    # a plain mean would be larger by 0.1
    assert abs(found.mean[2] - points.mean[2]) < 0.03
    assert found.prior[2] > 2 * points.prior[2]


def test_close_and_unusable_sources(bright, psf):
    image, _, x, y = bright
    # a neighbour within 2.5 widths excludes both
    close_x, close_y = np.append(x, x[0] + 4), np.append(y, y[0])
    _, n_used = learn(image, close_x, close_y, psf)
    assert n_used == len(GRID) - 1
    hidden = image.copy()
    hidden[:, :80] = np.nan
    noise = np.full(x.size, 0.5)
    noise[8] = np.nan
    _, n_used = learn_psf(hidden, x, y, psf, noise)
    assert n_used == 2
    for positions in ([], [-20.0, 500.0]):
        found, n_used = learn(image, positions, positions, psf)
        assert found is psf
        assert n_used == 0
    found, n_used = learn(np.full((50, 50), np.nan), x[:1], y[:1], psf)
    assert n_used == 0


def test_unit_and_level(bright, psf):
    image, _, x, y = bright
    first, _ = learn(image, x, y, psf)
    second, _ = learn(1e-9 * image + 1.0, x, y, psf, noise=5e-10)
    assert_allclose(second.mean, first.mean, atol=1e-4)


def test_adapted_psf_follows_its_basis(psf):
    rng = np.random.default_rng(5)
    deviations = psf.basis_prior
    coefficients = deviations * rng.normal(size=deviations.size)
    learned = psf.adapted(np.zeros(5), psf.prior, coefficients, psf.covariance)
    x, y = rng.uniform(-15, 15, (2, 500))
    round_shape = np.zeros(5)
    change = (learned.evaluate(x, y, round_shape)
              - psf.evaluate(x, y, round_shape))
    expected = psf.basis(x, y, round_shape) @ coefficients
    assert np.abs(expected).max() > 0.01 * psf(0)
    assert_allclose(change, expected, atol=0.03 * np.abs(expected).max())
    # nothing beyond four widths
    far = np.maximum(abs(x), abs(y)) > 4 * psf.fwhm
    assert_array_equal(change[far], 0)
    # moves with the source
    shift = np.array([0.4, -0.3, 0, 0, 0])
    assert_allclose(learned.evaluate(x + 0.4, y - 0.3, shift),
                    learned.evaluate(x, y, round_shape), atol=1e-12)


def test_changes_across_the_map(psf):
    x, y = (GRID + 0.3).T
    slope = 0.04 * (x - 79.5) / 80
    shapes = np.column_stack([0 * x, 0 * x, 0.02 + slope, 0 * x, 0 * x])
    image = render_sources((SIZE, SIZE), x, y, np.full(x.size, 1e3), shapes,
                           psf)
    image += 1e-2 * np.random.default_rng(1).normal(size=image.shape)
    learned, _ = learn(image, x, y, psf, noise=1e-2)
    assert_allclose(learned.slopes[0, 2], 0.04, atol=0.004)
    assert_allclose(learned.slopes[1, 2], 0, atol=0.004)
    mean = learned.mean_at(x, y)
    assert_allclose(mean[:, 2] - mean[4, 2], slope - slope[4], atol=0.004)
    # the same sources in a part of the map
    assert_allclose(learned.moved(-20, -10).mean_at(x - 20, y - 10), mean)
    # no further than the map goes
    assert_allclose(learned.mean_at([1e4], [79.5]),
                    learned.mean_at([SIZE], [79.5]), atol=1e-3)
    # it is not taken for scatter
    assert learned.prior[2] < 0.02


def test_few_sources_show_no_change(bright, psf):
    image, _, x, y = bright
    learned, _ = learn(image, x[:1], y[:1], psf)
    assert np.abs(learned.slopes[:, 2]).max() < 0.01


@pytest.mark.parametrize('n', [1, 2, 5])
def test_a_width_is_not_larger_than_itself(n):
    # the mean of equal widths is one of them but for rounding
    for width in np.linspace(-0.3, 0.3, 101):
        for around in (0, 1e-16, -1e-16):
            widths = np.full(n, width * (1 + around))
            assert_allclose(_pointlike(widths, np.linspace(1e-4, 3e-4, n)), 1)
