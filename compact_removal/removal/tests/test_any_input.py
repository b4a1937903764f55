# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests that whatever comes in, results are right, flagged or refused.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import (CCDData, InverseVariance, NDData,
                            StdDevUncertainty, UnknownUncertainty,
                            VarianceUncertainty)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from compact_removal import CompactSourceRemover
from compact_removal.tests.any_input import (PARAMETERS, check_removal,
                                             make_data, make_remover, make_wcs,
                                             sky)

SHAPE = 50, 60
X, Y, FLUX = [30.2, 10.7], [25.1, 40.3], [1.0, 0.3]
DTYPES = ['f2', 'f4', 'f8', '>f4', '>f8', '<f4', 'g', 'i1', 'i2', '>i2',
          'i4', 'i8', '>i8', 'u1', 'u2', '>u4', 'u8']


@pytest.fixture(scope='module')
def remover(tmp_path_factory):
    return make_remover(tmp_path_factory.mktemp('weights'))


def as_image(data, **kwargs):
    return CCDData(data, wcs=make_wcs(np.shape(data)),
                   **{'unit': 'Jy/pix', **kwargs})


def as_type(data, dtype):
    """
    Values in the range of a type.
    """
    dtype = np.dtype(dtype)
    if dtype.kind != 'f':
        data = data * {1: 100, 2: 2e4}.get(dtype.itemsize, 1e9)
        data = np.clip(data, *(np.iinfo(dtype).min, np.iinfo(dtype).max // 2))
    return data.astype(dtype)


def spoil(data, pattern):
    """
    Put invalid or extreme values into a map of floats.
    """
    y, x = np.indices(data.shape)
    ny, nx = data.shape
    places = {'none': x < 0, 'all': x >= 0, 'rows': y % 7 == 3,
              'columns': x % 5 == 1, 'half': x < nx / 2,
              'checkerboard': (x + y) % 2 == 0, 'frame': (x < 3) | (y < 3),
              'but one': (x != nx // 2) | (y != ny // 2),
              'center': (x == nx // 2) & (y == ny // 2)}
    where, value = pattern
    data[places[where]] = value
    return data


def layout(data, kind):
    """
    The same values, differently in memory.
    """
    if kind == 'fortran':
        return np.asfortranarray(data)
    if kind == 'strided':
        return np.repeat(data, 2, axis=1)[:, ::2]
    if kind == 'reversed':
        return data[::-1, ::-1].copy()[::-1, ::-1]
    if kind == 'read-only':
        data.flags.writeable = False
    return data


PATTERNS = st.tuples(
    st.sampled_from(['none', 'all', 'rows', 'columns', 'half',
                     'checkerboard', 'frame', 'but one', 'center']),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -3.0, 7.0, 1e30]))
LAYOUTS = st.sampled_from(['plain', 'fortran', 'strided', 'reversed',
                           'read-only'])
PIXELS = st.lists(st.tuples(
    st.one_of(st.floats(-30, 90), st.sampled_from([-0.5, 0.0, np.nan, 1e7])),
    st.one_of(st.floats(-30, 90), st.sampled_from([-0.5, 0.0, 12.5, 1e7]))),
    max_size=5)


@pytest.mark.slow
@settings(max_examples=80)
@given(shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
       scale=st.sampled_from([1.0, -1.0, 1e-30, 1e30, 1e-6]),
       pattern=PATTERNS, pixels=PIXELS, order=LAYOUTS,
       dtype=st.sampled_from(['f4', 'f8', '>f4', '>f8']))
@example(shape=(1, 40), scale=1.0, pattern=('none', 0.0),
         pixels=[(0.0, 0.0), (20.0, 0.0)], order='plain', dtype='f8')
@example(shape=(40, 1), scale=1.0, pattern=('half', np.nan),
         pixels=[(0.0, 20.0)], order='plain', dtype='f8')
@example(shape=(1, 1), scale=1.0, pattern=('none', 0.0),
         pixels=[(0.0, 0.0)], order='plain', dtype='f4')
@example(shape=(2, 3), scale=1.0, pattern=('all', np.nan),
         pixels=[(1.0, 1.0)], order='plain', dtype='f4')
def test_any_floats(remover, shape, scale, pattern, pixels, order, dtype):
    x, y = np.array(pixels, dtype=float).reshape(-1, 2).T
    data = make_data(shape, [shape[1] / 2], [shape[0] / 2], [1.0]) * scale
    data = spoil(data.astype(dtype), pattern)
    image = as_image(layout(data, order))
    # so few kinds of maps are refused that these must not be
    assert check_removal(remover, image, sky(image.wcs, x, y)) is not None


@pytest.mark.parametrize('dtype', DTYPES)
def test_any_type(remover, dtype):
    image = as_image(as_type(make_data(SHAPE, X, Y, FLUX), dtype))
    result = check_removal(remover, image, sky(image.wcs, X, Y))
    assert result.sources['flags'].tolist() == [0, 0]
    # rounded to few levels where there are few
    unit = np.max(image.data.astype(float)) / np.max(
        make_data(SHAPE, X, Y, FLUX))
    found = result.sources['annulus_flux'].value / unit
    assert_allclose(found, FLUX, rtol=0.15 if dtype[-1] != '1' else 0.5)


@pytest.mark.parametrize('dtype', ['?', 'c16', 'S3', 'U3', 'M8[s]'])
def test_no_numbers(remover, dtype):
    image = NDData(np.zeros((20, 20)).astype(dtype), unit='Jy/pix',
                   wcs=make_wcs((20, 20)))
    with pytest.raises((TypeError, ValueError), match='^image must'):
        remover.remove(image, sky(image.wcs, [5], [5]))


def test_unit_of_uncertainty(remover):
    error = np.full(SHAPE, 2e-3)
    data = make_data(SHAPE, X, Y, FLUX)
    plain = as_image(data, uncertainty=StdDevUncertainty(error))
    other = as_image(data, uncertainty=StdDevUncertainty(
        1e3 * error, unit='mJy/pix'))
    expected = check_removal(remover, plain, sky(plain.wcs, X, Y))
    found = check_removal(remover, other, sky(plain.wcs, X, Y))
    assert_allclose(found.background.uncertainty.array,
                    expected.background.uncertainty.array, rtol=1e-6)
    assert_allclose(found.sources['flux_err'], expected.sources['flux_err'],
                    rtol=1e-6)


def test_uncertainty_of_unknown_kind(remover):
    image = as_image(make_data(SHAPE), uncertainty=UnknownUncertainty(
        np.ones(SHAPE)))
    with pytest.raises(TypeError, match='^image must have an uncertainty'):
        remover.remove(image, sky(image.wcs, X, Y))


def test_memory_map(remover, tmp_path):
    data = make_data(SHAPE, X, Y, FLUX)
    data.astype('>f4').tofile(tmp_path / 'map')
    on_disk = np.memmap(tmp_path / 'map', dtype='>f4', mode='r+',
                        shape=SHAPE)
    image = as_image(on_disk)
    content = (tmp_path / 'map').read_bytes()
    assert check_removal(remover, image, sky(image.wcs, X, Y)) is not None
    on_disk.flush()
    assert (tmp_path / 'map').read_bytes() == content


@pytest.mark.slow
@settings(max_examples=25)
@given(pattern=PATTERNS, kind=st.sampled_from(
    [StdDevUncertainty, VarianceUncertainty, InverseVariance]),
    masked=st.sampled_from(['none', 'rows', 'half', 'all', 'but one']))
def test_any_uncertainty_and_mask(remover, pattern, kind, masked):
    # those that are no uncertainties have tests of their own below
    value = np.abs(pattern[1]) if np.isfinite(pattern[1]) else 1.0
    error = spoil(np.full(SHAPE, 1e-3), (pattern[0], max(value, 1e-6)))
    mask = spoil(np.zeros(SHAPE), (masked, 1.0)) > 0
    image = as_image(make_data(SHAPE, X, Y, FLUX), uncertainty=kind(error),
                     mask=mask)
    result = check_removal(remover, image, sky(image.wcs, X, Y))
    if masked == 'all':
        assert result.sources['flags'].tolist() == [32, 32]


@pytest.mark.parametrize(('kind', 'value'), [
    (StdDevUncertainty, np.nan), (StdDevUncertainty, 0.0),
    (VarianceUncertainty, np.nan), (VarianceUncertainty, 0.0),
    (InverseVariance, np.nan), (InverseVariance, np.inf),
    (StdDevUncertainty, np.inf), (VarianceUncertainty, np.inf),
    (VarianceUncertainty, -1.0),
    (InverseVariance, -1.0),
    (InverseVariance, 0.0)])
def test_odd_uncertainties(remover, kind, value):
    # of pixels that have no weight, for example
    error = np.full(SHAPE, 1e-3)
    error[:, :5] = error[25, 30] = value
    image = as_image(make_data(SHAPE, X, Y, FLUX), uncertainty=kind(error))
    result = check_removal(remover, image, sky(image.wcs, X, Y))
    if result is not None:
        array = result.background.uncertainty.array
        assert not np.any(np.abs(array) > 1e100)
        assert not np.any(array < 0)


@pytest.mark.slow
@settings(max_examples=10)
@given(scale=st.floats(-25, 25), offset=st.floats(-100, 100))
def test_scale_and_offset(remover, scale, offset):
    # spread of the noise is 1e-3; double precision holds all of this
    data = make_data(SHAPE, X, Y, FLUX)
    image = as_image(data)
    positions = sky(image.wcs, X, Y)
    expected = remover.remove(image, positions).sources
    factor = 10 ** scale
    image = as_image((data + offset) * factor)
    found = check_removal(remover, image, positions).sources
    for name in ('flux', 'flux_err', 'annulus_flux'):
        assert_allclose(found[name].value / factor, expected[name].value,
                        rtol=2e-3, atol=1e-5)
    assert_allclose(found['snr'], expected['snr'], rtol=1e-6)


@pytest.mark.parametrize('unit', ['Jy/pix', 'mJy/pix', 'MJy/sr',
                                  'mJy/arcsec2', 'Jy/beam', 'uJy/beam',
                                  'erg/(s cm2 Hz sr)'])
def test_units_agree(remover, unit):
    unit = u.Unit(unit)
    beam = np.pi / (4 * np.log(2)) * (6 * u.arcsec) * (8 * u.arcsec)
    pixel = (1.6 * u.arcsec) ** 2
    data = make_data(SHAPE, X, Y, FLUX) * u.Jy / pixel
    if unit.is_equivalent(u.Jy / u.pix):
        data = data * pixel / u.pix
    elif unit.is_equivalent(u.Jy / u.beam):
        data = data * beam / u.beam
    image = as_image(data.to_value(unit), unit=unit,
                     meta={'BMAJ': 8 / 3600, 'BMIN': 6 / 3600})
    found = check_removal(remover, image, sky(image.wcs, X, Y)).sources
    expected = remover.remove(as_image(make_data(SHAPE, X, Y, FLUX)),
                              sky(image.wcs, X, Y)).sources
    for name in ('flux', 'flux_err', 'annulus_flux', 'annulus_flux_err'):
        assert_allclose(found[name].to_value(u.Jy),
                        expected[name].to_value(u.Jy), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('unit', [
    None, '', 'Jy', 'K', 'ct', 'Jy/pix2', 'mag', 'Jy m/pix', 'Jy s/sr'])
def test_refused_units(remover, unit):
    image = NDData(make_data(SHAPE), wcs=make_wcs(SHAPE),
                   unit=None if unit is None else u.Unit(unit))
    with pytest.raises(ValueError, match='^image must have as unit'):
        remover.remove(image, sky(image.wcs, X, Y))


@pytest.mark.parametrize('beam', [(0, 0), (-1, -1), (-1, 1), (np.nan, 1),
                                  (np.inf, 1)])
def test_bad_beam(remover, beam):
    image = as_image(make_data(SHAPE), unit='Jy/beam',
                     meta=dict(zip(('BMAJ', 'BMIN'), beam, strict=True)))
    with pytest.raises(ValueError, match='^image must have'):
        remover.remove(image, sky(image.wcs, X, Y))


@pytest.mark.parametrize(('where', 'factor'), [
    ('all', 1e35), ('all', 1e150), ('all', -1e150),
    ('all', 1e200),
    ('all', -1e307),
    ('center', 1e35),
    ('center', -1e150),
    ('center', 1e200)])
def test_huge_values(remover, where, factor):
    # squares overflow: refused or flagged, but neither the fault of the
    # weights nor a warning of NumPy
    data = make_data(SHAPE, X, Y, FLUX)
    data = data * factor if where == 'all' else spoil(
        data, ('center', factor))
    image = as_image(data)
    check_removal(remover, image, sky(image.wcs, X, Y), names=('image',))


@pytest.mark.parametrize('level', [0.0, 7.0, -3e-20])
def test_errors_of_a_constant_map(remover, level):
    # nothing varies: the error cannot be larger than rounding
    image = as_image(np.full(SHAPE, level))
    found = check_removal(remover, image, sky(image.wcs, X, Y)).sources
    assert_allclose(found['flux'].value, 0, atol=1e-6 * abs(level))
    assert np.all(found['flux_err'].value <= 1e-3 * abs(level))


@pytest.mark.parametrize(('name', 'values'), [
    ('cutout_size', [0, -8, 33, 24, 64.0, '64', True, np.nan]),
    ('batch_size', [0, -1, 1.5, '64', None, True, np.inf]),
    ('apertures', [5, '5', -5 * u.arcsec, 0 * u.arcsec, np.nan * u.arcsec,
                   np.inf * u.arcsec, 5 * u.m, [] * u.arcsec, 1 * u.deg,
                   [[5]] * u.arcsec, [5, -1] * u.arcsec]),
    ('device', ['nonsense', 'cuda:99', 'xla', 'mps:7', '', 5, None]),
    ('network', ['unet', None, 5, '']),
    ('mode', ['slow', '', None, 5, []]),
    ('band', ['black', '', None, 5, [], 5 * u.s, np.nan * u.um]),
])
def test_bad_parameters(remover, name, values):
    image = as_image(make_data(SHAPE))
    for value in values:
        other = CompactSourceRemover(
            **{**remover.get_params(), name: value})
        with pytest.raises((TypeError, ValueError), match=f'^{name} ') as e:
            other.remove(image, sky(image.wcs, X, Y))
        assert '\n' not in str(e.value)
        assert name in PARAMETERS


@pytest.mark.parametrize(('name', 'value'), [
    ('network', ['separation']), ('recenter', 'no'),
    ('recenter', np.array([1, 0])), ('weights', np.zeros(2))])
def test_odd_parameters(remover, name, value):
    image = as_image(make_data(SHAPE))
    other = CompactSourceRemover(**{**remover.get_params(), name: value})
    with pytest.raises((TypeError, ValueError), match=f'^{name} '):
        other.remove(image, sky(image.wcs, X, Y))


@pytest.mark.parametrize('parts', [{'mask': np.ones((5, 5), dtype=bool)},
                                   {'uncertainty': StdDevUncertainty(
                                       np.ones((5, 5)))}])
def test_planes_of_other_shapes(remover, parts):
    image = NDData(make_data(SHAPE), unit='Jy/pix', wcs=make_wcs(SHAPE),
                   **parts)
    with pytest.raises(ValueError, match='^image must'):
        remover.remove(image, sky(image.wcs, X, Y))
