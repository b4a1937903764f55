# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the parts of large maps, and of the memory that they need.
"""

import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import CompactSourceRemover, nn
from compact_removal.datasets import make_example_field
from compact_removal.maps import tiles
from compact_removal.maps.tiles import make_tiles
from compact_removal.removal import build_model


@pytest.mark.parametrize('shape', [(1, 1), (30, 3000), (1280, 1281),
                                   (4000, 2600)])
def test_each_pixel_is_in_one_core(shape):
    count = np.zeros(shape, dtype=int)
    inside = np.zeros(shape, dtype=int)
    y, x = np.indices(shape)
    for tile in make_tiles(shape, 70):
        count[tile.core] += 1
        part = np.s_[::7, ::7]
        inside[part] += tile.distance(x[part] + 0.4, y[part] - 0.4) <= 0
        assert max(row.stop - row.start for row in tile.core) <= 1280
        window = np.zeros(shape, dtype=int)[tile.window]
        window[tile.inside] = 1
        assert window.sum() == count[tile.core].size
    assert_array_equal(count, 1)
    assert_array_equal(inside[::7, ::7], 1)


@pytest.fixture(scope='module', params=['separation', 'inpainting'])
def remover(request, tmp_path_factory):
    network = request.param
    if network == 'separation':
        return CompactSourceRemover('scanmap', 'blue')
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    nn.save_weights(build_model(network, width=1, seed=1), path)
    return CompactSourceRemover('scanmap', 'blue', network=network,
                                weights=path)


@pytest.mark.slow
def test_tiles_leave_no_trace(remover, monkeypatch):
    image, catalog = make_example_field(shape=(230, 250), n_sources=45)
    whole = remover.remove(image, catalog['sky_center'])
    monkeypatch.setattr(tiles, '_LARGEST', 64)
    parts = remover.remove(image, catalog['sky_center'])
    spread = np.std(image.data)
    assert_allclose(parts.background.data, whole.background.data,
                    atol=1e-5 * spread, rtol=0)
    assert_allclose(parts.background.uncertainty.array,
                    whole.background.uncertainty.array, rtol=1e-4)
    assert_array_equal(parts.background.flags, whole.background.flags)
    for name in ('flux', 'flux_err', 'annulus_flux'):
        assert_allclose(parts.sources[name].value, whole.sources[name].value,
                        rtol=1e-4)
    assert_array_equal(parts.sources['flags'], whole.sources['flags'])


@pytest.mark.slow
def test_memory_is_that_of_the_results(remover):
    # a map in single precision gives a background, its error and flags:
    # 2.25 times the map, and what two or three tiles need
    image, catalog = make_example_field(shape=(200, 200), n_sources=4)
    data = np.zeros((2200, 2300), dtype=np.float32)
    # a constant would be taken for missing pixels
    data += np.median(image.data) + 1e-3 * np.random.default_rng(1).random(
        data.shape, dtype=np.float32)
    data[1000:1200, 1000:1200] = image.data
    large = CCDData(data, unit=image.unit, wcs=image.wcs.deepcopy())
    large.wcs.wcs.crpix += 1000
    positions = catalog['sky_center']
    remover.remove(image, positions)
    tracemalloc.start()
    try:
        background, sources = remover.remove(large, positions)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert background.data.dtype == np.float32
    assert background.uncertainty.array.dtype == np.float32
    assert_array_equal(np.isfinite(sources['flux']), True)
    # float64 copies of the whole map, one after the other, do not fit
    assert peak < 2.5 * data.nbytes + 250e6


def test_mapped_file(remover, tmp_path):
    image, catalog = make_example_field(shape=(128, 128), n_sources=3)
    single = CCDData(image.data.astype(np.float32), unit=image.unit,
                     wcs=image.wcs)
    path = tmp_path / 'map.fits'
    single.write(path)
    before = path.read_bytes()
    expected = remover.remove(single, catalog['sky_center'])
    with fits.open(path, memmap=True, mode='denywrite') as hdus:
        data = hdus[0].data
        assert data.dtype.byteorder == '>'
        mapped = CCDData(data, unit=image.unit, wcs=image.wcs)
        found = remover.remove(mapped, catalog['sky_center'])
    assert found.background.data.dtype == np.float32
    assert_array_equal(found.background.data, expected.background.data)
    assert_array_equal(found.sources['flux'].value,
                       expected.sources['flux'].value)
    assert path.read_bytes() == before
