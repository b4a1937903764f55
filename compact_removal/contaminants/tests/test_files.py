# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of exposures in files, and of the commands that read them.
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import ContaminantMasker, TrackingErrorClassifier
from compact_removal.cli import main
from compact_removal.contaminants.files import mask_file
from compact_removal.contaminants.tests.recipe import TINY
from compact_removal.maps.exposures import list_images, read_exposure


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('exposures')


@pytest.fixture(scope='module')
def weights(folder):
    path = folder / 'tiny.safetensors'
    ContaminantMasker(weights=None, seed=1, batch_size=1).fit(
        training={**TINY, 'n_scores': 2}).save(path)
    return path


@pytest.fixture(scope='module')
def masker(weights):
    return ContaminantMasker.load(weights)


@pytest.fixture(scope='module')
def mosaic(folder):
    rng = np.random.default_rng(1)
    path = folder / 'mosaic.fits'
    header = fits.Header({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
                          'CRVAL1': 10.0, 'CRVAL2': 20.0, 'CRPIX1': 5.0,
                          'CRPIX2': 6.0, 'CDELT1': -1e-4, 'CDELT2': 1e-4})
    images = [rng.normal(300, 9, shape).astype(dtype) for shape, dtype in (
        ((40, 50), 'u2'), ((60, 33), 'f4'), ((1, 20, 30), 'i2'))]
    fits.HDUList([
        fits.PrimaryHDU(),
        fits.ImageHDU(images[0], header, name='CCD1'),
        fits.CompImageHDU(images[1], name='CCD2', quantize_level=0,
                          compression_type='GZIP_1'),
        fits.ImageHDU(images[2], name='CCD3'),
        fits.BinTableHDU(Table({'a': [1, 2]}), name='TABLE'),
        fits.ImageHDU(np.zeros((3, 4, 5), 'f4'), name='CUBE'),
    ]).writeto(path)
    return path


def test_images_of_a_file(mosaic):
    with fits.open(mosaic) as hdus:
        assert list_images(hdus) == [1, 2, 3]
    with pytest.warns(UserWarning, match='has 3 images'):
        image = read_exposure(mosaic)
    assert image.shape == (40, 50)
    assert image.wcs is not None
    assert str(image.unit) == 'adu'


@pytest.mark.parametrize('layout', ['flags', 'maximask', 'probabilities'])
def test_layouts(masker, mosaic, tmp_path, layout):
    path = tmp_path / 'new' / 'mask.fits'
    report = mask_file(masker, mosaic, path, layout=layout)
    assert report['hdu'].tolist() == [1, 2, 3]
    assert report['shape'].tolist() == ['50x40', '33x60', '30x20']
    with fits.open(mosaic) as hdus:
        image = hdus[1].data.copy()
    with fits.open(path) as found:
        names = [hdu.name for hdu in found]
        if layout == 'flags':
            assert names == ['PRIMARY', 'CCD1', 'MASK', 'CCD2', 'MASK',
                             'CCD3', 'MASK', 'TABLE', 'CUBE']
            masked = masker.mask(image)
            assert_array_equal(found['CCD1'].data, masked.flags)
            assert_array_equal(found[2].data > 0, masked.mask)
            assert found['CCD1'].header['BIT_SAT'] == 512
            assert found['CCD1'].header['PRI_CR'] == 5e-4
            assert found['CCD1'].header['CRVAL1'] == 10
        else:
            assert names == ['PRIMARY', 'CCD1', 'CCD2', 'CCD3', 'TABLE',
                             'CUBE']
            assert found['CCD1'].data.shape == (14, 40, 50)
            assert found['CCD1'].header['PLANE10'] == 'SAT'
        if layout == 'maximask':
            assert found['CCD2'].data.dtype == np.uint8
            flags = masker.mask(image).flags
            assert_array_equal(found['CCD1'].data[0], flags & 1)
            assert_array_equal(found['CCD1'].data[13], flags == 0)
        if layout == 'probabilities':
            assert_allclose(found['CCD1'].data, masker.predict_proba(image),
                            atol=1e-6)
    with pytest.raises(OSError, match='^path: .* exists'):
        mask_file(masker, mosaic, path, layout=layout)


def test_unknown_unit(tmp_path):
    path = tmp_path / 'unit.fits'
    fits.writeto(path, np.ones((5, 6)), fits.Header({'BUNIT': 'furlongs?'}))
    with pytest.warns(UserWarning, match='^unit: BUNIT .furlongs.. of the'):
        image = read_exposure(path)
    assert str(image.unit) == 'adu'
    assert str(read_exposure(path, unit='Jy').unit) == 'Jy'


def test_files_without_images(masker, tmp_path):
    path = tmp_path / 'empty.fits'
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(ValueError, match='^path must have an image'):
        mask_file(masker, path, tmp_path / 'mask.fits')
    with pytest.raises(ValueError, match='^path must have an image'):
        read_exposure(path)
    with pytest.raises(ValueError, match='^layout must be'):
        mask_file(masker, path, tmp_path / 'mask.fits', layout='other')


def test_mask_command(weights, mosaic, tmp_path, capsys):
    options = ['--weights', str(weights), '--output-dir', str(tmp_path)]
    assert main(['mask', str(mosaic), *options, '--plot',
                 '--priors', 'CR=0.01', '--thresholds', 'CR=0.5']) == 0
    out = capsys.readouterr().out
    assert '50x40' in out
    assert (tmp_path / 'mosaic_mask.fits').exists()
    assert (tmp_path / 'mosaic_mask.png').stat().st_size > 1000
    assert fits.getheader(tmp_path / 'mosaic_mask.fits', 1)['PRI_CR'] == 0.01
    assert fits.getheader(tmp_path / 'mosaic_mask.fits', 1)['THR_CR'] == 0.5
    # it exists
    assert main(['mask', str(mosaic), *options]) == 2
    assert main(['mask', str(mosaic), *options, '--layout', 'maximask',
                 '--classes', 'CR', 'SAT', '--unusable', 'SAT']) == 0
    with fits.open(tmp_path / 'mosaic.mask.fits') as found:
        assert found[1].data.shape == (2, 40, 50)


def test_folders_with_a_bad_file(weights, mosaic, tmp_path, capsys):
    source = tmp_path / 'night'
    source.mkdir()
    (source / 'bad.fits').write_bytes(b'nothing')
    (source / 'good.fits').write_bytes(mosaic.read_bytes())
    (source / 'notes.txt').write_text('clouds')
    (tmp_path / 'some.list').write_text('night/good.fits\n\n')
    options = ['--weights', str(weights), '--output-dir', str(tmp_path)]
    assert main(['mask', str(source), *options]) == 1
    error = capsys.readouterr().err
    assert 'bad.fits' in error
    assert (tmp_path / 'good_mask.fits').exists()
    assert main(['mask', str(tmp_path / 'some.list'), *options,
                 '--overwrite']) == 0
    # what was written there is no exposure
    (source / 'good_mask.fits').write_bytes(b'')
    assert main(['mask', str(source), *options, '--layout',
                 'probabilities']) == 1
    captured = capsys.readouterr()
    assert 'good_mask' not in captured.err
    assert 'nan' not in captured.out
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert main(['mask', str(empty), *options]) == 2
    assert 'has no files' in capsys.readouterr().err


def test_tracking_command(mosaic, tmp_path, capsys):
    weights = tmp_path / 'tiny.safetensors'
    TrackingErrorClassifier(weights=None, seed=1, batch_size=1).fit(
        training=TINY).save(weights)
    assert main(['tracking', str(mosaic), '--weights', str(weights),
                 '--output-dir', str(tmp_path), '--prior', '0.3']) == 0
    table = Table.read(tmp_path / 'tracking.ecsv')
    assert 0 < table['probability'][0] < 1
    assert 'mosaic.fits' in capsys.readouterr().out


def test_train_command(tmp_path, capsys):
    rng = np.random.default_rng(1)
    image = rng.normal(300, 9, (80, 90)).astype('f4')
    fits.writeto(tmp_path / 'a.fits', image)
    image[20, 30:40] += 900
    fits.writeto(tmp_path / 'dark.fits', image)
    path = tmp_path / 'mine.safetensors'
    assert main([
        'train', str(tmp_path / 'a.fits'), '--estimator', 'ContaminantMasker',
        '--dark', str(tmp_path / 'dark.fits'), '--learn', 'HCL',
        '--output', str(path), '--weights', 'none', '--n-epochs', '1',
        '--n-batches', '1', '--n-validation-batches', '1', '--size', '64',
        '--n-scores', '2', '--width', '1', '--n-workers', '0']) == 0
    assert 'compact-removal mask exposure.fits' in capsys.readouterr().out
    assert ContaminantMasker.load(path).classes_ == ('CR', 'HCL', 'BBG', 'BG')
