# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the augment module.
"""



import numpy as np
import pytest
import torch

from compact_removal.nn import Field, RandomTransform
from compact_removal.utils.parameters import ParameterError

FIELDS = {
    'image': Field('plane', fill=np.nan),
    'sources': Field('plane'),
    'validity': Field('mask'),
    'target': Field('target', fill=np.nan),
    'aperture': Field('target'),
    'fwhm': Field('value'),
}
INPAINTING = ('image', 'validity', 'target', 'aperture')


def make_batch(n_images=16, size=32, keys=tuple(FIELDS)):
    y, x = np.mgrid[:size, :size] - size // 2
    image = np.exp(-((x - 4)**2 + (y - 2)**2) / 20)
    hole = np.hypot(x, y) < 5
    planes = {'image': image, 'target': 0.5 * image, 'validity': ~hole,
              'aperture': hole,
              'sources': np.exp(-(x ** 2 + y ** 2) / 8), 'fwhm': 3.0}
    return {key: torch.as_tensor(np.array([planes[key]] * n_images,
                                          dtype=np.float32)) for key in keys}


def transform(batch, seed=1, **kwargs):
    return RandomTransform(**kwargs)(batch, np.random.default_rng(seed),
                                     FIELDS)


def centroids(planes):
    planes = planes.double()
    total = planes.sum((1, 2))
    position = torch.arange(planes.shape[-1], dtype=torch.float64)
    return ((planes.sum(1) * position).sum(1) / total,
            (planes.sum(2) * position).sum(1) / total)


@pytest.mark.parametrize('keys', [tuple(FIELDS), INPAINTING])
def test_same_in_all_planes(keys):
    batch = make_batch(keys=keys)
    before = {key: plane.clone() for key, plane in batch.items()}
    result = transform(batch)
    assert list(result) == list(batch)
    for key, plane in batch.items():
        assert result[key].shape == plane.shape
        assert result[key].dtype == plane.dtype
        assert torch.equal(plane, before[key])
    known = torch.isfinite(result['target'])
    assert 0.5 < known.float().mean() < 1
    assert torch.equal(known, torch.isfinite(result['image']))
    torch.testing.assert_close(0.5 * result['image'][known],
                               result['target'][known])
    # something happened, and not the same to all cutouts
    assert not torch.equal(result['aperture'], batch['aperture'])
    assert not torch.equal(result['aperture'][0], result['aperture'][1])


def test_masks():
    result = transform(make_batch())
    validity = result['validity']
    assert set(validity.unique().tolist()) == {0.0, 1.0}
    # no pixel that has light of the hole is valid
    assert (result['aperture'][validity == 1] < 2e-3).all()
    # beyond the old cutout there is nothing
    outside = ~torch.isfinite(result['target'])
    assert outside.any()
    assert (validity[outside] == 0).all()
    assert (result['aperture'][outside] == 0).all()
    assert torch.isnan(result['image'][outside]).all()


def test_types_and_channels():
    mask = make_batch()['validity'] > 0
    batch = {'validity': torch.stack([mask, ~mask], 1),
             'fwhm': torch.arange(16)}
    result = transform(batch)
    assert result['validity'].dtype == torch.bool
    assert not result['validity'].all(1).any()
    assert result['validity'].any(1).float().mean() > 0.6
    alone = transform({'validity': mask})
    assert torch.equal(result['validity'][:, 0], alone['validity'])
    assert result['fwhm'] is batch['fwhm']


@pytest.mark.parametrize('size', [32, 33])
def test_shift(size):
    batch = make_batch(200, size)
    result = transform(batch, rotate='none', flip=False)
    aperture = result['aperture']
    total = aperture.sum((1, 2))
    assert total.std() < 1e-3 * total.mean()
    shifts = [value - size // 2 for value in centroids(aperture)]
    for shift in shifts:
        assert shift.abs().max() <= 2.001
        assert shift.std().item() == pytest.approx(2 / 3**0.5, rel=0.15)
        assert abs(shift.mean()) < 0.3
    assert abs(np.corrcoef(*shifts)[0, 1]) < 0.3


@pytest.mark.parametrize('size', [32, 33])
@pytest.mark.parametrize('rotate', ['any', 'right', 'none'])
def test_source_stays_in_the_centre(size, rotate):
    result = transform(make_batch(50, size), max_shift=0, rotate=rotate)
    for value in centroids(result['sources']):
        assert (value - size // 2).abs().max() < 0.01


def test_source_stays_a_source():
    batch = make_batch(50, 48)
    before = batch['sources'].sum((1, 2))
    after = transform(batch)['sources']
    assert (after.sum((1, 2)) / before - 1).abs().max() < 0.02
    assert after.amax((1, 2)).min() > 0.8
    x, y = centroids(after)
    assert (x - 24).abs().max() <= 2.01
    assert (y - 24).abs().max() <= 2.01
    grid = torch.arange(48)
    squares = ((grid - x[:, None]) ** 2)[:, None] + (
        (grid - y[:, None]) ** 2)[:, :, None]
    width = (squares * after).sum((1, 2)) / after.sum((1, 2))
    # a variance of 4 in x and in y, and what the interpolation adds
    assert width.min() > 7.9
    assert width.max() < 8.8


def test_angles():
    # where a spot beside the centre goes
    batch = make_batch(400)
    batch['sources'] = torch.nan_to_num(batch['image'])
    result = transform(batch, max_shift=0, flip=False)
    x, y = (value.numpy() - 16 for value in centroids(result['sources']))
    counts = np.histogram(np.arctan2(y, x), 4, (-np.pi, np.pi))[0]
    assert counts.min() > 70
    assert np.hypot(x, y).min() > 4


def test_right_angles_and_flips():
    batch = make_batch(64, 33)
    result = transform(batch, max_shift=0, rotate='right')['target'].numpy()
    target = batch['target'][0].numpy()
    allowed = [np.rot90(one, k) for k in range(4)
               for one in (target, target.T)]
    found = [min(range(8), key=lambda i: np.abs(allowed[i] - one).max())
             for one in np.nan_to_num(result)]
    assert len(set(found)) == 8
    for i, one in zip(found, result, strict=True):
        known = np.isfinite(one)
        np.testing.assert_allclose(one[known], allowed[i][known], atol=1e-4)


def test_nothing_to_do():
    batch = make_batch(2)
    result = transform(batch, max_shift=0, rotate='none', flip=False)
    for key, plane in batch.items():
        torch.testing.assert_close(result[key], plane, atol=1e-5, rtol=1e-5)


def test_nan():
    batch = make_batch(4)
    batch['image'][:, 8, 8] = torch.nan
    batch['target'][:, 20, 25] = torch.nan
    result, reference = transform(batch), transform(make_batch(4))
    for key in ('image', 'target'):
        lost = torch.isnan(result[key]) & ~torch.isnan(reference[key])
        # one pixel, and all that get a part of it
        assert (lost.sum((1, 2)) >= 1).all()
        assert (lost.sum((1, 2)) <= 9).all()
        kept = torch.isfinite(result[key])
        assert torch.equal(result[key][kept], reference[key][kept])


def test_seed():
    state = torch.random.get_rng_state()
    first, second, other = (transform(make_batch(), seed)['sources']
                            for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_repr():
    assert repr(RandomTransform(1, flip=False)) == (
        "RandomTransform(max_shift=1.0, rotate='any', flip=False)")


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'max_shift': -1}, '^max_shift must be'),
    ({'max_shift': '1'}, '^max_shift must be'),
    ({'rotate': 90}, '^rotate must be one of any, right, none'),
    ({'flip': 1}, '^flip must be'),
])
def test_errors(kwargs, match):
    with pytest.raises(ParameterError, match=match) as caught:
        RandomTransform(**kwargs)
    assert caught.value.parameter in kwargs


def test_unknown_entry():
    with pytest.raises(ParameterError, match="'labels' is missing"):
        transform({'labels': torch.zeros(2, 8, 8)})
