# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the columns of catalogues in the tables of sources.
"""

import io
import re
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.exceptions import AstropyUserWarning
from astropy.utils.masked import Masked
from regions import Regions

from compact_removal import CompactSourceRemover, cli
from compact_removal.batch import remove_many
from compact_removal.datasets import make_example_field
from compact_removal.maps.columns import join_catalog
from compact_removal.utils.text import one_line

SKY = SkyCoord([1, 2, 3], [4, 5, 6], unit='deg')

# What an ECSV file holds as it is.
COLUMNS = {
    'int': Column([1, 2, 3], description='count'),
    'masked_int': MaskedColumn([1, 2, 3], mask=[0, 1, 0]),
    'text': Column(['a', 'b c', '"x", y']),
    'masked_text': MaskedColumn(['a', 'b', 'c'], mask=[0, 0, 1]),
    'lines': Column(['a\nb', 'c', 'd']),
    'bytes': Column([b'a', b'bc', b'd']),
    'planes': Column(np.arange(6.0).reshape(3, 2)),
    'masked_planes': MaskedColumn(np.arange(6.0).reshape(3, 2),
                                  mask=[[0, 1], [0, 0], [1, 1]]),
    'quantity': [1, 2, 3] * u.mJy,
    'masked_quantity': Masked([1, 2, 3] * u.Jy, mask=[0, 1, 0]),
    'magnitude': [1, 2, 3] * u.ABmag,
    'unknown_unit': Column([1.0, 2, 3],
                           unit=u.Unit('foo', parse_strict='silent')),
    'time': Time([50000, 50001, 50002], format='mjd'),
    'other_sky': SkyCoord([7, 8, 9], [0, 1, 2], unit='deg',
                          frame='galactic'),
    'place': EarthLocation([1, 2, 3] * u.m, [1, 2, 3] * u.m, [1, 2, 3] * u.m),
    'objects': Column([{'a': 1}, [1, 2], None], dtype=object),
    'pairs': Column(np.array([(1, 2.5)] * 3, dtype=[('a', 'i4'),
                                                    ('b', 'f8')])),
    'flag': Column([True, False, True]),
    'swapped': Column(np.ones(3, dtype='>f4')),
}


def make_sources(n=3):
    return QTable({'id': np.arange(1, n + 1), 'sky_center': SKY[:n],
                   'flux': np.ones(n) * u.Jy}, meta={'CRVERS': '1'})


def write_and_read(table):
    text = io.StringIO()
    table.write(text, format='ascii.ecsv')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', u.UnitsWarning)
        return QTable.read(text.getvalue(), format='ascii.ecsv')


def as_text(column):
    return [str(value) for value in column]


@pytest.mark.parametrize('n', [0, 1, 3])
def test_all_kinds_of_columns_survive(n):
    # with a column of its own kind for the positions
    catalog = QTable({'sky_center': SKY, **COLUMNS})[:n]
    sources = make_sources(n)
    joined = join_catalog(sources, catalog)
    assert sources.colnames == ['id', 'sky_center', 'flux']
    assert joined.colnames == [*sources.colnames, *COLUMNS]
    again = write_and_read(joined)
    assert again.colnames == joined.colnames
    assert again.meta == {'CRVERS': '1'}
    if n == 0:
        return
    for name, column in COLUMNS.items():
        expected = QTable({'x': column[:n]})['x']
        if name == 'bytes':
            expected = np.char.decode(expected)
        assert as_text(again[name]) == as_text(expected), name
        unit = getattr(expected, 'unit', None)
        assert str(getattr(again[name], 'unit', None)) == str(unit), name
    assert again['int'].info.description == 'count'


@pytest.mark.parametrize('column', [
    Column([SKY[0], object, 3], dtype=object),
    Column(np.array(['2020-01-01'] * 3, dtype='datetime64[D]')),
    Column([1j, 2, 3]),
    Column([1, 2, 3], meta={'why': object}),
])
def test_others_are_text_and_told(column):
    catalog = Table({'ra': [1, 2, 3], 'dec': [4, 5, 6], 'odd': column})
    with pytest.warns(AstropyUserWarning,
                      match="^catalog: column 'odd' is written as text: "):
        joined = join_catalog(make_sources(), catalog)
    assert list(write_and_read(joined)['odd']) == [
        one_line(value) for value in column]


def test_names_that_are_taken():
    catalog = Table({'RAJ2000': [1, 2, 3], 'DEJ2000': [4, 5, 6],
                     'flux': [7, 8, 9], 'flux_catalog': [1, 1, 1],
                     'id': ['x', 'y', 'z'], 'glon': [0, 0, 0]})
    joined = join_catalog(make_sources(), catalog)
    assert joined.colnames[3:] == ['flux_catalog_catalog', 'flux_catalog',
                                   'id_catalog', 'glon']
    assert list(joined['flux_catalog_catalog']) == [7, 8, 9]
    assert list(joined['flux_catalog']) == [1, 1, 1]
    assert list(joined['id']) == [1, 2, 3]


def test_rows_of_a_common_catalog():
    catalog = QTable({'pos': SKY, 'name': ['a', 'b', 'c']})
    joined = join_catalog(make_sources(2), catalog, np.array([0, 2]))
    assert list(joined['name']) == ['a', 'c']
    assert 'pos' not in joined.colnames


def test_several_positions_per_row():
    catalog = QTable({'sky': SKY[:2].reshape(1, 2), 'name': ['a']})
    with pytest.warns(AstropyUserWarning, match="'name' is left out: it has "
                                                '1 rows for 2 positions'):
        joined = join_catalog(make_sources(2), catalog)
    assert joined.colnames == make_sources().colnames


@pytest.mark.parametrize('labels', [False, True])
def test_labels_of_regions(labels):
    lines = ['icrs', 'circle(1,4,3")', 'point(2,5)', 'circle(3,6,3")']
    if labels:
        lines[1] += ' # text={M 42} color=red'
        lines[3] += ' # text={b}'
    regions = list(Regions.parse('\n'.join(lines), format='ds9'))
    joined = join_catalog(make_sources(), regions)
    if labels:
        assert list(joined['label']) == ['M 42', '', 'b']
    else:
        assert joined.colnames == make_sources().colnames
    assert join_catalog(make_sources(), SKY).colnames == joined.colnames[:3]


@pytest.fixture(scope='module')
def field(tmp_path_factory):
    """
    A folder with a map and a catalogue with names.
    """
    folder = tmp_path_factory.mktemp('field')
    image, catalog = make_example_field(shape=(96, 96), n_sources=2)
    image.write(folder / 'm.fits')
    sky = catalog['sky_center'].icrs
    QTable({'RA': [0, *sky.ra.deg], 'Dec': [80, *sky.dec.deg],
            'name': MaskedColumn(['far', 'S 1', ''], mask=[0, 0, 1]),
            'id': [7, 8, 9], 'flux': [1, 2, 3] * u.mJy}).write(
                folder / 'c.ecsv')
    return folder


def run(field, catalogs, folder, **kwargs):
    remover = CompactSourceRemover('scanmap', 'blue', cutout_size=64)
    return remove_many([field / 'm.fits'], catalogs, remover=remover,
                       output_dir=folder, n_workers=1, **kwargs)


def check_columns(table, rows):
    assert table.colnames[-3:] == ['name', 'id_catalog', 'flux_catalog']
    assert list(table['id_catalog']) == rows
    assert list(table['flux_catalog'].to_value(u.mJy)) == [
        row - 6 for row in rows]
    assert table['name'].tolist() == [
        {7: 'far', 8: 'S 1', 9: None}[row] for row in rows]


def test_runs_over_maps(field, tmp_path):
    report = run(field, [field / 'c.ecsv'], tmp_path / 'own')
    check_columns(QTable.read(report['sources'][0]), [7, 8, 9])
    report = run(field, field / 'c.ecsv', tmp_path / 'common')
    table = QTable.read(report['sources'][0])
    check_columns(table, [8, 9])
    assert list(table['id']) == [2, 3]
    assert list(report['warnings']) == ['']


def test_command(field, tmp_path, capsys):
    assert cli.main([
        'remove', str(field / 'm.fits'), str(field / 'c.ecsv'), '--mode',
        'scanmap', '--band', 'blue', '--output', str(tmp_path / 'x')]) == 0
    check_columns(QTable.read(tmp_path / 'x_sources.ecsv'), [7, 8, 9])
    out, err = capsys.readouterr()
    assert err == ''
    assert re.search(r'id +name', out)
    assert re.search(r'2 +S 1 ', out)
    assert 'flux_catalog' not in out


@pytest.mark.parametrize(('content', 'reason'), [
    (None, 'catalog: there is no file '),
    ('ra,dec\n1,2\n', 'its positions have changed'),
    ('x\n1\n', 'positions must have'),
])
def test_common_catalog_that_has_changed(field, tmp_path, monkeypatch,
                                         content, reason):
    path = tmp_path / 'c.csv'
    QTable.read(field / 'c.ecsv').write(path)

    def read(job_map):
        path.unlink()
        if content is not None:
            path.write_text(content)
        return original(job_map)

    original = CompactSourceRemover.read_image
    monkeypatch.setattr(CompactSourceRemover, 'read_image',
                        staticmethod(read))
    report = run(field, path, tmp_path / 'out')
    assert list(report['status', 'n_sources'][0]) == ['done', 2]
    assert f'catalog: no columns of {path} are in the table: ' in (
        report['warnings'][0])
    assert reason in report['warnings'][0].replace(
        '[Errno 2] No such file or directory', 'catalog: there is no file ')
    table = QTable.read(report['sources'][0])
    assert table.colnames[-1] == 'flags'
