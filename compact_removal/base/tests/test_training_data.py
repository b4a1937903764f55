# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the maps that a user hands to ``fit``.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import Table
from numpy.testing import assert_allclose

from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.removal import TrainingCutouts
from compact_removal.base.training_data import make_training_data
from compact_removal.utils.parameters import ParameterError

BLUE = get_band('scanmap', 'blue')


def make_map(scale=None, band='blue', seed=1):
    """
    A map with one bright pixel; ``scale``: size of its pixels (arcsec).
    """
    image, _ = make_example_field(band=band, shape=(130, 140), n_sources=0,
                                  seed=seed)
    if scale is not None:
        image.wcs.wcs.cdelt = np.array([-scale, scale]) / 3600
    return image


def test_simulated():
    data = make_training_data(BLUE, None)
    assert data.bands == (BLUE,)
    assert data.maps == data.validation_maps == ()


def test_one_band():
    image = make_map()
    image.mask = np.zeros(image.shape, dtype=bool)
    image.mask[3, 4] = True
    sky = image.wcs.pixel_to_world([20.0, 30], [40.0, 50])
    data = make_training_data(BLUE, [image, make_map(seed=2)],
                              catalogs=[Table({'ra': sky.ra, 'dec': sky.dec}),
                                        None])
    assert [band.name for band in data.bands] == ['blue']
    first, second = data.maps
    assert first.band == 'blue'
    assert first.pixel_scale.to_value(u.arcsec) == pytest.approx(1.6)
    assert_allclose(first.positions, [[20, 40], [30, 50]], atol=1e-6)
    assert second.positions.shape == (0, 2)
    assert first.data.dtype == np.float32
    assert np.isnan(first.data[3, 4])
    assert np.isfinite(first.data).sum() == first.data.size - 1
    assert data.validation_maps == data.maps
    # one map needs no list
    alone = make_training_data(BLUE, image, validation=make_map(seed=2))
    assert len(alone.maps) == len(alone.validation_maps) == 1
    assert np.any(alone.maps[0].data != alone.validation_maps[0].data)


def test_several_bands():
    images = {'blue': [make_map(0.8)], 'RED': make_map(3.2, 'red'),
              'green': None}
    data = make_training_data(
        BLUE, images, catalogs={'red': [None]},
        validation={'blue': [make_map(seed=3)]})
    assert [band.name for band in data.bands] == ['blue', 'red', 'green']
    assert [item.band for item in data.maps] == ['blue', 'red']
    # bands without validation maps are validated on their own
    assert [item.band for item in data.validation_maps] == ['blue', 'red']
    assert data.validation_maps[0] is not data.maps[0]
    assert data.validation_maps[1] is data.maps[1]
    cutouts = TrainingCutouts('scanmap', data.maps, bands=data.bands, size=64,
                              field_size=64, batch_size=40, n_batches=1,
                              n_fields=1, n_psfs=1, real_fraction=1.0, seed=2)
    found = {round(float(value), 1) for value in cutouts.batch(0, 0)['fwhm']}
    widths = [BLUE.psf.fwhm / 0.8,
              get_band('scanmap', 'red').psf.fwhm / 3.2,
              get_band('scanmap', 'green').psf.fwhm / 1.6]
    assert found == {round(width, 1) for width in widths}


@pytest.mark.parametrize(('arguments', 'name', 'match'), [
    ({'backgrounds': []}, 'backgrounds', 'must be None or hold'),
    ({'backgrounds': {}}, 'backgrounds', 'must have at least one band'),
    ({'backgrounds': {'blue': None, '70um': None}}, 'backgrounds',
     "must have band 'blue' only once"),
    ({'backgrounds': None, 'catalogs': {'blue': []}}, 'catalogs',
     'must be a list'),
    ({'backgrounds': {'blue': None}, 'validation': [1]}, 'validation',
     'must be a dict by band'),
    ({'backgrounds': {'blue': None}, 'validation': {'red': None}},
     'validation', 'must have bands of backgrounds'),
    ({'backgrounds': None, 'catalogs': [None]}, 'catalogs',
     "must be None for band 'blue'"),
])
def test_errors(arguments, name, match):
    with pytest.raises(ParameterError, match=f'^{name} {match}') as caught:
        make_training_data(BLUE, **arguments)
    assert caught.value.parameter == name


def test_errors_of_maps():
    with pytest.raises(ValueError, match='^catalogs must have one entry'):
        make_training_data(BLUE, [make_map()], catalogs=[None, None])
    with pytest.raises(ValueError, match='^pixel_scale must lie between'):
        make_training_data(BLUE, [make_map(4)])
    with pytest.raises(TypeError, match='^backgrounds must be an astropy'):
        make_training_data(BLUE, [np.zeros((5, 5))])
    with pytest.raises(ParameterError, match="^backgrounds must have the band "
                       "of the estimator, 'blue', got red"):
        make_training_data(BLUE, {'red': [make_map(3.2, 'red')]})
    # the header of the map says something else
    with pytest.warns(UserWarning, match="^band 'blue' is that of 70"):
        make_training_data(BLUE, [make_map(1.6, 'green')])
    with pytest.raises(ValueError, match='^band must be one of'):
        make_training_data(BLUE, {'pink': [make_map()]})
    with pytest.raises(ValueError, match='^backgrounds must have a cel'):
        make_training_data(BLUE, [CCDData(np.zeros((5, 5)), unit='Jy')])
