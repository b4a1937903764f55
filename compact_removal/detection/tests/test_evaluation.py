# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the experiment that judges a finder.
"""

import numpy as np
import pytest

from compact_removal import CompactSourceFinder
from compact_removal.datasets import make_background, make_example_field
from compact_removal.evaluation import evaluate, write_report, write_tables


@pytest.fixture(scope='module')
def evaluation():
    return CompactSourceFinder('scanmap', 'blue').experiment(
        n_maps=5, size=224, seed=3)


def test_summary(evaluation):
    table = evaluation.summary
    assert table['field'].tolist() == [
        *(f'simulated {k}' for k in range(1, 6)), 'all']
    assert table['n_sources'][:-1].sum() == table['n_sources'][-1]
    assert table['n_detections'][:-1].sum() == table['n_detections'][-1]
    total = table[-1]
    assert total['n_sources'] > 30
    # in so few maps the reliability scatters by some 5 percent
    assert total['reliability'] > 0.75
    assert total['completeness'] > 0.5
    assert total['average_precision'] > 0.5
    assert total['position_rms'] < 0.5
    assert 0.5 < total['within_1'] < 0.85


def test_bright_sources_are_found(evaluation):
    table = evaluation.completeness
    assert table['n_sources'].sum() == len(evaluation.sources)
    bright = table['low'] >= 10
    share = (np.nansum((table['completeness'] * table['n_sources'])[bright])
             / table['n_sources'][bright].sum())
    assert share > 0.85


def test_densities(evaluation):
    table = evaluation.completeness_by_density
    assert table['n_sources'].sum() == len(evaluation.sources)
    assert np.sum(table['n_sources'] > 0) > 1


def test_kinds(evaluation):
    table = evaluation.confusion
    counts = np.array([table[name] for name in table['true']])
    assert counts.sum() > 30
    # most compact ones are taken for compact ones
    assert counts[0, 0] > 0.8 * counts[:, 0].sum()


@pytest.mark.slow
def test_probabilities_are_calibrated():
    found = CompactSourceFinder('scanmap', 'blue').experiment(
        n_maps=36, size=224, seed=12)
    table = found.calibration
    p, n = table['probability'], table['n_detections']
    assert np.all(n > 0)
    error = np.sqrt(p * (1 - p) / n)
    assert np.all(np.abs(table['share'] - p) < 0.05 + 2.5 * error)
    # of the detections nine of ten are right
    assert found.summary['reliability'][-1] == pytest.approx(0.9, abs=0.06)


def test_files(evaluation, tmp_path):
    paths = write_tables(evaluation, tmp_path)
    assert {'summary', 'completeness', 'density', 'calibration', 'confusion',
            'candidates', 'sources'} <= set(paths)
    write_report(evaluation, tmp_path / 'report.html')
    text = (tmp_path / 'report.html').read_text()
    assert text.count('<img') == 4


def test_maps_of_the_user():
    image, _ = make_example_field(shape=(200, 210), n_sources=0, seed=1)
    image.data[:] = make_background(image.shape, kind='cloud', fwhm=3.1,
                                    noise=0.1, seed=1)
    finder = CompactSourceFinder('scanmap', 'blue')
    before = image.data.copy()
    found = evaluate(finder, {'mine': image}, n_maps=1, size=160, seed=2)
    assert found.summary['field'].tolist() == ['mine', 'all']
    assert np.array_equal(image.data, before)
    # the same seed, the same result
    again = evaluate(finder, {'mine': image}, n_maps=1, size=160, seed=2)
    assert np.array_equal(found.sources['found'], again.sources['found'])


@pytest.mark.parametrize('options', [{'n_maps': 0}, {'size': -3}])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'^{next(iter(options))} must'):
        CompactSourceFinder('scanmap', 'blue').experiment(**options)
