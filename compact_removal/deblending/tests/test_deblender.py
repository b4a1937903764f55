# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable, Table
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.cli import main
from compact_removal.deblending import (BLEND_FLAGS, BlendPhotometer,
                                        BlendSettings, SourceDeblender,
                                        evaluate_deblender, make_blends)
from compact_removal.deblending.attribution import measure_doubts
from compact_removal.deblending.deblender_evaluation import judge_field
from compact_removal.deblending.fields import ContributionFields, PartialFields
from compact_removal.deblending.networks import find_deblender_class
from compact_removal.deblending.pointers import (PointerPlanes, find_nearest,
                                                 measure_centers, point)
from compact_removal.deblending.tests.recipe_deblender import (TINY,
                                                               make_field)

FLAG = {flag.name: flag.value for flag in BLEND_FLAGS}


@pytest.fixture(scope='module')
def tiny():
    return SourceDeblender(weights=None, batch_size=2, seed=1).fit(
        training=TINY)


@pytest.fixture(scope='module')
def tiny_pais():
    settings = {name: value for name, value in TINY.items()
                if name != 'width'}
    return SourceDeblender(network='pais', weights=None, batch_size=2,
                           seed=1).fit(training=settings)


def add_up(result):
    total = np.array(result.unassigned.data)
    for number in result.sources['id']:
        total += result.model(number)
    return total


@pytest.mark.parametrize('network', ['tiny', 'tiny_pais'])
def test_parts_add_up_to_the_image(network, request):
    deblender = request.getfixturevalue(network)
    image, places = make_field(n_sources=6)
    result = deblender.deblend(image, places)
    assert result.sources['id'].tolist() == [1, 2, 3, 4, 5, 6]
    assert_allclose(add_up(result), image.data, atol=1e-10)
    assert str(result.sources['flux'].unit) == 'adu'
    for number in result.sources['id']:
        cutout = result.cutout(number)
        assert_allclose(cutout.data,
                        result.model(number)[cutout.slices_original])
        assert_allclose(cutout.data.sum(), result.model(number).sum())
    assert set(np.unique(result.segmentation.data)) <= set(range(7))


def test_rows_are_those_of_the_positions(tiny):
    image, places = make_field(n_sources=3)
    places = np.vstack([places[:1], [[np.nan, 3], [500, 3]], places[1:]])
    result = tiny.deblend(image, places)
    table = result.sources
    assert_array_equal(table['x_center'], places[:, 0])
    bad = np.isin(np.arange(5), [1, 2])
    assert_array_equal(np.isnan(table['flux'].value), bad)
    assert_array_equal(table['flags'][bad], FLAG['outside'])
    assert np.all(np.isnan(table['probability']))
    assert not result.model(2).any()
    assert not np.isin(result.segmentation.data, [2, 3]).any()
    for bad in (0, 6, 'x'):
        with pytest.raises(ValueError, match='^id must be one of those'):
            result.model(bad)
    with pytest.raises(ValueError, match='^id: source 2 has no light'):
        result.cutout(2)


def test_order_and_factor_do_not_matter(tiny):
    image, places = make_field(n_sources=6)
    table = tiny.deblend(image, places).sources
    order = np.random.default_rng(1).permutation(6)
    again = tiny.deblend(image, places[order]).sources
    for name in ('flux', 'flux_err', 'r90', 'flags'):
        assert_allclose(np.asarray(again[name]), np.asarray(
            table[name])[order], rtol=1e-5)
    again = tiny.deblend(image.data * 1e-18 + 4e-16, places).sources
    for name in ('flux', 'flux_err'):
        assert_allclose(again[name].value, 1e-18 * table[name].value,
                        rtol=1e-3)


@pytest.mark.parametrize('axes', [0, 1, (0, 1)])
def test_mirror_images(tiny, axes):
    blend, = make_blends(1, n_sources=6, shape=(128, 96), seed=5,
                         settings=BlendSettings(shift='field'))
    places = np.column_stack([blend.x, blend.y])
    table = tiny.deblend(blend.image, places).sources
    for axis in np.atleast_1d(axes):
        last = blend.image.shape[axis] - 1
        places[:, 1 - axis] = last - places[:, 1 - axis]
    again = tiny.deblend(np.flip(blend.image, axes), places).sources
    assert np.all(np.abs(again['flux'].value - table['flux'].value)
                  < 0.3 * table['flux_err'].value)


def test_many_sources_and_sources_at_the_edge(tiny):
    rng = np.random.default_rng(3)
    places = rng.uniform(0, 159, (300, 2))
    places[:4] = [[0, 0], [159, 0], [0, 159], [159, 159]]
    image = rng.standard_normal((160, 160))
    np.add.at(image, tuple(np.rint(places).astype(int).T[::-1]), 200.0)
    result = tiny.deblend(image, places)
    assert len(result.sources) == 300
    assert np.all(np.isfinite(result.sources['flux'].value))
    assert_allclose(add_up(result), image, atol=1e-9)
    assert np.all(result.sources['flags'][:4] & FLAG['edge'])


def test_tiles_leave_no_seams(tiny, monkeypatch):
    blend, = make_blends(1, n_sources=25, shape=(640, 210), seed=2,
                         settings=BlendSettings(shift='field'))
    places = np.column_stack([blend.x, blend.y])
    whole = tiny.deblend(blend.image, places)
    model = find_deblender_class('contribution')
    monkeypatch.setattr(model, 'tile_size', 64)
    tiles = tiny.deblend(blend.image, places)
    for name in ('flux', 'flux_err', 'r90'):
        assert_allclose(tiles.sources[name].value if name != 'r90'
                        else tiles.sources[name],
                        whole.sources[name].value if name != 'r90'
                        else whole.sources[name], rtol=1e-4)
    for number in whole.sources['id']:
        assert_allclose(tiles.model(number), whole.model(number), atol=1e-3)
    assert np.mean(tiles.segmentation.data
                   != whole.segmentation.data) < 1e-3


@pytest.mark.parametrize('network', ['tiny', 'tiny_pais'])
def test_images_of_all_kinds(network, request):
    deblender = request.getfixturevalue(network)
    rng = np.random.default_rng(1)
    for image in (np.zeros((64, 64)), np.full((70, 60), 7, dtype='u2'),
                  rng.normal(0, 1, (50, 50)), np.full((64, 64), np.nan),
                  rng.normal(0, 1, (40, 31)).astype('>f8'), np.ones((1, 1))):
        for places in ([[0.0, 0.0]], np.zeros((0, 2)), None):
            result = deblender.deblend(image, places)
            assert result.unassigned.shape == image.shape
            assert_allclose(add_up(result), image, atol=1e-6)
            assert not np.any(result.sources['flux'].value
                              > 1e3 * result.sources['flux_err'].value)
    with pytest.raises(ValueError, match='^image must have two dim'):
        deblender.deblend(np.zeros(7))


def test_unknown_pixels(tiny):
    image, places = make_field(n_sources=4)
    data = image.data.copy()
    row, column = (round(value) for value in places[0][::-1])
    data[row - 6:row + 7, column - 6:column + 7] = np.nan
    masked = CCDData(np.where(np.isfinite(data), data, 1e6), unit='adu',
                     mask=~np.isfinite(data))
    one, other = (tiny.deblend(each, places) for each in (data, masked))
    assert_array_equal(one.sources['flux'].value, other.sources['flux'].value)
    assert one.sources['flags'][0] & FLAG['invalid_pixels']
    assert np.isnan(one.unassigned.data[row, column])
    assert other.unassigned.mask[row, column]


def test_sky_coordinates(tiny):
    image, places = make_field(n_sources=3)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crpix, wcs.wcs.cdelt = (48, 48), (-1e-4, 1e-4)
    wcs.wcs.crval = 83.8, -5.4
    image.wcs = wcs
    result = tiny.deblend(image, wcs.pixel_to_world(*places.T))
    assert_allclose(result.sources['x_center'], places[:, 0], atol=1e-6)
    assert result.unassigned.wcs is wcs
    assert result.sources['sky_center'][0].separation(
        wcs.pixel_to_world(*places[0])).arcsec < 1e-6


def test_bad_parameters(tiny):
    image, places = make_field(n_sources=2)
    for name, value in (('threshold', 0), ('threshold', 'low'),
                        ('threshold', True), ('n_contributions', 0),
                        ('batch_size', 0), ('network', 'none')):
        with pytest.raises(ValueError, match=f'^{name} must'):
            SourceDeblender(**{name: value}).deblend(image)
    other = SourceDeblender(weights=None, batch_size=2, n_contributions=2,
                            seed=1).fit(training=TINY)
    assert len(other.deblend(image, places).sources) == 2
    other.set_params(n_contributions=4)
    with pytest.raises(ValueError, match='^n_contributions must be 2'):
        other.deblend(image, places)
    for name, value in (('size', 50), ('n_fields', 0), ('n_distinct', 0)):
        with pytest.raises(ValueError, match=f'^training: {name} must'):
            tiny.fit(training={**TINY, name: value})


def test_pointers():
    rng = np.random.default_rng(1)
    image = rng.random((40, 50))
    x, y = rng.uniform(0, 40, (2, 5))
    planes = PointerPlanes(image, x, y, 3)
    rows, columns = np.arange(10, 20), np.arange(30, 45)
    index = find_nearest(x, y, rows, columns, 3)
    distance = np.hypot(rows[:, None, None] - y, columns[:, None] - x)
    assert_array_equal(np.moveaxis(index, 0, -1),
                       distance.argsort(axis=-1)[..., :3])
    assert_array_equal(planes[..., 10:20, 30:45], point(
        x, y, measure_centers(image, x, y), rows, columns, index))
    # how near: half at eight pixels
    nearest = np.sort(distance, axis=-1)[..., 0]
    assert_allclose(planes[..., 10:20, 30:45][2], 8 / (8 + nearest),
                    rtol=1e-5)
    few = PointerPlanes(image, x[:1], y[:1], 3)[..., 0:4, 0:4]
    assert not few[4:].any()
    assert np.all(few[2] > 0)


def test_fields_of_the_training():
    fields = ContributionFields(batch_size=8, n_batches=2, n_galaxies=6,
                                size=64, seed=3, n_distinct=1)
    first, again = (fields.batch(0, 1) for _ in range(2))
    for name, values in first.items():
        assert_array_equal(values, again[name])
    given = (first['index'][:, 0] >= 0).all(axis=(1, 2))
    assert given.any()
    assert not given.all()
    assert np.all(first['truth_shares'].sum(axis=1) <= 1 + 1e-5)
    # the next epoch is the same field, turned
    turned = fields.batch(1, 1)
    assert_allclose(np.sort(turned['image'], axis=None),
                    np.sort(first['image'], axis=None))
    assert not np.array_equal(turned['image'], first['image'])
    # shared light is the flux
    for k in np.flatnonzero(given):
        light = first['truth_shares'][k] * first['brightness'][k]
        for number, flux in enumerate(first['log_flux'][k]):
            if np.isfinite(flux):
                part = light[first['index'][k] == number].sum()
                assert 0.3 < part / np.exp(flux) < 1.02


def test_fields_of_the_paper():
    fields = PartialFields(batch_size=3, n_batches=1, n_galaxies=6, size=64,
                           seed=3, n_contributions=2)
    batch = fields.batch(0, 0)
    assert batch['truth_vectors'].shape == (3, 4, 64, 64)
    total = batch['truth_shares'].sum(axis=1)
    assert_allclose(total[total > 0], 1, atol=1e-5)


def test_judge_field():
    blend, = make_blends(1, n_sources=8, shape=(128, 128), seed=4,
                         settings=BlendSettings(shift='field'))
    table, row = judge_field(blend, blend.x, blend.y, blend.flux)
    assert row['n_missed'] == row['n_wrong'] == 0
    assert row['f1'] == 1
    assert row['mape'] == 0
    assert len(table) == row['n_sources'] == row['n_right']
    # one missed, one too many where it is darkest
    low, left = np.unravel_index(blend.sources.sum(axis=0).argmin(),
                                 blend.image.shape)
    table, row = judge_field(blend, [*blend.x[1:], left],
                             [*blend.y[1:], low],
                             [*1.1 * blend.flux[1:], 1.0])
    assert row['n_missed'] <= 1
    assert row['n_wrong'] == 1
    assert_allclose(row['mape'], 0.1)


def test_evaluation(tiny):
    evaluation = evaluate_deblender(tiny, n_maps=2, size=96, seed=1)
    assert len(evaluation.fields) == 2
    assert evaluation.summary['n'][0] == len(evaluation.sources)
    assert len(list(evaluation.figures())) == 1
    with pytest.raises(ValueError, match='^n_maps must'):
        evaluate_deblender(tiny, n_maps=0)


def test_command(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image, places = make_field(n_sources=3)
    fits.writeto('field.fits', image.data)
    Table({'x_center': places[:, 0], 'y_center': places[:, 1],
           'name': ['a', 'b', 'c']}).write('places.csv')
    tiny.save('tiny.safetensors')
    assert main(['deblend', 'field.fits', 'places.csv', '--weights',
                 'tiny.safetensors', '--plot', '--parts']) == 0
    assert 'parts: field_parts.fits' in capsys.readouterr().out
    with fits.open('field_parts.fits') as parts:
        assert [hdu.ver for hdu in parts[1:]] == [1, 2, 3]
        total = fits.getdata('field_unassigned.fits')
        for hdu in parts[1:]:
            low, left = -hdu.header['LTV2'], -hdu.header['LTV1']
            total[low:low + hdu.shape[0], left:left + hdu.shape[1]] += hdu.data
    assert_allclose(total, image.data, atol=1e-3)
    assert fits.getdata('field_segmentation.fits').max() <= 3
    assert QTable.read('field_deblended.ecsv')['name'].tolist() == [
        'a', 'b', 'c']
    assert main(['deblend', 'field.fits', '--weights', 'tiny.safetensors',
                 '--threshold', '0.5', '--output', 'half']) == 0
    capsys.readouterr()
    assert main(['deblend', 'field.fits', '--weights',
                 'tiny.safetensors']) == 2
    assert 'use --overwrite' in capsys.readouterr().err


def test_found_sources():
    blend, = make_blends(1, n_sources=12, shape=(200, 200), seed=5,
                         settings=BlendSettings(shift='field'))
    result = SourceDeblender().deblend(blend.image)
    probability = np.asarray(result.sources['probability'])
    assert np.all(np.diff(probability) <= 0)
    assert np.all((probability > 0) & (probability < 1))
    few = SourceDeblender(threshold=0.9).deblend(blend.image).sources
    assert_array_equal(few['x_center'],
                       result.sources['x_center'][probability >= 0.9])
    assert repr(result) == (f'<DeblendingResult: {len(probability)} sources, '
                            '200 x 200 pixels>')


def test_what_may_be_a_source_keeps_its_light():
    blend, = make_blends(1, n_sources=2, seed=8, settings=BlendSettings(
        snr=(90.0, 90.0), stars=1.0, difference=0.8, separation=(5.0, 7.0)))
    both = SourceDeblender().deblend(blend.image)
    table = both.sources
    first, second = table['probability']
    one = SourceDeblender(threshold=(first + second) / 2).deblend(blend.image)
    assert len(one.sources) == 1
    # the threshold decides on what is in the table alone
    for name in ('flux', 'flux_err', 'r90', 'flags'):
        assert one.sources[name][0] == table[name][0]
    # its light is that of no source
    assert_allclose(one.unassigned.data - both.unassigned.data,
                    both.model(2), atol=1e-4)
    assert set(np.unique(one.segmentation.data)) == {0, 1}
    # of positions that are given there are no others
    given = SourceDeblender().deblend(blend.image, [
        [table['x_center'][0], table['y_center'][0]]]).sources
    assert given['flux'][0] != table['flux'][0]


def test_errors_cover_what_is_doubtful():
    class Equal:
        def measure(self, data, places):
            n = len(places)
            return QTable({'flux': np.full(n, 12 / n) * u.Jy,
                           'flux_err': np.ones(n) * u.Jy})

    x = np.arange(3.0)
    flux, error = measure_doubts(Equal(), None, x, x, 2)
    assert_allclose(flux, 4)
    # 4 or 6
    assert_allclose(error, [np.sqrt(2), np.sqrt(2), 1])
    for n_sure in (0, 3):
        assert_allclose(measure_doubts(Equal(), None, x, x, n_sure)[1], 1)


def test_positions_that_are_not_on_the_image(tiny):
    image, _ = make_field(n_sources=2)
    with pytest.warns(AstropyUserWarning, match='^positions: none of the 2'):
        table = tiny.deblend(image, [[-40.0, 3], [500, 7]]).sources
    assert_array_equal(table['flags'] & FLAG['outside'], FLAG['outside'])


def test_fluxes_of_parts():
    blend, = make_blends(1, n_sources=3, shape=(128, 128), seed=5,
                         settings=BlendSettings(stars=1.0, difference=0.5))
    places = np.column_stack([blend.x, blend.y])
    tables = [SourceDeblender(fluxes=how).deblend(blend.image, places).sources
              for how in ('photometer', 'parts')]
    assert_allclose(tables[0]['flux'], BlendPhotometer().measure(
        blend.image, places)['flux'])
    assert_allclose(tables[1]['flux'], tables[0]['flux'], rtol=0.3)
    assert np.all(tables[0]['flux'] != tables[1]['flux'])


def test_only_others_blend():
    blend, = make_blends(1, n_sources=2, shape=(128, 128), seed=3,
                         settings=BlendSettings(
                             snr=(60.0, 60.0), stars=0.0, difference=0.3,
                             separation=(0.8, 1.2)))
    places = np.column_stack([blend.x, blend.y])
    both = SourceDeblender().deblend(blend.image, places).sources['flags']
    assert np.all(both & FLAG['blended'])
    # a faint source alone, in noise
    alone = blend.image - blend.sources[1]
    for table in (SourceDeblender().deblend(alone, places[:1]).sources,
                  BlendPhotometer().measure(alone, places[:1])):
        assert not table['flags'][0] & FLAG['blended']


@pytest.mark.slow
def test_shipped_weights_find_and_measure():
    evaluation = SourceDeblender().experiment(n_maps=4, size=192, seed=3)
    row = evaluation.summary[0]
    assert row['f1'] > 0.85
    assert row['mape'] < 0.1
    assert abs(row['bias']) < 0.08
    assert 0.6 < row['within_1'] < 0.9
    # the worst field
    assert min(evaluation.fields['f1']) > 0.7


@pytest.mark.slow
def test_shipped_weights_of_the_paper():
    # for comparison: they are honest, not good
    evaluation = SourceDeblender(network='pais', fluxes='parts').experiment(
        n_maps=4, size=192, seed=3)
    row = evaluation.summary[0]
    assert row['completeness'] > 0.3
    assert row['within_2'] > 0.6
