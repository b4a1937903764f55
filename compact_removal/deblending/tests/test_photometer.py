# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.deblending import (BLEND_FLAGS, BlendPhotometer,
                                        BlendSettings, evaluate_photometer,
                                        make_blends)
from compact_removal.deblending.batches import ConditionedBlends
from compact_removal.deblending.networks import find_model_class
from compact_removal.deblending.scaling import scale_blends
from compact_removal.deblending.stamps import (choose_scales, cut_planes,
                                               cut_stamps)
from compact_removal.deblending.tests.recipe import TINY, make_image

FLAG = {flag.name: flag.value for flag in BLEND_FLAGS}


@pytest.fixture(scope='module')
def tiny():
    return BlendPhotometer(weights=None, batch_size=4, seed=1).fit(
        training=TINY)


def test_rows_are_those_of_the_positions(tiny):
    image, places = make_image(n_sources=4)
    places = np.vstack([places[:2], [np.nan, 3.0], [300.0, 3.0], places[2:]])
    table = tiny.measure(image, places)
    assert table['id'].tolist() == [1, 2, 3, 4, 5, 6]
    assert_array_equal(table['x_center'], places[:, 0])
    assert str(table['flux'].unit) == 'adu'
    bad = np.isin(np.arange(6), [2, 3])
    assert_array_equal(np.isnan(table['flux'].value), bad)
    assert_array_equal(table['flags'][bad], FLAG['outside'])
    assert np.all(table['flux_err'][~bad].value > 0)


def test_order_and_factor_do_not_matter(tiny):
    image, places = make_image(n_sources=5)
    table = tiny.measure(image, places)
    order = np.random.default_rng(1).permutation(5)
    again = tiny.measure(image, places[order])
    for name in ('flux', 'flux_err', 'flags'):
        assert_allclose(np.asarray(again[name]), np.asarray(
            table[name])[order], rtol=1e-5)
    again = tiny.measure(image.data * 1e-18 + 4e-16, places)
    for name in ('flux', 'flux_err'):
        assert_allclose(again[name].value, 1e-18 * table[name].value,
                        rtol=1e-3)


@pytest.mark.parametrize('axes', [0, 1, (0, 1)])
def test_mirror_images(tiny, axes):
    image, places = make_image(n_sources=5)
    # whole numbers lie on the edge between two stamps
    places += 0.1
    table = tiny.measure(image, places)
    mirrored, last = np.flip(image.data, axes), image.shape[0] - 1
    for axis in np.atleast_1d(axes):
        places[:, 1 - axis] = last - places[:, 1 - axis]
    again = tiny.measure(mirrored, places)
    for name in ('flux', 'flux_err'):
        assert_allclose(again[name].value, table[name].value, rtol=1e-4)


def test_results_do_not_depend_on_batches(tiny):
    image, places = make_image(n_sources=5)
    table = tiny.measure(image, places)
    other = BlendPhotometer(weights=None, batch_size=2, seed=1)
    other.fit(training=TINY)
    assert table['flux'].shape == other.measure(image, places)['flux'].shape
    tiny.set_params(batch_size=1)
    assert_allclose(tiny.measure(image, places)['flux'].value,
                    table['flux'].value, rtol=1e-5)
    tiny.set_params(batch_size=4)


def test_sky_coordinates(tiny):
    image, places = make_image()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crpix, wcs.wcs.cdelt = (48, 48), (-1e-4, 1e-4)
    wcs.wcs.crval = 83.8, -5.4
    image.wcs = wcs
    sky = wcs.pixel_to_world(*places.T)
    table = tiny.measure(image, sky)
    assert_allclose(table['x_center'], places[:, 0], atol=1e-6)
    assert table['sky_center'][0].separation(sky[0]).arcsec < 1e-6
    again = tiny.measure(image, QTable({'x_center': places[:, 0],
                                        'y_center': places[:, 1]}))
    assert_allclose(again['flux'].value, table['flux'].value, rtol=1e-5)
    with pytest.raises(ValueError, match='^positions must be pixels'):
        tiny.measure(image.data, sky)


def test_images_of_all_kinds(tiny):
    place = [[30.0, 30.0]]
    rng = np.random.default_rng(1)
    for image in (np.zeros((64, 64)), np.full((70, 60), 7, dtype='u2'),
                  rng.normal(0, 1, (50, 50)), np.full((64, 64), np.nan),
                  rng.normal(0, 1, (40, 31)).astype('>f8')):
        table = tiny.measure(image, place)
        assert len(table) == 1
        assert np.all(np.isfinite(table['flux_err'])
                      == np.isfinite(image).any())
    assert len(tiny.measure(np.zeros((64, 64)), np.zeros((0, 2)))) == 0
    with pytest.raises(ValueError, match='^image must have two dim'):
        tiny.measure(np.zeros(7), place)
    with pytest.raises(TypeError, match='^image must hold real numbers'):
        tiny.measure(np.zeros((4, 4), dtype=complex), place)


def test_flags(tiny):
    image, places = make_image()
    image.mask[:] = False
    plain = tiny.measure(image, places)['flags']
    assert not np.any(plain & (FLAG['invalid_pixels'] | FLAG['outside']))
    twice = tiny.measure(image, [*places, places[0] + 0.3])['flags']
    assert twice[0] & twice[-1] & FLAG['close']
    image.mask[30:60, 30:60] = True
    assert tiny.measure(image, places)['flags'][0] & FLAG['invalid_pixels']


def test_scales():
    x = np.arange(300) - 150
    for radius, expected in ((10, 1), (60, 4), (140, 7)):
        disc = 30.0 * (x ** 2 + x[:, None] ** 2 < radius ** 2)
        assert choose_scales(disc, *np.array([[150.0], [150.0]])) == expected
        # a source that is not there
        one, other = choose_scales(disc, np.array([150.0, 290]),
                                   np.array([150.0, 290]))
        assert (one, other) == (expected, 1)
    assert not len(choose_scales(disc, np.zeros(0), np.zeros(0)))
    assert choose_scales(0 * disc, np.zeros(1), np.zeros(1)) == 1


def test_stamps_keep_light():
    rng = np.random.default_rng(1)
    image = rng.random((150, 140)).astype('f4')
    x, y = np.array([70.0, 3.0, 139.0]), np.array([75.0, 149.0, 60.0])
    scales = np.array([1, 2, 3])
    stamps, corners = cut_stamps(image, x, y, [0, 1, 2], scales)
    for k, (row, column) in enumerate(corners):
        side = 64 * scales[k]
        part = image[max(row, 0):row + side, max(column, 0):column + side]
        assert_allclose(stamps['image'][k].sum(), part.sum() / scales[k],
                        rtol=1e-5)
        peak = np.unravel_index(stamps['target'][k].argmax(), (64, 64))
        assert_allclose(peak, 32, atol=1)
        assert_allclose(cut_planes(image, corners[k:k + 1], scales[k:k + 1]),
                        stamps['image'][k:k + 1])


def test_background_below_sources():
    blend, = make_blends(1, n_sources=3, shape=(128, 128), seed=5)
    scaled, noise = scale_blends(7 * blend.image + 300)
    assert_allclose(noise.mean(), 7, rtol=0.05)
    sky = blend.sources.sum(axis=0) < 0.02
    assert abs(scaled[sky].mean()) < 0.08


def test_batches_are_reproducible():
    blends = ConditionedBlends(batch_size=6, n_batches=2, n_galaxies=4,
                               size=96, seed=3)
    first, second = (blends.batch(1, 1) for _ in range(2))
    assert set(first) == {'image', 'target', 'others', 'light',
                          'other_light', 'truth'}
    for name, values in first.items():
        assert len(values) == 6
        assert_array_equal(values, second[name])
    # the light of the stamp is the flux
    ratio = first['light'].sum(axis=(1, 2)) / np.exp(first['truth'])
    assert np.median(ratio) > 0.95
    assert ratio.max() < 1.02


def test_evaluation(tiny):
    evaluation = evaluate_photometer(tiny, n_maps=6, size=64, seed=1)
    assert evaluation.summary['n'][0] == len(evaluation.sources) == 12
    assert len(list(evaluation.figures())) == 2
    for n in ('n_maps', 'size'):
        with pytest.raises(ValueError, match=f'^{n} must'):
            evaluate_photometer(tiny, **{n: 0})


def test_bad_settings():
    photometer = BlendPhotometer(weights=None)
    for name, value in (('size', 20), ('n_galaxies', 0), ('width', 0)):
        with pytest.raises(ValueError, match=f'^training: {name} must'):
            photometer.fit(training={**TINY, name: value})
    with pytest.raises(ValueError, match='^galaxies must be None'):
        photometer.fit([], training=TINY)
    with pytest.raises(ValueError, match='^network must'):
        find_model_class('none')


def test_a_masked_image_is_one_with_nan(tiny):
    image, places = make_image()
    data = image.data.copy()
    data[40:45, 50:70] = np.nan
    masked = CCDData(np.where(np.isfinite(data), data, 1e6), unit='adu',
                     mask=~np.isfinite(data))
    assert_array_equal(tiny.measure(masked, places)['flux'].value,
                       tiny.measure(data, places)['flux'].value)


def test_noise_is_no_source():
    rng = np.random.default_rng(1)
    places = np.column_stack([values.ravel() for values in np.mgrid[
        20:180:27, 20:180:27]])
    table = BlendPhotometer().measure(rng.standard_normal((200, 200)), places)
    assert np.mean(table['flags'] & FLAG['not_significant'] > 0) > 0.97
    # where nothing is known, nothing is measured
    table = BlendPhotometer().measure(np.full((64, 64), np.nan), [[30, 30]])
    assert np.isnan(table['flux'][0])


def test_gradient_of_the_background():
    blend, = make_blends(1, n_sources=8, shape=(200, 200), seed=5,
                         settings=BlendSettings(shift='field'))
    places = np.column_stack([blend.x, blend.y])
    table = BlendPhotometer().measure(blend.image, places)
    rows, columns = np.indices(blend.image.shape)
    tilted = BlendPhotometer().measure(
        blend.image + 0.05 * columns - 0.02 * rows, places)
    change = np.abs(tilted['flux'] - table['flux']).value
    assert np.all(change < table['flux_err'].value)


@pytest.mark.parametrize('half', [1, 2, 4])
def test_errors_cover_what_is_masked(half):
    blend, = make_blends(1, n_sources=1, shape=(128, 128), seed=2,
                         settings=BlendSettings(snr=(300.0, 300.0), stars=0.0,
                                                radius=(6.0, 8.0)))
    row, column = round(float(blend.y[0])), round(float(blend.x[0]))
    for offset in (0, half + 3):
        image = blend.image.copy()
        image[row - half:row + half + 1, column + offset - half:
              column + offset + half + 1] = np.nan
        table = BlendPhotometer().measure(image, [[column, row]])
        assert table['flags'][0] & FLAG['invalid_pixels']
        flux, error = (table[name].value[0] for name in ('flux', 'flux_err'))
        # or the source itself is not seen
        assert np.isnan(flux) or abs(flux - blend.flux[0]) < 4 * error
        assert np.isfinite(flux) or not offset


def test_a_star_whose_core_is_masked():
    blend, = make_blends(1, n_sources=1, seed=2, settings=BlendSettings(
        snr=(300.0, 300.0), stars=1.0))
    row, column = round(float(blend.y[0])), round(float(blend.x[0]))
    image = blend.image.copy()
    image[row - 1:row + 2, column - 1:column + 2] = np.nan
    table = BlendPhotometer().measure(image, [[column, row]])
    assert np.isnan(table['flux'][0])
    assert table['flags'][0] & FLAG['invalid_pixels']


def test_units(tiny):
    image, places = make_image()
    for unit, expected in (('Jy / pix', 'Jy'), ('adu', 'adu'),
                           ('MJy / sr', 'MJy / sr')):
        table = tiny.measure(CCDData(image.data, unit=unit), places)
        assert table['flux'].unit.to_string() == expected


def test_whole_numbers_in_mirror_images():
    image, places = make_image(n_sources=3)
    places = np.rint(places)
    photometer, last = BlendPhotometer(), image.shape[0] - 1
    table = photometer.measure(image, places)
    again = photometer.measure(image.data[::-1], np.column_stack(
        [places[:, 0], last - places[:, 1]]))
    assert np.all(np.abs(again['flux'].value - table['flux'].value)
                  < 0.3 * table['flux_err'].value)


@pytest.mark.slow
def test_shipped_weights_measure_pairs():
    evaluation = BlendPhotometer().experiment(n_maps=60, seed=21)
    row = evaluation.summary[0]
    assert row['measured'] == 1
    assert row['mape'] < 0.13
    assert abs(row['bias']) < 0.05
    assert 0.6 < row['within_1'] < 0.8
    assert row['within_2'] > 0.85


@pytest.mark.parametrize('factor', [1.0, 1e-18])
def test_images_without_noise(factor):
    blend, = make_blends(1, n_sources=6, shape=(160, 160), seed=1,
                         settings=BlendSettings(shift='field'))
    places = np.column_stack([blend.x, blend.y])
    image = factor * blend.sources.sum(axis=0).astype(float)
    with pytest.warns(AstropyUserWarning, match='^image: its noise is less'):
        flux = BlendPhotometer().measure(image, places)['flux'].value
    assert_allclose(np.median(flux / blend.flux), factor, rtol=0.05)


def test_light_beyond_the_edge():
    blend, = make_blends(1, n_sources=9, shape=(160, 160), seed=4,
                         settings=BlendSettings(shift='field', stars=1.0,
                                                snr=(100.0, 100.0)))
    pulls = []
    for x in blend.x:
        # cut through the source
        column = round(float(x))
        part = blend.image[:, column:]
        if part.shape[1] < 40:
            continue
        inside = blend.x >= column - 1
        places = np.column_stack([blend.x - column, blend.y])
        table = BlendPhotometer().measure(part, places[inside])
        number = int(np.sum(inside[:np.argmin(abs(blend.x - x))]))
        pulls.append((table['flux'].value[number] - blend.flux[
            blend.x == x][0]) / table['flux_err'].value[number])
        assert table['flags'][number] & FLAG['edge']
    assert len(pulls) > 4
    assert np.max(np.abs(pulls)) < 3
