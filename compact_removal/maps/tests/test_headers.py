# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of modes and bands in the headers of maps.
"""

import warnings

import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.instruments import get_band
from compact_removal.maps.headers import (find_band, find_mode,
                                          find_mode_and_band, warn_of_band)
from compact_removal.utils.parameters import ParameterError

PACS = {'INSTRUME': 'PACS'}


@pytest.mark.parametrize(('cards', 'mode'), [
    ({'INSTMODE': 'PacsPhoto', 'OBS_MODE': 'Scan map'}, 'scanmap'),
    ({'CUSMODE': 'SpirePacsParallel', 'OBS_MODE': 'Scan map'}, 'parallel'),
    ({'OBS_MODE': 'Point source'}, None), ({}, None)])
def test_modes(cards, mode):
    assert find_mode({**PACS, **cards}) == mode
    assert find_mode(cards) is None


@pytest.mark.parametrize(('wavelength', 'band'), [
    (70.0, 'blue'), ('100.0', 'green'), (160, 'red'), (250, None),
    ('short', None), (None, None)])
def test_bands(wavelength, band):
    assert find_band({**PACS, 'WAVELNTH': wavelength}) == band
    assert find_band({'INSTRUME': 'SPIRE', 'WAVELNTH': wavelength}) is None


def test_given_before_header():
    meta = {'PACSMODE': 'parallel', 'PACSBAND': 'red'}
    assert find_mode_and_band(meta) == ('parallel', 'red')
    assert find_mode_and_band(meta, 'scanmap', 'blue') == ('scanmap', 'blue')
    assert find_mode_and_band(meta, band='blue') == ('parallel', 'blue')


@pytest.mark.parametrize(('args', 'parameter'), [
    ((None, 'blue'), 'mode'), (('scanmap', None), 'band'),
    (('scan', 'blue'), 'mode'), (('scanmap', 'pink'), 'band')])
def test_errors(args, parameter):
    with pytest.raises(ParameterError,
                       match=f'^{parameter} (must|is not given)') as info:
        find_mode_and_band({}, *args)
    assert info.value.parameter == parameter


@pytest.mark.parametrize(('cards', 'match'), [
    ({'WAVELNTH': 160.0}, 'band .blue. is that of 70 um'),
    ({'PACSMODE': 'parallel'}, "mode is 'scanmap'"),
    ({'WAVELNTH': 70.3, 'PACSMODE': 'scanmap'}, None),
    ({'WAVELNTH': 'x'}, None), ({}, None)])
def test_warnings(cards, match):
    image = CCDData(np.zeros((2, 2)), unit='Jy/pixel', meta=cards)
    band = get_band('scanmap', 'blue')
    if match is None:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            warn_of_band(image, band)
    else:
        with pytest.warns(AstropyUserWarning, match=match):
            warn_of_band(image, band)
