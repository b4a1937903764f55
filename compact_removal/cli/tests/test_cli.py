# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the command line.

Most of them put a quick stand-in for the estimator in its place; the
last ones run the real thing.
"""

import subprocess
import sys
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable, Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import __version__, cli, datasets, nn, removal
from compact_removal.maps.files import read_catalog
from compact_removal.cli._common import to_options

SHAPE = (40, 50)


def make_field(seed=0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 269.15, 51.49
    wcs.wcs.crpix = 25, 20
    wcs.wcs.cdelt = -1.6 / 3600, 1.6 / 3600
    data = np.random.default_rng(seed).normal(1, 0.1, SHAPE)
    image = CCDData(data, unit='Jy/pix', wcs=wcs)
    catalog = QTable()
    catalog['id'] = [1, 2, 3]
    catalog['sky_center'] = wcs.pixel_to_world([10, 25, 40], [10, 20, 30])
    catalog['flux'] = [100, 200, 300] * u.mJy
    return image, catalog


class FakeRemover:
    """
    A stand-in with the interface of the estimator.
    """

    calls = []

    def __init__(self, mode, band, **params):
        FakeRemover.calls.append((mode, band, params))

    def remove(self, image, positions):
        if not isinstance(positions, SkyCoord):
            positions = SkyCoord(positions['ra'], positions['dec'],
                                 unit='deg')
        background = image.copy()
        background.uncertainty = StdDevUncertainty(np.ones(SHAPE))
        background.flags = np.zeros(SHAPE, dtype=np.uint8)
        n = len(positions)
        x, y = image.wcs.world_to_pixel(positions)
        flux = np.resize([0.11, 0.2, 0.29], n) * u.Jy
        sources = QTable({
            'id': np.arange(1, n + 1), 'sky_center': positions,
            'x_center': x, 'y_center': y, 'snr': np.full(n, 9.0),
            'mask_radius': np.full(n, 4.0), 'flux': flux,
            'flux_err': 0.1 * flux, 'annulus_flux': 1.5 * flux,
            'annulus_flux_err': 0.2 * flux,
            'flags': np.resize([1, 0, 16], n).astype(int)})
        return removal.RemovalResult(background, sources)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    FakeRemover.calls = []
    monkeypatch.setattr(removal, 'CompactSourceRemover', FakeRemover)
    monkeypatch.setattr(datasets, 'make_example_field',
                        lambda *, seed: make_field(seed), raising=False)
    monkeypatch.setattr(datasets, 'read_pacs_map',
                        lambda path: CCDData.read(path, format='fits'),
                        raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def field(fake):
    """
    A folder with a map and a catalogue.
    """
    image, catalog = make_field()
    image.write('map.fits')
    center = catalog['sky_center'].icrs
    table = Table({'ra': center.ra.deg, 'dec': center.dec.deg})
    table.write('catalog.csv', format='ascii.csv')
    return fake


def fails(capsys, *args):
    """
    Run, check that it is one line and status 2, return that line.
    """
    try:
        status = cli.main([str(arg) for arg in args])
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ''
    assert captured.err.startswith('compact-removal: error: ')
    assert captured.err.count('\n') == 1
    return captured.err


def test_demo(fake, capsys):
    assert cli.main(['demo', '--seed', '4']) == 0
    out, err = capsys.readouterr()
    folder = fake / 'compact_removal_demo'
    assert sorted(path.name for path in folder.iterdir()) == [
        'background.fits', 'removal.png', 'sources.ecsv']
    assert FakeRemover.calls[0][:2] == ('scanmap', 'blue')
    assert err == ''
    assert '50 x 40 pixels, 3 sources, seed 4' in out
    lines = out.splitlines()
    (header,) = [line for line in lines if 'injected_flux [mJy]' in line]
    row = lines[lines.index(header) + 2].split()
    assert row[0] == '1'
    assert row[4:] == ['100', '110', '11', '165', '22', 'edge']
    # Errors of 10, 0 and -10 mJy: interquartile range 10 mJy.
    assert 'network: median +0 mJy, scatter 7.413 mJy (3 sources)' in out
    assert 'annulus: median +100 mJy' in out

    table = QTable.read(folder / 'sources.ecsv')
    assert_allclose(table['injected_flux'].to_value(u.mJy), [100, 200, 300])
    with fits.open(folder / 'background.fits') as hdus:
        assert [hdu.name for hdu in hdus] == ['PRIMARY', 'UNCERT', 'FLAGS']
        assert_array_equal(hdus[0].data, make_field(4)[0].data)
    assert (folder / 'removal.png').read_bytes().startswith(b'\x89PNG')


def test_demo_does_not_overwrite(fake, capsys):
    out = fake / 'out'
    out.mkdir()
    (out / 'sources.ecsv').write_text('mine')
    message = fails(capsys, 'demo', '--output-dir', out)
    assert message.endswith('sources.ecsv exists; use --overwrite to '
                            'replace it\n')
    assert FakeRemover.calls == []
    assert (out / 'sources.ecsv').read_text() == 'mine'
    assert [path.name for path in out.iterdir()] == ['sources.ecsv']
    assert cli.main(['demo', '--output-dir', str(out), '--overwrite']) == 0
    assert (out / 'sources.ecsv').read_text() != 'mine'


def test_remove(field, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', '--mode', 'scanmap',
            '--band', 'green']
    assert cli.main(args) == 0
    out = capsys.readouterr().out
    mode, band, params = FakeRemover.calls[0]
    assert (mode, band) == ('scanmap', 'green')
    assert params == {'network': 'separation', 'weights': 'default',
                      'apertures': None,
                      'device': 'auto', 'recenter': False,
                      'progress_bar': False}
    assert 'flux [Jy]' in out
    assert 'injected' not in out
    assert (field / 'map_background.fits').exists()
    history = fits.getheader(field / 'map_background.fits')['HISTORY']
    assert ''.join(history) == (f'compact_removal {__version__}: sources of '
                                'catalog.csv removed from map.fits')
    assert (field / 'map_sources.ecsv').exists()
    assert not (field / 'map_removal.png').exists()


@pytest.mark.parametrize('n_rows', [3, 100])
def test_few_rows_are_printed(field, capsys, n_rows):
    Table({'ra': np.full(n_rows, 269.15), 'dec': np.full(n_rows, 51.49)}
          ).write('many.csv')
    assert cli.main(['remove', 'map.fits', 'many.csv', '--mode', 'scanmap',
                     '--band', 'green']) == 0
    table, _ = capsys.readouterr().out.split('\n\n')
    rows = [line.split() for line in table.splitlines()[2:]]
    if n_rows == 3:
        assert [row[0] for row in rows] == ['1', '2', '3', '3']
        summary = '3 positions, 1 of them off the map; flags: 1 edge'
    else:
        # every third is off the map
        assert [row[0] for row in rows[:4]] == ['1', '2', '4', '5']
        assert len(rows) == 42
        assert '\n... 60 more rows in map_sources.ecsv\n' in table
        summary = '100 positions, 33 of them off the map; flags: 34 edge'
    assert table.endswith(summary)
    assert len(QTable.read('map_sources.ecsv')) == n_rows


def test_mode_and_band_of_the_header(field, capsys):
    with fits.open('map.fits', mode='update') as hdus:
        hdus[0].header['PACSMODE'] = 'parallel'
    args = ['remove', 'map.fits', 'catalog.csv']
    message = fails(capsys, *args)
    assert ('error: --band must be given, such as blue, green, red: no header '
            'of a map tells it') in message
    with fits.open('map.fits', mode='update') as hdus:
        hdus[0].header['PACSBAND'] = 'red'
    assert cli.main(args) == 0
    assert FakeRemover.calls[0][:2] == ('parallel', 'red')
    assert cli.main([*args, '--mode', 'scanmap', '--overwrite']) == 0
    assert FakeRemover.calls[1][:2] == ('scanmap', 'red')


def test_remove_options(field, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', '--mode', 'parallel',
            '--band', 'red', '--output', 'new/x', '--aperture', '5', '8.5',
            '--weights', 'mine.safetensors', '--device', 'cpu',
            '--recenter', '--plot']
    assert cli.main(args) == 0
    params = FakeRemover.calls[0][2]
    assert_allclose(params['apertures'].to_value(u.arcsec), [5, 8.5])
    assert params['weights'] == 'mine.safetensors'
    assert params['device'] == 'cpu'
    assert params['recenter'] is True
    assert sorted(path.name for path in (field / 'new').iterdir()) == [
        'x_background.fits', 'x_removal.png', 'x_sources.ecsv']
    capsys.readouterr()
    message = fails(capsys, *args)
    assert 'x_background.fits exists; use --overwrite' in message


@pytest.mark.parametrize('suffix', ['ecsv', 'csv', 'fits', 'reg'])
def test_catalog_formats(tmp_path, suffix):
    path = tmp_path / f'catalog.{suffix}'
    ra, dec = [10.5, 20.25], [-5.0, 6.0]
    if suffix == 'reg':
        path.write_text('icrs\ncircle(10.5,-5,3")\npoint(20.25,6)\n')
        regions = read_catalog(path)
        assert_allclose([one.center.ra.deg for one in regions], ra)
        assert_allclose([one.center.dec.deg for one in regions], dec)
        return
    Table({'ra': ra, 'dec': dec}).write(path)
    table = read_catalog(path)
    assert_allclose(np.asarray(table['ra']), ra)
    assert_allclose(np.asarray(table['dec']), dec)


@pytest.mark.parametrize(('name', 'content', 'expected'), [
    ('catalog.txt', '', 'catalog must be a file of type .ecsv, .csv'),
    ('missing.csv', None, 'catalog: there is no file missing.csv'),
    ('bad.ecsv', 'no table\n', 'catalog: bad.ecsv could not be read'),
    ('bad.fits', 'no table\n', 'catalog: bad.fits could not be read'),
    ('other.csv', 'ra;dec\n1;2\n', 'columns separated by commas'),
])
def test_bad_catalog(field, capsys, name, content, expected):
    if content is not None:
        (field / name).write_text(content)
    message = fails(capsys, 'remove', 'map.fits', name, '--mode', 'scanmap',
                    '--band', 'blue')
    assert expected in message


def test_missing_map(field, capsys):
    message = fails(capsys, 'remove', 'no.fits', 'catalog.csv', '--mode',
                    'scanmap', '--band', 'blue')
    assert message == 'compact-removal: error: map: there is no file no.fits\n'


def test_errors_of_the_library(field, capsys, monkeypatch):
    def remove(self, image, positions):
        msg = 'band must be one of\n  these'
        raise ValueError(msg)

    monkeypatch.setattr(FakeRemover, 'remove', remove)
    message = fails(capsys, 'remove', 'map.fits', 'catalog.csv', '--mode',
                    'scanmap', '--band', 'blue')
    assert message == 'compact-removal: error: --band must be one of these\n'


@pytest.mark.parametrize(('message', 'expected'), [
    ('path: a.fits exists; use overwrite=True to replace it',
     'path: a.fits exists; use --overwrite to replace it'),
    ('output_dir: a is no report', '--output-dir: a is no report'),
    ('ValueError: mode must be given: no header\n tells it',
     'ValueError: --mode must be given: no header tells it'),
    ('weights of the band', 'weights of the band'),
    ('a: mode must be', 'a: mode must be'),
])
def test_options_in_messages(message, expected):
    assert to_options(message) == expected


def test_warnings_are_one_line(field, capsys, monkeypatch):
    def remove(self, image, positions):
        with warnings.catch_warnings():
            warnings.simplefilter('always')
            warnings.warn('careful:\nthis')
        return original(self, image, positions)

    original = FakeRemover.remove
    monkeypatch.setattr(FakeRemover, 'remove', remove)
    assert cli.main(['remove', 'map.fits', 'catalog.csv', '--mode',
                     'scanmap', '--band', 'blue']) == 0
    err = capsys.readouterr().err
    assert err == 'compact-removal: warning: careful: this\n'


@pytest.mark.parametrize(('args', 'expected'), [
    ([], 'COMMAND'),
    (['nothing'], "invalid choice: 'nothing'"),
    (['remove', 'map.fits'], 'required: CATALOG'),
    (['demo', '--seed', 'x'], "invalid int value: 'x'"),
    (['demo', '--seed', '-1'], '--seed must not be negative, got -1'),
])
def test_bad_arguments(fake, capsys, args, expected):
    assert expected in fails(capsys, *args)


def test_version_and_module(tmp_path):
    result = subprocess.run([sys.executable, '-m', 'compact_removal.cli',
                             '--version'], check=True, capture_output=True,
                            text=True)
    assert result.stdout.startswith('compact-removal ')
    assert result.stdout.split()[1][0].isdigit()


def test_info(capsys, monkeypatch):
    monkeypatch.setattr(nn, 'list_weights', lambda: [
        {'name': 'inpainting-x', 'mode': 'scanmap', 'sha256': '0123abcd'}])
    assert cli.main(['info']) == 0
    out = capsys.readouterr().out
    assert out.startswith(f'compact-removal {__version__} ')
    assert 'parallel' in out
    assert '160.0' in out
    assert out.endswith('Weights:\ninpainting-x\n    mode: scanmap\n'
                        '    sha256: 0123abcd\n')
    monkeypatch.setattr(nn, 'list_weights', list)
    assert cli.main(['info']) == 0
    assert capsys.readouterr().out.endswith('Weights:\nnone\n')


def test_empty_catalog(tmp_path, capsys):
    make_field()[0].write(tmp_path / 'map.fits')
    (tmp_path / 'empty.csv').write_text('ra,dec\n')
    args = ['remove', str(tmp_path / 'map.fits'), str(tmp_path / 'empty.csv'),
            '--mode', 'scanmap', '--band', 'blue', '--output',
            str(tmp_path / 'out')]
    assert cli.main(args) == 0
    out, err = capsys.readouterr()
    assert err == 'compact-removal: warning: the catalogue is empty\n'
    assert '\n0 positions, 0 of them off the map\n' in out


@pytest.mark.slow
def test_demo_for_real(tmp_path, capsys):
    out = tmp_path / 'out'
    assert cli.main(['demo', '--output-dir', str(out)]) == 0
    assert 'Measured minus injected flux' in capsys.readouterr().out
    table = QTable.read(out / 'sources.ecsv')
    bright = table['snr'] > 20
    assert bright.sum() > 3
    ratio = (table['flux'] / table['injected_flux'])[bright]
    assert_allclose(ratio.to_value(''), 1, atol=0.3)

    # Its map can be removed from again, with the same weights.
    args = ['remove', str(out / 'background.fits'),
            str(out / 'sources.ecsv'), '--mode', 'scanmap', '--band', 'blue',
            '--output', str(out / 'again'), '--device', 'cpu']
    assert cli.main(args) == 0
    again = QTable.read(out / 'again_sources.ecsv')
    assert len(again) == len(table)
    residual = (again['flux'] / table['flux'])[bright]
    assert np.abs(residual.to_value('')).max() < 0.2


@pytest.mark.parametrize('output', ['new/', 'there', 'there/start'])
def test_output_folder_or_prefix(output, tmp_path, monkeypatch, capsys):
    image, catalog = datasets.make_example_field(shape=(64, 64),
                                                 n_sources=1)
    image.write(tmp_path / 'm.fits')
    catalog.write(tmp_path / 'c.ecsv')
    (tmp_path / 'there').mkdir()
    monkeypatch.chdir(tmp_path)
    assert cli.main(['remove', 'm.fits', 'c.ecsv', '--output', output]) == 0
    start = {'new/': 'new/m', 'there': 'there/m'}.get(output, output)
    assert (tmp_path / f'{start}_background.fits').is_file()
    assert f'{start}_sources.ecsv' in capsys.readouterr().out


def test_unknown_options_name_the_subcommand(capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(['info', '--unit', 'mJy'])
    assert error.value.code == 2
    assert ('unrecognized arguments: --unit mJy (see compact-removal info '
            '--help)') in capsys.readouterr().err
