# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Accuracy of the networks against what people would use instead.

Sources are injected into simulated fields and real maps that no network
was trained on, with PSFs that no network was trained on (stamps of Vesta),
removed, and measured by every method. Prints a table
and saves all rows::

    python benchmarks/accuracy.py --data ../shared/data --output accuracy.ecsv

All are judged by the total flux. The package's own methods, its annulus
included, are taken as they come out of it (``flux``, ``flux_err``,
``annulus_flux``). The others measure light in an aperture, or fit the PSF:
they are told the PSF that was injected, and their sums are divided by its
encircled energy, which no user knows.

The methods besides the package's own need scikit-image and maskfill.
"""

import argparse
import time
import warnings
from pathlib import Path

import astropy.units as u
import competitors
import numpy as np
from accuracy_report import FLUX_RANGE, print_tables, report, save_figure
from astropy.table import Table, vstack
from development_data import (HELD_OUT, NOISE, as_ccd, draw_positions,
                              load_vesta, pixels_to_avoid)

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (list_background_kinds,
                                      load_background_maps, make_background)
from compact_removal.instruments import get_band
from compact_removal.maps import draw_discs, source_snr
from compact_removal.psf import make_psf_stamp

# They are injected as they are, and a little broadened and elongated.
VARIATIONS = ({}, {'broadening': 1.05}, {'elongation': 1.1})

# Side of simulated fields (pixels).
_FIELD_SIZE = 320

# Half size of the stamps (pixels).
HALF = 60


def load_psfs(folder, band):
    """
    The PSFs of a band that no training has seen.
    """
    return [load_vesta(folder, band, **variation)
            for variation in VARIATIONS]


def iterate_backgrounds(folder, band, n_fields, n_repeats):
    """
    Simulated fields, half as many noisy ones, and the real maps.

    Yields the background, pixels to avoid, seed, name, kind, and for
    simulated ones their settings.
    """
    kinds = list_background_kinds()
    fwhm = band.psf.fwhm / band.pixel_scale.to_value(u.arcsec)
    for i in range(n_fields + n_fields // 2):
        group = 'simulated' if i < n_fields else 'noisy'
        rng = np.random.default_rng(70_000 + i)
        kwargs = {'kind': kinds[i % len(kinds)],
                  'slope': rng.uniform(2.6, 3.6), 'fwhm': fwhm,
                  'noise': np.exp(rng.uniform(*np.log(NOISE[group])))}
        truth = make_background((_FIELD_SIZE,) * 2, seed=rng, **kwargs)
        yield truth, None, i, f'{kwargs["kind"]} {i}', group, kwargs
    folder = folder / 'backgrounds'
    maps = [entry for entry in load_background_maps(folder)
            if entry.name in HELD_OUT] if folder.is_dir() else []
    for i, entry in enumerate(maps):
        avoid = pixels_to_avoid(entry)
        for k in range(n_repeats):
            yield (entry.data.astype(float), avoid, 1000 * (k + 1) + i,
                   entry.name, 'real', None)


def make_scene(truth, avoid, band, psf, seed, *, n_sources=40,
               flux_range=FLUX_RANGE):
    """
    A map with sources: the scene, true fluxes and local deviations.
    """
    rng = np.random.default_rng(seed)
    x, y = draw_positions(truth.shape, n_sources, avoid, rng)
    _, _, sigma = source_snr(truth, x, y, source_radius=8,
                             annulus_radii=(0, 22))
    flux = sigma * np.exp(rng.uniform(*np.log(flux_range), x.size))
    angle = rng.uniform(0, 360) * u.deg
    kwargs = {'pixel_scale': band.pixel_scale, 'position_angle': angle,
              'shape': (2 * HALF + 1, 2 * HALF + 1)}
    image = truth.copy()
    for xi, yi, value in zip(x, y, flux, strict=True):
        x0, y0 = round(xi) - HALF, round(yi) - HALF
        stamp = make_psf_stamp(psf, center=(xi - x0, yi - y0), **kwargs)
        ny, nx = truth.shape
        rows = slice(max(0, y0), min(ny, y0 + 2 * HALF + 1))
        columns = slice(max(0, x0), min(nx, x0 + 2 * HALF + 1))
        image[rows, columns] += value * stamp[
            rows.start - y0:rows.stop - y0,
            columns.start - x0:columns.stop - x0]
    radius = float(band.default_aperture / band.pixel_scale)
    stamp = make_psf_stamp(psf, **kwargs)
    own = competitors.Scene(np.pad(stamp, 1), np.array([HALF + 1.0]),
                            np.array([HALF + 1.0]), None, radius, stamp, 1.0,
                            1.0)
    shift = rng.normal(0, 0.2, size=(2, x.size))
    scene = competitors.Scene(
        image, x + shift[0], y + shift[1], np.zeros(image.shape, dtype=bool),
        radius, stamp, float(own.aperture_flux(0.0)[0]),
        band.psf.fwhm / band.pixel_scale.to_value(u.arcsec))
    return scene, flux, sigma


def log_power(data):
    """
    Log of the azimuthally averaged power spectrum.
    """
    values = np.where(np.isfinite(data), data, np.nanmedian(data))
    values = values - values.mean()
    window = np.outer(np.hanning(values.shape[0]),
                      np.hanning(values.shape[1]))
    power = np.abs(np.fft.fft2(values * window)) ** 2
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in values.shape),
                              indexing='ij'))
    edges = np.geomspace(3 / min(values.shape), 0.5, 13)
    bins = np.digitize(k, edges)
    return np.log([power[bins == i].mean() for i in range(1, len(edges))])


def run_methods(scene, truth, flux, sigma, band, removers, others):
    """
    One row per source and method.
    """
    ccd = as_ccd(scene.image, band)
    positions = ccd.wcs.pixel_to_world(scene.x, scene.y)
    known = np.isfinite(truth)
    tables = []

    def add(method, measured, background, seconds, error=None, pulls=None):
        rows = Table({'sigma': sigma, 'level': flux / sigma,
                      'true_flux': flux, 'error': measured - flux})
        rows['method'] = method
        rows['seconds'] = seconds / len(flux)
        rows['flux_err'] = np.nan if error is None else error
        rows['hole'], rows['pulls'], rows['power'] = np.nan, np.nan, np.nan
        rows['pulls2'] = np.nan
        if background is not None:
            difference = np.where(known & scene.holes, background - truth, 0)
            for i, (x, y) in enumerate(zip(scene.x, scene.y, strict=True)):
                radius = np.hypot(*np.ogrid[-y:truth.shape[0] - y - 0.5,
                                            -x:truth.shape[1] - x - 0.5])
                own = (radius < radii[i]) & known
                rows['hole'][i] = np.sqrt(np.mean(difference[own] ** 2))
                if pulls is not None:
                    ratio = np.abs(difference[own] / pulls[own])
                    rows['pulls'][i] = np.mean(ratio < 1)
                    rows['pulls2'][i] = np.mean(ratio < 1.96)
            worst = log_power(background) - log_power(truth)
            rows['power'] = np.abs(worst).max()
        tables.append(rows)

    for name, remover in removers.items():
        start = time.perf_counter()
        background, sources = remover.remove(ccd, positions)
        seconds = time.perf_counter() - start
        radii = np.asarray(sources['mask_radius'])
        scene.holes = draw_discs(truth.shape, scene.x, scene.y, radii) > 0
        add(name, sources['flux'].value,
            np.where(np.isfinite(truth), background.data, np.nan), seconds,
            sources['flux_err'].value, background.uncertainty.array)
    add('annulus', sources['annulus_flux'].value, None, 0.0,
        sources['annulus_flux_err'].value)
    for name in others:
        start = time.perf_counter()
        measured, background = competitors.run(name, scene)
        add(name, measured / scene.fraction, background,
            time.perf_counter() - start)
    add('none', scene.aperture_flux(0.0) / scene.fraction, scene.image, 0.0)
    return vstack(tables)


def gaussian_bound(truth_kwargs, scene):
    """
    Cramer-Rao bound of the flux in a field of known spectrum.
    """
    size = _FIELD_SIZE
    # against leakage into high frequencies, where structure has no power
    window = np.outer(np.hanning(size), np.hanning(size))
    power = 0.0
    for seed in range(40):
        field = make_background((size, size),
                                **{**truth_kwargs, 'seed': seed})
        power = power + np.abs(np.fft.fft2(window * field)) ** 2
    # the same in all four quadrants
    power = (power + np.roll(power[::-1], 1, axis=0)) / 2
    covariance = np.fft.ifft2(power / 40).real / np.sum(window ** 2)
    return competitors.cramer_rao(scene.stamp, 22, covariance)


def make_parser(description):
    """
    A parser with the options that tell the scenes.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--data', type=Path, default='../shared/data')
    parser.add_argument('--mode', default='scanmap')
    parser.add_argument('--band', default='blue')
    parser.add_argument('--n-fields', type=int, default=16,
                        help='number of simulated fields; half as many '
                             'more are dominated by noise')
    parser.add_argument('--n-repeats', type=int, default=2,
                        help='sets of sources in each real map')
    return parser


def main():
    """
    Run it for one mode and band.
    """
    parser = make_parser(__doc__)
    parser.add_argument('--weights', default='default',
                        help='of the separation network')
    parser.add_argument('--networks-only', action='store_true')
    parser.add_argument('--maps', action='store_true',
                        help='show each real map, too')
    parser.add_argument('--output', type=Path, help='table of all rows')
    parser.add_argument('--figure', type=Path)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    band = get_band(args.mode, args.band)
    removers = {
        'separation': CompactSourceRemover(
            args.mode, args.band, network='separation',
            weights=args.weights),
        **{network: CompactSourceRemover(args.mode, args.band,
                                         network=network)
           for network in ('inpainting', 'paper')}}
    others = () if args.networks_only else competitors.COMPETITORS
    psfs = load_psfs(args.data, args.band)
    tables = []
    for truth, avoid, seed, name, kind, settings in iterate_backgrounds(
            args.data, band, args.n_fields, args.n_repeats):
        scene, flux, sigma = make_scene(truth, avoid, band,
                                        psfs[seed % len(psfs)], seed)
        rows = run_methods(scene, truth, flux, sigma, band, removers, others)
        rows['map'], rows['kind'] = name, kind
        rows['bound'] = np.nan
        if settings is not None and settings['kind'] == 'cirrus':
            rows['bound'] = gaussian_bound(settings, scene)
        tables.append(rows)
    rows = vstack(tables)
    if args.output:
        rows.write(args.output, overwrite=True)
    if args.figure:
        save_figure(rows, args.figure)
    print_tables(rows, f'{args.mode} {args.band}')
    if args.maps:
        for name in dict.fromkeys(rows['map'][rows['kind'] == 'real']):
            report(name, rows[rows['map'] == name])


if __name__ == '__main__':
    main()
