# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the masker: with a tiny network on any input, and with the weights
that ship on what they promise.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, NDData
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from compact_removal import ContaminantMasker
from compact_removal.contaminants import CLASS_NAMES, CLASSES, contaminate
from compact_removal.contaminants.tests.recipe import TINY
from compact_removal.datasets import ExposureSettings, make_exposure
from compact_removal.metrics import SegmentationScores
from compact_removal.tests.helpers import get_data_path


@pytest.fixture(scope='module')
def tiny():
    return ContaminantMasker(weights=None, seed=1, batch_size=1).fit(
        training={**TINY, 'n_scores': 2})


@pytest.fixture(scope='module')
def masker():
    return ContaminantMasker()


def make_image(kind, shape, rng):
    data = rng.normal(200, 5, shape)
    if kind == 'constant':
        data[:] = 7
    elif kind == 'zero':
        data[:] = 0
    elif kind == 'negative':
        data -= 5000
    elif kind == 'holes':
        data[rng.random(shape) < 0.3] = np.nan
    elif kind == 'nothing':
        data[:] = np.nan
    elif kind == 'infinite':
        data[0, 0] = np.inf
    elif kind == 'star':
        data[:] = 0
        data[shape[0] // 2, shape[1] // 2] = 1e6
    elif kind == 'huge':
        data *= 1e30
    return data


KINDS = ('noise', 'constant', 'zero', 'negative', 'holes', 'nothing',
         'infinite', 'star', 'huge')
TYPES = ('f4', 'f8', '>f4', 'u2', '>i2', 'i4', 'u1')


@pytest.mark.filterwarnings('ignore:image is constant')
@given(st.sampled_from(KINDS), st.sampled_from(TYPES), st.integers(1, 90),
       st.integers(1, 90), st.integers(0, 99))
def test_any_image(tiny, kind, dtype, ny, nx, seed):
    data = make_image(kind, (ny, nx), np.random.default_rng(seed))
    if np.dtype(dtype).kind in 'iu':
        limits = np.iinfo(dtype)
        data = np.clip(np.nan_to_num(data), max(limits.min, -2e9),
                       min(limits.max, 2e9))
    with np.errstate(over='ignore'):
        data = data.astype(dtype)
    before = data.copy()
    probability = tiny.predict_proba(data)
    assert probability.shape == (14, ny, nx)
    assert probability.dtype == np.float32
    assert np.all((probability >= 0) & (probability <= 1))
    masked = tiny.mask(data)
    assert masked.shape == masked.mask.shape == masked.flags.shape == (ny, nx)
    assert_array_equal(data, before)
    assert_array_equal(np.asarray(masked.data), before)


def test_units_and_scale_do_not_matter(tiny):
    image = make_exposure((80, 90), seed=1).image.astype(float)
    expected = tiny.predict_proba(image)
    for one in (image * 1e-3, image * 4 + 9000, CCDData(image, unit='adu'),
                image * u.electron, NDData(image)):
        assert_allclose(tiny.predict_proba(one), expected, atol=1e-4)


def test_masked_pixels_have_no_influence(tiny):
    image = make_exposure((80, 90), seed=1).image.astype(float)
    mask = np.zeros(image.shape, dtype=bool)
    mask[10:20, 30:40] = True
    other = image.copy()
    other[mask] = 1e5
    one, two = (tiny.predict_proba(CCDData(values, unit='adu', mask=mask))
                for values in (image, other))
    assert_array_equal(one, two)
    masked = tiny.mask(CCDData(image, unit='adu', mask=mask))
    assert np.all(masked.mask[mask])


def test_unknown_pixels_are_masked(tiny):
    image = make_exposure((80, 90), seed=1).image.astype(float)
    image[10, 20], image[11, 20] = np.nan, np.inf
    masked = tiny.mask(image, unusable='CR')
    assert_array_equal(masked.mask, (masked.flags & 1 > 0)
                       | ~np.isfinite(image))
    assert np.all(masked.mask[10:12, 20])


@pytest.mark.parametrize('value', [0.0, 7.0, np.nan])
def test_nothing_is_found_where_there_is_nothing(masker, value):
    image = np.full((50, 60), value)
    with pytest.warns(AstropyUserWarning, match='image is constant'):
        masked = masker.mask(image)
    assert not masked.flags.any()
    assert_array_equal(masked.mask, np.isnan(image))
    with pytest.warns(AstropyUserWarning, match='image is constant'):
        assert not masker.predict_proba(image).any()


def test_mask_combines_classes(tiny):
    image = make_exposure((80, 90), seed=1).image
    tiny = ContaminantMasker(weights=None, seed=1, batch_size=1,
                             thresholds={'CR': 0.0, 'OV': 1.0}).fit(
        training={**TINY, 'n_scores': 2})
    masked = tiny.mask(image)
    assert np.all(masked.flags & 1)
    assert np.all(masked.mask)
    assert not tiny.mask(image, unusable=['OV']).mask.all()
    assert tiny.mask(image, unusable='all').mask.all()
    assert masked.meta['THR_CR'] == 0.0
    assert masked.meta['PRI_CR'] == CLASSES[0].prior
    assert masked.meta['CRNET'] == 'segmentation'


def test_grow(masker):
    exposure = contaminate(make_exposure((128, 128), seed=5), ['CR'], seed=5)
    small, large = (masker.mask(exposure.image, unusable='CR', grow=grow).mask
                    for grow in (0, 3))
    assert small.any()
    expected = ndimage.distance_transform_edt(~small) <= 3
    assert_array_equal(large, expected)


def test_weights_of_maximask_do_not_ship():
    masker = ContaminantMasker(network='maximask')
    with pytest.raises(ValueError, match='^weights must be a file for netw'):
        masker.mask(np.zeros((40, 40)))


def test_classes(tiny):
    table = tiny.list_classes()
    assert table['name'].tolist() == list(CLASS_NAMES)
    assert np.all((table['threshold'] >= 0) & (table['threshold'] <= 1))
    image = make_exposure((64, 64), seed=1).image
    some = ContaminantMasker(classes=['SAT', 'CR'])
    assert some.classes_ == ('CR', 'SAT')
    every = ContaminantMasker().predict_proba(image)
    assert_allclose(some.predict_proba(image), every[[0, 9]], atol=1e-6)


@pytest.mark.parametrize(('image', 'words'), [
    ('exposure.fits', 'must be an image, got a path'),
    (np.zeros((3, 4, 5)), 'must have two dimensions'),
    (np.zeros((0, 5)), 'must have two dimensions'),
    (np.zeros((5, 5), dtype=complex), 'must hold real numbers'),
    (np.zeros((5, 5), dtype=bool), 'must hold real numbers'),
    (None, 'must hold real numbers'),
])
def test_bad_images(tiny, image, words):
    for method in (tiny.predict_proba, tiny.mask):
        with pytest.raises((TypeError, ValueError), match=f'^image {words}'):
            method(image)


@pytest.mark.parametrize(('options', 'words'), [
    ({'unusable': ['XY']}, "^unusable must be 'all' or names"),
    ({'unusable': ['CR', 'BG']}, "^unusable must not have 'BG'"),
    ({'grow': -1}, '^grow must be a number of pixels'),
    ({'grow': np.nan}, '^grow must be a number of pixels'),
])
def test_bad_options(tiny, options, words):
    with pytest.raises(ValueError, match=words):
        tiny.mask(np.zeros((40, 40)), **options)
    with pytest.raises(ValueError, match='^unusable must be classes that'):
        ContaminantMasker(classes='CR').mask(np.zeros((40, 40)),
                                             unusable=['OV'])


@pytest.mark.parametrize(('data', 'words'), [
    ({'contaminants': ['CR']}, '^contaminants must be None or a dict'),
    ({'contaminants': {'XY': None}}, "^contaminants must be 'all' or"),
    ({'contaminants': {'SAT': None}}, '^contaminants must be of CR, HCL'),
    ({'contaminants': {'HP': [np.zeros((5, 5))]}},
     "^contaminants must have None for 'HP'"),
    ({'contaminants': {'CR': []}}, '^contaminants must have dark frames'),
    ({'contaminants': {'CR': [np.zeros((9, 9))]}},
     '^darks must have pixels above'),
    ({'clean_images': []}, '^clean_images must be None or hold'),
    ({'clean_images': [np.zeros(5)]}, '^clean_images must have two'),
    ({'training': {'size': 50}}, '^training: size must be a multiple'),
    ({'training': {'speed': 1}}, '^training must only have the keys'),
])
def test_bad_training_data(data, words):
    masker = ContaminantMasker(weights=None)
    with pytest.raises((TypeError, ValueError), match=words):
        masker.fit(**data)


def test_what_was_not_learned(tmp_path):
    rng = np.random.default_rng(1)
    masker = ContaminantMasker(weights=None, seed=1, batch_size=1).fit(
        [rng.normal(200, 5, (90, 90))],
        contaminants={'HP': None, 'NEB': [rng.normal(size=(60, 60))],
                      'FR': [rng.normal(size=(60, 60))]},
        training={**TINY, 'n_scores': 2})
    assert masker.classes_ == ('HP', 'FR', 'NEB', 'BBG', 'BG')
    masker.save(tmp_path / 'some.safetensors')
    again = ContaminantMasker(weights=tmp_path / 'some.safetensors')
    assert again.classes_ == masker.classes_
    assert len(again.predict_proba(rng.normal(size=(40, 40)))) == 5
    with pytest.raises(ValueError, match='^classes must be those that the '
                       r'network has learned \(HP'):
        masker.set_params(classes=['CR']).mask(np.zeros((40, 40)))


# what the shipped weights promise, on exposures that no training saw

@pytest.fixture(scope='module')
def scores(masker):
    """
    Twelve exposures with contaminants of all classes.
    """
    found = SegmentationScores(CLASS_NAMES)
    for seed in range(12):
        rng = np.random.default_rng([991, seed])
        exposure = contaminate(make_exposure((256, 256), seed=rng), seed=rng)
        found.add(masker.predict_proba(exposure.image), exposure.planes)
    return found.summary()


@pytest.mark.slow
def test_shipped_weights_rank_pixels(scores):
    auc = dict(zip(scores['name'], scores['auc'], strict=True))
    assert scores['auc'].mean() > 0.96
    assert scores['mcc'].mean() > 0.78
    for name in ('HCL', 'DCL', 'HP', 'SAT', 'OV', 'BBG'):
        assert auc[name] > 0.97, name


@pytest.mark.slow
def test_stars_are_kept(masker):
    settings = ExposureSettings(fwhm=(2.0, 2.0), stars=(9000.0, 9000.0),
                                n_bright=0.0, spike_chance=0.0)
    exposure = make_exposure((300, 300), settings=settings, seed=3)
    masked = masker.mask(exposure.image, unusable='CR')
    x, y = (np.rint(values).astype(int) for values in (exposure.x,
                                                       exposure.y))
    inside = (x >= 0) & (x < 300) & (y >= 0) & (y < 300)
    bright = inside & (exposure.flux * exposure.psf.peak
                       > 8 * exposure.noise)
    assert bright.sum() > 10
    assert masked.mask[y[bright], x[bright]].mean() < 0.05


@pytest.mark.slow
def test_a_real_frame():
    image = ContaminantMasker.read_image(
        get_data_path('contaminants/a8280271.fits'))
    masked = ContaminantMasker().mask(image, unusable='CR')
    assert 20 < masked.mask.sum() < 0.01 * masked.mask.size
