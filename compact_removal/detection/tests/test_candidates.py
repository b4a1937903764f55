# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of what is known of candidates.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compact_removal.detection.candidates import (FEATURES, PREVIEW_FEATURES,
                                                  find_candidates,
                                                  measure_candidates)
from compact_removal.detection.filters import filter_map
from compact_removal.detection.model_errors import USUAL_ERRORS
from compact_removal.fitting import SourcePSF, render_sources
from compact_removal.instruments import get_band

BAND = get_band('scanmap', 'blue')
PSF = SourcePSF(BAND, BAND.pixel_scale)
SHAPE = (90, 100)


def measure(x, y, flux, *, at):
    """
    Candidates at given pixels of a map of noise with sources.
    """
    data = np.random.default_rng(4).normal(size=SHAPE)
    data += render_sources(SHAPE, x, y, flux, np.zeros((len(x), 5)), PSF)
    filtered = filter_map(data, PSF)
    logit = np.full((3, *SHAPE), -5.0)
    return data, filtered, logit, measure_candidates(
        data, *np.array(at).T, PSF, filtered, logit, USUAL_ERRORS)


@pytest.mark.parametrize('distance', [4, 6, 9])
def test_errors_contain_those_of_bright_neighbors(distance):
    at = [(50, 40), (50 + distance, 40), (20, 70)]
    *_, alone = measure([50], [40], [1e-3], at=at)
    *_, beside = measure([50], [40], [5e4], at=at)
    share = USUAL_ERRORS.at(np.array([distance]), np.zeros(1), PSF.fwhm)[0]
    assert beside.flux_err[1] == pytest.approx(
        np.hypot(alone.flux_err[1], share * 5e4), rel=0.2)
    # not the bright one itself, nor what is far
    assert_allclose(beside.flux_err[0], alone.flux_err[0], rtol=0.2)
    assert_allclose(beside.flux_err[2], alone.flux_err[2], rtol=0.2)
    significance = np.sinh(beside.features[1, FEATURES.index('medium')])
    assert significance == pytest.approx(
        beside.fit.flux[1] / beside.flux_err[1], rel=1e-6)


def test_previews_show_what_bright_sources_leave():
    data, filtered, logit, _ = measure([50, 57], [40, 40], [8e3, 300],
                                       at=[(50, 40)])
    logit[0, 40, 50] = 2
    x, y, preview = find_candidates(data, PSF, filtered, logit,
                                    USUAL_ERRORS)
    assert preview.shape == (x.size, len(PREVIEW_FEATURES))
    assert np.isfinite(preview).all()
    assert (x[0], y[0]) == (50, 40)
    value = dict(zip(PREVIEW_FEATURES, preview[0], strict=True))
    assert value['peak_medium'] > 5
    assert abs(value['rest_medium']) < 2
    assert value['logit_compact'] == 2
    assert 0 < value['share'] < 0.5
