# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of batches made of others.
"""

import numpy as np
from numpy.testing import assert_array_equal

from compact_removal.nn.batches import RecalledFields, SelectedFields


class Batches:
    """
    Ramps around a bright centre, and a number; how often each was made.
    """

    def __init__(self):
        self.made = []

    def __len__(self):
        return 2

    def batch(self, epoch, number):
        self.made.append((epoch, number))
        image = np.arange(144.0).reshape(1, 12, 12) + 1000 * epoch
        image[:, 6, 6] = -1
        return {'image': image, 'fwhm': np.array([3.0]), 'other': None}


def test_selected_fields():
    batches = SelectedFields(Batches(), ['fwhm'])
    assert len(batches) == 2
    assert set(batches.batch(0, 1)) == {'fwhm'}


def test_recalled_fields():
    source = Batches()
    batches = RecalledFields(source, ['image', 'fwhm'], (8, 9), 2)
    seen = [batches.batch(epoch, number)
            for epoch in range(16) for number in range(2)]
    # only two epochs are made, once each
    assert source.made == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for batch in seen:
        assert set(batch) == {'image', 'fwhm'}
        image, = batch['image']
        # whatever the orientation, the centre stays the centre
        assert image[tuple(n // 2 for n in image.shape)] == -1
        assert image.flags.c_contiguous
    assert {batch['image'].shape[1] for batch in seen} == {8, 9}
    # all eight orientations
    first = {batch['image'].tobytes() for batch in seen[::4]}
    assert len(first) == 8
    assert_array_equal(seen[0]['image'], source.batch(0, 0)['image'][
        :, 2:10, 2:10])
