# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the analytic point spread function.
"""

from copy import deepcopy

import numpy as np
import pytest

from compact_removal.instruments import get_band, list_bands
from compact_removal.psf import AnalyticPSF, as_psf
from compact_removal.utils.parameters import ParameterTypeError

KEYS = [(row['mode'], row['band']) for row in list_bands()]
BLUE = get_band('scanmap', 'blue')


@pytest.mark.parametrize('key', KEYS)
def test_total_flux_is_one(key):
    psf = as_psf(get_band(*key))
    total = psf.encircled_energy([20.0, 4000.0])
    assert total[0] < 0.9
    assert total[1] == pytest.approx(1, abs=0.01)
    assert psf.evaluate(0, 0) > 0
    grid = np.linspace(-60, 60, 241)
    assert np.all(psf.evaluate(grid, grid[:, None]) >= 0)


def test_three_lobes():
    psf = AnalyticPSF(BLUE.psf)
    angle = np.arange(6) * np.pi / 3
    r = BLUE.psf.ring_radius
    values = psf.evaluate(r * np.cos(angle), r * np.sin(angle))
    assert values[::2].min() > 1.3 * values[1::2].max()


def test_variations():
    psf = as_psf(BLUE)
    wide = psf.vary(broadening=1.1)
    assert wide.fwhm == pytest.approx(1.1 * psf.fwhm)
    assert wide.evaluate(0, 0) < psf.evaluate(0, 0)
    for varied in (wide, psf.vary(wings=2.0), psf.vary(lobes=0.1),
                   psf.vary(elongation=1.5)):
        assert varied.encircled_energy([4000.0])[0] == pytest.approx(
            1, abs=0.015)
    strong = psf.vary(wings=2.0).parameters.wing_fraction
    assert strong == pytest.approx(2 * psf.parameters.wing_fraction)


def test_repr():
    assert repr(AnalyticPSF(BLUE.psf)) == f'AnalyticPSF({BLUE.psf!r})'


def test_equality_is_by_value():
    psf = AnalyticPSF(BLUE.psf)
    same = deepcopy(psf)
    assert psf == same
    assert hash(psf) == hash(same)
    assert psf != psf.vary(broadening=1.1)
    assert psf != BLUE.psf


def test_errors():
    with pytest.raises(ParameterTypeError, match='parameters must be') as info:
        AnalyticPSF(3)
    assert info.value.parameter == 'parameters'
