# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of runs over many maps.
"""

import copy
import json
import os
import sys
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable, Table
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import CompactSourceRemover, __version__, nn
from compact_removal.base import BaseEstimator
from compact_removal.batch import _job, _workers, process_many, remove_many
from compact_removal.datasets import make_example_field, read_pacs_map
from compact_removal.removal import build_model
from compact_removal.utils.records import read_record, write_record

COMMON_ROWS = [[1, 3], [0, 4]]


def make_remover(**params):
    return CompactSourceRemover('scanmap', 'blue', cutout_size=64, **params)


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
    """
    A folder with two maps, 1 degree apart, and their catalogues.
    """
    folder = tmp_path_factory.mktemp('fields')
    for number in range(2):
        image, catalog = make_example_field(shape=(96, 96), n_sources=2,
                                            seed=number)
        x, y = image.wcs.world_to_pixel(catalog['sky_center'])
        image.wcs.wcs.crval += [0, number]
        image.write(folder / f'm{number}.fits')
        sky = image.wcs.pixel_to_world(x, y).icrs
        Table({'ra': sky.ra.deg, 'dec': sky.dec.deg}).write(
            folder / f'c{number}.csv')
    return folder


@pytest.fixture
def maps(fields):
    return [fields / 'm0.fits', fields / 'm1.fits']


@pytest.fixture
def catalogs(fields):
    return [fields / 'c0.csv', fields / 'c1.csv']


@pytest.fixture
def common(catalogs):
    """
    Rows of both maps, and one that lies on none.
    """
    center = [None] * 5
    for path, rows in zip(catalogs, COMMON_ROWS, strict=True):
        table = Table.read(path)
        for row, entry in zip(rows, table, strict=True):
            center[row] = entry['ra'], entry['dec']
    center[2] = 10.0, 10.0
    return SkyCoord(center, unit='deg')


def run(maps, catalogs, folder, **kwargs):
    return remove_many(maps, catalogs, output_dir=folder,
                       **{'remover': make_remover(), 'n_workers': 1,
                          **kwargs})


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()
            if path.name.endswith(('_background.fits', '_sources.ecsv'))}


@pytest.mark.slow
def test_processes_give_the_same_in_order(maps, catalogs, tmp_path):
    bad = tmp_path / 'bad.fits'
    bad.write_bytes(maps[0].read_bytes()[:5000])
    before = [path.read_bytes() for path in maps + catalogs]
    maps.insert(1, bad)
    catalogs.insert(1, catalogs[0])
    one = run(maps, catalogs, tmp_path / 'one')
    two = run(maps, catalogs, tmp_path / 'two', n_workers=2)
    for report in (one, two):
        assert list(report['map']) == [str(path) for path in maps]
        assert list(report['status']) == ['done', 'error', 'done']
        assert list(report['n_sources']) == [2, 0, 2]
        assert report['error'][1].startswith('ParameterError: path is no ')
        assert report['background'][1] == ''
        assert report['seconds'].unit == u.s
    assert sorted(read_all(tmp_path / 'one')) == [
        'm0_background.fits', 'm0_sources.ecsv', 'm1_background.fits',
        'm1_sources.ecsv']
    assert sorted(read_all(tmp_path / 'two')) == sorted(
        read_all(tmp_path / 'one'))
    # but for rounding, which depends on the number of threads
    for name in ('m0', 'm1'):
        first, second = (
            (fits.open(tmp_path / folder / f'{name}_background.fits'),
             QTable.read(tmp_path / folder / f'{name}_sources.ecsv'))
            for folder in ('one', 'two'))
        with first[0], second[0]:
            difference = fits.FITSDiff(first[0], second[0], rtol=1e-6,
                                       atol=1e-12)
            assert difference.identical, difference.report()
        assert first[1].colnames == second[1].colnames
        for column in first[1].colnames:
            if column != 'sky_center':
                assert_allclose(first[1][column], second[1][column],
                                rtol=1e-6)
    stored = QTable.read(tmp_path / 'two' / 'report.ecsv')
    assert stored.colnames == two.colnames
    assert list(stored['status']) == list(two['status'])
    del maps[1], catalogs[1]
    assert before == [path.read_bytes() for path in maps + catalogs]


def test_outputs_are_those_of_the_estimator(maps, catalogs, tmp_path):
    report = run(maps, catalogs, tmp_path)
    image = read_pacs_map(maps[1])
    background, sources = make_remover().remove(image,
                                                QTable.read(catalogs[1]))
    with fits.open(report['background'][1]) as hdus:
        assert_array_equal(hdus[0].data, background.data)
        assert_array_equal(hdus['UNCERT'].data, background.uncertainty.array)
        assert_array_equal(hdus['FLAGS'].data, background.flags)
    table = QTable.read(report['sources'][1])
    assert table.colnames == sources.colnames
    assert_array_equal(table['flux'].value, sources['flux'].value)
    assert report['n_flagged'][1] == np.count_nonzero(sources['flags'])


def test_catalogs_in_memory(maps, catalogs, tmp_path):
    tables = [QTable.read(path) for path in catalogs]
    given = [SkyCoord(tables[0]['ra'], tables[0]['dec'], unit='deg'),
             tables[1]]
    copies = [given[0].copy(), given[1].copy()]
    memory = run(maps, given, tmp_path / 'memory')
    files = run(maps, catalogs, tmp_path / 'files')
    for one, two in zip(memory['background'], files['background'],
                        strict=True):
        assert_array_equal(fits.getdata(one), fits.getdata(two))
    for one, two in zip(memory['sources'], files['sources'], strict=True):
        assert Path(one).read_bytes() == Path(two).read_bytes()
    assert_array_equal(given[0].ra.deg, copies[0].ra.deg)
    assert given[1].colnames == copies[1].colnames


def test_common_catalog(maps, common, tmp_path):
    report = run(maps, common, tmp_path / 'out')
    assert list(report['status']) == ['done', 'done']
    for rows, path in zip(COMMON_ROWS, report['sources'], strict=True):
        table = QTable.read(path)
        assert list(table['id']) == [row + 1 for row in rows]
        separation = table['sky_center'].separation(common[rows])
        assert separation.arcsec.max() < 1e-6
    # The same rows in a file are the same catalogue.
    path = tmp_path / 'common.csv'
    Table({'ra': common.ra.deg, 'dec': common.dec.deg}).write(path)
    again = run(maps, path, tmp_path / 'out')
    assert list(again['status']) == ['resumed', 'resumed']
    # With names they are not: the tables hold the names.
    Table({'ra': common.ra.deg, 'dec': common.dec.deg,
           'name': [f'S{i}' for i in range(len(common))]}).write(
               path, overwrite=True)
    with pytest.raises(FileExistsError, match='other settings'):
        run(maps, path, tmp_path / 'out')


def test_history(maps, catalogs, common, tmp_path):
    with fits.open(maps[0]) as hdus:
        hdus[0].header['HISTORY'] = 'made by hand'
        hdus.writeto(tmp_path / 'M\u00fcller.fits')
    path = tmp_path / 'common.csv'
    Table({'ra': common.ra.deg, 'dec': common.dec.deg}).write(path)
    for number, (given, what) in enumerate([
            (catalogs[:1], 'sources of c0.csv'),
            (path, 'sources of common.csv'), (common, 'sources')]):
        report = run([tmp_path / 'M\u00fcller.fits'], given,
                     tmp_path / str(number))
        header = fits.getheader(report['background'][0])
        # long lines are continued
        first, *second = header['HISTORY']
        assert first == 'made by hand'
        assert ''.join(second) == (f'compact_removal {__version__}: {what} '
                                   'removed from M?ller.fits')


def test_common_catalog_away_from_observed_pixels(maps, tmp_path):
    with fits.open(maps[0]) as hdus:
        hdus[0].data[:, 60:] = np.nan
        hdus[0].data[10, 10] = np.nan
        hdus.writeto(tmp_path / 'm.fits')
    sky = read_pacs_map(maps[0]).wcs.pixel_to_world(
        [10, 75, 68, 94, 30, 96], [10, 50, 50, 50, 95, 20])
    report = run([tmp_path / 'm.fits'], sky, tmp_path)
    assert list(QTable.read(report['sources'][0])['id']) == [1, 3, 5]


def test_no_source_on_the_map(maps, tmp_path):
    far = SkyCoord([1, np.nan], [80, 5], unit='deg')
    report = run(maps[:1], far, tmp_path)
    assert list(report['status', 'error', 'n_sources'][0]) == ['done', '', 0]
    with fits.open(report['background'][0]) as hdus:
        assert_array_equal(hdus[0].data, fits.getdata(maps[0]))


@pytest.mark.slow
def test_resume_does_the_rest(maps, catalogs, tmp_path):
    out = tmp_path / 'out'
    bad = tmp_path / 'm2.fits'
    bad.write_bytes(b'SIMPLE')
    maps.append(bad)
    catalogs.append(catalogs[0])
    first = run(maps, catalogs, out)
    assert list(first['status']) == ['done', 'done', 'error']
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()
             if path.name[:2] in ('m0', 'm1')}
    bad.write_bytes(maps[0].read_bytes())
    second = run(maps, catalogs, out)
    assert list(second['status']) == ['resumed', 'resumed', 'done']
    assert list(second['n_sources']) == [2, 2, 2]
    assert_array_equal(second['seconds'][:2], first['seconds'][:2])
    assert second['background'][0] == first['background'][0]
    assert len(times) == 6
    assert times == {path: path.stat().st_mtime_ns for path in times}
    third = run(maps, catalogs, out, overwrite=True)
    assert list(third['status']) == ['done'] * 3
    assert not any(times[path] == path.stat().st_mtime_ns for path in times)


def test_killed_between_outputs_and_record(maps, catalogs, tmp_path,
                                           monkeypatch):
    def write_record(path, record):
        if record['status'] == 'done':
            raise KeyboardInterrupt
        original(path, record)

    original = _job.write_record
    monkeypatch.setattr(_job, 'write_record', write_record)
    with pytest.raises(KeyboardInterrupt):
        run(maps, catalogs, tmp_path)
    assert (tmp_path / 'm0_sources.ecsv').exists()
    assert len(QTable.read(tmp_path / 'report.ecsv')) == 0
    (tmp_path / '.writing-1-00-m0_background.fits').write_text('half')
    monkeypatch.setattr(_job, 'write_record', original)
    report = run(maps, catalogs, tmp_path)
    assert list(report['status']) == ['done', 'done']
    assert not list(tmp_path.glob('.writing*'))


def test_interrupted_run_has_a_report(maps, catalogs, tmp_path, monkeypatch):
    def read(path):
        if Path(path).name == 'm1.fits':
            raise KeyboardInterrupt
        return original(path)

    original = CompactSourceRemover.read_image
    monkeypatch.setattr(CompactSourceRemover, 'read_image',
                        staticmethod(read))
    with pytest.raises(KeyboardInterrupt):
        run(maps, catalogs, tmp_path)
    report = QTable.read(tmp_path / 'report.ecsv')
    assert list(report['map']) == [str(maps[0])]
    monkeypatch.setattr(CompactSourceRemover, 'read_image',
                        staticmethod(original))
    assert list(run(maps, catalogs, tmp_path)['status']) == ['resumed',
                                                             'done']


def test_report_of_an_interrupted_run_has_all_that_is_done(
        maps, catalogs, tmp_path, monkeypatch):
    def run_some(function, tasks):
        for number, job in tasks:
            function(job)
            if number == 1:
                raise KeyboardInterrupt
            yield number, function(job)

    maps.append(tmp_path / 'm2.fits')
    catalogs.append(catalogs[0])
    monkeypatch.setattr(_workers, 'run_here', run_some)
    with pytest.raises(KeyboardInterrupt):
        run(maps, catalogs, tmp_path)
    report = QTable.read(tmp_path / 'report.ecsv')
    assert list(report['map']) == [str(path) for path in maps[:2]]
    assert list(report['status']) == ['done', 'done']
    assert list(report['n_sources']) == [2, 2]


def test_overwriting_run_that_was_interrupted(maps, catalogs, tmp_path,
                                              monkeypatch):
    run(maps, catalogs, tmp_path)

    def read(path):
        raise KeyboardInterrupt

    original = CompactSourceRemover.read_image
    other = {'remover': make_remover(recenter=True)}
    monkeypatch.setattr(CompactSourceRemover, 'read_image',
                        staticmethod(read))
    with pytest.raises(KeyboardInterrupt):
        run(maps, catalogs, tmp_path, overwrite=True, **other)
    monkeypatch.setattr(CompactSourceRemover, 'read_image',
                        staticmethod(original))
    report = run(maps, catalogs, tmp_path, **other)
    assert list(report['status']) == ['done', 'done']


def test_a_missing_output_is_made_again(maps, catalogs, tmp_path):
    run(maps, catalogs, tmp_path)
    (tmp_path / 'm1_background.fits').unlink()
    assert list(run(maps, catalogs, tmp_path)['status']) == ['resumed',
                                                             'done']
    assert (tmp_path / 'm1_background.fits').exists()


@pytest.mark.parametrize('change', ['remover', 'catalog', 'map', 'common'])
def test_other_settings(maps, catalogs, tmp_path, change):
    out = tmp_path / 'out'
    catalog = tmp_path / 'c.csv'
    catalog.write_bytes(catalogs[0].read_bytes())
    run(maps[:1], [catalog], out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    kwargs, given, path = {}, [catalog], maps[0]
    if change == 'remover':
        kwargs = {'remover': make_remover(apertures=5 * u.arcsec)}
    elif change == 'catalog':
        catalog.write_text('ra,dec\n277.45,-2.07\n')
    elif change == 'map':
        path = tmp_path / 'm0.fits'
        path.write_bytes(maps[1].read_bytes())
    else:
        given = catalog
    with pytest.raises(FileExistsError, match='output_dir: .*m0_record.json '
                                              'was made .* choose another'):
        run([path], given, out, **kwargs)
    assert before.items() <= {path: path.read_bytes()
                              for path in out.iterdir()}.items()
    report = run([path], given, out, overwrite=True, **kwargs)
    assert report['status'][0] == 'done'


def test_settings_without_effect(maps, catalogs, tmp_path):
    run(maps, catalogs, tmp_path)
    remover = make_remover(batch_size=3, device='cpu')
    report = run(maps, catalogs, tmp_path, remover=remover)
    assert list(report['status']) == ['resumed', 'resumed']


def test_results_outlive_their_maps(fields, catalogs, tmp_path):
    path = tmp_path / 'here.fits'
    path.write_bytes((fields / 'm0.fits').read_bytes())
    run([path], catalogs[:1], tmp_path / 'out')
    path.unlink()
    report = run([path], catalogs[:1], tmp_path / 'out')
    assert report['status'][0] == 'resumed'


def test_records_of_earlier_versions(maps, catalogs, tmp_path):
    run(maps, catalogs, tmp_path)
    path = tmp_path / 'm0_record.json'
    record = read_record(path)
    assert record.pop('n_on_map') == 2
    write_record(path, record)
    report = run(maps, catalogs, tmp_path)
    assert list(report['status']) == ['resumed', 'resumed']
    assert list(report['n_on_map']) == [2, 2]


def test_a_copied_map_is_the_same_and_a_changed_one_not(fields, catalogs,
                                                        tmp_path):
    path = tmp_path / 'm.fits'
    path.write_bytes((fields / 'm0.fits').read_bytes())
    out = tmp_path / 'out'
    run([path], catalogs[:1], out)
    later = path.stat().st_mtime_ns + 10 ** 9
    os.utime(path, ns=(later, later))
    report = run([path], catalogs[:1], out)
    assert report['status'][0] == 'resumed'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(later + 1, later + 1))
    with pytest.raises(FileExistsError, match='m_record.json was made of a '
                                              'map .* with other content'):
        run([path], catalogs[:1], out)


@pytest.mark.parametrize('name', ['m0_background.fits', 'm0_sources.ecsv',
                                  'report.ecsv'])
def test_files_of_something_else(maps, catalogs, tmp_path, name):
    (tmp_path / name).write_text('mine')
    with pytest.raises(FileExistsError, match=f'output_dir: .*{name} '):
        run(maps, catalogs, tmp_path)
    assert (tmp_path / name).read_text() == 'mine'
    assert [path.name for path in tmp_path.iterdir()] == [name]
    report = run(maps, catalogs, tmp_path, overwrite=True)
    assert list(report['status']) == ['done', 'done']


def test_a_failure_leaves_no_old_result(maps, catalogs, tmp_path):
    path = tmp_path / 'm.fits'
    path.write_bytes(maps[0].read_bytes())
    out = tmp_path / 'out'
    run([path], catalogs[:1], out)
    path.write_bytes(b'SIMPLE')
    report = run([path], catalogs[:1], out, overwrite=True)
    assert report['status'][0] == 'error'
    assert sorted(entry.name for entry in out.iterdir()) == [
        'm_record.json', 'report.ecsv']


def test_a_full_disk_leaves_no_half_results(maps, catalogs, tmp_path,
                                            monkeypatch):
    def write(result, paths, **kwargs):
        paths['background'].write_text('half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(_job, 'write_products', write)
    report = run(maps, catalogs, tmp_path)
    assert list(report['error']) == [
        'OSError: [Errno 28] No space left on device'] * 2
    assert read_all(tmp_path) == {}


def test_dead_workers_are_rows(maps, catalogs, tmp_path, monkeypatch):
    def run_some(function, tasks):
        yield 1, _workers.WorkerDiedError('the worker process died, twice')
        yield 0, function(tasks[0][1])

    monkeypatch.setattr(_workers, 'run_here', run_some)
    report = run(maps, catalogs, tmp_path)
    assert list(report['status']) == ['done', 'error']
    assert report['error'][1] == ('WorkerDiedError: the worker process died, '
                                  'twice')
    monkeypatch.undo()
    assert list(run(maps, catalogs, tmp_path)['status']) == ['resumed',
                                                             'done']


def test_records_hold_tracebacks(maps, catalogs, tmp_path):
    bad = tmp_path / 'bad.fits'
    bad.write_bytes(b'')
    report = run([bad, maps[0]], [catalogs[0]] * 2, tmp_path / 'out')
    assert 'traceback' not in report.colnames
    bad, good = (
        json.loads((tmp_path / 'out' / f'{name}_record.json').read_text())
        for name in ('bad', 'm0'))
    assert bad['error'] == report['error'][0]
    lines = bad['traceback'].splitlines()
    assert lines[0] == 'Traceback (most recent call last):'
    assert any('_process' in line for line in lines)
    assert good['traceback'] == ''


def test_errors_of_catalogs_are_rows(maps, tmp_path):
    bad = tmp_path / 'bad.csv'
    bad.write_text('x,z\n1,2\n')
    report = run(maps, [tmp_path / 'no.csv', bad], tmp_path / 'out')
    assert list(report['status']) == ['error', 'error']
    assert report['error'][0] == ('FileNotFoundError: catalog: there is no '
                                  f'file {tmp_path / "no.csv"}')
    assert report['error'][1].startswith('ParameterError: positions must have')


def test_warnings_are_kept(maps, tmp_path):
    far = [SkyCoord([1], [2], unit='deg')]
    report = run(maps[:1], far, tmp_path)
    assert report['warnings'][0].startswith('none of the positions lies on')
    record = json.loads((tmp_path / 'm0_record.json').read_text())
    assert record['warnings'] == report['warnings'][0]
    assert run(maps[:1], far, tmp_path)['warnings'][0] == record['warnings']


def test_mode_and_band_of_headers(maps, catalogs, tmp_path):
    image = CCDData.read(maps[0])
    image.meta.update({'INSTRUME': 'PACS', 'OBS_MODE': 'scan map',
                       'CUSMODE': 'SpirePacsParallel', 'WAVELNTH': 70.0})
    image.write(tmp_path / 'known.fits')
    other = CCDData.read(maps[1])
    del other.meta['PACSMODE']
    other.write(tmp_path / 'other.fits')
    maps = [tmp_path / 'known.fits', tmp_path / 'other.fits']
    report = run(maps, catalogs, tmp_path, remover=None)
    assert list(report['status']) == ['done', 'error']
    header = fits.getheader(report['background'][0])
    assert (header['CRMODE'], header['CRBAND']) == ('parallel', 'blue')
    assert report['error'][1] == ('ParameterError: mode is not given, and no '
                                  'header of a map has it; give it, such as '
                                  'scanmap, parallel')
    remover = CompactSourceRemover('scanmap', None, cutout_size=64)
    report = run(maps[:1], catalogs[:1], tmp_path / 'out', remover=remover)
    header = fits.getheader(report['background'][0])
    assert (header['CRMODE'], header['CRBAND']) == ('scanmap', 'blue')


@pytest.fixture(scope='module')
def fitted():
    tiny = {'n_epochs': 1, 'n_batches': 1, 'n_validation_batches': 1,
            'n_fields': 1, 'width': 1}
    remover = make_remover(weights=None, batch_size=2, seed=3)
    return remover.fit(None, training=tiny)


@pytest.mark.slow
def test_fitted_remover(maps, catalogs, tmp_path, fitted):
    out = tmp_path / 'out'
    report = run(maps, catalogs, out, remover=fitted)
    assert list(report['status']) == ['done', 'done']
    (saved,) = out.glob('batch_estimator-*.safetensors')
    loaded = CompactSourceRemover.load(saved)
    background = loaded.remove(read_pacs_map(maps[0]),
                               QTable.read(catalogs[0])).background
    assert_array_equal(fits.getdata(report['background'][0]),
                       background.data)
    # One that went through a file is the same.
    report = run(maps, catalogs, out, remover=loaded)
    assert list(report['status']) == ['resumed', 'resumed']
    with pytest.raises(FileExistsError, match='other settings'):
        run(maps, catalogs, out, remover=make_remover())


def test_another_calibration_is_another_result(maps, catalogs, tmp_path,
                                               fitted):
    changed = copy.copy(fitted)
    changed.info_ = {**fitted.info_, 'validation': {
        'hole_error': {'snr': [5.0], 'factor': [2.0]}}}
    run(maps[:1], catalogs[:1], tmp_path, remover=changed)
    again = copy.copy(changed)
    again.info_ = copy.deepcopy(changed.info_)
    report = run(maps[:1], catalogs[:1], tmp_path, remover=again)
    assert report['status'][0] == 'resumed'
    again.info_['validation']['hole_error']['factor'] = [10.0]
    with pytest.raises(FileExistsError, match='other settings'):
        run(maps[:1], catalogs[:1], tmp_path, remover=again)


class Brightest(BaseEstimator):
    """
    A finder of the brightest pixel, which takes no positions.
    """

    output_files = {'sources': '_found.ecsv'}

    def __init__(self, *, offset=0):
        self.offset = offset

    def process(self, image, positions=None):
        assert positions is None
        y, x = np.unravel_index(np.nanargmax(image.data), image.shape)
        return {'sources': QTable({'id': [1], 'x_center': [x + self.offset],
                                   'y_center': [y], 'flags': [4]})}


@pytest.mark.parametrize('n_workers', [
    1, pytest.param(2, marks=pytest.mark.slow)])
def test_estimator_without_positions(maps, tmp_path, n_workers):
    report = process_many(Brightest(), maps, output_dir=tmp_path,
                          n_workers=n_workers)
    assert list(report['status']) == ['done', 'done'], report['error']
    assert list(report['n_sources']) == list(report['n_flagged']) == [1, 1]
    assert report.colnames[-1] == 'sources'
    data = read_pacs_map(maps[1]).data
    row = QTable.read(tmp_path / 'm1_found.ecsv')[0]
    assert data[row['y_center'], row['x_center']] == np.nanmax(data)
    again = process_many(Brightest(), maps, output_dir=tmp_path, n_workers=1)
    assert list(again['status']) == ['resumed', 'resumed']
    with pytest.raises(FileExistsError, match='other settings'):
        process_many(Brightest(offset=1), maps, output_dir=tmp_path)
    with pytest.raises(ValueError, match='^catalogs must be None'):
        process_many(Brightest(), maps, maps, output_dir=tmp_path)


def test_weights_in_the_home(maps, catalogs, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    nn.save_weights(build_model('separation', width=1, seed=1),
                    tmp_path / 'tiny.safetensors')
    remover = make_remover(weights='~/tiny.safetensors')
    report = run(maps[:1], catalogs[:1], '~/out', remover=remover)
    assert report['status'][0] == 'done'
    assert (tmp_path / 'out' / 'm0_background.fits').is_file()


def test_weights_of_a_file(maps, catalogs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        nn.save_weights(build_model('separation', width=1, seed=seed),
                        f'{seed}.safetensors')
    remover = make_remover(weights='1.safetensors')
    report = run(maps, catalogs, 'out', remover=remover)
    assert list(report['status']) == ['done', 'done']
    Path('2.safetensors').replace('1.safetensors')
    with pytest.raises(FileExistsError, match='other settings'):
        run(maps, catalogs, 'out', remover=remover)


def test_client(maps, catalogs, tmp_path, client):
    bad = tmp_path / 'bad.fits'
    bad.write_bytes(b'')
    maps, catalogs = [bad, *maps], [catalogs[0], *catalogs]
    report = run(maps, catalogs, tmp_path / 'dask', n_workers=None,
                 client=client)
    assert list(report['map']) == [str(path) for path in maps]
    assert list(report['status']) == ['error', 'done', 'done']
    run(maps, catalogs, tmp_path / 'here')
    assert read_all(tmp_path / 'dask') == read_all(tmp_path / 'here')
    again = run(maps, catalogs, tmp_path / 'dask', n_workers=None,
                client=client)
    assert list(again['status']) == ['error', 'resumed', 'resumed']


def test_client_without_dask(maps, catalogs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(TypeError, match='^client must be a dask.distributed'):
        run(maps, catalogs, tmp_path, n_workers=None, client='localhost')


def test_progress(maps, catalogs, tmp_path, capsys):
    run(maps, catalogs, tmp_path, progress_bar=True)
    out, err = capsys.readouterr()
    assert out == ''
    assert '2/2' in err
    assert 'sources/s, 0 errors' in err
    run(maps, catalogs, tmp_path)
    assert capsys.readouterr().err == ''
