# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The paper's experiment
======================

Repeats Section 5 of the paper with what can be had: simulated fields
stand in for its test fields (Figs. 11 to 13, Table 6), sources are also
injected into real maps, and gamma Draconis is measured in PACS maps
(Table 5). The figures and tables of the page "Paper and package" come
from::

    python docs/examples/paper_experiment.py ../shared/data docs

It takes about half an hour on two cores. ``--only`` repeats a part.
"""

import argparse
from pathlib import Path

import astropy.units as u
import matplotlib as mpl
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS
from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (load_background_maps, make_test_fields,
                                      read_pacs_map)
from compact_removal.evaluation import evaluate_remover
from compact_removal.instruments import get_band, list_bands
from compact_removal.plotting import (plot_flux_ratios, plot_pixel_pdf,
                                      plot_power_spectra)
from compact_removal.psf import StampPSF

mpl.use('agg')

N_SOURCES = 50
N_LEVELS = 10
SEED = 2024

# Stamps of Vesta, which no network was trained on: file, pixel size
# (arcsec), share of the flux.
VESTA = {'blue': ('herschel-pacs70-vesta.fits', 1.2, 0.92),
         'green': ('herschel-pacs100-vesta.fits', 1.2, 0.92),
         'red': ('herschel-pacs160-vesta.fits', 2.4, 0.9)}

# Real maps kept out of the training, and the standard deviation they get.
REAL = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
        'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
        'NGC5705field_SPIRE250_6as.fits.gz')
REAL_SPREAD = 10 * u.mJy / u.pix

GAMMA_DRA = SkyCoord([269.15154], [51.48889], unit='deg')
REFERENCE = {'blue': 3283.0, 'green': 1604.0, 'red': 621.0}  # mJy, Table 5
PAPER = {'blue': 1.000, 'green': 1.002, 'red': 1.004}
RADII = np.array([5, 6, 7, 8, 10, 12, 14, 18.0]) * u.arcsec


def load_psf(folder, band):
    """
    The PSF of Vesta in a band.
    """
    name, scale, fraction = VESTA[band]
    data = fits.getdata(folder / 'psf' / name).astype(float)
    return StampPSF(np.nan_to_num(np.squeeze(data)), scale * u.arcsec,
                    fraction=fraction)


def load_real(folder, band):
    """
    Real maps on the pixels of a band, and their compact sources.
    """
    maps, catalogs = {}, {}
    fwhm = band.psf.fwhm / band.pixel_scale.to_value(u.arcsec)
    for entry in load_background_maps(folder / 'backgrounds', fwhm=fwhm):
        if entry.name not in REAL:
            continue
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
        wcs.wcs.crval = 83.8, -5.4
        wcs.wcs.crpix = 1, 1
        scale = band.pixel_scale.to_value(u.deg)
        wcs.wcs.cdelt = -scale, scale
        data = entry.data.astype(float)
        level = REAL_SPREAD.to_value(u.Jy / u.pix)
        name = entry.name.split('_')[0] + ' ' + entry.name.split('_')[1]
        maps[name] = CCDData(level * data, unit='Jy/pix', wcs=wcs,
                             mask=~np.isfinite(data))
        catalogs[name] = wcs.pixel_to_world(*entry.positions.T)
    return maps, catalogs


def run_bands(data, cache):
    """
    Evaluate all modes and bands; tables of sources are kept in a folder.
    """
    found = {}
    for i, row in enumerate(list_bands()):
        mode, name, seed = row['mode'], row['band'], SEED + i
        band = get_band(mode, name)
        fields = make_test_fields(mode, name, seed=seed)
        maps, catalogs = load_real(data, band)
        for kind, backgrounds, known, network in (
                ('stand-ins', fields, None, 'separation'),
                ('stand-ins', fields, None, 'inpainting'),
                ('real maps', maps, catalogs, 'separation')):
            remover = CompactSourceRemover(mode, name, network=network)
            evaluation = evaluate_remover(
                remover, backgrounds, catalogs=known, n_sources=N_SOURCES,
                flux_levels=N_LEVELS, psf=load_psf(data, name), seed=seed)
            key = (mode, name, kind, network)
            print(*key, flush=True)
            evaluation.summary.pprint(max_lines=-1, max_width=-1)
            evaluation.sources.write(
                cache / ('_'.join(key).replace(' ', '-') + '.ecsv'),
                overwrite=True)
            found[key] = evaluation
    return found


def draw_ratios(found, kind, mode, path):
    """
    Box plots as Figs. 11 and 12 of the paper: three bands of a mode.
    """
    bands = ('blue', 'green', 'red')
    figure, axes = plt.subplots(3, 1, figsize=(10, 11), layout='constrained')
    for ax, band in zip(axes, bands, strict=True):
        sources = found[mode, band, kind, 'separation'].sources
        plot_flux_ratios(sources['injected_flux'],
                         {'network': sources['flux_ratio'],
                          'annulus': sources['annulus_flux_ratio']}, axes=ax)
        wavelength = get_band(mode, band).wavelength
        ax.set_title(f'{mode}, {band} ({wavelength:g}), {kind}')
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_maps(found, path):
    """
    Spectra and pixel PDFs as Fig. 13: one field of each band.
    """
    figure, axes = plt.subplots(3, 3, figsize=(13, 11), layout='constrained')
    for row, band in zip(axes, ('blue', 'green', 'red'), strict=True):
        maps = found['scanmap', band, 'stand-ins', 'separation'].maps
        name = list(maps)[2]
        plot_power_spectra(maps[name].power_spectra, axes=row[:2])
        plot_pixel_pdf(maps[name].pixel_comparison, axes=row[2])
        row[0].set_title(f'{band}, {name}')
    figure.savefig(path, dpi=80)
    plt.close(figure)


def print_ranges(found, file):
    """
    Median and interquartile range of the ratios by level, per band.
    """
    lines = [f'{"":28s} {"faintest third":>22s} {"middle third":>22s} '
             f'{"brightest third":>22s}',
             f'{"":28s}' + ' median    IQR  > 20 %' * 3]
    for (mode, band, kind, network), evaluation in found.items():
        sources = evaluation.sources
        for column in ('flux_ratio', 'annulus_flux_ratio'):
            annulus = column.startswith('annulus')
            if annulus and network == 'inpainting':
                continue
            title = 'annulus' if annulus else network
            cells = []
            rank = np.zeros(len(sources))
            for field in dict.fromkeys(sources['field']):
                mine = sources['field'] == field
                levels = np.unique(sources['injected_flux'][mine])
                rank[mine] = (np.searchsorted(
                    levels, sources['injected_flux'][mine])
                    * 3 // len(levels))
            for third in range(3):
                ratio = np.asarray(sources[column])[rank == third]
                ratio = ratio[np.isfinite(ratio)]
                low, middle, high = np.percentile(ratio, [25, 50, 75])
                wrong = 100 * np.mean(np.abs(ratio - 1) > 0.2)
                cells.append(f'{middle:7.3f}{high - low:7.3f}{wrong:7.1f} %')
            label = f'{mode} {band} {title}'
            lines.append(f'{kind[:9]:9s} {label:30s}'[:38].ljust(38)
                         + ''.join(cells))
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def print_statistics(found, file):
    """
    Statistics of the pixels in the holes, as Table 6.
    """
    lines = [f'{"band":14s} {"field":24s} {"map":10s}'
             + ''.join(f'{name:>10s}' for name in (
                 'mean', 'std', 'median', 'MAD', 'skewness', 'IQR'))]
    for (mode, band, kind, network), evaluation in found.items():
        if (kind, network) != ('stand-ins', 'separation'):
            continue
        for row in evaluation.pixel_statistics:
            numbers = [getattr(row[name], 'value', row[name])
                       * (1 if name == 'skewness' else 1e3)
                       for name in ('mean', 'std', 'median', 'mad',
                                    'skewness', 'iqr')]
            lines.append(f'{mode[:8]:8s} {band:5s} {row["field"]:24s} '
                         f'{row["map"]:10s}'
                         + ''.join(f'{float(x):10.3f}' for x in numbers))
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def print_summary(found, file):
    """
    What removal does to maps: numbers over the fields of each band.
    """
    names = {'hole_error': 'hole err', 'power_change': 'power',
             'delta_variance_change': 'delta-var', 'ks_distance': 'KS',
             'completeness': 'complete', 'reliability': 'reliable'}
    lines = [f'{"":36s}' + ''.join(f'{name:>11s}'
                                   for name in names.values())]
    for (mode, band, kind, network), evaluation in found.items():
        table = evaluation.summary
        label = f'{kind} {mode} {band} {network}'
        lines.append(f'{label:42s}'[:42] + ''.join(
            f'{np.nanmedian(np.asarray(table[name], dtype=float)):11.3f}'
            for name in names))
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def measure_gamma_dra(folder):
    """
    The rows of gamma Dra of Table 5, for all maps and apertures.
    """
    rows = []
    for path in sorted(folder.glob('hpacs*')):
        ccd = read_pacs_map(path)
        band = ccd.meta['PACSBAND']
        default = get_band('scanmap', band).default_aperture
        radii = u.Quantity([default, *RADII[RADII != default]])
        if band == 'red':
            radii = radii[radii >= 7 * u.arcsec]
        for network in ('separation', 'inpainting'):
            remover = CompactSourceRemover('scanmap', band, network=network,
                                           apertures=radii)
            _, sources = remover.remove(ccd, GAMMA_DRA)
            row = sources[0]
            for i, radius in enumerate(radii):
                suffix = f'_{i}' if i else ''
                rows.append({
                    'map': path.name.split('_')[1][2:],
                    'obsid': ccd.meta['OBSID001'], 'band': band,
                    'network': network, 'radius': radius.value,
                    'flux': row[f'flux{suffix}'].to_value(u.mJy),
                    'error': row[f'flux_err{suffix}'].to_value(u.mJy),
                    'annulus': (row['annulus_flux'].to_value(u.mJy)
                                if i == 0 else np.nan)})
    return QTable(rows)


def report_gamma_dra(table, page, picture):
    """
    Table and figure: the default aperture, 12 arcsec, and all of them.
    """
    lines = [f'{"map":10s} {"obsid":11s} {"band":6s} {"ref.":>6s} '
             f'{"paper":>6s}  {"default aperture":>20s} {"annulus":>8s}  '
             f'{"12 arcsec":>10s}']
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True,
                                layout='constrained')
    for ax, band in zip(axes, REFERENCE, strict=True):
        reference = REFERENCE[band]
        mine = table[(table['band'] == band)
                     & (table['network'] == 'separation')]
        for key in dict.fromkeys(zip(mine['map'], mine['obsid'],
                                     strict=True)):
            rows = mine[(mine['map'] == key[0]) & (mine['obsid'] == key[1])]
            first = rows[0]
            large = rows[rows['radius'] == 12][0]
            lines.append(
                f'{key[0]:10s} {key[1]:<11d} {band:6s} {reference:6.0f} '
                f'{PAPER[band]:6.3f}  {first["flux"]:7.1f} +-'
                f'{first["error"]:5.1f} {first["flux"] / reference:5.3f} '
                f'{first["annulus"] / reference:8.3f}  '
                f'{large["flux"] / reference:10.3f}')
            order = np.argsort(rows['radius'])
            style = '-o' if 'JS' in key[0] else '--s'
            ax.plot(rows['radius'][order], rows['flux'][order] / reference,
                    style, markersize=4, label=f'{key[0]} {key[1]}')
        ax.axhline(1, color='0.5', linewidth=0.8)
        ax.axhspan(0.98, 1.02, color='0.9', zorder=0)
        ax.set_title(f'{get_band("scanmap", band).wavelength:g}')
        ax.set_xlabel('aperture radius (arcsec)')
        ax.legend(fontsize='small')
    axes[0].set_ylabel('measured / reference flux')
    figure.savefig(picture, dpi=80)
    plt.close(figure)
    page.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def main():
    """
    Run all, and write figures and tables.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path)
    parser.add_argument('docs', type=Path)
    parser.add_argument('--cache', type=Path, default='paper_experiment')
    parser.add_argument('--only', choices=('stars', 'fields'))
    args = parser.parse_args()
    static, guide = args.docs / '_static', args.docs / 'user_guide'
    if args.only != 'fields':
        table = measure_gamma_dra(args.data / 'pacs')
        report_gamma_dra(table, guide / 'paper_stars.txt',
                         static / 'paper_stars.png')
        print((guide / 'paper_stars.txt').read_text())
    if args.only == 'stars':
        return
    args.cache.mkdir(exist_ok=True)
    found = run_bands(args.data, args.cache)
    for mode in ('scanmap', 'parallel'):
        for kind in ('stand-ins', 'real maps'):
            name = f'paper_{mode}_{kind.split()[0]}.png'
            draw_ratios(found, kind, mode, static / name)
    draw_maps(found, static / 'paper_spectra.png')
    print_ranges(found, guide / 'paper_fluxes.txt')
    print_summary(found, guide / 'paper_maps.txt')
    print_statistics(found, guide / 'paper_pixels.txt')


if __name__ == '__main__':
    main()
