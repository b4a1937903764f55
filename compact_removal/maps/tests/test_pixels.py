# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the form of pixels.
"""

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from compact_removal.maps.pixels import check_square_pixels
from compact_removal.tests.any_input import make_wcs


def changed(**values):
    wcs = make_wcs((50, 60))
    for name, value in values.items():
        setattr(wcs.wcs, name, value)
    return wcs


@given(ratio=st.floats(0.2, 5), angle=st.floats(-180, 180))
def test_elongated_pixels(ratio, angle):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # the PC matrix turns the axes of the world
    wcs = changed(cdelt=[-1 / 3600, 1 / 3600])
    wcs.wcs.pc = [[cos, -ratio * sin], [sin, ratio * cos]]
    if max(ratio, 1 / ratio) < 1.0499:
        check_square_pixels(wcs)
    elif max(ratio, 1 / ratio) > 1.0501:
        with pytest.raises(ValueError, match='^image must have square pix'):
            check_square_pixels(wcs)


def test_message():
    with pytest.raises(ValueError, match=r'\(within 5%\), got axes of 4.8 '
                                         'and 1.6 arcsec'):
        check_square_pixels(changed(cdelt=[-1.6 / 3600, 4.8 / 3600]))


@pytest.mark.parametrize(('values', 'match'), [
    ({'pc': [[1, 0.8], [0, 1]]}, 'square pixels'),
    ({'pc': [[1, 1], [1, 1 + 1e-9]]}, 'not singular'),
    ({'cdelt': [np.nan, 1]}, 'finite'),
    ({'cdelt': [np.inf, 1]}, 'finite'),
    ({'crval': [np.nan, 0]}, 'finite'),
    ({'crpix': [0, np.inf]}, 'finite'),
    ({'cdelt': [0, 1]}, 'valid celestial WCS'),
    ({'ctype': ['RA---TAN', 'FREQ']}, 'valid celestial WCS'),
])
def test_broken_wcs(values, match):
    with pytest.raises(ValueError, match='^image must have') as error:
        check_square_pixels(changed(**values))
    assert match in str(error.value)
    assert '\n' not in str(error.value)


def test_other_axes_do_not_matter():
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN', 'FREQ'
    wcs.wcs.cdelt = -1, 1, 1e9
    check_square_pixels(wcs)
