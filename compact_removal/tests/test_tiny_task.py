# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A new task is a folder and one entry in each registry.

The task of ``tiny`` was written for this test; see its
``registration.py`` for the entries.
"""

import re
import subprocess
import sys

import numpy as np
import pytest
from astropy.nddata import CCDData
from numpy.testing import assert_allclose, assert_array_equal

import compact_removal
from compact_removal.cli import main
from compact_removal.evaluation import evaluate, write_report
from compact_removal.tests.module_imports import ROOT
from compact_removal.tests.tiny.registration import register


@pytest.fixture(scope='module', autouse=True)
def _registered():
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        yield


@pytest.fixture(scope='module')
def images():
    rng = np.random.default_rng(1)
    return [CCDData(rng.normal(5, 1, (70, 50)), unit='Jy') for _ in range(2)]


@pytest.fixture(scope='module')
def estimator(images):
    estimator = compact_removal.MeanEstimator(batch_size=16, seed=1)
    return estimator.fit(images, training={'n_epochs': 6,
                                           'learning_rate': 0.1})


def test_learns(estimator):
    loss = estimator.history_['validation_loss']
    assert loss[-1] < 0.9 * loss[0]
    # the best mean of nine pixels has equal weights
    weights = estimator.model_.get_kernel().flatten().tolist()
    assert_allclose(weights, 9 * [1 / 9], atol=0.03)
    cutouts = np.random.default_rng(2).normal(7, 1, (50, 8, 8))
    means = estimator.predict(cutouts)
    assert np.std(means - cutouts.mean(axis=(1, 2))) < 0.1


def test_whole_map(estimator, images):
    # tiles leave no trace
    image = images[0]
    found = estimator.predict_map(image)
    assert found.shape == image.shape
    assert found.unit == image.unit
    # nor does the unit
    scaled = CCDData(1e6 * image.data - 3e5, unit='Jy')
    assert_allclose(estimator.predict_map(scaled).data,
                    1e6 * found.data - 3e5, rtol=1e-4)
    part = estimator.predict_map(CCDData(image.data[10:50, 5:45], unit='Jy'))
    assert_allclose(part.data[1:-1, 1:-1], found.data[11:49, 6:44],
                    rtol=1e-5)


def test_saved_and_loaded(estimator, images, tmp_path):
    path = tmp_path / 'mean.safetensors'
    estimator.save(path)
    again = compact_removal.MeanEstimator.load(path)
    assert repr(again) == repr(estimator)
    assert_array_equal(again.predict_map(images[0]).data,
                       estimator.predict_map(images[0]).data)
    # and not by another estimator
    with pytest.raises(ValueError, match="of the task 'tiny'"):
        compact_removal.CompactSourceRemover.load(path)


def test_evaluated(estimator, images, tmp_path):
    evaluation = evaluate(estimator, images)
    assert len(evaluation.summary) == 2
    # nine pixels: 3 but for correlations and edges
    assert np.all(evaluation.summary['gain'] > 2.5)
    write_report(evaluation, tmp_path / 'report.html')
    assert 'gain' in (tmp_path / 'report.html').read_text()


def test_commands(estimator, images, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    estimator.save('mean.safetensors')
    images[0].write('map.fits')
    assert main(['mean', 'map.fits', '--weights', 'mean.safetensors']) in (
        None, 0)
    assert re.fullmatch(r'[45]\.\d{3} Jy\n', capsys.readouterr().out)
    # it is an estimator for verbs that take any
    assert main(['evaluate', '--estimator', 'MeanEstimator', '--weights',
                 'mean.safetensors', '--n-fields', '1']) in (None, 0)
    assert 'gain' in capsys.readouterr().out
    assert main(['evaluate', 'map.fits', '--estimator', 'MeanEstimator',
                 '--weights', 'mean.safetensors', '--overwrite']) == 0
    assert main(['batch', 'map.fits', '--estimator', 'MeanEstimator',
                 '--weights', 'mean.safetensors', '--output-dir', 'out',
                 '--jobs', '1']) == 0
    assert (tmp_path / 'out' / 'map_mean.fits').is_file()
    assert main(['train', 'map.fits', '--estimator', 'MeanEstimator',
                 '--weights', 'none', '--n-epochs', '1', '--n-workers', '0',
                 '--output', 'new.safetensors']) == 0
    assert (tmp_path / 'new.safetensors').is_file()
    capsys.readouterr()
    assert main(['train', '--estimator', 'MeanEstimator', '--weights',
                 'none']) == 2
    assert 'images must be a list of maps' in capsys.readouterr().err
    assert main(['info']) in (None, 0)
    assert 'MeanEstimator' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(['--help'])
    assert 'mean ' in capsys.readouterr().out


@pytest.mark.slow
def test_contract():
    result = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '--color=no', '-p',
         'no:cacheprovider', '-p', 'no:xdist', '-p',
         'compact_removal.tests.tiny.registration', '-k', 'MeanEstimator or '
         'recipe', str(ROOT / 'tests' / 'test_contract.py')],
        cwd=ROOT.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    # not a few of them by chance
    assert int(re.search(r'(\d+) passed', result.stdout)[1]) > 20
