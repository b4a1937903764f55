# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of regions: which of them mark sources.
"""

import astropy.units as u
import numpy as np
import pytest
import regions
from astropy.coordinates import SkyCoord

from compact_removal.maps import read_catalog, read_positions
from compact_removal.maps.columns import list_columns
from compact_removal.maps.source_regions import read_ds9
from compact_removal.tests.any_input import make_wcs
from compact_removal.utils.parameters import ParameterError

CENTER = SkyCoord(83.8, -5.4, unit='deg')
CIRCLE = 'circle(83.8,-5.4,5") # text={IRS 1; north}'

# Lines of DS9, and what the warning calls them.
OTHERS = {
    '-circle(83.9,-5.4,5")': 'excluded',
    'text(83.8,-5.4) # text={circle(1,2,3)}': 'text',
    '# text(83.8,-5.4) text={x}': 'text',
    'polygon(83.8,-5.4,83.81,-5.4,83.81,-5.39)': 'polygon',
    'line(83.8,-5.4,83.81,-5.4)': 'line',
    '# vector(83.8,-5.4,5",30)': 'vector',
    '# ruler(83.8,-5.4,83.9,-5.4)': 'ruler',
    '# compass(83.8,-5.4,15") compass=fk5 {N} {E} 1 1': 'compass',
    '# projection(83.8,-5.4,83.9,-5.4,5")': 'projection',
    'box(83.8,-5.4,5",6",0)': 'box',
    'annulus(83.8,-5.4,5",6")': 'annulus',
    'panda(83.8,-5.4,0,360,4,5",6",1)': 'panda',
    'circle(83.6,-5.4,5") # background': 'background',
    'circle(83.6,-5.4,5") # text={not "that"} background': 'background',
    'blob(1,2,3)': 'blob',
    'circle(83.8)': r"that cannot be read \('circle\(83.8\)'",
}


@pytest.mark.parametrize('line', list(OTHERS))
@pytest.mark.parametrize('form', ['{}\n{}', '{1}\n{0}\n'])
def test_others_are_left_out(tmp_path, line, form):
    path = tmp_path / 'a.reg'
    text = '# Region file format: DS9 version 4.1\nglobal color=green\nfk5\n'
    path.write_text(text + form.format(CIRCLE, line))
    with pytest.warns(UserWarning, match=f'^catalog: 1 regions are left out '
                                         rf'\(1 {OTHERS[line]}'):
        catalog = read_catalog(path)
    assert read_positions(catalog).separation(CENTER) < 0.1 * u.arcsec
    assert list(list_columns(catalog)['label']) == ['IRS 1; north']
    path.write_text(text + line)
    with pytest.raises(ParameterError, match='^catalog: .* must be regions '
                                             'that mark sources, got 1 '):
        read_catalog(path)


@pytest.mark.parametrize('text', [
    f'fk5;{CIRCLE}', f'fk5\n{CIRCLE}', f'j2000; +{CIRCLE}',
    'fk5\npoint(83.8,-5.4) # point=cross text={IRS 1; north}',
    'fk5\nellipse(5:35:12,-5:24:00,3",5",0) # text={IRS 1; north}\n\n# end',
    "icrs\ncircle 83.8 -5.4 5\" # text='IRS 1; north'"])
def test_ways_to_write_a_source(text):
    (region,) = read_ds9(text)
    assert region.meta['text'] == 'IRS 1; north'
    assert CENTER.separation(region.center) < 0.1 * u.arcsec


def test_members_of_a_composite():
    text = ('fk5\n# composite(83.8,-5.4,0) || composite=1\n'
            'circle(83.6,-5.3,5") ||\ncircle(83.5,-5.3,5")\n' + CIRCLE)
    with pytest.warns(UserWarning, match='1 composite, 2 circle of a comp'):
        assert len(read_ds9(text)) == 1


def test_objects():
    polygon = regions.PolygonSkyRegion(SkyCoord([1, 2, 1], [1, 2, 2],
                                                unit='deg'))
    excluded = regions.CircleSkyRegion(CENTER, 5 * u.arcsec,
                                       meta={'include': False})
    point = regions.PointSkyRegion(CENTER, meta={'text': 'a'})
    given = [polygon, excluded, point]
    with pytest.warns(UserWarning, match=r'^positions: 2 regions are left '
                                         r'out \(1 polygon, 1 excluded\)'):
        assert len(read_positions(given)) == 1
    assert list(list_columns(given)['label']) == ['a']
    with pytest.raises(ParameterError, match='^positions must be regions'):
        read_positions([polygon])


def test_regions_of_the_image():
    wcs = make_wcs((50, 60))
    (region,) = read_ds9('image\ncircle(11,13,3)')
    found = read_positions([region, wcs.pixel_to_world(3, 4)], wcs=wcs)
    assert np.array(wcs.world_to_pixel(found)).ravel() == pytest.approx(
        [10, 3, 12, 4], abs=1e-6)
