# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of how fluxes are judged: as output, whatever they are.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.removal.flags import FLAG
from compact_removal.removal.flux_evaluation import (add_ratios, find_fluxes,
                                                     ratio_statistics,
                                                     summarize_fluxes)
from compact_removal.removal.quality_flags import QUALITY_FLAGS

NUMBERS = st.floats(-10, 10) | st.just(np.nan)
ROWS = st.lists(st.tuples(NUMBERS, st.floats(0, 3) | st.just(np.nan),
                          st.sampled_from([0.5, 2.0]), NUMBERS,
                          st.sampled_from([0, *FLAG.values()])),
                min_size=1, max_size=12)


def make_table(flux, error, limit, flags, correction=0.6):
    """
    A table of a removal.
    """
    n = len(flux)
    return QTable({
        'flux': flux * u.Jy, 'flux_err': error * u.Jy,
        'aperture_radius': np.full(n, 6) * u.arcsec,
        'aperture_correction': np.full(n, correction),
        'annulus_flux': 2 * flux * u.Jy, 'annulus_flux_err': error * u.Jy,
        'flux_1': 3 * flux * u.Jy, 'flux_err_1': error * u.Jy,
        'aperture_radius_1': np.full(n, 9) * u.arcsec,
        'flux_fit': -flux * u.Jy, 'flux_fit_err': error * u.Jy,
        'upper_limit': limit * u.Jy, 'flags': flags})


@settings(max_examples=60, deadline=None)
@given(ROWS, st.floats(0.1, 1))
def test_by_hand(rows, correction):
    flux, error, truth, limit, flags = np.array(rows).T
    flags = flags.astype(int)
    table = make_table(flux, error, limit, flags, correction)
    before = table.copy()
    sources = add_ratios(table, 1e3 * truth * u.mJy)
    assert table.colnames == before.colnames
    numbers = summarize_fluxes(sources)
    statistics = ratio_statistics(sources)
    for start, factor, where in (
            ('', 1, ('network', 6)), ('annulus_', 2, ('annulus', 6)),
            ('fit_', -1, ('fit', np.nan)), (None, 3, ('network', 9))):
        off = np.abs(factor * flux - truth)
        known = np.isfinite(off) & np.isfinite(error)
        # an error of 0 holds for what is exact only
        right = [(off == 0) | (off < limit * error) for limit in (1, 1.96)]
        method, radius = where
        rows = statistics[(statistics['method'] == method) & (
            (statistics['aperture_radius'].value == radius)
            | np.isnan(radius))]
        assert_array_equal(rows['level'].to_value(u.Jy), np.unique(truth))
        for i, name in enumerate(('within_1', 'within_196')):
            for row in rows:
                mine = known & (truth == row['level'].to_value(u.Jy))
                assert_allclose(row[name], right[i][mine].mean()
                                if mine.any() else np.nan)
            if start is not None:
                assert_allclose(numbers[start + name], right[i][known].mean()
                                if known.any() else np.nan)
        ratio = (factor * flux / truth)[np.isfinite(flux)]
        if start is not None and ratio.size:
            assert_allclose(numbers[f'{start}median_ratio'],
                            np.median(ratio), atol=1e-12)
    known = np.isfinite(limit)
    assert_allclose(numbers['below_limit'],
                    (truth <= limit)[known].mean() if known.any() else np.nan)
    measured = flags[np.isfinite(flux)]
    bits = np.array([FLAG[name] for name in QUALITY_FLAGS])
    for name, wanted in zip(('false_alarms', *QUALITY_FLAGS),
                            (bits, *bits), strict=True):
        assert_allclose(numbers[name], np.isin(measured, wanted).mean()
                        if measured.size else np.nan)


def test_columns_that_are_missing():
    table = make_table(np.ones(2), np.ones(2), np.ones(2), np.zeros(2, int))
    table.remove_columns(['flux_fit', 'flux_fit_err', 'upper_limit'])
    numbers = summarize_fluxes(add_ratios(table, np.ones(2) * u.Jy))
    assert {name for name, value in numbers.items() if np.isnan(value)} == {
        'fit_median_ratio', 'fit_iqr', 'fit_within_1', 'fit_within_196',
        'below_limit'}


@pytest.mark.parametrize('name', [
    'flux_err', 'flux_err_1', 'annulus_flux_err', 'flux_fit_err',
    'flux_ratio', 'injected_flux', 'flux_catalog'])
def test_other_columns_are_no_measured_fluxes(name):
    assert find_fluxes(QTable({name: [1.0] * u.Jy})) == []
