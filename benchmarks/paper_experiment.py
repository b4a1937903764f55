# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment of Section 5 of the paper.

Repeats it with what can be had: simulated fields stand in for its test
fields (Figs. 11 to 13, Table 6), sources are also injected into real
maps, and gamma Draconis is measured in PACS maps (Table 5). The figures
and tables of the page "Paper and package" come from::

    python benchmarks/paper_experiment.py ../shared/data docs

It takes about twenty minutes on two cores. ``--only`` repeats a part.
"""

import argparse
from pathlib import Path

import astropy.units as u
import matplotlib as mpl
import numpy as np
from astropy.convolution import Gaussian2DKernel, convolve
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from development_data import HELD_OUT, as_ccd, load_vesta
from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (load_background_maps, make_test_fields,
                                      read_pacs_map)
from compact_removal.instruments import get_band, list_bands
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.images import read_image
from compact_removal.photometry import annulus_mean, aperture_sums
from compact_removal.plotting import (plot_flux_ratios, plot_pixel_pdf,
                                      plot_power_spectra)
from compact_removal.removal import evaluate_remover

mpl.use('agg')

HERE = Path(__file__).parent

N_SOURCES = 50
N_LEVELS = 10
SEED = 2024

# Standard deviation that the real maps get.
REAL_SPREAD = 10 * u.mJy / u.pix

NAMES = ('mean', 'std', 'median', 'mad', 'skewness', 'iqr')

GAMMA_DRA = SkyCoord([269.15154], [51.48889], unit='deg')
REFERENCE = {'blue': 3283.0, 'green': 1604.0, 'red': 621.0}  # mJy, Table 5
PAPER = {'blue': 1.000, 'green': 1.002, 'red': 1.004}
RADII = np.array([5, 6, 7, 8, 10, 12, 14, 18.0]) * u.arcsec


class PaperRemover(CompactSourceRemover):
    """
    Remover whose standard photometry is that of the paper.

    The background is the plain mean of the annulus, sources and all;
    ``annulus_flux`` of the package is a clipped median without them.
    """

    def remove(self, image, positions):
        """
        Remove sources, and measure them by the mean of an annulus.
        """
        result = super().remove(image, positions)
        sources = result.sources
        input_map = read_image(image)
        scale = input_map.pixel_scale
        annulus = get_band(self.mode, self.band).photometry_annulus
        place = {'mask': input_map.mask}
        measured = np.isfinite(sources['annulus_flux'].value)
        rows = sources[measured]
        x, y = rows['x_center'], rows['y_center']
        total, _, area = aperture_sums(
            input_map.data, x, y,
            (rows['aperture_radius'] / scale).to_value(''), **place)
        mean, _, _ = annulus_mean(input_map.data, x, y,
                                  *(annulus / scale).to_value(''), **place)
        unit = input_map.to_flux * input_map.flux_unit
        sources['annulus_flux'][measured] = (
            (total - mean * area) / rows['aperture_correction'] * unit)
        return result


def load_real(folder, band):
    """
    Real maps on the pixels of a band, and their compact sources.
    """
    maps, catalogs = {}, {}
    fwhm = band.psf.fwhm / band.pixel_scale.to_value(u.arcsec)
    for entry in load_background_maps(folder / 'backgrounds', fwhm=fwhm):
        if entry.name not in HELD_OUT:
            continue
        name = ' '.join(entry.name.split('_')[:2])
        level = REAL_SPREAD.to_value(u.Jy / u.pix)
        maps[name] = as_ccd(level * entry.data.astype(float), band)
        catalogs[name] = maps[name].wcs.pixel_to_world(*entry.positions.T)
    return maps, catalogs


def run_bands(data):
    """
    Evaluate all modes and bands on stand-ins and real maps.
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
                ('stand-ins', fields, None, 'paper'),
                ('real maps', maps, catalogs, 'separation')):
            remover = PaperRemover(mode, name, network=network)
            evaluation = evaluate_remover(
                remover, backgrounds, catalogs=known, n_sources=N_SOURCES,
                flux_levels=N_LEVELS, psf=load_vesta(data, name), seed=seed)
            key = (mode, name, kind, network)
            print(*key, flush=True)
            evaluation.summary.pprint(max_lines=-1, max_width=-1)
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


def rank_thirds(sources):
    """
    Whether a source is of the lowest, middle or highest fluxes of its field.
    """
    third = np.zeros(len(sources), dtype=int)
    for field in dict.fromkeys(sources['field']):
        mine = sources['field'] == field
        flux = sources['injected_flux'][mine]
        levels = np.unique(flux)
        third[mine] = np.searchsorted(levels, flux) * 3 // len(levels)
    return third


def print_ranges(found, file):
    """
    Median and interquartile range of the ratios by level, per band.
    """
    lines = [f'{"":25s}{"lowest fluxes":>15s}{"middle":>15s}'
             f'{"highest":>15s}', f'{"":25s}' + '  median    IQR' * 3]
    for kind in ('stand-ins', 'real maps'):
        lines.append(kind)
        for (mode, band, which, network), evaluation in found.items():
            if which != kind:
                continue
            sources = evaluation.sources
            third = rank_thirds(sources)
            columns = {network: 'flux_ratio'}
            if network == 'separation':
                columns['annulus'] = 'annulus_flux_ratio'
            for method, column in columns.items():
                cells = ''
                for i in range(3):
                    ratio = np.asarray(sources[column])[third == i]
                    low, middle, high = np.nanpercentile(ratio, [25, 50, 75])
                    cells += f'{middle:8.3f}{high - low:7.3f}'
                lines.append(f'{mode} {band} {method}'.ljust(25) + cells)
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def print_statistics(found, file):
    """
    Statistics of the pixels in the holes, as Table 6.
    """
    lines = []
    for (mode, band, kind, network), evaluation in found.items():
        if (kind, network) != ('stand-ins', 'separation'):
            continue
        lines.append(f'{mode} {band}'.ljust(26) + ''.join(
            f'{name:>7s}' for name in ('mean', 'std', 'median', 'MAD',
                                       'skew.', 'IQR')))
        for row in evaluation.pixel_statistics:
            cells = ''
            for name in NAMES:
                value = float(getattr(row[name], 'value', row[name]))
                value *= 1 if name == 'skewness' else 1e3
                digits = 3 if abs(value) < 10 else 2
                cells += f'{value:7.{digits}f}'
            field = row['field'].removeprefix('field ')
            lines.append(f'{field:16s}{row["map"]:10s}' + cells)
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def compare_statistics(found, paper, file):
    """
    Table 6 in short: changes of the statistics, paper and package.
    """
    lines = [f'{"":24s}{"change / std":>14s}{"predicted/original":>21s}'
             f'{"change":>8s}',
             f'{"":24s}{"mean":>7s}{"median":>7s}{"std":>7s}{"MAD":>7s}'
             f'{"IQR":>7s}{"skew.":>8s}']
    for (mode, band, kind, network), evaluation in found.items():
        if (kind, network) != ('stand-ins', 'separation'):
            continue
        rows = paper[(paper['mode'] == mode) & (paper['band'] == band)]
        table = evaluation.pixel_statistics
        theirs, ours = {}, {}
        for label in ('original', 'predicted'):
            for name in NAMES:
                theirs[label, name] = np.array(rows[f'{label}_{name}'])
                mine = table[name][table['map'] == label]
                ours[label, name] = np.array(getattr(mine, 'value', mine))
        for who, numbers in (('paper', theirs), ('package', ours)):
            old, new = ({name: numbers[label, name] for name in NAMES}
                        for label in ('original', 'predicted'))
            values = [(new[name] - old[name]) / old['std']
                      for name in ('mean', 'median')]
            values += [new[name] / old[name]
                       for name in ('std', 'mad', 'iqr')]
            values.append(new['skewness'] - old['skewness'])
            lines.append(f'{mode} {band}, {who}'.ljust(24) + ''.join(
                f'{np.median(value):7.3f}' for value in values[:-1])
                + f'{np.median(values[-1]):8.3f}')
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def print_summary(found, file):
    """
    What removal does to maps: medians over the fields of each band.
    """
    columns = {'hole_error': ('holes', '.3f'), 'ks_distance': ('KS', '.3f'),
               'delta_variance_change': ('dvar', '.3f'),
               'power_change': ('power', '.3f'),
               'power_before': ('before', '.3g')}
    lines = [' ' * 25 + ''.join(f'{label:>7s}'
                                for label, _ in columns.values())
             + f'{"norm.":>7s}']
    for kind in ('stand-ins', 'real maps'):
        lines.append(kind)
        for (mode, band, which, network), evaluation in found.items():
            if which != kind:
                continue
            norm = [np.abs(entry.spectrum_difference[
                'normalized_difference']).max()
                for entry in evaluation.maps.values()]
            table = evaluation.summary
            cells = [f'{np.nanmedian(np.asarray(table[name], float)):7{form}}'
                     for name, (_, form) in columns.items()]
            lines.append(f'{mode} {band} {network}'.ljust(25)
                         + ''.join(cells) + f'{np.median(norm):7.0e}')
    file.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def measure_gamma_dra(folder):
    """
    The rows of gamma Dra of Table 5 for all maps and apertures, and maps.
    """
    rows, maps = [], {}
    for path in sorted(folder.glob('hpacs*')):
        ccd = read_pacs_map(path)
        band, mapper = ccd.meta['PACSBAND'], ccd.meta['MAPPER']
        default = get_band('scanmap', band).default_aperture
        radii = u.Quantity([default, *RADII[RADII != default]])
        if band == 'red':
            radii = radii[radii >= 7 * u.arcsec]
        remover = PaperRemover('scanmap', band, apertures=radii)
        background, sources = remover.remove(ccd, GAMMA_DRA)
        row = sources[0]
        if mapper == 'JScanam':
            maps[band] = ccd, background, row
        for i, radius in enumerate(radii):
            suffix = f'_{i}' if i else ''
            rows.append({
                'mapper': mapper, 'obsid': ccd.meta['OBSID001'],
                'band': band, 'radius': radius.value,
                'flux': row[f'flux{suffix}'].to_value(u.mJy),
                'error': row[f'flux_err{suffix}'].to_value(u.mJy),
                'annulus': row['annulus_flux'].to_value(u.mJy)})
    return QTable(rows), maps


def report_gamma_dra(table, maps, page, picture):
    """
    Table and figure: the default aperture, 12 arcsec, and all of them.
    """
    lines = [f'{"":19s}{"band":5s} {"ref.":>5s} {"paper":>6s} '
             f'{"package":>11s} {"ratio":>6s} {"ann.":>6s} {"12":>6s}']
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.5), layout='constrained')
    for column, band in enumerate(REFERENCE):
        reference = REFERENCE[band]
        mine = table[table['band'] == band]
        ax = axes[0, column]
        for mapper, obsid in dict.fromkeys(
                zip(mine['mapper'], mine['obsid'], strict=True)):
            rows = mine[(mine['mapper'] == mapper)
                        & (mine['obsid'] == obsid)]
            first, large = rows[0], rows[rows['radius'] == 12][0]
            lines.append(
                f'{mapper:7s} {obsid:<10d} {band:5s} {reference:5.0f} '
                f'{PAPER[band]:6.3f} {first["flux"]:5.0f} +- '
                f'{first["error"]:2.0f} {first["flux"] / reference:6.3f} '
                f'{first["annulus"] / reference:6.3f} '
                f'{large["flux"] / reference:6.3f}')
            order = np.argsort(rows['radius'])
            ax.plot(rows['radius'][order], rows['flux'][order] / reference,
                    '-o' if mapper == 'JScanam' else '--s', markersize=4,
                    label=f'{mapper} {obsid}')
        ax.axhline(1, color='0.5', linewidth=0.8)
        ax.axhspan(0.98, 1.02, color='0.9', zorder=0)
        ax.set_title(f'{get_band("scanmap", band).wavelength:g}')
        ax.set_xlabel('Aperture radius (arcsec)')
        ax.set_ylim(0.95, 1.12)
        ax.legend(fontsize='small', loc='lower right')
        draw_residual(axes[1, column], *maps[band])
    axes[0, 0].set_ylabel('Measured / reference flux')
    figure.savefig(picture, dpi=80)
    plt.close(figure)
    page.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def draw_residual(ax, ccd, background, row):
    """
    What is left around the star, in percent of its peak.
    """
    x, y = row['x_center'], row['y_center']
    scale = SkyGrid(ccd.wcs).scales(x, y).value[0]
    peak = np.nanmax(ccd.data[round(y) - 3:round(y) + 4,
                              round(x) - 3:round(x) + 4])
    ny, nx = ccd.shape
    extent = [(-0.5 - x) * scale, (nx - 0.5 - x) * scale,
              (-0.5 - y) * scale, (ny - 0.5 - y) * scale]
    smooth = convolve(background.data, Gaussian2DKernel(8 / scale / 2.355),
                      boundary='extend', preserve_nan=True)
    smooth -= np.nanmedian(smooth)
    shown = ax.imshow(100 * smooth / peak, origin='lower', extent=extent,
                      cmap='gray_r', vmin=-2, vmax=2)
    ax.add_patch(plt.Circle((0, 0), 12, fill=False, color='#d55e00'))
    ax.set(xlim=(-75, 75), ylim=(-75, 75), xlabel='Offset (arcsec)')
    ax.figure.colorbar(shown, ax=ax, label='Residual (% of the peak)')


def main():
    """
    Run all, and write figures and tables.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path)
    parser.add_argument('docs', type=Path)
    parser.add_argument('--only', choices=('stars', 'fields'),
                        help='repeat only Table 5, or only the rest')
    args = parser.parse_args()
    static, pages = args.docs / '_static', args.docs / 'science'
    if args.only != 'fields':
        table, maps = measure_gamma_dra(args.data / 'pacs')
        report_gamma_dra(table, maps, pages / 'paper_stars.txt',
                         static / 'paper_stars.png')
        print((pages / 'paper_stars.txt').read_text())
    if args.only == 'stars':
        return
    found = run_bands(args.data)
    for mode in ('scanmap', 'parallel'):
        for kind in ('stand-ins', 'real maps'):
            name = f'paper_{mode}_{kind.split()[0]}.png'
            draw_ratios(found, kind, mode, static / name)
    draw_maps(found, static / 'paper_spectra.png')
    print_ranges(found, pages / 'paper_fluxes.txt')
    print_summary(found, pages / 'paper_maps.txt')
    print_statistics(found, pages / 'paper_pixels.txt')
    compare_statistics(found, Table.read(HERE / 'paper_table6.ecsv'),
                       pages / 'paper_table6.txt')


if __name__ == '__main__':
    main()
