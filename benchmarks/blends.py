# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes of blended pairs, beside photutils' PSF photometry of groups.

Pairs of sources at separations from 0.7 to 4 full widths of the beam,
on structured backgrounds and with a PSF (Vesta) that no network was
trained on; prints the biases of single fluxes and of the sums, as they
come out of the package, while photutils is told the PSF::

    python benchmarks/blends.py --data ../shared/data
"""

import argparse
import time
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from accuracy_report import robust
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from development_data import load_vesta
from photutils.background import LocalBackground, MedianBackground
from photutils.psf import ImagePSF, PSFPhotometry, SourceGrouper

from compact_removal import CompactSourceRemover
from compact_removal.datasets import inject_sources, make_test_fields
from compact_removal.instruments import get_band
from compact_removal.maps import source_snr
from compact_removal.psf import as_psf, make_psf_stamp

SEPARATIONS = (0.7, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)

# Fluxes of the first source over the standard deviation of the
# background, and of the second over the first.
LEVELS = (50.0, 300.0, 2000.0)
RATIOS = (1.0, 0.3)

# Distance of pairs on their grid (pixels).
STEP = 56


def make_pairs(ccd, band, psf, separation, flux, ratio, rng):
    """
    The map with pairs on a grid, and true positions and fluxes.
    """
    fwhm = float(as_psf(band).fwhm / band.pixel_scale.to_value(u.arcsec))
    axes = [np.arange(STEP, n - STEP / 2, STEP) for n in ccd.shape]
    y, x = (grid.ravel() for grid in np.meshgrid(*axes, indexing='ij'))
    x, y = (value + rng.uniform(-3, 3, value.size) for value in (x, y))
    angle = rng.uniform(0, 2 * np.pi, x.size)
    half = separation * fwhm / 2 * np.array([np.cos(angle), np.sin(angle)])
    x = np.concatenate([x - half[0], x + half[0]])
    y = np.concatenate([y - half[1], y + half[1]])
    fluxes = np.repeat([flux, ratio * flux], angle.size)
    catalog = QTable({
        'x_center': x, 'y_center': y, 'flux': fluxes * u.Jy,
        'sky_center': SkyCoord(ccd.wcs.pixel_to_world(x, y)),
        'position_angle': np.zeros(x.size) * u.deg})
    return inject_sources(ccd, catalog, psf, seed=rng), catalog


def measure_psf(image, catalog, band, psf):
    """
    Fluxes by PSF photometry of groups with the true PSF.
    """
    stamp = make_psf_stamp(psf, shape=(61, 61),
                           pixel_scale=band.pixel_scale)
    x, y = catalog['x_center'], catalog['y_center']
    fwhm = float(as_psf(band).fwhm / band.pixel_scale.to_value(u.arcsec))
    photometry = PSFPhotometry(
        ImagePSF(stamp), (5, 5), aperture_radius=4,
        grouper=SourceGrouper(1.5 * fwhm),
        local_bkg_estimator=LocalBackground(16, 22, MedianBackground()))
    found = photometry(np.asarray(image.data),
                       init_params=Table({'x_init': x, 'y_init': y}))
    return np.asarray(found['flux_fit'])


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--n-fields', type=int, default=4)
    parser.add_argument('--separations', type=float, nargs='+',
                        default=SEPARATIONS)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    band = get_band('scanmap', 'blue')
    psf = load_vesta(args.data, 'blue')
    fields = make_test_fields('scanmap', 'blue', n_fields=args.n_fields,
                              shape=(480, 480), seed=5)
    remover = CompactSourceRemover('scanmap', 'blue')
    rng = np.random.default_rng(6)
    rows = []
    seconds = [0.0, 0.0]
    # what sources of this PSF give that stand alone
    scales = {level: isolated(remover, fields, band, psf, level, rng)
              for level in LEVELS}
    for separation in args.separations:
        for level in LEVELS:
            for ratio in RATIOS:
                found, fitted, pulls = [], [], []
                for ccd in fields.values():
                    image, catalog = make_pairs(
                        ccd, band, psf, separation,
                        level * local_spread(ccd.data), ratio, rng)
                    start = time.perf_counter()
                    table = remover.remove(image,
                                           catalog['sky_center']).sources
                    middle = time.perf_counter()
                    peer = measure_psf(image, catalog, band, psf)
                    seconds[0] += middle - start
                    seconds[1] += time.perf_counter() - middle
                    truth = catalog['flux'].value
                    flux = table['flux'].value
                    found.append((flux / truth).reshape(2, -1))
                    fitted.append((peer / truth).reshape(2, -1))
                    pulls.append(((flux - truth) / table['flux_err'].value)
                                 .reshape(2, -1))
                found, fitted, pulls = (np.concatenate(value, axis=1)
                                        for value in (found, fitted, pulls))
                weights = np.array([[1.0], [ratio]]) / (1 + ratio)
                total, peer_total = ((value * weights).sum(axis=0)
                                     for value in (found, fitted))
                rows.append((
                    separation, level, ratio, np.median(found[0]),
                    np.median(found[1]), np.median(total), robust(found[0]),
                    np.mean(np.abs(pulls) < 1), np.median(fitted[0]),
                    np.median(peer_total), robust(fitted[0])))
    print_rows(rows)
    print('sources that stand alone give\n  '
          + ', '.join(f'{scale:.3f} ({level:g})'
                      for level, scale in scales.items()))
    print('time over that of PSFPhotometry with groups: '
          f'{seconds[0] / seconds[1]:.2f}')


def print_rows(rows):
    """
    Print the table.
    """
    print(' ' * 48 + 'PSFPhotometry')
    print(' sep level ratio first  sec.   sum scatter in 1  first   sum '
          'scatter')
    for row in rows:
        print('{:4.2f}{:6.0f}{:6.1f}{:6.3f}{:6.3f}{:6.3f}{:8.3f}{:5.2f}'
              '{:7.3f}{:6.3f}{:8.3f}'.format(*row))


def local_spread(data):
    """
    Standard deviation of the background around a pixel, typically.
    """
    y, x = (value.ravel() for value in np.mgrid[30:450:40, 30:450:40])
    _, _, spread = source_snr(data, x, y, source_radius=8,
                              annulus_radii=(0, 22))
    return np.median(spread)


def isolated(remover, fields, band, psf, level, rng):
    """
    Median of measured over true flux of sources that stand alone.
    """
    found = []
    for ccd in fields.values():
        image, catalog = make_pairs(ccd, band, psf, 8.0,
                                    level * local_spread(ccd.data), 1.0, rng)
        table = remover.remove(image, catalog['sky_center']).sources
        found.append(table['flux'].value / catalog['flux'].value)
    return np.median(np.concatenate(found))


if __name__ == '__main__':
    main()
