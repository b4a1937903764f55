# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.datasets import GALAXY_KINDS, make_galaxy
from compact_removal.deblending import (BlendSettings, Contributions, decode,
                                        encode, find_centers, make_blends)
from compact_removal.metrics import profile_agreement


@pytest.fixture(scope='module')
def galaxies():
    return [make_galaxy(kind, seed=k) for k, kind in enumerate(GALAXY_KINDS)]


def make_field(galaxies, n, seed, size=128):
    blend, = make_blends(1, n_sources=n, shape=(size, size), seed=seed,
                         galaxies=galaxies, settings=BlendSettings(
                             shift='field', radius=(2.0, 6.0)))
    sources = blend.sources.astype(float)
    return sources, blend.x, blend.y


def put_together(parts, shape):
    """
    All parts and what is left over.
    """
    total = parts.unassigned.copy()
    for part, (row, column) in zip(parts.parts, parts.corners, strict=True):
        total[..., row:row + part.shape[-2],
              column:column + part.shape[-1]] += part
    assert total.shape == shape
    return total


def whole(part, corner, shape):
    """
    A part as an image.
    """
    image = np.zeros(shape)
    image[corner[0]:corner[0] + part.shape[0],
          corner[1]:corner[1] + part.shape[1]] = part
    return image


@pytest.mark.parametrize('n', [5, 30])
def test_a_field_survives(galaxies, n):
    # the test of Table 2 of the paper
    sources, x, y = make_field(galaxies, n, n, 256)
    image = sources.sum(axis=0)
    parts = decode(image, encode(sources, [(0, 0)] * n, x, y, image.shape),
                   x, y)
    flux = sources.sum(axis=(1, 2))
    assert np.median(np.abs(parts.flux / flux - 1)) < 0.006
    agreement = [profile_agreement(whole(part, corner, image.shape), truth,
                                   *place)[0]
                 for part, corner, truth, place in zip(
                     parts.parts, parts.corners, sources,
                     zip(x, y, strict=True), strict=True)]
    assert np.mean(agreement) > 0.99
    assert_allclose(put_together(parts, image.shape), image, atol=1e-6)


@given(n=st.integers(1, 6), n_contributions=st.integers(1, 7),
       seed=st.integers(0, 1000), diffuse=st.booleans())
def test_flux_is_conserved(n, n_contributions, seed, diffuse):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(12, 30, 2))
    parts, corners, x, y = [], [], [], []
    light = rng.random(shape) if diffuse else np.zeros(shape)
    image = light.copy()
    for _ in range(n):
        side = rng.integers(1, 12, 2)
        corner = [rng.integers(0, n - m + 1)
                  for n, m in zip(shape, side, strict=True)]
        part = rng.random(side)
        image[corner[0]:corner[0] + side[0],
              corner[1]:corner[1] + side[1]] += part
        parts.append(part)
        corners.append(corner)
        x.append(corner[1] + rng.uniform(0, side[1]))
        y.append(corner[0] + rng.uniform(0, side[0]))
    found = encode(parts, corners, x, y, shape,
                   n_contributions=n_contributions,
                   diffuse=light if diffuse else None)
    assert found.vectors.shape == (n_contributions, 2, *shape)
    assert found.shares.min() >= 0
    assert found.shares.sum(axis=0).max() < 1 + 1e-5
    decoded = decode(image, found, x, y)
    assert_allclose(put_together(decoded, shape), image, atol=1e-9)
    if n_contributions >= n:
        # nothing is left out
        expected = [part.sum() for part in parts]
        assert_allclose(decoded.flux, expected, rtol=0.01, atol=0.01)
        assert_allclose(decoded.unassigned, light, atol=1e-3)
        if not diffuse:
            assert_allclose(found.shares.sum(axis=0), 1, rtol=1e-5)


def test_bands():
    one = np.array([np.full((3, 3), 4.0), np.full((3, 3), 1.0)])
    other = np.array([np.full((3, 3), 1.0), np.full((3, 3), 1.0)])
    image = np.zeros((2, 3, 5))
    image[:, :, :3] += one
    image[:, :, 2:] += other
    found = encode([one, other], [(0, 0), (0, 2)], [1, 3], [1, 1], (3, 5),
                   n_contributions=2)
    assert found.shares.shape == (2, 2, 3, 5)
    # in the middle both have light; which is nearer does not matter
    assert_allclose(np.sort(found.shares[:, 0, 1, 2]), [0.2, 0.8])
    assert_allclose(found.shares[:, 1, 1, 2], [0.5, 0.5])
    parts = decode(image, found, [1, 3], [1, 1])
    assert_allclose(parts.flux, [[36, 9], [9, 9]], rtol=1e-6)
    assert_allclose(put_together(parts, image.shape), image, atol=1e-9)


def test_fewer_sources_than_contributions():
    found = encode([np.ones((4, 4))], [(0, 0)], [2], [2], (6, 6),
                   n_contributions=3)
    assert_allclose(found.shares, 1 / 3)
    assert_array_equal(found.vectors[0], found.vectors[2])
    none = encode([], [], [], [], (6, 6))
    assert not none.shares.any()
    assert not none.centers.any()
    parts = decode(np.ones((6, 6)), none, [], [])
    assert not parts.parts
    assert_array_equal(parts.unassigned, np.ones((6, 6)))


def test_negative_light_counts_as_none():
    part = np.array([[1.0, -1.0]])
    found = encode([part, [[1.0, 1.0]]], [(0, 0)] * 2, [0, 1], [0, 0], (1, 2),
                   n_contributions=2)
    # the nearest source of the second pixel is the second one
    assert_allclose(found.shares[:, 0, 1], [1, 0])


def test_decode_with_other_centers():
    star = np.outer([1, 2, 1], [1, 2, 1.0])
    image = np.zeros((10, 20))
    image[3:6, 3:6] += star
    image[3:6, 13:16] += star
    found = encode([star, star], [(3, 3), (3, 13)], [4, 14], [4, 4], (10, 20))
    parts = decode(image, found, [14.4, 3.7], [4.2, 4.1])
    assert_allclose(parts.flux, [16, 16])
    # one that was not found
    parts = decode(image, found, [14.4], [4.2])
    assert_allclose(parts.flux, [32])
    parts = decode(image, found, [14.4], [4.2], reach=3)
    assert_allclose(parts.flux, [16])
    assert_allclose(parts.unassigned[3:6, 3:6], star)
    # one that has no light
    parts = decode(image, found, [4, 14, 9], [4, 4, 0])
    assert_allclose(parts.flux, [16, 16, 0])


@given(st.lists(st.tuples(st.integers(2, 37), st.integers(2, 27)),
                unique=True, max_size=4))
def test_centers_are_found(places):
    places = [place for k, place in enumerate(places)
              if all(np.hypot(*np.subtract(place, other)) > 8
                     for other in places[:k])]
    found = encode([np.ones((1, 1))] * len(places),
                   [(y, x) for x, y in places], [x for x, _ in places],
                   [y for _, y in places], (30, 40), sigma=1.5)
    x, y = find_centers(found.centers)
    again = sorted(zip(x.round().astype(int).tolist(),
                       y.round().astype(int).tolist(), strict=True))
    assert again == sorted(places)


def test_centers_at_edges():
    found = encode([np.ones((1, 1))], [(0, 19)], [19], [0], (12, 20))
    x, y = find_centers(found.centers)
    assert_allclose([x[0], y[0]], [19, 0], atol=0.6)
    assert not find_centers(np.zeros((9, 9)))[0].size


def test_bad_arguments():
    ones = np.ones((2, 2))
    with pytest.raises(ValueError, match='^n_contributions must'):
        encode([ones], [(0, 0)], [1], [1], (4, 4), n_contributions=0)
    with pytest.raises(ValueError, match='^parts must have one entry'):
        encode([ones], [(0, 0)], [1, 2], [1, 2], (4, 4))
    with pytest.raises(ValueError, match='^parts must lie on the image'):
        encode([ones], [(3, 0)], [1], [1], (4, 4))
    with pytest.raises(ValueError, match='^parts must lie on the image'):
        encode([ones, np.ones((2, 2, 2))], [(0, 0)] * 2, [1, 2], [1, 2],
               (4, 4))
    with pytest.raises(ValueError, match='^x and y must'):
        encode([ones], [(0, 0)], [np.nan], [1], (4, 4))
    found = encode([ones], [(0, 0)], [1], [1], (4, 4))
    with pytest.raises(ValueError, match='^contributions must'):
        decode(np.ones((4, 5)), found, [1], [1])
    bad = Contributions(found.centers, found.vectors[:1], found.shares)
    with pytest.raises(ValueError, match='^contributions must'):
        decode(np.ones((4, 4)), bad, [1], [1])
