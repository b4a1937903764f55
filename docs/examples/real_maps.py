# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Real PACS maps
==============

Removes gamma Draconis from scan maps at 70, 100 and 160 um and compares
its flux with Table 5 of the paper, then removes two sources from the
Helix nebula at 70 um. It needs the maps of the *Herschel* Science
Archive in a folder::

    python docs/examples/real_maps.py ../shared/data/pacs docs/_static
"""

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


def main():
    """
    Measure, print and plot.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('maps', type=Path)
    parser.add_argument('output', type=Path)
    parser.add_argument('--weights', default='default')
    args = parser.parse_args()

    print('map                 wave  flux   error  ratio  annulus  '
          'largest residual / rms')
    for path in sorted(args.maps.glob('hpacs*')):
        ccd = read_pacs_map(path)
        wave = int(ccd.meta['WAVELNTH'])
        band, reference = REFERENCE[wave]
        remover = CompactSourceRemover('scanmap', band, weights=args.weights)
        background, sources = remover.remove(ccd, GAMMA_DRA)
        row = sources[0]
        scale = 1.6 if wave < 160 else 3.2
        middle, rms = sky_rms(background, row['x_center'], row['y_center'],
                              scale)
        residual = (background.data - middle)[background.flags > 0] / rms
        print(f'{path.name[8:22]:18s} {wave:4d} {row["flux"].value:7.3f} '
              f'{row["flux_err"].value:6.3f} '
              f'{row["flux"].value / reference:6.3f} '
              f'{row["annulus_flux"].value / reference:7.3f} '
              f'{np.nanmax(np.abs(residual)):10.1f}')
        if 'JSMAPB_blue' in path.name:
            axes = plot_removal(ccd, (background, sources))
            axes[0].figure.savefig(args.output / 'gamma_dra.png', dpi=80)

    ccd = read_pacs_map(args.maps / 'helix_ksu_hppjsmapb.fits')
    remover = CompactSourceRemover('scanmap', 'blue', weights=args.weights)
    result = remover.remove(ccd, HELIX)
    print(result.sources['snr', 'mask_radius', 'flux', 'flux_err'])
    x, y = ccd.wcs.world_to_pixel(HELIX[0])
    half = 50
    part = (slice(int(y) - half, int(y) + half),
            slice(int(x) - half, int(x) + half))
    background = result.background[part]
    background.flags = result.background.flags[part]
    sources = result.sources.copy()
    sources['x_center'] -= int(x) - half
    sources['y_center'] -= int(y) - half
    axes = plot_removal(ccd[part], (background, sources))
    axes[0].figure.savefig(args.output / 'helix.png', dpi=80)


if __name__ == '__main__':
    main()
