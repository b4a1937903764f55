# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import gzip
import io
import re
import sys
import tarfile
from urllib.parse import parse_qs

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from compact_removal.datasets import fetch_pacs_map, make_example_field
from compact_removal.instruments import get_band
from compact_removal.maps import archive
from compact_removal.tests.helpers import get_data_path

OBSID = '1342217404'


def _make_product(product, wavelength, *, value=0.0):
    """
    Bytes of a gzipped product of the archive.
    """
    ccd, _ = make_example_field(shape=(20, 24), n_sources=1)
    header = ccd.wcs.to_header()
    header['BUNIT'] = 'Jy/pixel'
    hdus = fits.HDUList([
        fits.PrimaryHDU(),
        fits.ImageHDU(ccd.data + value, header, name='image'),
        fits.ImageHDU(np.ones(ccd.shape), name='coverage')])
    hdus[0].header.update({
        'TYPE': product, 'INSTRUME': 'PACS', 'INSTMODE': 'PacsPhoto',
        'CUSMODE': 'PacsPhoto', 'OBS_MODE': 'Scan map',
        'WAVELNTH': wavelength, 'OBSID001': int(OBSID)})
    file = io.BytesIO()
    hdus.writeto(file)
    return gzip.compress(file.getvalue())


def _name(product, label, *, level='25', number='1470980842635'):
    """
    Name of a product in the tar file of the archive.
    """
    folder = {'20': 'level2', '25': 'level2_5', '30': 'level3'}[level]
    return (f'{OBSID}/{folder}/{product}/hpacs_{level}{product}{label}'
            f'_1757_p5129_00_v1.0_{number}.fits.gz')


def _members():
    """
    What the archive sends for one observation, by name.
    """
    return {
        f'{OBSID}/level2_5/herschelLevel25.xml': b'<xml/>',
        f'{OBSID}/level2_5/HPPJSMAPB/postcard.jpg': b'no picture',
        'README.pdf': b'no text',
        f'{OBSID}/level2_5/hpacs_25context_0_1470980842000.fits.gz':
            _make_product('HPPCONTEXT', 70.0, value=9),
        _name('HPPHPFMAPB', '_blue'):
            _make_product('HPPHPFMAPB', 70.0, value=1),
        _name('HPPHPFMAPR', ''): _make_product('HPPHPFMAPR', 160.0, value=1),
        _name('HPPJSMAPB', '_blue'): _make_product('HPPJSMAPB', 70.0),
        _name('HPPJSMAPB', '_blue', number='1999999999999'):
            _make_product('HPPJSMAPB', 70.0, value=9),
        _name('HPPJSMAPB', '_green'): _make_product('HPPJSMAPB', 100.0,
                                                    value=2),
        _name('HPPJSMAPR', ''): _make_product('HPPJSMAPR', 160.0, value=3),
        _name('HPPJSMAPR', '_cube'): _make_product('HPPJSMAPR', None,
                                                   value=9),
    }


def _pack(members, *links):
    """
    Bytes of a tar file.
    """
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        for link in links:
            tar.addfile(link)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


class _Archive:
    """
    Answers of the archive, in place of the network.

    The code of astroquery runs up to its requests.
    """

    def __init__(self):
        self.content = b''
        self.status = 200
        self.headers = {'Content-Disposition':
                        f'attachment; filename="{OBSID}.tar"'}
        self.asked = []

    def request(self, method, url, **kwargs):
        import requests

        response = requests.Response()
        response.status_code = self.status
        response.headers.update(self.headers)
        response.url = url
        self.asked.append((method, parse_qs(url.partition('?')[2])))
        return response

    def download(self, url, path, **kwargs):
        self.asked.append(('GET', parse_qs(url.partition('?')[2])))
        with open(path, 'wb') as file:
            file.write(self.content)
        return path


@pytest.fixture(name='server')
def _server(monkeypatch):
    hsa = pytest.importorskip('astroquery.esa.hsa')
    server = _Archive()
    monkeypatch.setattr(hsa.HSA, '_request', server.request)
    monkeypatch.setattr(hsa.HSA, '_download_file', server.download)
    return server


@pytest.fixture(name='members', scope='module')
def _all_members():
    return _members()


def _mean(ccd):
    """
    How much was added to the map, see _make_product.
    """
    plain, _ = make_example_field(shape=(20, 24), n_sources=1)
    return np.mean(ccd.data - plain.data)


def _files(folder):
    return sorted(path.relative_to(folder).as_posix()
                  for path in folder.rglob('*') if path.is_file())


@pytest.mark.parametrize(('band', 'wavelength', 'value'), [
    ('blue', 70, 0), ('green', 100, 2), (160 * u.um, 160, 3)])
def test_bands(server, members, tmp_path, band, wavelength, value):
    server.content = _pack(members)
    ccd = fetch_pacs_map(int(OBSID), band, cache_dir=tmp_path)
    assert ccd.meta['WAVELNTH'] == wavelength
    assert ccd.meta['PACSMODE'] == 'scanmap'
    assert get_band('scanmap', ccd.meta['PACSBAND']) is get_band(
        'scanmap', band)
    assert abs(_mean(ccd) - value) < 1e-9
    asked = {'retrieval_type': ['OBSERVATION'], 'observation_id': [OBSID],
             'instrument_name': ['PACS'], 'product_level': ['LEVEL2_5']}
    assert server.asked == [('HEAD', asked), ('GET', asked)]
    # the tar file is gone
    assert _files(tmp_path) == [
        f'{OBSID}/level2_5/jscanam_{name}.fits.gz'
        for name in ('blue', 'green', 'red')]


def test_real_products(server, tmp_path):
    folder = get_data_path('pacs')
    server.content = _pack({
        f'{OBSID}/level2_5/{path.name[8:17]}/{path.name}': path.read_bytes()
        for path in folder.glob('hpacs*_147098084*.fits.gz')})
    for band, product in (('blue', 'HPPJSMAPB'), ('red', 'HPPJSMAPR')):
        ccd = fetch_pacs_map(OBSID, band, cache_dir=tmp_path)
        assert ccd.meta['TYPE'] == product
        assert ccd.meta['PACSBAND'] == band
        assert ccd.meta['OBSID001'] == int(OBSID)
    assert len(server.asked) == 2


def test_mapper(server, members, tmp_path):
    server.content = _pack(members)
    ccd = fetch_pacs_map(OBSID, 'red', mapper='hpf', cache_dir=tmp_path)
    assert abs(_mean(ccd) - 1) < 1e-9
    assert _files(tmp_path) == [f'{OBSID}/level2_5/hpf_blue.fits.gz',
                                f'{OBSID}/level2_5/hpf_red.fits.gz']


@pytest.mark.parametrize(('mapper', 'level', 'archive_level', 'name'), [
    ('hpf', 2, 'LEVEL2', 'level2/HPPPMAPB/hpacs1342217404_20hpppmapb_00_'
                         '1469423089198.fits.gz'),
    ('jscanam', '3', 'LEVEL3', 'level3/HPPJSMAPG/hpacs_30HPPJSMAPG_green_'
                               '1757_p5129_00_v1.0_1470967309037.fits'),
    ('unimap', 2.5, 'LEVEL2_5', 'level2_5/HPPUNIMAPB/hpacs_25HPPUNIMAPB_'
                                'green_1757_p5129_00_v1.0_1.fits.gz')])
def test_levels(server, tmp_path, mapper, level, archive_level, name):
    content = _make_product('HPP', 100.0)
    if name.endswith('.fits'):
        content = gzip.decompress(content)
    server.content = _pack({f'{OBSID}/{name}': content})
    ccd = fetch_pacs_map(OBSID, 'green', mapper=mapper, level=level,
                         cache_dir=tmp_path)
    assert ccd.meta['PACSBAND'] == 'green'
    assert server.asked[0][1]['product_level'] == [archive_level]
    # the second time it is in the cache
    fetch_pacs_map(OBSID, 'green', mapper=mapper, level=level,
                   cache_dir=tmp_path)
    assert len(server.asked) == 2


def test_cache(server, members, tmp_path, monkeypatch):
    server.content = _pack(members)
    monkeypatch.setattr(archive, 'get_cache_dir',
                        lambda name: f'{tmp_path}/{name}')
    first = fetch_pacs_map(OBSID, 'blue')
    assert len(server.asked) == 2
    # maps in the cache need neither requests nor astroquery
    monkeypatch.setitem(sys.modules, 'astroquery', None)
    second = fetch_pacs_map(OBSID, 'blue')
    fetch_pacs_map(OBSID, 'green')
    assert_array_equal(first.data, second.data)
    assert len(server.asked) == 2
    assert _files(tmp_path) == [
        f'compact_removal/{OBSID}/level2_5/jscanam_{name}.fits.gz'
        for name in ('blue', 'green', 'red')]


def test_overwrite(server, members, tmp_path):
    server.content = _pack(members)
    fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)
    server.content = _pack({_name('HPPJSMAPB', '_blue'):
                            _make_product('HPPJSMAPB', 70.0, value=5)})
    ccd = fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)
    assert abs(_mean(ccd)) < 1e-9
    ccd = fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path, overwrite=True)
    assert abs(_mean(ccd) - 5) < 1e-9


def test_missing_bands(server, members, tmp_path):
    chosen = {name: content for name, content in members.items()
              if '_green' not in name}
    server.content = _pack(chosen)
    match = (f"band must be one of 'blue', 'red' in observation {OBSID}, "
             "got 'green'")
    with pytest.raises(ValueError, match=match):
        fetch_pacs_map(OBSID, 'green', cache_dir=tmp_path)
    match = f"mapper 'unimap' has no map of level 2.5 in observation {OBSID}"
    with pytest.raises(ValueError, match=match):
        fetch_pacs_map(OBSID, 'blue', mapper='unimap', cache_dir=tmp_path)


@pytest.mark.parametrize('obsid', [
    134221740, '13422174040', '134221740x', '1342217404/..', '1342217404\n',
    1342217404.0, None, '', '\u0661' * 10])
def test_bad_obsid(obsid, tmp_path):
    with pytest.raises(ValueError, match='obsid must have 10 digits'):
        fetch_pacs_map(obsid, 'blue', cache_dir=tmp_path)
    assert not _files(tmp_path)


@pytest.mark.parametrize(('kwargs', 'match'), [
    ({'band': 'white'}, "band must be one of 'blue'"),
    ({'mapper': 'madmap'},
     "mapper must be one of 'jscanam', 'hpf', 'unimap', got 'madmap'"),
    ({'mapper': None}, 'mapper must be one of'),
    ({'level': 2}, "level must be one of 2.5, 3 for mapper 'jscanam', got 2"),
    ({'level': 'high'}, 'level must be one of'),
    ({'level': None}, 'level must be one of')])
def test_bad_parameters(kwargs, match, tmp_path):
    kwargs = {'band': 'blue', 'cache_dir': tmp_path} | kwargs
    with pytest.raises(ValueError, match=re.escape(match)):
        fetch_pacs_map(OBSID, **kwargs)


@pytest.mark.parametrize(('status', 'match'), [
    (401, 'proprietary rights'), (404, '404 Client Error'),
    (500, '500 Server Error')])
def test_refusals(server, tmp_path, status, match):
    server.status = status
    with pytest.raises(OSError, match=f'obsid {OBSID} could.*{match}'):
        fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)
    assert not _files(tmp_path)


def test_no_connection(server, tmp_path, monkeypatch):
    hsa = pytest.importorskip('astroquery.esa.hsa')
    import requests

    def fail(*args, **kwargs):
        msg = 'no route to host'
        raise requests.ConnectionError(msg)

    monkeypatch.setattr(hsa.HSA, '_download_file', fail)
    with pytest.raises(OSError, match=f'obsid {OBSID} .*no route to host'):
        fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)
    monkeypatch.setattr(hsa.HSA, '_request', fail)
    with pytest.raises(OSError, match=f'obsid {OBSID} .*no route to host'):
        fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)


def test_strange_answers(server, members, tmp_path):
    for content in (b'', b'<html>The archive is down</html>',
                    _pack(members)[:20000]):
        server.content = content
        with pytest.raises(OSError, match=f'obsid {OBSID} could not be'):
            fetch_pacs_map(OBSID, 'red', cache_dir=tmp_path)
    server.headers = {}
    with pytest.raises(OSError, match=f'obsid {OBSID} could not be'):
        fetch_pacs_map(OBSID, 'red', cache_dir=tmp_path)
    assert not [name for name in _files(tmp_path) if 'red' in name]


def test_links_and_paths_are_not_followed(server, tmp_path):
    outside = tmp_path / 'outside'
    outside.mkdir()
    secret = outside / 'secret.fits.gz'
    secret.write_bytes(_make_product('HPPJSMAPB', 70.0))
    links = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
        link = tarfile.TarInfo(_name('HPPJSMAPB', '_blue', number=f'{kind}'))
        link.type = kind
        link.linkname = str(secret)
        links.append(link)
    folder = tarfile.TarInfo(f'{OBSID}/level2_5/HPPJSMAPR')
    folder.type = tarfile.SYMTYPE
    folder.linkname = str(outside)
    server.content = _pack({
        '../../../outside/HPPJSMAPB.fits.gz':
            _make_product('HPPJSMAPB', 70.0),
        f'{outside}/HPPJSMAPB.fits.gz': _make_product('HPPJSMAPB', 100.0),
        _name('HPPJSMAPR', ''): _make_product('HPPJSMAPR', 160.0),
    }, *links, folder)
    cache = tmp_path / 'cache'
    with pytest.raises(ValueError, match="band must be one of 'red' in"):
        fetch_pacs_map(OBSID, 'blue', cache_dir=cache)
    assert _files(tmp_path) == [
        f'cache/{OBSID}/level2_5/jscanam_red.fits.gz',
        'outside/secret.fits.gz']


def test_without_astroquery(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'astroquery', None)
    with pytest.raises(ImportError,
                       match=r"pip install '\.\[archive\]' in the folder"):
        fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)


@pytest.mark.parametrize('progress_bar', [False, True])
def test_log_level(server, members, tmp_path, progress_bar):
    log = pytest.importorskip('astroquery').log
    before = log.level
    levels = []
    download = server.download

    def watch(*args, **kwargs):
        levels.append(log.level)
        return download(*args, **kwargs)

    server.content = _pack(members)
    hsa = pytest.importorskip('astroquery.esa.hsa')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hsa.HSA, '_download_file', watch)
        fetch_pacs_map(OBSID, 'red', cache_dir=tmp_path,
                       progress_bar=progress_bar)
    assert levels == [before if progress_bar else 30]
    assert log.level == before


def test_table_of_products():
    rows = archive._products()
    assert len({(row['mapper'], row['level']) for row in rows}) == len(rows)
    for row in rows:
        level = row['archive_level'].removeprefix('LEVEL').replace('_', '.')
        assert float(level) == row['level']
        assert row['product'].startswith('HPP')
        assert row['reference']


@pytest.mark.remote_data
def test_remote(tmp_path):
    pytest.importorskip('astroquery')
    ccd = fetch_pacs_map(OBSID, 'blue', cache_dir=tmp_path)
    assert ccd.shape == (320, 176)
    assert ccd.meta['WAVELNTH'] == 70
    assert ccd.meta['PACSMODE'] == 'scanmap'
    assert ccd.meta['PACSBAND'] == 'blue'
