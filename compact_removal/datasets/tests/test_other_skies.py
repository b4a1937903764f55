# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of simulated radio and gamma-ray maps.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (CountsSettings, RadioSettings,
                                      make_counts_map, make_radio_map)


@pytest.mark.parametrize('make', [make_radio_map, make_counts_map])
@given(seed=st.integers(0, 200))
def test_maps(make, seed):
    field, again = (make((70, 90), seed=seed) for _ in range(2))
    assert_array_equal(field.image, again.image)
    assert field.image.shape == (70, 90)
    n = len(field.kind)
    assert field.masks.shape == (n, 70, 90)
    assert len(field.x) == len(field.y) == len(field.flux) == n
    assert np.all(field.flux > 0)
    assert set(field.kind) <= {'compact', 'extended', 'artefact'}
    assert np.all(field.masks.any(axis=(1, 2)))


def test_one_radio_source():
    settings = RadioSettings(fwhm=(5.0, 5.0), density=(0.01, 0.01),
                             snr=(4000.0, 4000.0), extended=0.0,
                             residual=(1e-5, 1e-5))
    field = make_radio_map((128, 128), settings=settings, seed=3)
    assert field.kind == ('compact',)
    row, column = np.unravel_index(field.image.argmax(), field.image.shape)
    assert np.hypot(row - field.y[0], column - field.x[0]) < 1
    # the peak of a compact source is its flux
    assert_allclose(field.image.max(), 4000, rtol=0.05)
    assert_allclose(field.flux[0], 4000, rtol=0.05)
    # its width
    area = (field.image > 0.5 * field.image.max()).sum()
    assert_allclose(2 * np.sqrt(area / np.pi), field.fwhm, rtol=0.15)
    assert_allclose(field.fwhm, 5, rtol=0.3)


def test_sidelobes():
    settings = RadioSettings(density=(0.01, 0.01), snr=(3000.0, 3000.0),
                             extended=0.0, residual=(0.3, 0.3))
    fields = [make_radio_map((128, 128), settings=settings, seed=seed)
              for seed in range(4)]
    kinds = [kind for field in fields for kind in field.kind]
    assert kinds.count('artefact') > 4
    # they are no part of the sources
    for field in fields:
        sources = np.array(field.kind) != 'artefact'
        assert not np.any(field.masks[sources].any(axis=0)
                          & field.masks[~sources].any(axis=0))
    # noise has a standard deviation of 1
    quiet = make_radio_map((128, 128), seed=1, settings=RadioSettings(
        density=(0.01, 0.01), snr=(5.0, 5.0), residual=(0.01, 0.01)))
    assert_allclose(quiet.image.std(), 1, rtol=0.1)


def test_counts():
    settings = CountsSettings(background=(2.0, 2.0), density=(1.0, 1.0),
                              significance=(50.0, 50.0), extended=0.0,
                              fwhm=(4.0, 4.0))
    field = make_counts_map((128, 128), settings=settings, seed=2)
    assert field.image.dtype.kind == 'i'
    assert_allclose(field.background.mean(), 2)
    total = field.image.sum()
    expected = field.background.sum() + field.flux.sum()
    # light beyond the edges and the reach of the PSF is lost
    assert 0.7 * expected < total < expected + 5 * np.sqrt(expected)
    for mask, flux in zip(field.masks, field.flux, strict=True):
        light = (field.image - field.background)[mask].sum()
        assert light > 0.4 * flux


@pytest.mark.parametrize('settings', [RadioSettings, CountsSettings])
def test_settings(settings):
    for value in ((3.0, 2.0), (-1.0, 2.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match='^fwhm must be'):
            settings(fwhm=value)
