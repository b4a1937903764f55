# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the command line, with a tiny network.
"""

import subprocess
import sys
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from numpy.testing import assert_allclose, assert_array_equal

import compact_removal
from compact_removal import CompactSourceRemover, __version__, cli, nn
from compact_removal.base import BaseEstimator
from compact_removal.cli import estimators as cli_estimators
from compact_removal.cli import options as cli_options
from compact_removal.cli.parser import Parser
from compact_removal.datasets import make_example_field
from compact_removal.maps.files import read_catalog
from compact_removal.removal import build_model
from compact_removal.utils.parameters import ParameterError

MODE = ['--mode', 'scanmap', '--band', 'blue']
TINY = [*MODE, '--weights', 'tiny.safetensors']


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    """
    A folder with weights, a map without mode and band, and a catalogue.
    """
    folder = tmp_path_factory.mktemp('inputs')
    nn.save_weights(build_model('separation', width=1, seed=1),
                    folder / 'tiny.safetensors')
    image, catalog = make_example_field(shape=(64, 72), n_sources=3)
    for keyword in ('PACSMODE', 'PACSBAND', 'WAVELNTH'):
        del image.meta[keyword]
    image.write(folder / 'map.fits')
    center = catalog['sky_center'].icrs
    Table({'ra': center.ra.deg, 'dec': center.dec.deg}).write(
        folder / 'catalog.csv', format='ascii.csv')
    return folder


@pytest.fixture
def field(inputs, tmp_path, monkeypatch):
    """
    The current folder, with copies of them.
    """
    for path in inputs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def removers(monkeypatch):
    """
    The estimators whose ``remove`` is called.
    """
    def remove(self, image, positions):
        found.append(self)
        return original(self, image, positions)

    found, original = [], CompactSourceRemover.remove
    monkeypatch.setattr(CompactSourceRemover, 'remove', remove)
    return found


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


@pytest.fixture
def small_demo(monkeypatch):
    """
    The demo is on a small field.
    """
    monkeypatch.setattr('compact_removal.datasets.make_example_field',
                        lambda *, seed: make_example_field(
                            shape=(64, 72), n_sources=3, seed=seed))


def test_demo(field, small_demo, removers, capsys):
    assert cli.main(['demo', '--seed', '4']) == 0
    out, err = capsys.readouterr()
    folder = field / 'compact_removal_demo'
    assert sorted(path.name for path in folder.iterdir()) == [
        'background.fits', 'removal.png', 'sources.ecsv']
    assert (removers[0].mode, removers[0].band) == ('scanmap', 'blue')
    assert err == ''
    assert '72 x 64 pixels, 3 sources, seed 4' in out
    table = QTable.read(folder / 'sources.ecsv')
    _, catalog = make_example_field(shape=(64, 72), n_sources=3, seed=4)
    truth = catalog['flux'].to_value(u.mJy)
    assert_allclose(table['injected_flux'].to_value(u.mJy), truth)
    lines = out.splitlines()
    (header,) = [line for line in lines if 'injected_flux [mJy]' in line]
    row = lines[lines.index(header) + 2].split()
    assert row[0] == '1'
    expected = [table[name][0].to_value(u.mJy) for name in table.colnames
                if 'flux' in name]
    assert row[4:-1] == [f'{value:.5g}' for value in expected]
    for text, name in (('network', 'flux'), ('annulus', 'annulus_flux')):
        error = table[name].to_value(u.mJy) - truth
        low, middle, high = np.percentile(error, [25, 50, 75])
        assert (f'{text}: median {middle:+.4g} mJy, scatter '
                f'{(high - low) / 1.349:.4g} mJy (3 sources)') in out
    with fits.open(folder / 'background.fits') as hdus:
        assert [hdu.name for hdu in hdus] == ['PRIMARY', 'UNCERT', 'FLAGS']
    assert (folder / 'removal.png').read_bytes().startswith(b'\x89PNG')


def test_demo_does_not_overwrite(field, small_demo, removers, capsys):
    out = field / 'out'
    out.mkdir()
    (out / 'sources.ecsv').write_text('mine')
    message = fails(capsys, 'demo', '--output-dir', out)
    assert message.endswith('sources.ecsv exists; use --overwrite to '
                            'replace it\n')
    assert removers == []
    assert (out / 'sources.ecsv').read_text() == 'mine'
    assert [path.name for path in out.iterdir()] == ['sources.ecsv']
    assert cli.main(['demo', '--output-dir', str(out), '--overwrite']) == 0
    assert (out / 'sources.ecsv').read_text() != 'mine'


def test_remove(field, removers, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', *TINY, '--band', 'green']
    assert cli.main(args) == 0
    out = capsys.readouterr().out
    assert removers[0].get_params() == CompactSourceRemover(
        'scanmap', 'green', weights='tiny.safetensors').get_params()
    assert 'flux [Jy]' in out
    assert 'injected' not in out
    history = fits.getheader(field / 'map_background.fits')['HISTORY']
    assert ''.join(history) == (f'compact_removal {__version__}: sources of '
                                'catalog.csv removed from map.fits')
    assert not (field / 'map_removal.png').exists()
    # all columns of the estimator are in the file
    image = CompactSourceRemover.read_image('map.fits')
    _, sources = removers[0].remove(image, QTable.read('catalog.csv'))
    assert QTable.read('map_sources.ecsv').colnames == sources.colnames


@pytest.mark.parametrize('n_rows', [3, 100])
def test_few_rows_are_printed(field, capsys, n_rows):
    catalog = Table.read('catalog.csv')[np.arange(n_rows) % 3]
    catalog['dec'][1::3] += 1  # off the map
    catalog.write('many.csv')
    assert cli.main(['remove', 'map.fits', 'many.csv', *TINY]) == 0
    table, _ = capsys.readouterr().out.split('\n\n')
    ids = [int(line.split()[0]) for line in table.splitlines()[2:42]
           if line.strip()[0].isdigit()]
    if n_rows == 3:
        assert ids[:3] == [1, 3, 2]
        summary = '3 positions, 1 of them off the map'
    else:
        assert ids == [i for i in range(1, 101) if i % 3 != 2][:40]
        assert '\n... 60 more rows in map_sources.ecsv\n' in table
        summary = '100 positions, 33 of them off the map; flags: '
        assert ' duplicate' in table
    assert summary in table
    assert len(QTable.read('map_sources.ecsv')) == n_rows


def test_mode_and_band_of_the_header(field, removers, capsys):
    with fits.open('map.fits', mode='update') as hdus:
        hdus[0].header['PACSMODE'] = 'parallel'
    args = ['remove', 'map.fits', 'catalog.csv', '--weights',
            'tiny.safetensors']
    message = fails(capsys, *args)
    assert ('error: --band is not given, and no header of a map has it; '
            'give it, such as blue, green, red\n') in message
    with fits.open('map.fits', mode='update') as hdus:
        hdus[0].header['PACSBAND'] = 'red'
    assert cli.main(args) == 0
    assert (removers[0].mode, removers[0].band) == ('parallel', 'red')
    with warnings.catch_warnings():
        warnings.simplefilter('default')
        assert cli.main([*args, '--mode', 'scanmap', '--overwrite']) == 0
    assert "warning: mode is 'scanmap', but" in capsys.readouterr().err
    assert (removers[1].mode, removers[1].band) == ('scanmap', 'red')


def test_remove_options(field, removers, capsys):
    args = ['remove', 'map.fits', 'catalog.csv', '--mode', 'parallel',
            '--band', 'blue', '--output', 'new/x', '--aperture', '5', '8.5',
            '--weights', 'tiny.safetensors', '--device', 'cpu',
            '--recenter', '--plot', '--cutout-size', '96', '--batch-size',
            '7']
    assert cli.main(args) == 0
    params = removers[0].get_params()
    assert_allclose(params.pop('apertures').to_value(u.arcsec), [5, 8.5])
    assert params == {
        'mode': 'parallel', 'band': 'blue', 'network': 'separation',
        'weights': 'tiny.safetensors', 'device': 'cpu', 'recenter': True,
        'cutout_size': 96, 'batch_size': 7, 'seed': None,
        'progress_bar': False}
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
    ('catalog.pdf', '', 'catalog must be a file of type .ecsv, .csv'),
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
        raise ParameterError(msg, 'band')

    monkeypatch.setattr(CompactSourceRemover, 'remove', remove)
    args = ['remove', 'map.fits', 'catalog.csv', *TINY]
    message = fails(capsys, *args)
    assert message == 'compact-removal: error: --band must be one of these\n'
    assert cli.main([*args, '--traceback']) == 2
    err = capsys.readouterr().err
    assert err.startswith('Traceback (most recent call last):\n')
    assert 'in remove\n' in err
    assert err.endswith(message)


def test_options_in_messages():
    parser = Parser(prog='x')
    parser.add_argument('maps', metavar='MAP')
    parser.add_argument('--aperture', dest='apertures')
    parser.add_argument('--n-levels', dest='flux_levels')
    parser.add_argument('--flux', dest='flux_levels')
    for name, expected in (
            ('apertures', '--aperture must be x'),
            ('flux_levels', '--n-levels or --flux must be x'),
            ('maps', 'maps must be x'), ('other', 'other must be x')):
        error = ParameterError(f'{name} must\n be x', name)
        assert parser.describe_error(error) == expected
    assert parser.describe_error(ValueError('maps are x')) == 'maps are x'
    assert parser.describe_error(MemoryError()) == 'MemoryError'


def test_warnings_are_one_line(field, capsys, monkeypatch):
    def remove(self, image, positions):
        with warnings.catch_warnings():
            warnings.simplefilter('always')
            warnings.warn('careful:\nthis')
        return original(self, image, positions)

    original = CompactSourceRemover.remove
    monkeypatch.setattr(CompactSourceRemover, 'remove', remove)
    assert cli.main(['remove', 'map.fits', 'catalog.csv', *TINY]) == 0
    err = capsys.readouterr().err
    assert err == 'compact-removal: warning: careful: this\n'


@pytest.mark.parametrize(('args', 'expected'), [
    ([], 'COMMAND'),
    (['nothing'], "invalid choice: 'nothing'"),
    (['remove', 'map.fits'], 'required: CATALOG'),
    (['demo', '--seed', 'x'], "invalid int value: 'x'"),
    (['demo', '--seed', '-1'], '--seed must not be negative, got -1'),
])
def test_bad_arguments(field, capsys, args, expected):
    assert expected in fails(capsys, *args)


def test_version_and_module(tmp_path):
    result = subprocess.run([sys.executable, '-m', 'compact_removal.cli',
                             '--version'], check=True, capture_output=True,
                            text=True)
    assert result.stdout.startswith('compact-removal ')
    assert result.stdout.split()[1][0].isdigit()


def test_info(capsys, monkeypatch):
    rows = [{'name': 'inpainting-x', 'mode': 'scanmap',
             'sha256': '0123abcd'}]
    monkeypatch.setattr(CompactSourceRemover, 'list_weights',
                        staticmethod(lambda: rows.copy()))
    assert cli.main(['info']) == 0
    out = capsys.readouterr().out
    assert out.startswith(f'compact-removal {__version__} ')
    assert 'parallel' in out
    assert '160.0' in out
    assert ('Weights of CompactSourceRemover:\ninpainting-x\n'
            '    mode: scanmap\n    sha256: 0123abcd\n') in out
    rows = []
    assert cli.main(['info']) == 0
    assert 'CompactSourceRemover:\nnone\n' in capsys.readouterr().out


def test_empty_catalog(field, capsys):
    (field / 'empty.csv').write_text('ra,dec\n')
    assert cli.main(['remove', 'map.fits', 'empty.csv', *TINY]) == 0
    out, err = capsys.readouterr()
    assert err == 'compact-removal: warning: the catalogue is empty\n'
    assert '\n0 positions, 0 of them off the map\n' in out


class Mean(BaseEstimator):
    """
    Estimate the mean of a map, plus an offset.

    Parameters
    ----------
    offset : float, optional
        What is added. It may be negative.
    kind : {'plain', 'robust'}, optional
        The mean.
    absolute : bool, optional
        Whether to take the absolute value.
    n_parts : int, optional
        Parts of the map in 100 %.
    function : callable, optional
        This is no option.
    """

    output_files = {'means': '_means.ecsv'}

    def __init__(self, *, offset=0.0, kind='plain', absolute=False,
                 n_parts=None, function=None):
        self.offset, self.kind, self.absolute = offset, kind, absolute
        self.n_parts, self.function = n_parts, function

    def process(self, image, positions=None):
        value = np.nanmean(image.data) + self.offset
        return {'means': QTable({'mean': [value]})}


@pytest.fixture
def mean(monkeypatch):
    """
    An estimator and its verb: an exported name and a line of COMMANDS.
    """
    monkeypatch.setattr(compact_removal, 'Mean', Mean, raising=False)
    monkeypatch.setattr(compact_removal, '__all__',
                        [*compact_removal.__all__, 'Mean'])
    monkeypatch.setitem(cli.COMMANDS, 'mean', __name__)


HELP = 'Estimate a mean'

EPILOG = 'example:\n  compact-removal mean map.fits\n'

ESTIMATOR = 'Mean'


def add_arguments(parser, estimator):
    parser.add_argument('map', metavar='MAP', help='the map')
    cli_options.add_options(parser, estimator)


def run(args):
    image = args.estimator_class.read_image(args.map)
    print(cli_estimators.make_estimator(args).process(image)['means'][0][0])


def test_a_verb_is_a_module_and_a_line(field, mean, capsys):
    with pytest.raises(SystemExit):
        cli.main(['--help'])
    assert '\n  mean      Estimate a mean\n' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(['mean', '--help'])
    out = ' '.join(capsys.readouterr().out.split())
    for text in ('--offset N what is added (default: 0.0)',
                 '--kind KIND one of plain, robust (default: plain)',
                 '--absolute take the absolute value',
                 '--n-parts N parts of the map in 100 % '):
        assert text in out
    assert '--function' not in out
    assert cli.main(['mean', 'map.fits', '--offset', '5']) == 0
    assert_allclose(float(capsys.readouterr().out),
                    fits.getdata('map.fits').mean() + 5)


def test_any_estimator_in_a_batch(field, mean, capsys):
    args = ['batch', 'map.fits', '--output-dir', 'out', '--jobs', '1',
            '--estimator', 'Mean', '--offset', '2']
    assert cli.main(args) == 0
    assert_array_equal(QTable.read('out/map_means.ecsv')['mean'],
                       [np.nanmean(fits.getdata('map.fits')) + 2])
    capsys.readouterr()
    assert '--catalog must be None' in fails(
        capsys, *args, '--catalog', 'catalog.csv')
    error = fails(capsys, *args, '--estimator', 'Median')
    assert '--estimator must be one of BlendPhotometer, ' in error
    assert ', Mean, got Median' in error
    assert '--estimator must be one that can be trained' in fails(
        capsys, 'train', '--estimator', 'Mean')
    assert '--estimator must have an experiment' in fails(
        capsys, 'evaluate', '--estimator', 'Mean')


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
    image, catalog = make_example_field(shape=(64, 64), n_sources=1)
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


def test_find_and_remove(field, capsys):
    assert cli.main(['find', 'map.fits', *MODE, '--plot']) == 0
    printed = capsys.readouterr().out
    found = QTable.read('map_found.ecsv')
    assert f'{len(found)} sources' in printed
    assert {'map_found.reg', 'map_found.png'} <= {
        path.name for path in field.iterdir()}
    assert 'exists' in fails(capsys, 'find', 'map.fits', *MODE)
    # both files are catalogues
    for name in ('map_found.ecsv', 'map_found.reg'):
        assert cli.main(['remove', 'map.fits', name, *TINY,
                         '--overwrite']) == 0
        assert len(QTable.read('map_sources.ecsv')) == len(found)
    assert cli.main(['find', 'map.fits', *MODE, '--threshold', '0',
                     '--output-dir', 'every']) == 0
    assert len(QTable.read('every/map_found.ecsv')) >= len(found)
