# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well the analytic PSF follows Vesta stamps and maps of gamma Dra.

Amplitude, centre, position angle and level are fitted, the shape is that
of the tables. Writes a picture and prints a table::

    python benchmarks/psf_residuals.py --data ../shared/data --output psf.png
"""

import argparse
from pathlib import Path

import astropy.units as u
import matplotlib as mpl
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from scipy.optimize import least_squares

from compact_removal.datasets import read_pacs_map
from compact_removal.instruments import get_band
from compact_removal.maps import extract_cutouts
from compact_removal.psf import make_psf_stamp

mpl.use('agg')

GAMMA_DRA = SkyCoord(269.152, 51.489, unit='deg')
STAMPS = {'blue': ('70', 1.2), 'green': ('100', 1.2), 'red': ('160', 2.4)}
MAPS = {'blue': '*MAPB_blue*', 'green': '*MAPB_green*', 'red': '*MAPR_*'}


def fit(data, band, scale):
    """
    Fit the PSF of the tables to an image; returns the model.
    """
    peak = np.nanmax(data)
    y0, x0 = np.unravel_index(np.nanargmax(data), data.shape)

    def model(par):
        stamp = make_psf_stamp(band, pixel_scale=scale, shape=data.shape,
                               center=(par[1], par[2]),
                               position_angle=par[3] * u.rad)
        return par[0] * stamp + par[4] * peak

    best = None
    for angle in np.arange(8) * np.pi / 4:
        result = least_squares(
            lambda par: np.nan_to_num(model(par) - data).ravel() / peak,
            [np.nansum(data) * 1.1, x0, y0, angle, 0.0], x_scale='jac',
            max_nfev=25)
        if best is None or result.cost < best.cost:
            best = result
    return model(best.x), best.x


def main():
    """
    Fit everything, print and plot.
    """
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, default='../shared/data')
    parser.add_argument('--output', default='psf_residuals.png')
    args = parser.parse_args()
    figure, axes = plt.subplots(3, 6, figsize=(12, 6.4), layout='constrained')
    print('band   image      amplitude  rms/peak  largest/peak')
    for row, name in enumerate(STAMPS):
        band = get_band('scanmap', name)
        wave, scale = STAMPS[name]
        stamp = fits.getdata(args.data / 'psf'
                             / f'herschel-pacs{wave}-vesta.fits')
        images = [('Vesta', np.asarray(stamp, dtype=float),
                   scale * u.arcsec)]
        for path in sorted((args.data / 'pacs').glob(MAPS[name])):
            if 'helix' in path.name or 'JSMAP' not in path.name:
                continue
            ccd = read_pacs_map(path)
            x, y = ccd.wcs.world_to_pixel(GAMMA_DRA)
            half = 13 if name != 'red' else 8
            cutout, _ = extract_cutouts(ccd.data, x, y, 2 * half + 1,
                                        fill=np.nan)
            images.append(('gamma Dra', cutout[0].astype(float),
                           band.pixel_scale))
        for column, (label, data, pixel) in enumerate(images[:2]):
            model, par = fit(data, band, pixel)
            peak = np.nanmax(data)
            residual = (data - model) / peak
            print(f'{name:6s} {label:10s} {par[0]:8.3f} '
                  f'{np.nanstd(residual):9.4f} '
                  f'{np.nanmax(np.abs(residual)):9.3f}')
            panels = (('', np.arcsinh(data / peak * 100)),
                      (' model', np.arcsinh(model / peak * 100)),
                      (' residual', residual))
            for k, (text, image) in enumerate(panels):
                ax = axes[row, 3 * column + k]
                limits = (-0.1, 0.1) if k == 2 else (0, 5.3)
                ax.imshow(image, origin='lower', vmin=limits[0],
                          vmax=limits[1],
                          cmap='gray' if k == 2 else 'gray_r')
                ax.set_title(f'{name} {label}{text}', fontsize=8)
                ax.set_xticks([])
                ax.set_yticks([])
    figure.savefig(args.output, dpi=90)


if __name__ == '__main__':
    main()
