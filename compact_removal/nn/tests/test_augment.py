# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the augment module.
"""

import numpy as np
import pytest
import torch

from compact_removal.nn.augment import RandomTransform


def make_batch(n_images=16, size=32):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.exp(-((x - 4)**2 + (y - 2)**2) / 20)
    image = np.broadcast_to(image, (n_images, size, size))
    hole = np.hypot(x, y) < 5
    planes = {'image': image, 'target': 0.5 * image,
              'validity': np.broadcast_to(~hole, image.shape),
              'aperture': np.broadcast_to(hole, image.shape)}
    return {key: torch.as_tensor(np.array(plane, dtype=np.float32))
            for key, plane in planes.items()}


def test_same_in_all_planes():
    batch = make_batch()
    result = RandomTransform()(batch, np.random.default_rng(1))
    known = torch.isfinite(result['target'])
    assert 0.5 < known.float().mean() < 1
    torch.testing.assert_close(0.5 * result['image'][known],
                               result['target'][known])
    # Something happened, and not the same to all cutouts.
    assert not torch.equal(result['image'], batch['image'])
    assert not torch.equal(result['image'][0], result['image'][1])


def test_masks():
    batch = make_batch()
    result = RandomTransform()(batch, np.random.default_rng(1))
    validity = result['validity']
    assert set(validity.unique().tolist()) == {0.0, 1.0}
    # No pixel that has light of the hole is valid.
    assert (result['aperture'][validity == 1] < 2e-3).all()
    # Outside the old cutout there is nothing.
    outside = ~torch.isfinite(result['target'])
    assert (validity[outside] == 0).all()
    assert (result['image'][outside] == 0).all()


def test_shift():
    batch = make_batch(200)
    transform = RandomTransform(2.0, rotate=None, flip=False)
    result = transform(batch, np.random.default_rng(1))
    aperture = result['aperture'].double()
    total = aperture.sum((1, 2))
    assert total.std() < 1e-3 * total.mean()
    position = torch.arange(32, dtype=torch.float64) - 15.5
    x = (aperture.sum(1) * position).sum(1) / total
    y = (aperture.sum(2) * position).sum(1) / total
    for shift in (x, y):
        assert shift.abs().max() <= 2.001
        assert shift.std().item() == pytest.approx(2 / 3**0.5, rel=0.15)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.3


def test_right_angles_and_flips():
    batch = make_batch(64)
    transform = RandomTransform(0.0, rotate='right')
    result = transform(batch, np.random.default_rng(1))['image'].numpy()
    image = batch['image'][0].numpy()
    allowed = [np.rot90(one, k) for k in range(4) for one in (image, image.T)]
    found = [min(range(8), key=lambda i: abs(allowed[i] - one).max())
             for one in result]
    assert len(set(found)) == 8
    for i, one in zip(found, result, strict=True):
        np.testing.assert_allclose(one, allowed[i], atol=1e-4)


def test_nothing_to_do():
    batch = make_batch(2)
    transform = RandomTransform(0.0, rotate=None, flip=False)
    result = transform(batch, np.random.default_rng(1))
    for key, plane in batch.items():
        torch.testing.assert_close(result[key], plane, atol=1e-5, rtol=1e-5)


def test_nan():
    batch = make_batch(4)
    batch['image'][:, 3, 3] = torch.nan
    batch['target'][:, 20, 25] = torch.nan
    result = RandomTransform()(batch, np.random.default_rng(1))
    assert torch.isfinite(result['image']).all()
    reference = RandomTransform()(make_batch(4), np.random.default_rng(1))
    lost = reference['validity'] - result['validity']
    assert (lost >= 0).all()
    assert lost.sum() >= 1
    unknown = (torch.isnan(result['target'])
               & ~torch.isnan(reference['target']))
    assert unknown.sum() >= 1


def test_seed():
    first, second, other = (
        RandomTransform()(make_batch(), np.random.default_rng(seed))['image']
        for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_without_target():
    batch = make_batch(2)
    del batch['target'], batch['aperture']
    result = RandomTransform()(batch, np.random.default_rng(1))
    assert set(result) == {'image', 'validity'}


def test_errors():
    with pytest.raises(ValueError, match='^max_shift must be'):
        RandomTransform(-1)
    with pytest.raises(ValueError, match="^rotate must be 'right'"):
        RandomTransform(rotate=90)
