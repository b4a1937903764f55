# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the steps of a removal, and of the records that they hand on.
"""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from itertools import product

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal import decode_flags
from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.maps import tiles
from compact_removal.maps.images import read_image
from compact_removal.removal.background import estimate_background
from compact_removal.removal.cutout_network import CutoutNetwork
from compact_removal.removal.fit import fit
from compact_removal.removal.flags import FLAG, PIXEL_FLAG
from compact_removal.removal.inspection import inspect_sources
from compact_removal.removal.locate import locate
from compact_removal.removal.measure import measure
from compact_removal.removal.records import combine_flags
from compact_removal.removal.results import make_result
from compact_removal.utils.parameters import ParameterError

BAND = get_band('scanmap', 'blue')
APERTURES = [6, 18] * u.arcsec


class Predictor:
    """
    Says that the background is its median, with errors of 1 and 2 to 5.
    """

    def __init__(self, *, predicts_errors=True):
        self.predicts_errors = predicts_errors
        self.keys = set()

    def __call__(self, inputs):
        self.keys |= set(inputs)
        image = inputs['image']
        level = np.nanmedian(image, axis=(1, 2), keepdims=True)
        outputs = {'background': np.broadcast_to(level, image.shape)}
        if self.predicts_errors:
            outputs['error'] = np.ones_like(image)
            outputs['flux_error'] = np.tile([2.0, 3, 4, 5], (len(image), 1))
        return outputs


def make_network(predict, *, predicts=True, wings=True):
    return CutoutNetwork(predict, 64, np.ones_like, predicts_errors=predicts,
                         removes_wings=wings)


@pytest.fixture(scope='module')
def field():
    """
    Sources, two of them close, one given twice, one off the map.
    """
    image, catalog = make_example_field(shape=(120, 130), n_sources=4,
                                        seed=3)
    sky = catalog['sky_center']
    extra = sky[[0, 0, 1]].directional_offset_by(30 * u.deg,
                                                 [0.5, 500, 4] * u.arcsec)
    positions = SkyCoord(np.append(sky.ra, extra.ra),
                         np.append(sky.dec, extra.dec))
    return image, positions


def list_arrays(record):
    """
    All arrays of a record, those of its models and columns, too.
    """
    arrays = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            arrays[item.name] = value
        elif hasattr(value, 'items'):
            arrays.update(value)
        elif is_dataclass(value):
            arrays.update(list_arrays(value))
    return arrays


def run_steps(image, positions, network, kept=None):
    """
    The records of all steps; ``kept`` gets copies of their arrays.
    """
    records = []

    def keep(record):
        records.append(record)
        if kept is not None:
            kept.append({name: values.copy() for name, values in
                         list_arrays(record).items()})
        return record

    input_map = read_image(image)
    located = keep(locate(input_map, positions, BAND, recenter=False))
    fitted = keep(fit(input_map, located, BAND))
    located, inspection = inspect_sources(input_map, located, fitted, BAND)
    records[0] = located
    if kept is not None:
        kept[0] = {name: values.copy() for name, values in
                   list_arrays(located).items()}
    keep(inspection)
    estimate = keep(estimate_background(
        input_map, located, fitted, network, band=BAND,
        apertures=(APERTURES / input_map.pixel_scale).to_value('')))
    keep(measure(input_map, located, fitted, inspection, estimate, band=BAND,
                 apertures=APERTURES, error_scale=np.ones_like))
    return records


@pytest.mark.parametrize('largest', [1280, 50])
def test_no_step_writes_into_the_record_of_another(field, monkeypatch,
                                                   largest):
    monkeypatch.setattr(tiles, '_LARGEST', largest)
    image, positions = field
    kept = []
    records = run_steps(image, positions, make_network(Predictor()), kept)
    result = make_result(image, positions, u.Jy, *records, {})
    result.background.data[:] = 5
    result.sources['flags'] = 7
    result.sources['x_center'] = 7.0
    names = [set(list_arrays(record)) for record in records]
    assert {'x', 'snr', 'first'} < names[0]
    assert {'blend_error', 'shapes'} < names[1]
    assert {'qfit', 'width_err', 'flags'} < names[2]
    assert {'footprint', 'flux_error', 'sums'} < names[3]
    assert {'flux', 'annulus_flux_err'} < names[4]
    for i, (record, before) in enumerate(zip(records, kept, strict=True)):
        for name, values in list_arrays(record).items():
            if not (i == 3 and name == 'data'):
                assert_array_equal(values, before[name], err_msg=name)


def test_records_are_frozen(field):
    records = run_steps(*field, make_network(Predictor()))
    for record in records:
        with pytest.raises(FrozenInstanceError):
            record.flags = None
        for name, values in list_arrays(record).items():
            assert not values.flags.writeable, name
    with pytest.raises(TypeError):
        records[4].columns['flux'] = None


def test_results_may_be_written_to(field):
    image, positions = field
    records = run_steps(image, positions, make_network(Predictor()))
    background, sources = make_result(image, positions, u.Jy, *records, {})
    for values in (background.data, background.uncertainty.array,
                   background.flags):
        values[0, 0] = 3
        assert values[0, 0] == 3
    for name in sources.colnames[2:]:
        sources[name][0] = 3 * sources[name][1]
    # nothing large was copied
    assert np.shares_memory(background.data, records[3].data)


def test_each_step_sets_flags_of_its_own(field):
    image, positions = field
    records = run_steps(image, positions, make_network(
        Predictor(), predicts=False, wings=False))
    allowed = [
        {'off_map', 'no_background', 'duplicate', 'not_recentered',
         'merged'},
        {'not_converged', 'off_center', 'outlier_pixels'},
        {'edge', 'invalid_pixels', 'invalid_center', 'overlap',
         'constant_pixels', 'poor_fit', 'sharp', 'extended', 'saturated',
         'unlisted_neighbor'},
        {'little_background'},
        {'aperture_limited', 'not_detected'}]
    for record, names in zip(records, allowed, strict=True):
        assert set().union(*decode_flags(record.flags)) <= names
    assert_array_equal(records[4].flags[records[0].active]
                       & FLAG['aperture_limited'], FLAG['aperture_limited'])
    sources = make_result(image, positions, u.Jy, *records, {}).sources
    active = records[0].active
    assert_array_equal(sources['flags'][active],
                       combine_flags(*records)[active])
    names = decode_flags(sources['flags'])
    assert names[5] == ['off_map']
    assert ('duplicate' in names[0]) != ('duplicate' in names[4])
    assert 'overlap' in names[6]
    assert all('aperture_limited' in names[row] for row in (0, 1, 2, 3, 4, 6))


@pytest.mark.parametrize(('predicts', 'wings'),
                         list(product([False, True], repeat=2)))
def test_what_a_network_does_is_two_things(field, predicts, wings):
    predict = Predictor(predicts_errors=predicts)
    located, _, _, estimate, measurement = run_steps(
        *field, make_network(predict, predicts=predicts, wings=wings))
    assert predict.keys == {'image', 'validity', 'sources', 'fwhm',
                            'psf_error'}
    active = located.active
    expected = [2, 3, 4, 5] if predicts else 4 * [np.nan]
    assert_allclose(estimate.flux_error[active],
                    np.tile(expected, (active.sum(), 1)))
    filled = estimate.pixel_flags == PIXEL_FLAG['filled']
    if predicts:
        assert np.all(estimate.error[filled] >= 1 - 1e-6)
    else:
        assert estimate.error[filled].max() < 0.5
    grown = estimate.footprint[active] > located.radius[active]
    assert_array_equal(grown, wings)
    assert np.any(estimate.pixel_flags == PIXEL_FLAG['wings']) == wings
    limited = (measurement.flags & FLAG['aperture_limited'])[active] > 0
    assert_array_equal(limited, not wings)
    assert np.all(np.isfinite(measurement.columns['flux_err'][active]))


def test_damaged_networks_are_refused(field):
    def predict(inputs):
        return {'background': np.full(inputs['image'].shape, np.inf)}

    network = make_network(predict, predicts=False, wings=False)
    with pytest.raises(ParameterError, match='not finite') as caught:
        run_steps(*field, network)
    assert caught.value.parameter == 'weights'


def test_noise_of_pixels_outside_of_holes(field):
    # a network that takes out wings changes pixels that keep their noise
    image, positions = field
    noise = np.full(image.shape, 7.0)
    noisy = image.copy()
    noisy.uncertainty = type(image.uncertainty)(noise)
    estimate = run_steps(noisy, positions, make_network(Predictor()))[3]
    wings = estimate.pixel_flags == PIXEL_FLAG['wings']
    filled = estimate.pixel_flags == PIXEL_FLAG['filled']
    assert np.all(estimate.error[wings] >= 7)
    assert_allclose(np.median(estimate.error[filled]), 1)
    assert_array_equal(estimate.error[estimate.pixel_flags == 0], 7)
