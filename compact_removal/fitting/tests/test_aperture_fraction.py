# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fractions of light in apertures, compared with sums over fine grids.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.fitting import SourcePSF
from compact_removal.fitting.aperture_fraction import ApertureFraction
from compact_removal.fitting.psf_basis import HALF_TABLE
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
RADII = np.array([1.5, 3.75, 8.0])


def make_psf():
    return SourcePSF(BAND, BAND.pixel_scale)


def adapt(psf, mean, coefficient=0.0, error=0.0):
    coefficients = np.zeros(psf.basis_prior.size)
    coefficients[0] = coefficient
    covariance = np.zeros((5 + coefficients.size,) * 2)
    covariance[2, 2] = error ** 2
    return psf.adapted(np.array(mean), np.zeros(5), coefficients, covariance)


def sum_light(psf, shape, radius):
    """
    Light within a radius, on a fine grid.
    """
    step = 0.05
    limit = HALF_TABLE * psf.fwhm
    axis = np.arange(-limit + step / 2, limit, step)
    x, y = np.meshgrid(axis, axis)
    values = psf.evaluate(x, y, np.array(shape, dtype=float)) * step ** 2
    distance = np.hypot(x, y)
    return np.array([values[distance <= r].sum() for r in (*radius, limit)])


def expected_ratio(psf, shape, radius):
    own, usual = (sum_light(*args, radius) for args in (
        (psf, shape), (make_psf(), np.zeros(5))))
    return own[:-1] / own[-1] / (usual[:-1] / usual[-1])


@pytest.mark.parametrize('width', [-0.1, 0.0, 0.15])
def test_widths(width):
    psf = adapt(make_psf(), [0, 0, width, 0, 0])
    shapes = np.tile([0, 0, width, 0, 0], (3, 1))
    ratio, error = ApertureFraction(psf)(RADII, shapes,
                                                     np.zeros(3))
    # half of what lies beyond the limit goes with it
    expected = expected_ratio(psf, shapes[0], RADII)
    assert_allclose(ratio, expected, rtol=0.02 + 0.1 * abs(width))
    assert np.all((ratio < expected) == (width > 0)) or width == 0
    assert np.all(error >= 0.0105)
    if width == 0:
        assert_allclose(ratio, 1, rtol=1e-6)
        assert_allclose(error, 0.0105, rtol=0.01)


def test_grows_to_one():
    psf = adapt(make_psf(), [0, 0, 0.1, 0, 0])
    ratio, _ = ApertureFraction(psf)(
        np.array([1.0, 3, 6, 9, 99]), np.tile([0, 0, 0.1, 0, 0], (5, 1)),
        np.zeros(5))
    assert np.all(np.diff(ratio) > 0)
    assert_allclose(ratio[-1], 1, rtol=1e-6)


@pytest.mark.parametrize('shift', [0.3, 0.7])
def test_off_the_centre(shift):
    psf = make_psf()
    shapes = np.array([[shift, 0, 0, 0, 0], [0, -shift, 0, 0, 0]])
    ratio, _ = ApertureFraction(psf)(RADII[[1, 1]], shapes, np.zeros(2))
    expected = expected_ratio(psf, shapes[0], RADII[1:2])[0]
    assert_allclose(1 - ratio, 1 - expected, rtol=0.1)
    assert ratio[0] == ratio[1] < 1


def test_errors_add_in_quadrature():
    psf = make_psf()
    fraction = ApertureFraction(psf)
    known = ApertureFraction(adapt(psf, np.zeros(5)))
    radius, shapes = RADII[[1, 1, 1]], np.zeros((3, 5))
    error = known(radius, shapes, np.array([0, 0.03, 0.06]))[1]
    extra = np.sqrt(error ** 2 - error[0] ** 2)
    assert_allclose(extra[2], 2 * extra[1])
    # the slope is that of the fractions themselves
    step = [known(radius[:1], np.array([[0, 0, width, 0, 0]]),
                  np.zeros(1))[0][0] for width in (0.0, 0.1)]
    slope = (np.log(step[1] / step[0]))
    assert_allclose(extra[1] / 0.03, abs(slope) / 0.1, rtol=0.25)
    # a PSF of which nothing was learned is less known
    assert fraction(radius, shapes, np.zeros(3))[1][0] > 1.8 * error[0]
    common = ApertureFraction(adapt(psf, np.zeros(5), error=0.03))(
        radius, shapes, np.zeros(3))[1]
    assert_allclose(common, error[1], rtol=1e-6)


def test_normalization():
    psf = make_psf()
    fraction = ApertureFraction(psf)
    factor = fraction.normalization(np.array([-0.1, 0.0, 0.1]))
    limit = HALF_TABLE * psf.fwhm
    lights = [sum_light(psf, [0, 0, width, 0, 0], [limit])[0]
              for width in (-0.1, 0.0, 0.1)]
    assert_allclose(factor, np.array(lights) / lights[1], rtol=2e-3)
    assert factor[1] == 1


def test_no_sources():
    ratio, error = ApertureFraction(make_psf())(
        np.zeros(0), np.zeros((0, 5)), np.zeros(0))
    assert ratio.shape == error.shape == (0,)
