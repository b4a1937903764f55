# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the loading module.
"""

import multiprocessing
import os

import numpy as np
import pytest
import torch

from compact_removal.nn import Field, loading
from compact_removal.nn.loading import BatchLoader, choose_n_workers
from compact_removal.utils.parameters import ParameterError

FIELDS = {'image': Field('plane'), 'label': Field('value', dtype='int64')}


class Source:
    def __init__(self, offset, n_batches=3):
        self.offset, self.n_batches = offset, n_batches

    def __len__(self):
        return self.n_batches

    def batch(self, epoch, number):
        value = self.offset + 10 * epoch + number
        return {'image': np.full((2, 4, 4), value, dtype=np.float64),
                'label': [value, os.getpid()]}


def read(loader, name, epoch):
    batches = list(loader.epoch(name, epoch))
    return ([batch['image'][0, 0, 0].item() for batch in batches],
            {batch['label'][1].item() for batch in batches})


@pytest.mark.parametrize('n_workers', [0, 1, 2])
def test_batches_come_in_order(n_workers):
    sources = {'first': Source(0), 'second': Source(1000, 2)}
    with BatchLoader(sources, FIELDS, n_workers=n_workers) as loader:
        processes = set()
        for epoch in (0, 4):
            values, found = read(loader, 'first', epoch)
            assert values == [10 * epoch + number for number in range(3)]
            processes |= found
            values, found = read(loader, 'second', epoch)
            assert values == [1000 + 10 * epoch, 1001 + 10 * epoch]
            processes |= found
    # they live on between epochs
    assert len(processes) == max(n_workers, 1)
    assert (os.getpid() in processes) == (n_workers == 0)


def test_types_are_those_that_are_declared():
    with BatchLoader({'a': Source(0)}, FIELDS, n_workers=0) as loader:
        batch = next(loader.epoch('a', 0))
    assert batch['image'].dtype == torch.float32
    assert batch['label'].dtype == torch.int64


@pytest.mark.parametrize('n_workers', [0, 1])
def test_an_epoch_that_is_left_early(n_workers):
    with BatchLoader({'a': Source(0, 5)}, FIELDS,
                     n_workers=n_workers) as loader:
        next(loader.epoch('a', 0))
        assert read(loader, 'a', 1)[0] == [10, 11, 12, 13, 14]


def test_no_batch():
    loader = BatchLoader({'a': Source(0, 0)}, FIELDS, n_workers=0)
    with pytest.raises(ValueError, match='^a must give at least one'):
        next(loader.epoch('a', 0))


@pytest.mark.parametrize(('n_cpus', 'expected'), [(1, 1), (2, 1), (3, 2),
                                                  (64, 4)])
def test_number_of_workers(n_cpus, expected, monkeypatch):
    monkeypatch.setattr(loading, 'count_cpus', lambda: n_cpus)
    monkeypatch.setattr(loading.sys, 'platform', 'linux')
    assert choose_n_workers() == expected
    for platform in ('darwin', 'win32'):
        monkeypatch.setattr(loading.sys, 'platform', platform)
        assert choose_n_workers() == 0
        with pytest.raises(ParameterError, match='^n_workers must be 0'):
            BatchLoader({'a': Source(0)}, FIELDS, n_workers=1)


class Broken(Source):
    """
    A source whose last batch cannot be made.
    """

    def batch(self, epoch, number):
        if number == 2:
            msg = 'width must be nice'
            raise ParameterError(msg, 'width')
        return super().batch(epoch, number)


@pytest.mark.parametrize('n_workers', [0, 1])
def test_errors_come_as_they_are(n_workers):
    # the error is held, as notebooks do: processes end nevertheless
    with (pytest.raises(ParameterError) as caught,
          BatchLoader({'a': Broken(0)}, FIELDS,
                      n_workers=n_workers) as loader):
        read(loader, 'a', 0)
    assert str(caught.value) == 'width must be nice'
    assert caught.value.parameter == 'width'
    assert 'raise ParameterError' in caught.value.__notes__[0]
    assert not multiprocessing.active_children()


def test_random_numbers_of_the_user_stay():
    state = torch.get_rng_state()
    with BatchLoader({'a': Source(0)}, FIELDS, n_workers=1) as loader:
        read(loader, 'a', 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not multiprocessing.active_children()
