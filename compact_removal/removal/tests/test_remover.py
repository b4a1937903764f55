# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of removing sources, with a small untrained network.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData, NDData, StdDevUncertainty
from astropy.table import QTable, Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, PointSkyRegion

from compact_removal import CompactSourceRemover, decode_flags, nn
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp
from compact_removal.removal import build_model

BLUE = get_band('scanmap', 'blue')


@pytest.fixture(scope='module', params=['inpainting', 'separation'])
def network(request):
    return request.param


@pytest.fixture(scope='module')
def weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    nn.save_weights(build_model(network, width=1, seed=1), path)
    return path


@pytest.fixture
def remover(weights, network):
    return CompactSourceRemover('scanmap', 'blue', network=network,
                                weights=weights)


def make_wcs(scale=1.6, shape=(120, 140)):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 83.8, -5.4
    wcs.wcs.crpix = shape[1] / 2, shape[0] / 2
    wcs.wcs.cdelt = -scale / 3600, scale / 3600
    return wcs


def make_image(x=(), y=(), flux=(), *, unit='Jy/pix', shape=(120, 140),
               dtype=float, noise=1e-3, **kwargs):
    rng = np.random.default_rng(5)
    data = 0.05 + noise * rng.normal(size=shape)
    for xi, yi, value in zip(x, y, flux, strict=True):
        data += value * make_psf_stamp(BLUE, shape=shape, center=(xi, yi))
    return CCDData(data.astype(dtype), unit=unit,
                   wcs=make_wcs(shape=shape), **kwargs)


def sky(image, x, y):
    return image.wcs.pixel_to_world(np.asarray(x), np.asarray(y))


X, Y, FLUX = [40.3, 100.7, 70.0], [60.2, 30.9, 95.4], [1.0, 0.3, 4.0]


@pytest.fixture(scope='module')
def image():
    return make_image(X, Y, FLUX)


def test_result(remover, image):
    result = remover.remove(image, sky(image, X, Y))
    background, sources = result
    assert result.background is background
    assert isinstance(background, CCDData)
    assert background.unit == image.unit
    assert background.wcs.wcs.compare(image.wcs.wcs)
    assert isinstance(sources, QTable)
    assert sources.colnames == [
        'id', 'sky_center', 'x_center', 'y_center', 'snr', 'mask_radius',
        'flux', 'flux_err', 'aperture_radius', 'aperture_correction',
        'annulus_flux', 'annulus_flux_err', 'flux_fit', 'flux_fit_err',
        'upper_limit', 'qfit', 'reduced_chi2', 'fwhm_ratio',
        'missing_fraction', 'flags']
    assert sources['flux'].unit == u.Jy
    assert_allclose(sources['x_center'], X, atol=1e-6)
    assert_allclose(sources['y_center'], Y, atol=1e-6)
    # On a flat background even the untrained network is not far off.
    assert_allclose(sources['annulus_flux'].value, FLUX, rtol=0.1)
    assert_allclose(sources['flux'].value, FLUX, rtol=0.15)
    assert np.all(sources['flux_err'] > 0)
    assert np.all(sources['snr'] > 10)
    assert sources['flags'].tolist() == [0, 0, 0]
    assert background.meta['CRBAND'] == 'blue'
    assert len(background.meta['CRSHA256']) == 64


def test_footprints(remover, image):
    before = image.data.copy()
    background, sources = remover.remove(image, sky(image, X, Y))
    assert_array_equal(image.data, before)
    y, x = np.indices(before.shape)
    near = np.zeros(before.shape, dtype=bool)
    for row in sources:
        distance = np.hypot(x - row['x_center'], y - row['y_center'])
        # the wings of bright sources are taken out, too
        assert (background.flags[distance < 20].all()
                == (row['flux'] > 2 * u.Jy))
        near |= (background.flags > 0) & (distance < 48)
        near |= distance < row['mask_radius'] + 3
        assert np.all(background.flags[distance <= row['mask_radius']] == 1)
    assert_array_equal(background.flags > 0, near)
    assert_array_equal(background.data[~near], before[~near])
    assert np.all(background.data[near] != before[near])
    error = background.uncertainty.array
    # there is no uncertainty of the map
    assert np.all(np.isnan(error[~near]))
    assert np.all(error[near] > 0)


@pytest.mark.parametrize('dtype', ['f4', 'f8', '>f4', '>f8'])
def test_float_types(remover, dtype):
    image = make_image(X, Y, FLUX, dtype=dtype)
    background, _ = remover.remove(image, sky(image, X, Y))
    assert background.data.dtype == np.dtype(dtype).newbyteorder('=')
    untouched = background.flags == 0
    assert_array_equal(background.data[untouched], image.data[untouched])
    assert image.data.dtype == np.dtype(dtype)


@pytest.mark.parametrize('dtype', ['i2', '>i4', 'u2'])
def test_integers(remover, dtype):
    image = make_image(X, Y, [1000 * f for f in FLUX], noise=3.0)
    image.data = (image.data + 100).clip(0).astype(dtype)
    background, sources = remover.remove(image, sky(image, X, Y))
    assert background.data.dtype == np.result_type(dtype, np.float32)
    untouched = background.flags == 0
    assert_array_equal(background.data[untouched], image.data[untouched])
    assert np.all(np.isfinite(sources['flux']))


def test_order_batch_size_and_repetition(remover, image):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(5, 115, size=(2, 14))
    results = []
    for batch_size in (64, 3, 1):
        remover.set_params(batch_size=batch_size)
        order = rng.permutation(14)
        background, sources = remover.remove(image, sky(image, x[order],
                                                        y[order]))
        flux = np.empty(14)
        flux[order] = sources['flux'].value
        results.append((background.data, flux))
    for data, flux in results[1:]:
        assert_allclose(data, results[0][0], atol=1e-6)
        assert_allclose(flux, results[0][1], atol=1e-5)


@pytest.mark.parametrize(('unit', 'flux_unit', 'factor'), [
    ('Jy/pix', u.Jy, 1.0),
    ('mJy/pix', u.mJy, 1.0),
    ('MJy/sr', u.Jy, 1e6 * (1.6 * u.arcsec).to_value(u.rad) ** 2),
    ('mJy/arcsec2', u.mJy, 2.56),
    ('Jy/arcsec2', u.Jy, 2.56),
    ('Jy/beam', u.Jy, 2.56 / (np.pi / (4 * np.log(2)) * 6 * 8)),
])
def test_units(remover, unit, flux_unit, factor):
    image = make_image(X, Y, FLUX, unit=unit)
    image.meta['BMAJ'], image.meta['BMIN'] = 8 / 3600, 6 / 3600
    reference = make_image(X, Y, FLUX)
    _, expected = remover.remove(reference, sky(image, X, Y))
    background, sources = remover.remove(image, sky(image, X, Y))
    assert background.unit == u.Unit(unit)
    assert sources['flux'].unit == flux_unit
    for name in ('flux', 'flux_err', 'annulus_flux', 'annulus_flux_err'):
        assert_allclose(sources[name].value, expected[name].value * factor,
                        rtol=1e-4)


def test_amplitude_and_offset_do_not_matter(remover, image):
    _, expected = remover.remove(image, sky(image, X, Y))
    scaled = image.copy()
    scaled.data = scaled.data * 1e-7 + 3.0
    _, sources = remover.remove(scaled, sky(image, X, Y))
    assert_allclose(sources['flux'].value, expected['flux'].value * 1e-7,
                    rtol=1e-3, atol=2e-10)
    scaled.data = image.data * 1e12
    _, sources = remover.remove(scaled, sky(image, X, Y))
    assert_allclose(sources['flux'].value, expected['flux'].value * 1e12,
                    rtol=1e-3)


def test_mask_uncertainty_and_nan(remover):
    error = np.full((120, 140), 2e-3)
    image = make_image(X, Y, FLUX, uncertainty=StdDevUncertainty(error),
                       mask=np.zeros((120, 140), dtype=bool))
    image.mask[60, 42] = True
    image.data[31, 101] = np.nan
    image.data[95, 90:] = np.inf
    background, sources = remover.remove(image, sky(image, X, Y))
    assert decode_flags(sources['flags']) == [
        ['invalid_pixels'], ['invalid_pixels', 'invalid_center'], []]
    assert np.all(np.isfinite(sources['flux']))
    assert np.isnan(background.data[31, 101])
    assert background.data[60, 42] == image.data[60, 42]
    assert_array_equal(background.data[95, 90:], image.data[95, 90:])
    changed = background.flags > 0
    assert_allclose(background.uncertainty.array[~changed], 2e-3)
    assert np.all(background.uncertainty.array[changed] > 0)
    assert np.all(background.uncertainty.array[changed] != 2e-3)
    assert_array_equal(background.mask, image.mask)
    # the noise of the background counts once, that of the source, too
    bare = make_image(X, Y, FLUX)
    _, plain = remover.remove(bare, sky(image, X, Y))
    assert_allclose(sources['flux_err'][2], plain['flux_err'][2], rtol=0.05)
    x, y = round(X[2]), round(Y[2])
    image.uncertainty.array[y - 2:y + 3, x - 2:x + 3] = 1.0
    _, noisy = remover.remove(image, sky(image, X, Y))
    assert_allclose(noisy['flux_err'][2].value,
                    5 / noisy['aperture_correction'][2], rtol=0.2)


def test_edges_and_off_map(remover):
    x, y = [2.0, -30.0, 70.0, 139.9, 500.0], [60.0, 60.0, 118.5, 60.0, 1e4]
    image = make_image(x[:1] + x[2:3], y[:1] + y[2:3], [2.0, 2.0])
    background, sources = remover.remove(image, sky(image, x, y))
    assert decode_flags(sources['flags']) == [
        ['edge'], ['off_map'], ['edge'], ['off_map'], ['off_map']]
    assert_allclose(sources['flux'][[0, 2]].value, 2, rtol=0.3)
    assert np.all(np.isnan(sources['flux'][[1, 3, 4]]))
    assert np.all(np.isfinite(background.data))


def test_overlap_duplicates_and_bad_positions(remover, image):
    coordinates = SkyCoord([*sky(image, [40, 40, 48], [60, 60, 60])])
    coordinates = SkyCoord(
        np.append(coordinates.ra.deg, [np.nan, 300]),
        np.append(coordinates.dec.deg, [0, 80]), unit='deg')
    _, sources = remover.remove(image, coordinates)
    assert decode_flags(sources['flags']) == [
        ['overlap', 'merged'], ['overlap', 'duplicate'],
        ['overlap', 'not_detected'],
        ['off_map'], ['off_map']]
    assert sources['flux'][0] == sources['flux'][1]
    assert sources['id'].tolist() == [1, 2, 3, 4, 5]


def test_nothing_to_do(remover, image):
    background, sources = remover.remove(image, SkyCoord([], [], unit='deg'))
    assert len(sources) == 0
    assert sources['flux'].unit == u.Jy
    assert_array_equal(background.data, image.data)
    empty = image.copy()
    empty.data = np.full(image.shape, np.nan)
    background, sources = remover.remove(empty, sky(image, X, Y))
    assert np.all(np.isnan(background.data))
    assert decode_flags(sources['flags']) == [['no_background']] * 3
    assert np.all(np.isnan(sources['flux']))
    constant = image.copy()
    constant.data = np.full(image.shape, 7.0)
    background, sources = remover.remove(constant, sky(image, X, Y))
    assert_allclose(sources['annulus_flux'].value, 0, atol=1e-9)


def test_kinds_of_positions(remover, image):
    coordinates = sky(image, X, Y)
    expected = remover.remove(image, coordinates)[1]['flux']
    circle = [CircleSkyRegion(c, 5 * u.arcsec) for c in coordinates]
    points = [PointSkyRegion(c) for c in coordinates.galactic]
    for positions in (
            coordinates.galactic, QTable({'where': coordinates}),
            Table({'RA': coordinates.ra.deg, 'Dec': coordinates.dec.deg}),
            QTable({'ra': coordinates.ra, 'dec': coordinates.dec}),
            circle, points):
        sources = remover.remove(image, positions)[1]
        assert_allclose(sources['flux'].value, expected.value, rtol=1e-5)
    single = remover.remove(image, coordinates[1])[1]
    assert len(single) == 1
    assert remover.remove(image, circle[0])[1]['x_center'][0] == (
        pytest.approx(X[0]))


def test_recenter(remover, image):
    remover.set_params(recenter=True)
    _, sources = remover.remove(
        image, sky(image, [X[0] + 1.2, X[2] - 0.8, 20], [Y[0] - 0.9, Y[2], 9]))
    assert_allclose(sources['x_center'][:2], [X[0], X[2]], atol=0.15)
    assert_allclose(sources['y_center'][:2], [Y[0], Y[2]], atol=0.15)


def test_apertures(remover, image):
    remover.set_params(apertures=[5, 8, 18] * u.arcsec)
    _, sources = remover.remove(image, sky(image, X, Y))
    assert {'flux_1', 'flux_err_1', 'flux_2'} < set(sources.colnames)
    # the PSF of the map is close to the nominal one
    assert_allclose(sources['aperture_correction'], 0.59090795, rtol=0.01)
    assert_allclose(sources['flux_1'].value, FLUX, rtol=0.15)
    assert_allclose(sources['flux_2'].value, FLUX, rtol=0.15)
    # 18 arcsec is more than any hole here
    assert decode_flags(sources['flags'])[1] == []


@pytest.mark.parametrize(('change', 'error', 'match'), [
    ({'mode': 'slow'}, ValueError, 'mode must be one of'),
    ({'band': 'black'}, ValueError, 'band must be one of'),
    ({'network': 'magic'}, ValueError, 'network must be one of'),
    ({'weights': None}, ValueError, 'weights is None'),
    ({'weights': 'no_such_file'}, FileNotFoundError, 'weights must be a file'),
    ({'cutout_size': 100}, ValueError, 'cutout_size must be a multiple of'),
    ({'cutout_size': 96.0}, ValueError, 'cutout_size must be a positive'),
    ({'batch_size': 0}, ValueError, 'batch_size must be a positive'),
    ({'device': 'abacus'}, ValueError, 'device must be'),
    ({'apertures': 5}, ValueError, 'apertures must be positive radii'),
    ({'apertures': -5 * u.arcsec}, ValueError, 'apertures must be positive'),
    ({'apertures': 60 * u.arcsec, 'band': 'red'}, ValueError,
     'apertures must be at most 22 arcsec'),
])
def test_bad_parameters(remover, image, change, error, match):
    remover.set_params(**change)
    with pytest.raises(error, match=match):
        remover.remove(image, sky(image, X, Y))


def _with(image, **changes):
    keys = {'data': image.data, 'unit': image.unit, 'wcs': image.wcs}
    return NDData(**{**keys, **changes})


@pytest.mark.parametrize(('make', 'match'), [
    (lambda im: im.data, 'image must be an astropy CCDData or NDData'),
    (lambda im: _with(im, wcs=None), 'image must have a celestial WCS'),
    (lambda im: _with(im, unit=None), 'image must have as unit a flux per'),
    (lambda im: _with(im, unit=u.Jy), 'image must have as unit'),
    (lambda im: _with(im, unit=u.K), 'image must have as unit'),
    (lambda im: _with(im, unit=u.Jy / u.beam), 'image must have BMAJ'),
    (lambda im: _with(im, data=np.ones((2, 5, 5))), 'two dimensions'),
    (lambda im: _with(im, data=np.ones((5, 0))), 'two dimensions'),
    (lambda im: _with(im, data=np.ones((5, 5), complex)), 'real numbers'),
    (lambda im: _with(im, wcs=make_wcs(0.5)), 'pixel_scale must lie between'),
    (lambda im: _with(im, wcs=make_wcs(5.0)), 'pixel_scale must lie between'),
])
def test_bad_images(remover, image, make, match):
    with pytest.raises((TypeError, ValueError), match=match):
        remover.remove(make(image), sky(image, X, Y))


@pytest.mark.parametrize('make', [
    lambda im: im.data, lambda im: _with(im, wcs=None)])
def test_a_bad_image_is_blamed_before_pixels(remover, image, make):
    with pytest.raises((TypeError, ValueError), match='^image must'):
        remover.remove(make(image), [[5.0, 6.0]])


@pytest.mark.parametrize('positions', [
    5, 'm31.reg', [1, 2], Table({'x': [1.0]}), [sky, sky]])
def test_bad_positions(remover, image, positions):
    with pytest.raises((TypeError, ValueError), match='positions must'):
        remover.remove(image, positions)


def test_save_without_fit(tmp_path, remover, image):
    # the weights of another file go into this one
    path = tmp_path / 'remover.safetensors'
    remover.set_params(apertures=[5, 6] * u.arcsec, batch_size=7)
    remover.save(path)
    again = CompactSourceRemover.load(path)
    assert again.batch_size == 7
    again.set_params(weights='no_such_file')
    one = remover.remove(image, sky(image, X, Y))
    with pytest.warns(UserWarning, match='^weights: changed after the fit'):
        two = again.remove(image, sky(image, X, Y))
    assert_array_equal(one.background.data, two.background.data)
    assert_array_equal(one.sources['flux_1'], two.sources['flux_1'])


def test_load_refuses_weights_alone(weights):
    with pytest.raises(ValueError, match='was not written by Compact'):
        CompactSourceRemover.load(weights)


def test_outputs_can_be_written(tmp_path, remover, image):
    background, sources = remover.remove(image, sky(image, X, Y))
    background.write(tmp_path / 'background.fits')
    sources.write(tmp_path / 'sources.ecsv')
    again = CCDData.read(tmp_path / 'background.fits')
    assert_array_equal(again.data, background.data)
    assert again.meta['CRMODE'] == 'scanmap'
    assert len(QTable.read(tmp_path / 'sources.ecsv')) == 3
