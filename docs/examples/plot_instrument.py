# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Another instrument, from its PSF
================================

All that the remover needs of another instrument is a PSF and the size of
the pixels. Here a map like those of *Spitzer*/MIPS at 24 um.
"""

# %%
# The PSF of a telescope of 85 cm with a central obscuration of 0.32: a
# core with rings. It is made on pixels of a quarter of those of the map.
# In its place you would read a FITS file.

from dataclasses import replace

import astropy.units as u
import numpy as np
from astropy.visualization import simple_norm
from matplotlib import pyplot as plt
from scipy.special import j1

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.plotting import plot_removal
from compact_removal.psf import StampPSF

wavelength, pixel, obscured = 23.7 * u.um, 2.45 * u.arcsec, 0.32
y, x = np.mgrid[-100:101, -100:101] * pixel / 4
v = (np.pi * 0.85 * u.m * np.hypot(x, y) / wavelength).to_value(
    u.one, equivalencies=u.dimensionless_angles())
v = np.maximum(v, 1e-6)
amplitude = 2 * j1(v) / v - obscured * 2 * j1(obscured * v) / v
psf = StampPSF(amplitude ** 2, pixel / 4)
print(f'FWHM: {psf.fwhm:.1f} arcsec')

# %%
# A band of the tables is the template. The radii of masks and of the
# annulus for the signal-to-noise ratio stay as they are, in pixels: they
# suit PSFs of two or three pixels. The encircled energies are those of
# the PSF.

band = replace(get_band('scanmap', 'blue'), name='24um', mode='MIPS-like',
               wavelength=wavelength, pixel_scale=pixel, psf=psf,
               eef_radii=(), eef_values=(),
               default_aperture=7 * u.arcsec,
               photometry_annulus=[20, 32] * u.arcsec)

# %%
# A simulated field with this PSF, in the unit of the archive.

image, catalog = make_example_field(band=band, kind='filaments', seed=4,
                                    n_sources=30)
image = image.multiply(u.pix / pixel ** 2).convert_unit_to(u.MJy / u.sr)
background, sources = CompactSourceRemover('scanmap', band).remove(image,
                                                                   catalog)
plot_removal(image, (background, sources), cmap='viridis')
plt.show()

# %%
# The three brightest sources: above the map, below the background, with
# the same stretch. The rings are seen in the map only.

# sphinx_gallery_thumbnail_number = 2
brightest = np.argsort(sources['flux'])[:-4:-1]
fig, axes = plt.subplots(2, 3, figsize=(9, 6), layout='constrained')
for column, row in zip(axes.T, sources[brightest], strict=True):
    x, y = round(row['x_center']), round(row['y_center'])
    cut = np.s_[max(y - 20, 0):y + 21, max(x - 20, 0):x + 21]
    norm = simple_norm(background.data[cut], min_percent=1,
                       max_percent=99.5)
    for ax, ccd in zip(column, (image, background), strict=True):
        shown = ax.imshow(ccd.data[cut], norm=norm, cmap='inferno',
                          origin='lower')
        ax.set(xticks=[], yticks=[])
    fig.colorbar(shown, ax=column, orientation='horizontal', label='MJy / sr',
                 fraction=0.05)
    column[0].set_title(f'{row["flux"].to(u.Jy):.2f}, '
                        f'S/N {row["snr"]:.0f}', fontsize='medium')
axes[0, 0].set_ylabel('Map')
axes[1, 0].set_ylabel('Background')
plt.show()

# %%
# Fluxes over those that were injected.

flux = catalog['flux']
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout='constrained')
for name, color, marker in (('annulus_flux', '0.5', 's'),
                            ('flux', '#0072b2', 'o')):
    ratio = (sources[name] / flux).to_value(u.one)
    low, middle, high = np.percentile(ratio, [25, 50, 75])
    ax.errorbar(sources['snr'], ratio,
                (sources[f'{name}_err'] / flux).to_value(u.one),
                fmt=marker, color=color, markersize=5, elinewidth=1,
                label=f'{name}: median {middle:.3f}, '
                      f'interquartile range {high - low:.3f}')
ax.axhline(1, color='black', linewidth=0.8)
ax.set_xscale('log')
ax.set_ylim(0, 2)
ax.set_xlabel('Signal-to-noise ratio (eq. 1)')
ax.set_ylabel('Measured / injected flux')
ax.legend(loc='lower right')
plt.show()
