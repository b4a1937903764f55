# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of warnings, and of what cannot be measured.
"""

import warnings
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning
from numpy.testing import assert_allclose

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.psf import as_psf

REMOVER = CompactSourceRemover('scanmap', 'blue')


@pytest.fixture(name='field', scope='module')
def _field():
    return make_example_field(shape=(140, 140), n_sources=2, seed=3)


def test_no_warnings(field):
    image, catalog = field
    image = image.copy()
    image.meta['WAVELNTH'] = 70
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        REMOVER.remove(image, catalog['sky_center'])


def test_header_of_another_band(field):
    image, catalog = field
    image = image.copy()
    image.meta['WAVELNTH'] = 100
    with pytest.warns(AstropyUserWarning, match='says 100 um'):
        REMOVER.remove(image, catalog['sky_center'])


def test_no_position_on_the_map(field):
    image, catalog = field
    far = catalog['sky_center'].directional_offset_by(0 * u.deg, 3 * u.deg)
    with pytest.warns(AstropyUserWarning, match='none of the positions'):
        REMOVER.remove(image, far)


@pytest.mark.slow
def test_unknown_width(field):
    image, catalog = field
    band = get_band('scanmap', 'blue')
    wide = replace(band, name='wide', eef_radii=(), eef_values=(),
                   psf=as_psf(band).vary(broadening=2.5))
    remover = CompactSourceRemover('scanmap', wide)
    with pytest.warns(AstropyUserWarning, match="PSF of band 'wide' is"):
        remover.remove(image, catalog['sky_center'])


def test_nothing_measured(field):
    image, catalog = field
    image = image.copy()
    y, x = np.indices(image.shape)
    first = (catalog['x_center'][0], catalog['y_center'][0])
    image.data[np.hypot(x - first[0], y - first[1]) < 9] = np.nan
    _, sources = REMOVER.remove(image, catalog['sky_center'])
    assert np.isnan(sources['flux'][0])
    assert np.isnan(sources['annulus_flux'][0])
    assert np.isfinite(sources['flux'][1])


def test_wings_keep_the_noise(field):
    image, catalog = field
    image = image.copy()
    image.uncertainty = StdDevUncertainty(np.full(image.shape, 7e-4))
    background, sources = REMOVER.remove(image, catalog['sky_center'])
    y, x = np.indices(image.shape)
    holes = np.zeros(image.shape, dtype=bool)
    for row in sources:
        holes |= (np.hypot(x - row['x_center'], y - row['y_center'])
                  < row['mask_radius'])
    wings = (background.flags > 0) & ~holes
    assert wings.any()
    assert np.all(background.uncertainty.array[wings] > 6.9e-4)
    assert_allclose(background.uncertainty.array[background.flags == 0],
                    7e-4)
