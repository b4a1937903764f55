# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of wrong input of runs, before any work, and of fingerprints.
"""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from compact_removal import CompactSourceRemover
from compact_removal.batch import _settings, remove_many
from compact_removal.batch._settings import is_same_map, map_fingerprint
from compact_removal.instruments import get_band
from compact_removal.utils.descriptions import describe, hash_settings

SKY = SkyCoord([1], [2], unit='deg')
BLUE = CompactSourceRemover('scanmap', 'blue')


@pytest.mark.parametrize(('changes', 'error', 'match'), [
    ({'maps': 'a.fits'}, TypeError, '^maps must be a list of paths'),
    ({'maps': []}, ValueError, '^maps must have at least one path'),
    ({'maps': [3, 'a.fits']}, TypeError, '^maps must be a list of paths'),
    ({'maps': ['a.fits', 'x/a.fits.gz']}, ValueError,
     '^maps must have different names'),
    ({'maps': ['a.fits', 'A.fits']}, ValueError,
     '^maps must have different names'),
    ({'maps': ['a.fits', 'out/a_background.fits']}, ValueError,
     '^output_dir must be a folder where no output replaces an input'),
    ({'catalogs': ['out/a_sources.ecsv', SKY]}, ValueError,
     '^output_dir must be a folder where no output replaces an input'),
    ({'catalogs': 'out/report.ecsv'}, ValueError,
     '^output_dir must be a folder where no output replaces an input'),
    ({'catalogs': [SKY]}, ValueError,
     r'^catalogs must have one entry per map \(2\)'),
    ({'catalogs': [SKY, None]}, TypeError,
     r'^catalogs\[1\] must be a path, a SkyCoord, a Table or regions'),
    ({'catalogs': 3}, TypeError, '^catalogs must be a path, a SkyCoord'),
    ({'catalogs': 'no.csv'}, FileNotFoundError, '^catalog: there is no file'),
    ({'remover': 'blue'}, TypeError,
     '^remover must be a CompactSourceRemover or None, got str'),
    ({'remover': CompactSourceRemover('scanmap', 'pink')}, ValueError,
     '^band must be'),
    ({'remover': CompactSourceRemover(None, None, cutout_size=50)},
     ValueError, '^cutout_size must be'),
    ({'remover': CompactSourceRemover('scanmap', 'blue', weights=None)},
     ValueError, '^weights must not be None'),
    ({'remover': CompactSourceRemover('scanmap', 'blue', weights='no')},
     ValueError, '^weights must be one of default, '),
    ({'output_dir': 3}, TypeError, '^output_dir must be the path of a'),
    ({'output_dir': 'file'}, NotADirectoryError, '^output_dir must be a'),
    ({'n_workers': 0}, ValueError, '^n_workers must be a positive integer'),
    ({'n_workers': True}, ValueError, '^n_workers must be a positive'),
    ({'client': 'tcp://10.0.0.1:8786', 'n_workers': None}, TypeError,
     '^client must be a dask.distributed.Client'),
    ({'client': 'tcp://10.0.0.1:8786'}, ValueError,
     '^n_workers must be None with a client'),
])
def test_wrong_input(tmp_path, monkeypatch, changes, error, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    arguments = {'maps': ['a.fits', 'b.fits'], 'catalogs': SKY,
                 'remover': BLUE, 'output_dir': 'out', 'n_workers': 1,
                 **changes}
    with pytest.raises(error, match=match) as caught:
        remove_many(**arguments)
    named = getattr(caught.value, 'parameter', '')
    if named:
        assert str(caught.value).startswith(named)
    assert not list(tmp_path.glob('*/*'))


def test_describe():
    assert describe({'a': (1, None, 'x', np.float64(0.5))}) == {
        'a': [1, None, 'x', 0.5]}
    long = np.zeros(10_000)
    other = long.copy()
    other[5000] = 1
    assert hash_settings({'x': long}) == hash_settings({'x': long.copy()})
    assert hash_settings({'x': long}) != hash_settings({'x': other})
    assert (hash_settings({'x': 1 * u.arcsec})
            != hash_settings({'x': 1 * u.arcmin}))
    # the same settings, whatever their types
    assert hash_settings({'x': np.int64(3)}) == hash_settings({'x': 3})
    assert (hash_settings({'x': Path('a') / 'b'})
            == hash_settings({'x': str(Path('a/b'))}))
    # objects count with their type and all that they hold
    first, second = (SimpleNamespace(a=1, b=value) for value in (2, 3))
    assert describe(first) == ['SimpleNamespace', {'a': 1, 'b': 2}]
    assert describe(first) != describe(second)
    assert describe(1j) == '1j'
    blue, red = get_band('scanmap', 'blue'), get_band('scanmap', 'red')
    assert describe(blue) == describe(get_band('scanmap', 'blue'))
    assert describe(blue) != describe(red)


def test_map_fingerprint(tmp_path):
    content = np.random.default_rng(1).bytes(600_000)
    path = tmp_path / 'a.fits'
    path.write_bytes(content)
    first = map_fingerprint(path)
    assert first['sha256'] == hashlib.sha256(content).hexdigest()
    moved = path.rename(tmp_path / 'b.fits')
    assert is_same_map(moved, first)
    assert is_same_map(path, first)
    later = first['mtime_ns'] + 10 ** 9
    os.utime(moved, ns=(later, later))
    assert is_same_map(moved, first)
    for other in (content[:300_000] + b'xy' + content[300_002:],
                  content + b'x'):
        moved.write_bytes(other)
        os.utime(moved, ns=(later, later))
        assert not is_same_map(moved, first)
    assert not is_same_map(moved, None)


def test_unchanged_maps_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / 'a.fits'
    path.write_bytes(b'map')
    first = map_fingerprint(path)
    monkeypatch.setattr(_settings, 'compute_sha256', None)
    assert is_same_map(path, first)


def test_apertures_are_checked_with_the_band_of_the_map():
    # too large for the first band of the table
    remover = CompactSourceRemover('scanmap', None, apertures=20 * u.arcsec)
    remover.check_params()
    with pytest.raises(ValueError, match='^apertures must'):
        remover.set_params(band='blue').check_params()
    remover.set_params(band='red').check_params()
