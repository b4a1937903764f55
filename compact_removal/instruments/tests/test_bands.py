# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the tables of facts and their look-up.
"""

from dataclasses import FrozenInstanceError, replace

import astropy.units as u
import numpy as np
import pytest

from compact_removal.instruments import (ObservingMode, get_band, get_mode,
                                         list_bands)

KEYS = [(mode, band) for mode in ('scanmap', 'parallel')
        for band in ('blue', 'green', 'red')]


@pytest.mark.parametrize(('mode', 'name'), KEYS)
def test_facts_of_every_band(mode, name):
    band = get_band(mode, name)
    assert (band.mode, band.name) == (mode, name)
    assert np.all(np.diff(band.snr_thresholds) < 0)
    assert np.all(np.diff(band.mask_radii) < 0)
    assert len(band.mask_radii) == 6
    values = np.array(band.eef_values)
    assert np.all(np.diff(values) > 0)
    assert np.all((values > 0) & (values <= 1))
    assert np.all(np.diff(band.eef_radii) > 0)
    assert band.source_radius < band.annulus_radii[0]
    assert 0 < band.psf.wing_fraction < 1
    assert band.psf.elongation >= 1
    assert band.psf.reference
    # The default aperture fits in the smallest hole.
    smallest = band.mask_radii[-1] * band.pixel_scale
    assert band.default_aperture <= smallest


def test_list_bands_has_every_pair():
    table = list_bands()
    assert list(zip(table['mode'], table['band'], strict=True)) == KEYS
    assert table['wavelength'].unit == u.um


def test_numbers_of_the_paper():
    # Table 3 of the paper.
    green = get_band('scanmap', 'green')
    assert green.mask_radii == (13, 11, 10, 8, 6, 5)
    assert green.snr_thresholds == (300, 140, 13, 8, 4)
    blue = get_band('parallel', 'blue')
    assert blue.mask_radii == (9, 8, 7, 6, 5, 4)
    assert blue.snr_thresholds == (855, 590, 300, 20, 13)
    assert (get_band('parallel', 'red').mask_radii
            == get_band('scanmap', 'red').mask_radii == (10, 9, 8, 7, 6, 4))
    # Sect. 2.4.4: circle and annulus.
    assert (blue.source_radius, blue.annulus_radii) == (4, (8, 18))
    assert (green.source_radius, green.annulus_radii) == (8, (10, 22))


@pytest.mark.parametrize(('name', 'radius', 'expected'), [
    ('blue', 4, 0.51038149), ('blue', 18, 0.85323257),
    ('green', 7, 0.64758221), ('red', 15, 0.73264778),
    ('red', 22, 0.82099944)])
def test_encircled_energy_at_tabulated_radii(name, radius, expected):
    band = get_band('scanmap', name)
    value = band.encircled_energy(radius * u.arcsec)
    assert value == pytest.approx(expected, abs=1e-9)


def test_encircled_energy_between_radii():
    band = get_band('scanmap', 'red')
    radii = np.linspace(0.5, 22, 80) * u.arcsec
    values = band.encircled_energy(radii)
    assert np.all(np.diff(values) > 0)
    # The repeated values at 16 and 17 arcsec are left out of the table.
    middle = band.encircled_energy([15, 16, 17, 18] * u.arcsec)
    assert np.all(np.diff(middle) > 0.005)
    with pytest.raises(ValueError, match=r'radius must lie in \(0, 22\]'):
        band.encircled_energy(23 * u.arcsec)
    with pytest.raises(ValueError, match='radius must lie'):
        band.encircled_energy(0 * u.arcsec)


def test_lookup():
    blue = get_band('scanmap', 'blue')
    assert get_band('scanmap', 70 * u.um) is blue
    assert get_band('scanmap', 0.07 * u.mm) is blue
    assert get_band(get_mode('scanmap'), 'blue') is blue
    other = replace(blue, name='other')
    assert get_band('anything', other) is other
    mode = ObservingMode('mine')
    assert get_mode(mode) is mode
    with pytest.raises(ValueError, match='Band objects only'):
        get_band(mode, 'blue')


@pytest.mark.parametrize(('args', 'error', 'match'), [
    (('scan', 'blue'), ValueError,
     "mode must be one of 'scanmap', 'parallel', got 'scan'"),
    ((3, 'blue'), TypeError, 'mode must be'),
    (('scanmap', 'violet'), ValueError,
     r"band must be one of 'blue' \(70 um\)"),
    (('scanmap', 250 * u.um), ValueError, 'band must be one of'),
    (('scanmap', 250 * u.Jy), ValueError, 'band must be a scalar wavelength'),
    (('scanmap', '70'), ValueError, "got '70', which has no unit"),
    (('scanmap', '70 Jy'), ValueError, "got '70 Jy'$"),
    (('scanmap', '250um'), ValueError, "for mode 'scanmap', got '250um'"),
    (('scanmap', 70), TypeError, 'band must be .* with its unit, or .* 70$'),
])
def test_lookup_errors(args, error, match):
    with pytest.raises(error, match=match):
        get_band(*args)


def test_band_without_encircled_energies():
    bare = replace(get_band('scanmap', 'blue'), eef_radii=(), eef_values=())
    with pytest.raises(ValueError, match="^eef_radii: band 'blue' has no"):
        bare.encircled_energy(6 * u.arcsec)


def test_band_is_checked_and_frozen():
    blue = get_band('scanmap', 'blue')
    with pytest.raises(FrozenInstanceError):
        blue.name = 'red'
    with pytest.raises(ValueError, match='mask_radii must have one entry'):
        replace(blue, mask_radii=(5.0,))
    with pytest.raises(ValueError, match='snr_thresholds must fall'):
        replace(blue, snr_thresholds=(4, 8, 13, 140, 300))
    with pytest.raises(ValueError, match='eef_values must rise'):
        replace(blue, eef_radii=(4, 5), eef_values=(0.5, 0.4))
    with pytest.raises(ValueError, match='eef_values must have the length'):
        replace(blue, eef_radii=(4, 5), eef_values=(0.5,))
    with pytest.raises(ValueError, match='pixel_scale must be an astropy'):
        replace(blue, pixel_scale=1.6)


def test_names_in_any_case():
    assert get_mode('ScanMap') is get_mode('scanmap')
    assert get_band('PARALLEL', 'Blue') is get_band('parallel', 'blue')
