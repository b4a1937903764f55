# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of maps whose header has no unit, and of catalogues of pixels.
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from numpy.testing import assert_allclose

from compact_removal import cli, nn
from compact_removal.datasets import make_example_field
from compact_removal.removal import build_model

OPTIONS = ['--mode', 'scanmap', '--band', 'blue', '--weights',
           'tiny.safetensors']


@pytest.fixture
def field(tmp_path, monkeypatch):
    """
    The current folder: weights, a map without unit, pixels.
    """
    monkeypatch.chdir(tmp_path)
    nn.save_weights(build_model('separation', width=1, seed=1),
                    'tiny.safetensors')
    image, catalog = make_example_field(shape=(64, 72), n_sources=2)
    image.write('map.fits')
    fits.delval('map.fits', 'BUNIT')
    x, y = image.wcs.world_to_pixel(catalog['sky_center'])
    Table({'X_IMAGE': x + 1, 'Y_IMAGE': y + 1, 'name': ['a', 'b']}).write(
        'pixels.txt', format='ascii.commented_header')
    return np.array([x, y])


def test_remove(field, capsys):
    arguments = ['remove', 'map.fits', 'pixels.txt', *OPTIONS]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert 'no BUNIT' in error
    assert '--unit' in error
    assert cli.main([*arguments, '--unit', 'x']) == 2
    assert '--unit must be a unit' in capsys.readouterr().err
    assert not cli.main([*arguments, '--unit', 'Jy/px'])
    sources = QTable.read('map_sources.ecsv')
    assert_allclose([sources['x_center'], sources['y_center']], field,
                    atol=1e-5)
    assert 'X_IMAGE' not in sources.colnames
    assert list(sources['name']) == ['a', 'b']


def test_batch(field, capsys):
    # the list keeps one catalogue per map
    arguments = ['batch', '--list', 'list.csv', *OPTIONS, '--jobs', '1',
                 '--output-dir', 'out']
    Table({'map': ['map.fits'], 'catalog': ['pixels.txt']}).write('list.csv')
    assert cli.main(arguments) == 1
    assert 'no BUNIT' in capsys.readouterr().out
    assert cli.main([*arguments, '--unit', 'furlong/']) == 2
    assert '--unit must be a unit' in capsys.readouterr().err
    assert not cli.main([*arguments, '--unit', 'Jy/px'])
    assert QTable.read('out/map_sources.ecsv')['flux'].unit == 'Jy'
    # a finished map, in another unit
    assert cli.main([*arguments, '--unit', 'mJy/px']) == 2
    assert 'other settings' in capsys.readouterr().err
