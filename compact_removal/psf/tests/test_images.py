# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of point spread functions that are images.
"""

from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.instruments import get_band
from compact_removal.psf import StampPSF, as_psf, make_psf_stamp
from compact_removal.utils.parameters import ParameterError

BLUE = get_band('scanmap', 'blue')


def gaussian(shape=(41, 41), *, center=None, fwhm=4.0, elongation=1.0):
    """
    A Gaussian of peak 1.
    """
    y, x = np.indices(shape)
    if center is None:
        center = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    squared = ((x - center[0]) ** 2 / elongation
               + (y - center[1]) ** 2 * elongation)
    return np.exp(-4 * np.log(2) * squared / fwhm ** 2)


def test_user_stamp():
    truth = make_psf_stamp(BLUE, pixel_scale=1.2 * u.arcsec, shape=(61, 61))
    psf = StampPSF(truth, 1.2 * u.arcsec, fraction=truth.sum())
    stamp = make_psf_stamp(psf, pixel_scale=1.6 * u.arcsec, shape=(31, 31))
    direct = make_psf_stamp(BLUE, shape=(31, 31))
    assert_allclose(stamp, direct, atol=0.03 * direct.max())
    assert_allclose(psf.encircled_energy([6, 12]),
                    as_psf(BLUE).encircled_energy([6, 12]), atol=0.01)
    assert abs(psf.fwhm / BLUE.psf.fwhm - 1) < 0.2
    wide = psf.vary(broadening=1.2)
    assert wide.evaluate(0, 0) < psf.evaluate(0, 0)
    assert psf.evaluate(500, 0) == 0


def test_repr():
    stamp = StampPSF(gaussian((31, 35)), 1.6 * u.arcsec, fraction=0.9)
    assert repr(stamp) == ('StampPSF(<31x35 image>, pixel_scale=1.6 arcsec, '
                           'fraction=0.9)')


def test_equality_is_by_value():
    image = gaussian((21, 24), elongation=1.2)
    psf = StampPSF(image, 1.6 * u.arcsec)
    same = deepcopy(psf)
    assert psf == same
    assert hash(psf) == hash(same)
    for other in (StampPSF(image, 1.7 * u.arcsec),
                  StampPSF(image, 1.6 * u.arcsec, center=(11.4, 10)),
                  StampPSF(image.T, 1.6 * u.arcsec), 3):
        assert psf != other


def test_data_are_read_only():
    image = gaussian((21, 21))
    psf = StampPSF(image, 1 * u.arcsec)
    with pytest.raises(ValueError, match='read-only'):
        psf.data[0, 0] = 1
    image[:] = 2
    assert psf.data.sum() == pytest.approx(1)


@pytest.mark.parametrize(('args', 'kwargs', 'parameter'), [
    ((np.ones(3), 1 * u.arcsec), {}, 'data'),
    ((gaussian(), 1 * u.Jy), {}, 'pixel_scale'),
    ((gaussian(), -1 * u.arcsec), {}, 'pixel_scale'),
    ((gaussian(), [1, 1] * u.arcsec), {}, 'pixel_scale'),
    ((gaussian(), 1 * u.arcsec), {'fraction': 2}, 'fraction'),
])
def test_errors(args, kwargs, parameter):
    with pytest.raises(ParameterError, match=f'^{parameter} must') as info:
        StampPSF(*args, **kwargs)
    assert info.value.parameter == parameter


@pytest.mark.parametrize('scale', [0.5, 1.0, 2.0])
def test_width_of_coarse_images(scale):
    y, x = (np.mgrid[-24:25, -24:25] * scale)
    stamp = np.exp(-4 * np.log(2) * ((x - 0.3) ** 2 + y ** 2) / 5 ** 2)
    assert StampPSF(stamp, scale * u.arcsec).fwhm == pytest.approx(
        5, rel=0.015)
