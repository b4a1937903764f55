# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of inputs that are missing or miss the map, and of other options.
"""

import shlex
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from compact_removal import cli, nn
from compact_removal.datasets import make_example_field
from compact_removal.removal import build_model

TINY = ['--mode', 'scanmap', '--band', 'blue', '--weights',
        'tiny.safetensors']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """
    The current folder: weights, a map, a catalogue, and one beside it.
    """
    monkeypatch.chdir(tmp_path)
    nn.save_weights(build_model('separation', width=1, seed=1),
                    'tiny.safetensors')
    image, catalog = make_example_field(shape=(64, 72), n_sources=2)
    image.write('map.fits')
    sky = catalog['sky_center'].icrs
    Table({'ra': sky.ra.deg, 'dec': sky.dec.deg}).write('catalog.csv')
    Table({'ra': sky.ra.deg + 3, 'dec': sky.dec.deg}).write('off.csv')
    return tmp_path


@pytest.fixture
def shown():
    """
    Warnings are printed, not raised.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        yield


def fails(capsys, line):
    """
    Run, check that it is one line and status 2, return that line.
    """
    try:
        status = cli.main(shlex.split(line))
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, '')
    assert err.startswith('compact-removal: error: ')
    assert err.count('\n') == 1
    return err


def test_output_dir(folder, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', *TINY, '--output-dir', 'a/b']
    assert not cli.main(args)
    assert sorted(path.name for path in (folder / 'a' / 'b').iterdir()) == [
        'map_background.fits', 'map_sources.ecsv']
    capsys.readouterr()
    assert 'not allowed with argument' in fails(
        capsys, shlex.join([*args, '--output', 'x']))


@pytest.mark.parametrize(('line', 'hint'), [
    ('train map.fits --output-dir x', 'for --output-dir, --output may be'),
    ('evaluate --output=x', 'for --output, --output-dir may be meant'),
    ('demo --out x', 'for --out, --output-dir may be meant'),
    ('remove a b --apertures 5', 'for --apertures, --aperture may be meant'),
    ('remove a.fits --catalog b.csv', 'CATALOG is given without --catalog'),
    ('info --anything', 'arguments: --anything (see'),
    ('info words', 'arguments: words (see')])
def test_unknown_options(folder, capsys, line, hint):
    message = fails(capsys, line)
    assert 'error: unrecognized arguments: ' in message
    assert hint in message


@pytest.mark.parametrize(('line', 'expected'), [
    ('remove no.fits no.csv --weights no.safetensors --output x',
     'map: there is no file no.fits; catalog: there is no file no.csv; '
     '--weights: there is no file no.safetensors'),
    ('remove map.fits no.csv --output x', 'catalog: there is no file no.csv'),
    ('remove . out', 'map: a file is needed, not the folder .; catalog: a '
                     'file is needed, not the folder out'),
    ('remove map.fits catalog.csv --weights no.safetensors --output x',
     '--weights: there is no file no.safetensors'),
    ('evaluate no.fits x.fits --catalog no.csv catalog.csv --output-dir out',
     'map: there is no file no.fits; map: there is no file x.fits; catalog: '
     'there is no file no.csv'),
    ('train no.fits --catalog no.csv --validation x.fits --output y.'
     'safetensors', 'map: there is no file no.fits; map: there is no file '
     'x.fits; catalog: there is no file no.csv'),
    ('batch no.fits --catalog no.csv --output-dir out',
     'map: there is no file no.fits; catalog: there is no file no.csv'),
    ('batch no.fits --catalog catalog.csv --output-dir out',
     'map: there is no file no.fits')])
def test_missing_inputs_come_before_outputs(folder, capsys, line, expected):
    (folder / 'out').mkdir()
    for name in ('x_background.fits', 'y.safetensors', 'out/report.html',
                 'out/report.ecsv'):
        (folder / name).write_text('mine')
    assert f'compact-removal: error: {expected}' in fails(
        capsys, f'{line} --mode scanmap --band blue')


def test_maps_of_one_name(folder, capsys):
    (folder / 'b').mkdir()
    (folder / 'b' / 'map.fits').write_bytes((folder / 'map.fits').read_bytes())
    assert 'different names, got map.fits 2 times' in fails(
        capsys, f'evaluate map.fits b/map.fits {shlex.join(TINY)}')


def test_outputs_come_after_inputs(folder, capsys):
    (folder / 'map_background.fits').write_text('mine')
    line = f'remove map.fits catalog.csv {shlex.join(TINY)}'
    assert 'map_background.fits exists; use --overwrite' in fails(capsys, line)


@pytest.mark.parametrize('kind', ['off the map', 'not observed'])
def test_no_position_on_the_map(folder, shown, capsys, kind):
    name = 'off.csv'
    if kind == 'not observed':
        name = 'catalog.csv'
        with fits.open('map.fits', mode='update') as hdus:
            hdus[0].data[:, :60] = np.nan
        Table({'x': [8, 20], 'y': [30, 40]}).write(name, overwrite=True)
    assert cli.main(['remove', 'map.fits', name, *TINY]) == 2
    out, err = capsys.readouterr()
    assert '\nsources: map_sources.ecsv\n' in out
    assert err.splitlines()[-1].startswith(
        f'compact-removal: error: catalog {name}: none of its 2 positions '
        'lies on the observed part of map map.fits; ')
    assert len(QTable.read('map_sources.ecsv')) == 2
    np.testing.assert_array_equal(fits.getdata('map_background.fits'),
                                  fits.getdata('map.fits'))


@pytest.mark.parametrize('catalogs', ['common', 'list'])
def test_no_position_on_any_map(folder, capsys, catalogs):
    args = ['batch', '--output-dir', 'out', '--jobs', '1', *TINY]
    if catalogs == 'list':
        for name in ('off.csv', 'catalog.csv'):
            Table({'map': ['map.fits'], 'catalog': [name]}).write(
                f'list-{name}')
        args += ['--list', 'list-off.csv']
    else:
        args += ['map.fits', '--catalog', 'off.csv']
    assert cli.main(args) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        'compact-removal: error: catalog: no position lies on the observed '
        'part of any map')
    assert (folder / 'out' / 'map_sources.ecsv').is_file()
    report = QTable.read('out/report.ecsv')
    assert list(report['status']) == ['done']
    assert list(report['n_on_map']) == [0]
    # a run that is resumed says it again
    assert cli.main(args) == 2


def test_empty_catalogs_are_no_error(folder, capsys):
    (folder / 'empty.csv').write_text('ra,dec\n')
    for name, args in (('a', ['batch', 'map.fits', '--catalog', 'empty.csv']),
                       ('b', ['remove', 'map.fits', 'empty.csv'])):
        assert not cli.main([*args, '--output-dir', name, *TINY])
        assert capsys.readouterr().err == (
            'compact-removal: warning: the catalogue is empty\n')


def test_warnings_of_the_maps_of_a_batch(folder, capsys):
    args = ['batch', 'map.fits', '--catalog', 'catalog.csv', '--jobs', '1',
            '--output-dir', 'out', *TINY, '--unit', 'MJy/sr']
    assert cli.main(args) == 0
    err = capsys.readouterr().err
    assert err.startswith('compact-removal: warning: map ')
    assert 'has the unit Jy / pix in its header' in err
    assert list(QTable.read('out/report.ecsv')['n_on_map']) == [2]


def test_unit_other_than_that_of_the_header(folder, shown, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', *TINY, '--unit']
    assert cli.main([*args, 'MJy/sr']) == 0
    assert ('warning: unit: map.fits has the unit Jy / pix in its header '
            '(BUNIT), but its values are taken as MJy / sr') in (
                capsys.readouterr().err)
    assert cli.main([*args, 'Jy/px', '--overwrite']) == 0
    assert capsys.readouterr().err == ''
