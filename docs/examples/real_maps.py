# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes of gamma Draconis
========================

Removes gamma Draconis from scan maps at 70, 100 and 160 um and compares
its flux with Table 5 of the paper, then removes two sources from the
Helix nebula at 70 um. It needs the maps of the *Herschel* Science
Archive in a folder::

    python docs/examples/real_maps.py ../shared/data/pacs docs/_static
"""

# sphinx_gallery_thumbnail_path = '_static/gamma_dra.png'

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.coordinates import SkyCoord

from compact_removal import CompactSourceRemover
from compact_removal.datasets import read_pacs_map
from compact_removal.plotting import plot_removal

mpl.use('agg')

GAMMA_DRA = SkyCoord([269.15154], [51.48889], unit='deg')
REFERENCE = {70: ('blue', 3.283), 100: ('green', 1.604), 160: ('red', 0.621)}
HELIX = SkyCoord([337.4237, 337.396], [-20.8389, -20.821], unit='deg')


def sky_rms(background, x, y, pixel_scale):
    """
    Median and robust rms of the sky 40 to 60 arcsec from the star.
    """
    yy, xx = np.indices(background.shape)
    radius = np.hypot(xx - x, yy - y) * pixel_scale
    sky = background.data[(radius > 40) & (radius < 60)
                          & np.isfinite(background.data)]
    middle = np.median(sky)
    return middle, 1.4826 * np.median(np.abs(sky - middle))


def save_cut(ccd, background, sources, center, half, path):
    """
    Save a picture of the surroundings of a position.
    """
    x, y = (int(value) for value in ccd.wcs.world_to_pixel(center))
    rows = slice(max(0, y - half), y + half)
    columns = slice(max(0, x - half), x + half)
    sources = sources.copy()
    sources['x_center'] -= columns.start
    sources['y_center'] -= rows.start
    axes = plot_removal(ccd[rows, columns],
                        (background[rows, columns], sources))
    axes[0].figure.savefig(path, dpi=80)


def main():
    """
    Measure, print and plot.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('maps', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()

    print('network     map            wave  flux   error  ratio  annulus  '
          'largest residual / rms')
    for path in sorted(args.maps.glob('hpacs*')):
        ccd = read_pacs_map(path)
        wave = int(ccd.meta['WAVELNTH'])
        band, reference = REFERENCE[wave]
        for network in ('inpainting', 'separation'):
            remover = CompactSourceRemover('scanmap', band, network=network)
            background, sources = remover.remove(ccd, GAMMA_DRA)
            row = sources[0]
            scale = 1.6 if wave < 160 else 3.2
            x, y = row['x_center'], row['y_center']
            middle, rms = sky_rms(background, x, y, scale)
            yy, xx = np.indices(background.shape)
            hole = np.hypot(xx - x, yy - y) < row['mask_radius'] + 3
            residual = (background.data - middle)[hole] / rms
            print(f'{network:11s} {path.name[8:22]} {wave:4d} '
                  f'{row["flux"].value:7.3f} {row["flux_err"].value:6.3f} '
                  f'{row["flux"].value / reference:6.3f} '
                  f'{row["annulus_flux"].value / reference:7.3f} '
                  f'{np.nanmax(np.abs(residual)):10.1f}')
        if 'JSMAPB_blue' in path.name:
            save_cut(ccd, background, sources, GAMMA_DRA[0], 50,
                     args.output / 'gamma_dra.png')

    ccd = read_pacs_map(args.maps / 'helix_ksu_hppjsmapb.fits')
    remover = CompactSourceRemover('scanmap', 'blue')
    background, sources = remover.remove(ccd, HELIX)
    sources.round({'snr': 1, 'mask_radius': 1, 'flux': 4, 'flux_err': 4})
    print(sources['snr', 'mask_radius', 'flux', 'flux_err'])
    save_cut(ccd, background, sources, HELIX[0], 80,
             args.output / 'helix.png')


if __name__ == '__main__':
    main()
