# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Flux accuracy of a removal against annulus photometry, on fields that no
network was trained on.

Sources of 5 to 150 local standard deviations of the background are
injected into simulated fields (seeds of their own) and into real maps
that the training leaves out, removed, and measured::

    python benchmarks/inpainting_accuracy.py --data ../shared/data
"""

import argparse
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import Table, vstack
from astropy.wcs import WCS
from scipy.ndimage import binary_dilation

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (list_background_kinds,
                                      load_background_maps, make_background,
                                      make_source_positions)
from compact_removal.instruments import get_band
from compact_removal.masks import source_snr
from compact_removal.psf import make_psf_stamp

# Real maps kept out of the training; see docs/examples.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')


def as_ccd(data, band):
    """
    A map of surface brightness on a tangential WCS.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 83.8, -5.4
    wcs.wcs.crpix = (data.shape[1] + 1) / 2, (data.shape[0] + 1) / 2
    scale = band.pixel_scale.to_value(u.deg)
    wcs.wcs.cdelt = -scale, scale
    return CCDData(data, unit='Jy/pix', wcs=wcs, mask=~np.isfinite(data))


def experiment(truth, avoid, band, remover, seed, n_sources=40):
    """
    Inject, remove, measure: one row per source.
    """
    rng = np.random.default_rng(seed)
    while True:
        try:
            x, y = make_source_positions(
                truth.shape, n_sources, min_separation=36, mask=avoid,
                border=20, seed=rng)
            break
        except ValueError:
            n_sources = int(0.8 * n_sources)
    _, _, sigma = source_snr(truth, x, y, source_radius=8,
                             annulus_radii=(0, 22))
    flux = sigma * np.exp(rng.uniform(np.log(5), np.log(150), x.size))
    image = truth.copy()
    size = 81
    for xi, yi, value in zip(x, y, flux, strict=True):
        x0, y0 = int(xi) - size // 2, int(yi) - size // 2
        stamp = make_psf_stamp(
            band, shape=(size, size), center=(xi - x0, yi - y0),
            position_angle=rng.uniform(0, 360) * u.deg,
            broadening=rng.uniform(0.95, 1.05))
        ny, nx = truth.shape
        rows = slice(max(0, y0), min(ny, y0 + size))
        columns = slice(max(0, x0), min(nx, x0 + size))
        image[rows, columns] += value * stamp[
            rows.start - y0:rows.stop - y0,
            columns.start - x0:columns.stop - x0]
    ccd = as_ccd(image, band)
    shift = rng.normal(0, 0.2, size=(2, x.size))
    positions = ccd.wcs.pixel_to_world(x + shift[0], y + shift[1])
    background, sources = remover.remove(ccd, positions)
    hole = background.flags > 0
    error = (background.data - truth)[hole & np.isfinite(truth)]
    return Table({'flux': flux, 'sigma': sigma, 'snr': sources['snr'],
                  'network': sources['flux'].value - flux,
                  'network_err': sources['flux_err'].value,
                  'annulus': sources['annulus_flux'].value - flux,
                  'hole_rms': np.full(x.size, np.sqrt(np.mean(error ** 2)))})


def robust(values):
    """
    Half the 16-84 % range.
    """
    low, high = np.nanpercentile(values, [16, 84])
    return (high - low) / 2


def report(name, rows):
    """
    Print one line of the table.
    """
    network = rows['network'] / rows['sigma']
    annulus = rows['annulus'] / rows['sigma']
    scatter = robust(network)
    pulls = np.abs(rows['network'] / rows['network_err'])
    print(f'{name:34s} {len(rows):4d} {scatter:8.2f} {robust(annulus):8.2f} '
          f'{scatter / robust(annulus):6.2f} '
          f'{np.nanmedian(network) / scatter:7.2f} '
          f'{np.nanmedian(annulus) / robust(annulus):7.2f} '
          f'{np.mean(pulls < 1):6.2f} {np.mean(pulls < 1.96):6.2f}')


def main():
    """
    Run it for one mode and band.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', default='../shared/data')
    parser.add_argument('--mode', default='scanmap')
    parser.add_argument('--band', default='blue')
    parser.add_argument('--weights', default='default')
    parser.add_argument('--n-fields', type=int, default=24,
                        help='number of simulated fields')
    parser.add_argument('--n-repeats', type=int, default=3,
                        help='sets of sources in each real map')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    band = get_band(args.mode, args.band)
    remover = CompactSourceRemover(args.mode, args.band,
                                   weights=args.weights)
    fwhm = band.psf.fwhm / band.pixel_scale.to_value(u.arcsec)
    print(f'{"background":34s}    n  network  annulus  ratio '
          f'bias/sc ann.bias  <1err <1.96')
    simulated, real = [], []
    kinds = list_background_kinds()
    for i in range(args.n_fields):
        rng = np.random.default_rng(90_000 + i)
        truth = make_background(
            (300, 300), kind=kinds[i % len(kinds)],
            slope=rng.uniform(2.6, 3.6), fwhm=fwhm,
            noise=np.exp(rng.uniform(np.log(0.01), np.log(0.3))), seed=rng)
        rows = experiment(truth, None, band, remover, i)
        simulated.append(rows)
        report(f'simulated {kinds[i % len(kinds)]} {i}', rows)
    folder = Path(args.data) / 'backgrounds'
    maps = [entry for entry in load_background_maps(folder)
            if entry.name in HELD_OUT] if folder.is_dir() else []
    for i, entry in enumerate(maps):
        known = np.isfinite(entry.data)
        avoid = ~known
        columns, rows = entry.positions.astype(int).T
        avoid[rows, columns] = True
        avoid = binary_dilation(avoid, iterations=15)
        tables = [experiment(entry.data.astype(float), avoid, band, remover,
                             1000 * (k + 1) + i)
                  for k in range(args.n_repeats)]
        real.append(vstack(tables))
        report(entry.name, real[-1])
    for name, tables in (('all simulated', simulated), ('all real', real)):
        if tables:
            joined = vstack(tables)
            report(name, joined)
            for low, high in ((5, 30), (30, 150)):
                level = joined['flux'] / joined['sigma']
                report(f'{name}, {low}-{high} sigma',
                       joined[(level >= low) & (level < high)])


if __name__ == '__main__':
    main()
