# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of tracking errors.
"""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal import TrackingErrorClassifier
from compact_removal.contaminants import (evaluate_tracking, make_motion,
                                          update_priors)
from compact_removal.contaminants.motion import MOTIONS, TrackingExposures
from compact_removal.contaminants.stacks import STACK_SIZE, stack_sources
from compact_removal.contaminants.tests.recipe import TINY
from compact_removal.datasets import ExposureSettings, make_exposure
from compact_removal.maps.background import scale_image


@pytest.fixture(scope='module')
def tiny():
    return TrackingErrorClassifier(weights=None, seed=1, batch_size=3).fit(
        training=TINY)


@given(st.sampled_from(MOTIONS), st.floats(0.5, 20), st.integers(0, 999))
def test_motions(kind, amplitude, seed):
    motion = make_motion(kind, amplitude, seed=seed)
    assert_allclose(motion.sum(), 1)
    assert np.all(motion >= 0)
    assert motion.shape[0] % 2 == motion.shape[1] % 2 == 1
    # the light stays where it was, on average
    offsets = np.arange(motion.shape[0]) - motion.shape[0] // 2
    assert abs(motion.sum(axis=0) @ offsets) < 1e-6
    assert abs(motion.sum(axis=1) @ offsets) < 1e-6
    extent = np.ptp(np.argwhere(motion), axis=0).max()
    assert extent <= 3 * amplitude + 3


def test_unknown_motions():
    with pytest.raises(ValueError, match='^kind must be'):
        make_motion('dance', 3.0)


def test_half_of_the_exposures_have_errors():
    exposures = TrackingExposures(size=64, batch_size=6, n_batches=1, seed=1,
                                  sees='image')
    batch = exposures.batch(0, 0)
    assert batch['truth'].tolist() == [1, 0, 1, 0, 1, 0]
    assert batch['image'].shape == (6, 64, 64)
    kinds = {exposures.exposure(number)[1] for number in range(0, 40, 2)}
    assert kinds == set(MOTIONS)


def test_stacks_show_what_sources_have_in_common():
    many = ExposureSettings(stars=(6000.0, 6000.0), fwhm=(3.0, 3.0),
                            elongation=1.0, spike_chance=0.0)
    motion = np.zeros((1, 13))
    motion[0] = 1 / 13
    still, moved = (stack_sources(scale_image(make_exposure(
        (256, 256), settings=many, motion=one, seed=3).image))
        for one in (None, motion))
    half = STACK_SIZE // 2
    for stack in (still, moved):
        assert stack[2, 0, 0] > 1.5
        assert np.unravel_index(stack[0].argmax(), stack[0].shape) == (
            pytest.approx((half, half), abs=3))
    # along x and along y
    assert abs(still[0, half, half + 6] - still[0, half + 6, half]) < 0.2
    assert moved[0, half, half + 6] > 3 * moved[0, half + 6, half]
    # nothing, and what is too near to the edge
    assert not stack_sources(np.zeros((50, 50))).any()
    assert not stack_sources(np.zeros((5, 5))).any()
    spot = np.zeros((60, 60))
    spot[5, 5] = 1e3
    assert not stack_sources(spot).any()


def test_mosaics_and_lists(tiny):
    rng = np.random.default_rng(1)
    images = [rng.normal(300, 9, shape).astype('f4')
              for shape in ((300, 280), (64, 50), (500, 90))]
    single = tiny.predict_proba(images)
    assert single.shape == (3,)
    assert np.all((single > 0) & (single < 1))
    assert isinstance(tiny.predict_proba(images[0]), float)
    assert isinstance(tiny.predict(images[0]), bool)
    mosaic = fits.HDUList([fits.PrimaryHDU()]
                          + [fits.ImageHDU(image) for image in images])
    assert_allclose(tiny.predict_proba(mosaic), single.mean(), rtol=1e-5)
    assert tiny.predict([mosaic, images[0]]).dtype == bool
    with pytest.raises(ValueError, match='^image must have an HDU'):
        tiny.predict_proba(fits.HDUList([fits.PrimaryHDU()]))
    with pytest.raises(ValueError, match='^image must have two dimensions'):
        tiny.predict_proba(np.zeros(7))


def test_the_prior_shifts_probabilities(tiny):
    many = ExposureSettings(stars=(3000.0, 3000.0), fwhm=(3.0, 3.0))
    image = make_exposure((128, 128), settings=many, seed=1).image
    rare, even = (TrackingErrorClassifier.predict_proba(
        tiny.set_params(prior=prior), image) for prior in (0.05, 0.5))
    tiny.set_params(prior=0.05)
    assert rare != 0.05
    # without sources nothing is learned
    assert tiny.predict_proba(np.zeros((64, 64))) == 0.05
    assert_allclose(rare, update_priors(even, 0.5, 0.05), rtol=1e-4)


def test_the_published_network():
    classifier = TrackingErrorClassifier(network='maxitrack', weights=None,
                                         batch_size=2, seed=1)
    classifier.fit(training=TINY)
    assert classifier.model_.config == {'width': 1, 'size': 64}
    assert 0 < classifier.predict_proba(np.zeros((50, 200))) < 1


def test_evaluation(tiny):
    evaluation = evaluate_tracking(tiny, n_maps=8, size=64, seed=1)
    assert evaluation.summary['kind'].tolist() == [*MOTIONS, 'all']
    assert evaluation.summary['n_exposures'][-1] == 4
    assert [title for title, _ in evaluation.figures()] == ['ROC']
    with pytest.raises(ValueError, match='^n_maps must be at least 2'):
        evaluate_tracking(tiny, n_maps=1)


@pytest.mark.slow
def test_shipped_weights_find_tracking_errors():
    evaluation = TrackingErrorClassifier(prior=0.5).experiment(
        n_maps=80, size=256, seed=12)
    assert evaluation.summary['auc'][-1] > 0.75
