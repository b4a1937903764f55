# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (GALAXY_KINDS, BlendSettings,
                                      make_blends, make_galaxy)
from compact_removal.datasets.blends import STAR


@pytest.fixture(scope='module')
def galaxies():
    return [make_galaxy(kind, seed=k) for k, kind in enumerate(GALAXY_KINDS)]


@given(seed=st.integers(0, 100), n=st.integers(1, 4),
       shift=st.sampled_from(['separation', 'paper', 'code', 'field']))
def test_blends(galaxies, seed, n, shift):
    settings = BlendSettings(shift=shift, radius=(2.0, 4.0))
    blend, = make_blends(1, n_sources=n, shape=(90, 100), galaxies=galaxies,
                         settings=settings, seed=seed)
    assert blend.image.shape == (90, 100)
    assert blend.sources.shape == blend.masks.shape == (n, 90, 100)
    assert blend.sources.min() >= 0
    # one realisation of the noise
    noise = blend.image - blend.sources.sum(axis=0)
    assert_allclose(noise.std(), blend.noise, rtol=0.05)
    # magnitudes
    difference = -2.5 * np.log10(blend.flux / blend.flux[0])
    assert np.all(np.abs(difference) <= 2)
    # what is far from the edges is complete, and where it is said to be
    rows, columns = np.indices(blend.image.shape)
    for source, x, y, flux in zip(blend.sources.astype(float), blend.x,
                                  blend.y, blend.flux, strict=True):
        if 35 < x < 65 and 35 < y < 55:
            total = source.sum()
            assert_allclose(total, flux, rtol=0.05)
            assert_allclose([(source * columns).sum() / total,
                             (source * rows).sum() / total], [x, y], atol=0.3)


def test_the_seed_decides(galaxies):
    first, second = (next(make_blends(1, galaxies=galaxies, seed=3))
                     for _ in range(2))
    assert_array_equal(first.image, second.image)
    other = next(make_blends(1, galaxies=galaxies, seed=4))
    assert not np.array_equal(first.image, other.image)


def test_signal_to_noise(galaxies):
    settings = BlendSettings(snr=(100.0, 100.0), difference=0.0)
    for blend in make_blends(5, galaxies=galaxies, settings=settings, seed=1):
        assert_allclose(blend.snr[0], 100, rtol=1e-4)
        assert_allclose(blend.flux, blend.flux[0])


@pytest.mark.parametrize(('shift', 'low', 'high'), [
    ('separation', 0.6, 3.5), ('code', 0.8, 4.0)])
def test_separations(galaxies, shift, low, high):
    settings = BlendSettings(shift=shift, stars=0.0)
    for blend in make_blends(20, galaxies=galaxies, settings=settings,
                             shape=(128, 128), seed=2):
        distance = np.hypot(np.diff(blend.x), np.diff(blend.y))[0]
        radius = blend.radius.max()
        assert low * min(blend.radius) * 0.99 <= distance <= (
            high * radius * 1.01)


def test_shift_of_the_paper(galaxies):
    settings = BlendSettings(shift='paper', stars=0.0)
    for blend in make_blends(20, galaxies=galaxies, settings=settings,
                             shape=(128, 128), seed=2):
        for values in (blend.x, blend.y):
            assert abs(np.diff(values)[0]) >= 0.499 * blend.radius.max()


def test_stars_alone():
    settings = BlendSettings(stars=1.0, fwhm=(2.0, 2.0))
    blend, = make_blends(1, n_sources=3, settings=settings, seed=1)
    assert blend.kind == (STAR,) * 3
    assert blend.fwhm == 2.0


def test_noise_of_the_light(galaxies):
    settings = BlendSettings(photons=1.0, snr=(2000.0, 2000.0))
    blend, = make_blends(1, galaxies=galaxies, settings=settings, seed=1)
    noise = blend.image - blend.sources.sum(axis=0)
    bright = blend.sources.sum(axis=0) > 300
    assert noise[bright].std() > 1.3


def test_bad_arguments():
    for name, value in (('n', 0), ('n_sources', 0), ('n_sources', (3, 2))):
        with pytest.raises(ValueError, match=f'^{name} must'):
            list(make_blends(**{'n': 1, name: value}))
    for name, value in (('shift', 'far'), ('fwhm', (0.0, 2.0)),
                        ('snr', (3.0, 2.0)), ('stars', -1.0)):
        with pytest.raises(ValueError, match=f'^{name} must'):
            BlendSettings(**{name: value})


def test_fluxes_of_catalogues():
    for blend in make_blends(4, seed=3):
        ratio = blend.measure_alone() / blend.flux
        # light in the wings is lost, noise is not
        assert np.all((ratio > 0.6) & (ratio < 1.2))
        assert np.median(ratio) < 1.02
    faint, = make_blends(1, seed=1, settings=BlendSettings(snr=(1.0, 1.0)))
    assert np.isnan(faint.measure_alone()).all()
