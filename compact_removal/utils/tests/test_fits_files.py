# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the reading of FITS files, see the tests of `read_pacs_map`, too.
"""

import gzip
import warnings

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from compact_removal.utils.files import read_hdus
from compact_removal.utils.parameters import ParameterError


@pytest.fixture(name='path')
def _path(tmp_path):
    path = tmp_path / 'map.fits'
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(
        np.eye(3), name='one'), fits.ImageHDU(np.ones(4), name='two')])
    hdus.writeto(path, checksum=True)
    return path


def test_all_images(path):
    hdus = read_hdus(path)
    assert [hdu.name for hdu in hdus] == ['PRIMARY', 'ONE', 'TWO']
    path.unlink()
    assert_array_equal(hdus[1].data, np.eye(3))
    assert_array_equal(hdus[2].data, 1)


def test_chosen_images(path):
    given = []

    def choose(hdus):
        given.extend(hdu.name for hdu in hdus)
        return hdus[2:]

    hdus = read_hdus(path, choose=choose)
    assert given == ['PRIMARY', 'ONE', 'TWO']
    assert hdus[1]._data_loaded is False
    assert hdus[2]._data_loaded is True


def test_gzipped_and_home(path, monkeypatch):
    monkeypatch.setenv('HOME', str(path.parent))
    content = path.read_bytes()
    (path.parent / 'map.fits.gz').write_bytes(gzip.compress(content))
    hdus = read_hdus('~/map.fits.gz')
    assert_array_equal(hdus[1].data, np.eye(3))


def test_damaged(path):
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[content.index(b'TWO') + 2900] ^= 4
    for bad in (b'', b'SIMPLE', content[:-2881], bytes(damaged),
                gzip.compress(content)[:-5]):
        path.write_bytes(bad)
        with warnings.catch_warnings():
            # which the filters of the tests would make errors
            warnings.simplefilter('ignore')
            with pytest.raises(ParameterError,
                               match='^path is no readable') as info:
                read_hdus(path)
        assert info.value.parameter == 'path'
    with pytest.raises(FileNotFoundError):
        read_hdus(path.parent / 'nothing.fits')
