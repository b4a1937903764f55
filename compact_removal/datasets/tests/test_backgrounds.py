# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import (list_background_kinds, make_background,
                                      make_random_background)


@pytest.mark.parametrize('kind', list_background_kinds())
def test_statistics(kind):
    structure = make_background((90, 70), kind=kind, noise=0, seed=1)
    assert structure.shape == (90, 70)
    assert structure.dtype == np.float64
    assert_allclose([structure.mean(), structure.std()], [0, 1], atol=1e-9)
    again = make_background((90, 70), kind=kind, noise=0, seed=1)
    assert_array_equal(structure, again)
    other = make_background((90, 70), kind=kind, noise=0, seed=2)
    assert np.abs(structure - other).max() > 0.1


def test_noise_level():
    kwargs = {'seed': 4, 'noise_fwhm': 0}
    noise = (make_background((128, 128), noise=0.5, **kwargs)
             - make_background((128, 128), noise=0, **kwargs))
    assert_allclose(noise.std(), 0.5, rtol=0.03)
    assert abs(np.corrcoef(noise[:, 1:].ravel(),
                           noise[:, :-1].ravel())[0, 1]) < 0.05


def test_noise_is_correlated():
    kwargs = {'seed': 4, 'noise_fwhm': 2.0}
    noise = (make_background((128, 128), noise=0.5, **kwargs)
             - make_background((128, 128), noise=0, **kwargs))
    # autocorrelation of a Gaussian kernel at a lag of one pixel
    expected = np.exp(-1 / (4 * (2.0 / 2.3548) ** 2))
    assert_allclose(np.corrcoef(noise[:, 1:].ravel(),
                                noise[:, :-1].ravel())[0, 1],
                    expected, atol=0.05)


def test_power_law():
    power = 0
    for seed in range(20):
        field = make_background((128, 128), kind='cirrus', slope=3.0,
                                fwhm=0, noise=0, seed=seed)
        window = np.outer(np.hanning(128), np.hanning(128))
        power = power + np.abs(np.fft.fft2(field * window)) ** 2
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    low = power[(k > 0.04) & (k < 0.06)].mean()
    high = power[(k > 0.18) & (k < 0.22)].mean()
    assert_allclose(np.log(low / high) / np.log(4), 3.0, atol=0.3)


def test_beam():
    # nothing is left beyond the cut-off of the beam
    field = make_background((128, 128), noise=0, fwhm=6.0, seed=3)
    sharp = make_background((128, 128), noise=0, fwhm=0, seed=3)

    def roughness(data):
        return np.diff(data, axis=0).std()
    assert roughness(field) < 0.7 * roughness(sharp)


def test_not_periodic():
    jumps, steps = [], []
    for seed in range(10):
        field = make_background((64, 64), noise=0, seed=seed)
        jumps.append(np.abs(field[0] - field[-1]).mean())
        steps.append(np.abs(np.diff(field, axis=0)).mean())
    assert np.mean(jumps) > 4 * np.mean(steps)


def test_random_background():
    first = make_random_background((40, 50), seed=3)
    assert_array_equal(first, make_random_background((40, 50), seed=3))
    assert np.all(np.isfinite(first))


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'kind': 'smoke'}, 'kind must be one of cloud'),
    ({'fwhm': -1}, 'fwhm must not be negative'),
    ({'noise': np.nan}, 'noise must not be negative'),
    ({'shape': (0, 4)}, 'shape must be'),
])
def test_errors(kwargs, match):
    with pytest.raises(ValueError, match=match):
        make_background(**{'shape': (8, 8), **kwargs})
