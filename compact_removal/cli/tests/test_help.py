# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of help texts, and of errors that users make with any command.
"""

import os
import shlex
import subprocess
import sys

import pytest
from astropy.nddata import CCDData
from astropy.table import Table

from compact_removal import cli
from compact_removal.datasets import make_example_field


def find_examples(text):
    """
    The commands of the section on examples.
    """
    section = text.split('\nexample:\n')[1].split('\n\n')[0]
    return section.splitlines()


NAMES = ['', *cli.COMMANDS]


@pytest.mark.parametrize('name', NAMES)
def test_help(capsys, monkeypatch, name):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit) as exit_info:
        cli.main([*name.split(), '--help'])
    assert exit_info.value.code == 0
    out, err = capsys.readouterr()
    assert err == ''
    status = out.split('\nexit status:\n')[1].splitlines()
    numbers = [int(line.split()[0]) for line in status]
    some_fail = ('', 'batch', 'mask', 'tracking')
    assert numbers == ([0, 1, 2, 130] if name in some_fail
                       else [0, 2, 130])
    assert all(len(line) < 80 for line in out.splitlines())

    examples = find_examples(out)
    assert examples
    for line in examples:
        program, verb, *words = shlex.split(line)
        assert program == 'compact-removal'
        assert verb == (name or 'remove')
        cli.make_parser(verb, words).parse_args(words)


def test_options_have_help():
    for name in cli.COMMANDS:
        for action in cli.make_parser(name)._actions:
            assert action.help, f'{name}: {action.dest}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """
    The current folder, with a map and a catalogue.
    """
    image, catalog = make_example_field(shape=(96, 96), n_sources=2)
    image.write(tmp_path / 'map.fits')
    CCDData(image.data, unit='K', wcs=image.wcs).write(
        tmp_path / 'kelvin.fits')
    sky = catalog['sky_center'].icrs
    Table({'ra': sky.ra.deg, 'dec': sky.dec.deg}).write(
        tmp_path / 'catalog.csv')
    (tmp_path / 'bad.csv').write_text('x,z\n1,2\n')
    (tmp_path / 'dir').mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(('line', 'expected'), [
    ('remove dir catalog.csv', 'map: a file is needed, not the folder dir'),
    ('evaluate dir', 'map: a file is needed, not the folder dir'),
    ('train dir', 'map: a file is needed, not the folder dir'),
    ('remove map.fits dir', 'catalog: a file is needed, not the folder dir'),
    ('batch map.fits --catalog dir --output-dir out',
     'catalog: a file is needed, not the folder '),
    ('remove catalog.csv map.fits',
     'map is no readable FITS file: catalog.csv'),
    ('remove kelvin.fits catalog.csv', 'map kelvin.fits must have as unit a'),
    ('evaluate map.fits kelvin.fits', 'map kelvin.fits must have as unit a'),
    ('train map.fits kelvin.fits', 'map kelvin.fits must have as unit a'),
    ('remove map.fits bad.csv', 'catalog bad.csv must have a SkyCoord column'),
    ('evaluate map.fits --catalog bad.csv', 'catalog bad.csv must have'),
    ('train map.fits --catalog bad.csv', 'catalog bad.csv must have'),
    ('batch map.fits --catalog bad.csv --output-dir out',
     'catalog bad.csv must have a SkyCoord column'),
    ('remove map.fits catalog.csv --band 70',
     "--band must be a scalar wavelength with its unit, such as '70um'"),
    ('evaluate map.fits --band blu', '--band must be one of '),
    ('remove map.fits catalog.csv --output map.fits/x', 'is not a folder'),
    ('demo --output-dir map.fits', 'is not a folder'),
    ('evaluate map.fits --output-dir map.fits/x', 'is not a folder'),
    ('batch map.fits --catalog catalog.csv --output-dir map.fits',
     '--output-dir must be a folder'),
    ('evaluate map.fits --n-levels 0', '--n-levels or --flux must be'),
    ('evaluate map.fits --n-sources 0', '--n-sources must be'),
    ('remove map.fits catalog.csv --aperture 99', '--aperture must be'),
])
def test_errors_of_users(folder, capsys, line, expected):
    args = shlex.split(line)
    if args[0] != 'demo':
        # the last option of a name counts
        args[1:1] = ['--mode', 'scanmap', '--band', 'blue']
    before = sorted(folder.rglob('*'))
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert expected in err
    assert err.startswith('compact-removal: error: ')
    assert err.count('\n') == 1
    assert set(folder.rglob('*')) - set(before) <= {folder / 'out'}


def test_folders_without_permission(folder, capsys, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    assert cli.main(['demo', '--output-dir', 'out/new']) == 2
    assert capsys.readouterr().err == (
        'compact-removal: error: out/new/background.fits cannot be written: '
        f'no permission for {folder}\n')


def test_a_folder_in_place_of_an_output(folder, capsys):
    (folder / 'x_sources.ecsv').mkdir()
    assert cli.main(['remove', 'map.fits', 'catalog.csv', '--output', 'x',
                     '--overwrite']) == 2
    assert 'x_sources.ecsv must be a file, but there is a folder' in (
        capsys.readouterr().err)


@pytest.mark.parametrize(('error', 'expected'), [
    (MemoryError('no room\nfor it'), 'no room for it'),
    (MemoryError(), 'MemoryError'),
    (RuntimeError('no room for it'), 'no room for it'),
    (BrokenPipeError(32, 'Broken pipe'), '[Errno 32] Broken pipe'),
])
def test_other_errors_are_one_line(capsys, monkeypatch, error, expected):
    def list_weights():
        raise error

    monkeypatch.setattr('compact_removal.CompactSourceRemover.list_weights',
                        staticmethod(list_weights))
    assert cli.main(['info']) == 2
    assert capsys.readouterr().err == f'compact-removal: error: {expected}\n'


def test_nobody_reads_on():
    # as after "| head", whatever size the buffers have
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w') as stdout:
        result = subprocess.run(
            [sys.executable, '-m', 'compact_removal.cli', 'info'],
            stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 141
    assert result.stderr == ''
