# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the report: one page, complete, readable without the network.
"""

import base64
import re
import warnings
from html.parser import HTMLParser

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import QTable

from compact_removal import CompactSourceRemover, cli
from compact_removal.base import BaseEstimator, BaseEvaluation
from compact_removal.datasets import make_test_fields
from compact_removal.evaluation import evaluate, write_report, write_tables
from compact_removal.removal import evaluate_remover


class Page(HTMLParser):
    """
    Tags, images and texts of a page; refuses tags that do not match.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.texts, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == 'img':
            self.images.append(dict(attrs))
        if tag not in {'img', 'meta', 'link'}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope='module', name='evaluation')
def _evaluation():
    fields = make_test_fields('scanmap', 'blue', n_fields=2, shape=(96, 96))
    fields = dict(zip(['a < b', 'c & d'], fields.values(), strict=True))
    remover = CompactSourceRemover('scanmap', 'blue')
    return evaluate_remover(remover, fields, n_sources=3, flux_levels=2,
                            seed=3)


@pytest.mark.slow
def test_page(evaluation, tmp_path):
    path = tmp_path / 'report.html'
    write_report(evaluation, path, title='Mine & <yours>')
    text = path.read_text(encoding='utf-8')
    page = Page(text)
    assert page.open == []
    assert 'script' not in page.tags
    assert not re.search(r'(src|href)="(?!data:)', text)
    # flux ratios, and two for each field
    assert len(page.images) == 5
    for image in page.images:
        kind, data = image['src'].split(',')
        assert kind == 'data:image/png;base64'
        assert base64.b64decode(data).startswith(b'\x89PNG')
        assert image['alt']
    seen = ' '.join(page.texts)
    for word in ('Mine & <yours>', 'a < b', 'c & d', 'separation',
                 'Complete: share', 'skewness', 'annulus', 'flux_ratios',
                 'median ratio', 'Jy / pix', 'SHA-256 of the weights',
                 'fit: within 1', 'annulus: within 1', 'below limit',
                 'False alarms: the share', 'poor fit', 'outlier pixels',
                 'nothing is corrected with the PSF that was injected'):
        assert word in seen
    row = evaluation.summary[0]
    for name in ('median_ratio', 'fit_median_ratio', 'annulus_iqr'):
        assert f'{row[name]:#.3g}' in seen


@pytest.mark.slow
def test_does_not_overwrite(evaluation, tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('mine')
    with pytest.raises(OSError, match=r'path: .* exists'):
        write_report(evaluation, path)
    assert path.read_text() == 'mine'
    write_report(evaluation, path, overwrite=True)
    assert path.read_text() != 'mine'


class Plain(BaseEvaluation):
    """
    The least that an evaluation has.
    """

    def __init__(self):
        self.summary = QTable({'field': ['a < b'],
                               'error': [0.12345] * u.mJy})
        self.parameters = {'seed': 3, 'warnings': ['a & b'], 'psf': None}


class Full(Plain):
    """
    All that an evaluation may have; no figure is drawn too early.
    """

    labels = {'error': 'the error', 'seed': 'Seed'}
    notes = ('x > y',)

    def __init__(self):
        super().__init__()
        self.tables = {'short': QTable({'x': [1.0, np.nan]}),
                       'long': QTable({'x': np.arange(301)})}

    def figures(self):
        for title in ('one', 'two'):
            assert plt.get_fignums() == []
            yield title, plt.figure()


def test_any_evaluation(tmp_path):
    write_report(Plain(), tmp_path / 'plain.html')
    plain = Page((tmp_path / 'plain.html').read_text(encoding='utf-8'))
    seen = ' '.join(plain.texts)
    for word in ('a < b', '0.123', 'mJy', 'Warning: a & b', 'seed'):
        assert word in seen
    assert 'psf' not in seen
    assert 'Figures' not in seen
    assert plain.images == []
    write_report(Full(), tmp_path / 'full.html', title='Mine')
    full = Page((tmp_path / 'full.html').read_text(encoding='utf-8'))
    seen = ' '.join(full.texts)
    for word in ('Mine', 'the error', 'Seed', 'x > y', 'short'):
        assert word in seen
    assert 'long' not in seen
    assert [image['alt'] for image in full.images] == ['one', 'two']
    assert plt.get_fignums() == []


def test_tables(tmp_path):
    paths = write_tables(Full(), tmp_path / 'new')
    assert {name: path.name for name, path in paths.items()} == {
        'short': 'short.ecsv', 'long': 'long.ecsv', 'summary': 'summary.ecsv'}
    assert len(QTable.read(paths['long'])) == 301
    paths['long'].unlink()
    with pytest.raises(OSError, match='exists'):
        write_tables(Full(), tmp_path / 'new')
    assert not paths['long'].exists()


def test_evaluate_is_the_experiment():
    class Unjudged(BaseEstimator):
        def __init__(self):
            pass

    class Judged(Unjudged):
        def experiment(self, data=None, *, factor=1):
            return data, factor

    assert evaluate(Judged(), 'data', factor=2) == ('data', 2)
    with pytest.raises(TypeError, match='^estimator must have an exp'):
        evaluate(Unjudged())
    with pytest.raises(TypeError, match='^estimator must be an estimator'):
        evaluate(3)


@pytest.mark.slow
def test_command(tmp_path, capsys):
    fields = make_test_fields('scanmap', 'blue', n_fields=1, shape=(96, 96))
    (ccd,) = fields.values()
    ccd.meta['PACSMODE'], ccd.meta['PACSBAND'] = 'scanmap', 'blue'
    ccd.write(tmp_path / 'map.fits')
    out = tmp_path / 'out'
    args = ['evaluate', str(tmp_path / 'map.fits'), '--n-sources', '3',
            '--flux', '100', '900', '--output-dir', str(out)]
    assert cli.main(args) == 0
    printed, _ = capsys.readouterr()
    assert 'map.fits' in printed
    assert 'report.html' in printed
    assert sorted(path.name for path in out.iterdir()) == [
        'flux_ratios.ecsv', 'pixel_statistics.ecsv', 'report.html',
        'sources.ecsv', 'summary.ecsv']
    assert cli.main(args) == 2
    assert 'exists; use --overwrite' in capsys.readouterr().err


@pytest.mark.parametrize(('args', 'expected'), [
    ([], '--mode is not given'),
    (['--mode', 'scanmap'], '--band is not given'),
    (['--catalog', 'a.csv'], '--catalog must name one file per MAP'),
    (['--seed', '-1'], '--seed must not be negative'),
    (['none.fits'], 'there is no file none.fits'),
])
def test_bad_arguments(args, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(['evaluate', *args]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_mixed_bands_and_warnings(tmp_path, capsys):
    for name in ('blue', 'red'):
        fields = make_test_fields('scanmap', name, n_fields=1,
                                  shape=(96, 96))
        (ccd,) = fields.values()
        ccd.meta['PACSMODE'], ccd.meta['PACSBAND'] = 'parallel', name
        ccd.write(tmp_path / f'{name}.fits')
    args = ['--mode', 'scanmap', '--n-sources', '2', '--flux', '900',
            '--output-dir', str(tmp_path / 'out')]
    paths = [str(tmp_path / f'{name}.fits') for name in ('blue', 'red')]
    assert cli.main(['evaluate', *paths, *args]) == 2
    assert 'must be of one mode and band' in capsys.readouterr().err
    with warnings.catch_warnings():
        warnings.simplefilter('default')
        assert cli.main(['evaluate', paths[0], *args]) == 0
    message = "mode is 'scanmap', but the header of the map says 'parallel'"
    assert capsys.readouterr().err.count(message) == 1
    report = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    assert 'but the header of the map says' in report
