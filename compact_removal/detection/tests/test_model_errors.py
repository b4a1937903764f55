# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of what models of bright sources leave.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.detection.model_errors import (USUAL_ERRORS,
                                                    errors_beside, map_errors,
                                                    measure_model_errors)
from compact_removal.fitting import SourcePSF, render_sources
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
SHAPE = (260, 260)


def measure(share, *, flux=1e5, noise=1.0):
    """
    Errors of a map whose sources have a knot at 1.5 widths.
    """
    rng = np.random.default_rng(3)
    x, y = np.meshgrid(np.arange(25, 260, 35.0), np.arange(25, 260, 35.0))
    x, y = x.ravel(), y.ravel()
    data = noise * rng.normal(size=SHAPE)
    data += render_sources(SHAPE, x, y, np.full(x.size, flux),
                           np.zeros((x.size, 5)), PSF)
    if share:
        data += render_sources(SHAPE, x + 1.5 * PSF.fwhm, y,
                               np.full(x.size, share * flux),
                               np.zeros((x.size, 5)), PSF)
    return measure_model_errors(data, x, y, PSF, np.full(x.size, noise))


@pytest.mark.parametrize('share', [0.01, 0.03])
def test_knots_are_measured_where_they_are(share):
    errors = measure(share)
    offset = np.array([1.5 * PSF.fwhm, -1.5 * PSF.fwhm])
    there, opposite = errors.at(offset, np.zeros(2), PSF.fwhm)
    usual, _ = USUAL_ERRORS.at(offset, np.zeros(2), PSF.fwhm)
    # one that looks like it is not significant
    assert share < np.sqrt(there ** 2 - usual ** 2) < 4 * share
    assert opposite == pytest.approx(usual, rel=0.1)
    half = errors.pattern.shape[0] // 2
    y, x = np.unravel_index(errors.pattern.argmax(), errors.pattern.shape)
    assert np.hypot(x - half - offset[0], y - half) < 1


@pytest.mark.parametrize('flux', [100, 1e5])
def test_what_does_not_differ_is_usual(flux):
    errors = measure(0, flux=flux)
    assert_allclose(errors.ring, USUAL_ERRORS.ring, rtol=0.7)
    assert np.all(errors.ring >= USUAL_ERRORS.ring)
    assert np.abs(errors.pattern).max() < 0.03


def test_map_and_list_agree():
    x, y = np.array([20.0, 26.0, 44.0]), np.array([20.0, 23.0, 40.0])
    flux = np.array([900.0, 400.0, 100.0])
    shape = (60, 60)
    beside = map_errors(shape, x, y, flux, PSF, USUAL_ERRORS)
    at = (24, 21)
    alone = errors_beside(np.append(x, at[0]), np.append(y, at[1]),
                          np.append(flux, 0), PSF, USUAL_ERRORS)
    assert beside[at[::-1]] == pytest.approx(alone[-1])
    assert not beside[0, 59]
