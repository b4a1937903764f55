# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of ``compact-removal batch``.
"""

import os
import sys

import astropy.units as u
import pytest
from astropy.table import QTable, Table

from compact_removal import batch, cli
from compact_removal.datasets import make_example_field

OPTIONS = ['--mode', 'scanmap', '--band', 'blue', '--jobs', '1']


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """
    The calls of a stand-in for process_many; its second map fails.
    """
    def process_many(estimator, maps, catalogs, **kwargs):
        found.append((maps, catalogs, {'estimator': estimator, **kwargs}))
        status = (['done', 'error', 'resumed'] * len(maps))[:len(maps)]
        return QTable({
            'map': [str(path) for path in maps], 'status': status,
            'error': ['no good' * (name == 'error') for name in status],
            'n_sources': [7] * len(maps), 'n_on_map': [7] * len(maps),
            'warnings': [''] * len(maps)})

    found = []
    monkeypatch.setattr(batch, 'process_many', process_many)
    monkeypatch.chdir(tmp_path)
    return found


def run(*args):
    return cli.main(['batch', *map(str, args)])


def fails(capsys, *args):
    """
    Run, check that it is one line and status 2, return that line.
    """
    try:
        status = run(*args)
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ''
    assert captured.err.startswith('compact-removal: error: ')
    assert captured.err.count('\n') == 1
    return captured.err


def test_report_and_status(calls, capsys):
    status = run('a.fits', 'b.fits', 'c.fits', '--catalog', 'x.csv',
                 '--output-dir', 'out')
    assert status == 1
    out, err = capsys.readouterr()
    assert out == ('3 maps: 1 done, 1 done by an earlier run, 1 failed; 21 '
                   'sources\n'
                   'failed: b.fits: no good\n'
                   'report: out/report.ecsv\n')
    assert err == ''
    assert run('a.fits', '--catalog', 'x.csv', '--output-dir', 'out') == 0


def test_options(calls):
    run('a.fits', 'b.fits', '--catalog', 'x.csv', 'y.reg', '--output-dir',
        'out', '--jobs', '3', '--mode', 'parallel', '--aperture', '5', '8',
        '--weights', 'w.safetensors', '--device', 'cpu', '--recenter',
        '--overwrite', '--network', 'inpainting')
    maps, catalogs, kwargs = calls[0]
    assert [path.name for path in maps] == ['a.fits', 'b.fits']
    assert [path.name for path in catalogs] == ['x.csv', 'y.reg']
    estimator = kwargs.pop('estimator')
    assert kwargs.pop('output_dir').name == 'out'
    assert kwargs == {'n_workers': 3, 'client': None, 'overwrite': True,
                      'unit': None,
                      'progress_bar': False}
    params = estimator.get_params()
    assert (params.pop('apertures') == [5, 8] * u.arcsec).all()
    assert params == {
        'mode': 'parallel', 'band': None, 'network': 'inpainting',
        'weights': 'w.safetensors', 'device': 'cpu', 'recenter': True,
        'cutout_size': None, 'batch_size': 64, 'seed': None,
        'progress_bar': False}


def test_one_catalog_is_common(calls):
    run('a.fits', '--catalog', 'x.csv', '--output-dir', 'out')
    assert calls[0][1].name == 'x.csv'
    assert calls[0][2]['n_workers'] is None


@pytest.mark.parametrize('suffix', ['csv', 'ecsv', 'fits'])
def test_list(calls, tmp_path, suffix):
    folder = tmp_path / 'folder'
    folder.mkdir()
    table = Table({'map': ['a.fits', '/data/b.fits'],
                   'catalog': ['cats/a.csv', 'b.ecsv']})
    table.write(folder / f'maps.{suffix}')
    run('--list', f'folder/maps.{suffix}', '--output-dir', 'out')
    maps, catalogs, _ = calls[0]
    assert [str(path) for path in maps] == ['folder/a.fits', '/data/b.fits']
    assert [str(path) for path in catalogs] == ['folder/cats/a.csv',
                                                'folder/b.ecsv']


@pytest.mark.parametrize(('args', 'expected'), [
    (['a.fits'], '--output-dir'),
    (['a.fits', '--output-dir', 'out'],
     'error: --catalog not given; give MAP and --catalog, or --list'),
    (['--catalog', 'x.csv', '--output-dir', 'out'],
     'error: MAP not given; give MAP and --catalog, or --list'),
    (['a.fits', 'b.fits', 'c.fits', '--catalog', 'x.csv', 'y.csv',
      '--output-dir', 'out'], 'one per MAP (3), got 2'),
    (['a.fits', '--list', 'no.csv', '--output-dir', 'out'],
     'MAP and --list are both given; --list is in place of MAP'),
    (['--list', 'no.csv', '--output-dir', 'out'],
     '--list: there is no file no.csv'),
    (['--list', 'bad.pdf', '--output-dir', 'out'],
     '--list must be a file of type'),
    (['--list', 'bad.csv', '--output-dir', 'out'],
     '--list must be a table with the columns map and catalog, got map'),
    (['a.fits', '--catalog', 'x.csv', '--output-dir', 'out', '--jobs', '2',
      '--scheduler', 'tcp://127.0.0.1:1'],
     'error: --jobs and --scheduler are both given; --jobs is for local'),
    (['a.fits', '--catalog', 'x.csv', '--output-dir', 'out', '--jobs', '0'],
     '--jobs must be a positive integer, got 0'),
    (['no/*.fits', '--catalog', 'x.csv', '--output-dir', 'out'],
     'error: no file matches no/*.fits'),
    (['a.fits', '--catalog', '*.csv.gz', '--output-dir', 'out'],
     'error: no file matches *.csv.gz'),
])
def test_wrong_arguments(calls, capsys, tmp_path, args, expected):
    for name in ('bad.csv', 'bad.pdf'):
        (tmp_path / name).write_text('map\na.fits\n')
    assert expected in fails(capsys, *args)
    assert calls == []
    assert not (tmp_path / 'out').exists()


def test_no_scheduler(calls, capsys):
    pytest.importorskip('distributed')
    import dask

    with dask.config.set({'distributed.comm.timeouts.connect': 0.2}):
        message = fails(capsys, 'a.fits', '--catalog', 'x.csv',
                        '--output-dir', 'out', '--scheduler',
                        'tcp://127.0.0.1:1')
    assert 'tcp://127.0.0.1:1' in message
    assert calls == []


def test_scheduler(calls, monkeypatch):
    class Client:
        closed = False

        def __init__(self, address, *, set_as_default):
            self.address = address

        def close(self):
            self.closed = True

    distributed = pytest.importorskip('distributed')
    monkeypatch.setattr(distributed, 'Client', Client)
    run('a.fits', '--catalog', 'x.csv', '--output-dir', 'out',
        '--scheduler', 'tcp://here:8786')
    client = calls[0][2]['client']
    assert client.address == 'tcp://here:8786'
    assert client.closed


@pytest.mark.parametrize(('options', 'expected'), [
    ([], 'interrupted; the same command resumes the run; report: '
         'out/report.ecsv'),
    (['--overwrite'], 'interrupted; the same command without --overwrite '
                      'resumes the run; report: out/report.ecsv'),
])
def test_interruption(calls, capsys, monkeypatch, options, expected):
    def process_many(*args, output_dir, **kwargs):
        output_dir.mkdir()
        (output_dir / 'report.ecsv').touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, 'process_many', process_many)
    status = run('a.fits', '--catalog', 'x.csv', '--output-dir', 'out',
                 *options)
    assert status == 130
    assert capsys.readouterr().err == f'compact-removal: error: {expected}\n'


def test_progress_on_a_terminal(tmp_path, capsys, monkeypatch):
    pytest.importorskip('termios')
    image, catalog = make_example_field(shape=(96, 96), n_sources=1)
    image.write(tmp_path / 'a.fits')
    catalog.write(tmp_path / 'c.ecsv')
    # it has no columns and no rows, like those of script(1)
    reader, terminal = os.openpty()
    with os.fdopen(terminal, 'w') as stderr:
        monkeypatch.setattr(sys, 'stderr', stderr)
        assert run(tmp_path / 'a.fits', '--catalog', tmp_path / 'c.ecsv',
                   '--output-dir', tmp_path / 'out', *OPTIONS) == 0
        monkeypatch.undo()
        shown = os.read(reader, 2 ** 16).decode()
    os.close(reader)
    assert '0/1' in shown
    assert '1/1' in shown
    assert '0 errors' in shown
    assert capsys.readouterr().err == ''


def test_for_real(tmp_path, capsys):
    image, catalog = make_example_field(shape=(128, 128), n_sources=2)
    del image.meta['PACSMODE'], image.meta['PACSBAND']
    image.write(tmp_path / 'a.fits')
    (tmp_path / 'b.fits').write_bytes(b'')
    catalog.write(tmp_path / 'c.ecsv')
    args = [tmp_path / 'a.fits', tmp_path / 'b.fits', '--catalog',
            tmp_path / 'c.ecsv', '--output-dir', tmp_path / 'out', *OPTIONS]
    assert run(*args) == 1
    out, err = capsys.readouterr()
    assert out.startswith('2 maps: 1 done, 0 done by an earlier run, 1 '
                          'failed; 2 sources\nfailed: ')
    assert err == ''
    table = QTable.read(tmp_path / 'out' / 'a_sources.ecsv')
    assert list(table['id']) == [1, 2]
    assert run(*args, '--traceback') == 1
    assert 'Traceback (most recent call last):\n' in capsys.readouterr().err
    image.write(tmp_path / 'b.fits', overwrite=True)
    assert run(*args) == 0
    assert '1 done, 1 done by an earlier run' in capsys.readouterr().out
    options = [*OPTIONS, '--recenter']
    message = fails(capsys, *args, *options)
    assert 'a_record.json was made with other settings' in message
    assert '(--overwrite)' in message
    args[-len(OPTIONS):] = ['--jobs', '1', '--overwrite']
    assert run(*args) == 1
    assert ('Error: mode is not given, and no header of a map has it; '
            'give it, such as scanmap, parallel\n') in (
                capsys.readouterr().out)
