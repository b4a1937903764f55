# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the functions by which the PSF of a map may differ.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.fitting.psf_basis import (HALF_TABLE, KNOTS, basis_prior,
                                               basis_tables, find_places,
                                               look_up)

ROUND = np.zeros(5)


def evaluate(table, x, y, shapes=ROUND, fwhm=3.0):
    return look_up(table, find_places(np.asarray(x, float),
                                      np.asarray(y, float), shapes, fwhm))


def test_tables():
    tables = basis_tables()
    n_knots = len(KNOTS) - 1
    assert len(tables) == n_knots + 6 * (n_knots - 1)
    assert basis_prior(np.ones(n_knots)).shape == (len(tables),)
    # the profile is round, harmonics have no mean
    angle = np.arange(48) * (2 * np.pi / 48)
    x, y = 2 * np.cos(angle), 2 * np.sin(angle)
    for i, table in enumerate(tables):
        values = evaluate(table, x, y)
        if i < n_knots:
            assert np.ptp(values) < 0.01
        else:
            assert abs(values.mean()) < 1e-3
    # together they are 1 at the centre, and fall to 0
    whole = tables[:n_knots].sum(axis=0)
    assert_allclose(evaluate(whole, 0, 0), 1, atol=1e-3)
    assert_allclose(evaluate(whole, 0, 3.9 * 3), 0, atol=0.01)
    with pytest.raises(ValueError, match='read-only'):
        tables[0, 0, 0] = 1


def test_first_harmonic_points_along_x():
    table = basis_tables()[len(KNOTS) - 1 + 1 * 2]
    right, left = evaluate(table, [2, -2], [0, 0])
    assert right > 0.1
    assert left == pytest.approx(-right)
    assert_allclose(evaluate(table, [0, 0], [2, -2]), 0, atol=1e-9)


def test_places():
    table = basis_tables()[2]
    shapes = np.array([0.5, -0.2, np.log(1.1), 0.3, 0.1])
    # shifted and broadened, whatever the elongation
    assert evaluate(table, 2.7, 1.3, shapes) == pytest.approx(
        evaluate(table, 2.2 / 1.1, 1.5 / 1.1))
    # in widths of the PSF
    assert evaluate(table, 4.0, 2.0, fwhm=6.0) == pytest.approx(
        evaluate(table, 2.0, 1.0, fwhm=3.0))
    edge = HALF_TABLE * 3.0
    assert_array_equal(evaluate(np.ones_like(table),
                                [edge - 0.2, edge + 0.2], [0, 0]), [1, 0])
