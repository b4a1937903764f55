# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From signal-to-noise ratio to mask
==================================

How large the hole of a source is, and why.
"""

# %%
# The hole of a source must cover what of it stands out from the
# background: a faint source needs a small one, a bright one a large one.
# So the radius follows from the signal-to-noise ratio, in steps (paper,
# Table 3). The table of each band says how:

import astropy.units as u
import numpy as np
from astropy.table import QTable
from matplotlib import pyplot as plt

from compact_removal.datasets import inject_sources, make_example_field
from compact_removal.instruments import get_band, list_bands
from compact_removal.maps import mask_radius, source_snr
from compact_removal.psf import as_psf

band = get_band('scanmap', 'blue')
table = QTable({'snr_min': [*band.snr_thresholds, -np.inf],
                'radius': band.mask_radii * u.pix})
table['angle'] = band.mask_radii * band.pixel_scale
table['angle'].info.format = '.1f'
table['snr_min', 'radius', 'angle']

# %%
# On the left the radii of all bands. (In the parallel mode, red has the
# radii of the scan map mode.) On the right, how far a source of the
# band's PSF still stands out at the edge of its hole: the mean of the PSF
# along the edge over its peak, times the ratio. Up to a ratio of about
# the last step this stays near or below one standard deviation; for
# brighter sources, wings are seen outside of the hole. Therefore the
# separation network takes out wings beyond the hole, too.

snr = np.geomspace(2, 3000, 500)
angle = np.linspace(0, 2 * np.pi, 60)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4),
                                  layout='constrained')
colors = {'blue': '#0072b2', 'green': '#009e73', 'red': '#d55e00'}
for row in list_bands():
    one = get_band(str(row['mode']), str(row['band']))
    radius = (mask_radius(snr, one) * one.pixel_scale).to_value(u.arcsec)
    psf = as_psf(one)
    edge = psf.evaluate(radius[:, None] * np.cos(angle),
                        radius[:, None] * np.sin(angle)).mean(axis=1)
    style = {'color': colors[one.name], 'linewidth': 1.8,
             'linestyle': '-' if one.mode == 'scanmap' else '--'}
    left.plot(snr, radius, **style,
              label=f'{one.mode}, {one.name} ({one.wavelength:g})')
    right.plot(snr, snr * edge / psf.evaluate(0, 0), **style)
for ax in (left, right):
    ax.set_xscale('log')
    ax.set_xlabel('Signal-to-noise ratio (eq. 1)')
left.set_ylim(bottom=0)
left.set_ylabel('Mask radius (arcsec)')
left.legend(fontsize='small', ncols=2, loc='lower right')
right.set_yscale('log')
right.axhline(1, color='black', linewidth=0.8)
right.set_ylabel('Source at the edge of its hole\n(standard deviations)')
plt.show()

# %%
# The ratio is that of eq. 1 of the paper: the peak within a circle, minus
# the mean of an annulus, over the standard deviation in the annulus. It
# says how far a source stands out from the structure around it, so that
# the same source has a low ratio on bright filaments.
#
# Here one position of a simulated field gets sources of six fluxes. The
# white circle is the hole; dotted are the circle of the peak and the
# annulus.

# sphinx_gallery_thumbnail_number = 2

empty, _ = make_example_field(shape=(64, 64), n_sources=0,
                              kind='filaments', seed=3)
center = empty.wcs.pixel_to_world([32], [32])
fig, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout='constrained',
                         sharex=True, sharey=True)
for ax, flux in zip(axes.flat, [0.4, 0.7, 1.1, 4, 20, 60] * u.Jy,
                    strict=True):
    catalog = QTable({'sky_center': center, 'flux': flux.reshape(1)})
    image = inject_sources(empty, catalog, band, seed=1)
    snr, mean, std = source_snr(image.data, [32], [32],
                                source_radius=band.source_radius,
                                annulus_radii=band.annulus_radii)
    (hole,) = mask_radius(snr, band)
    shown = ax.imshow((image.data - mean) / std, origin='lower',
                      cmap='inferno', vmin=-2, vmax=10)
    ax.add_patch(plt.Circle((32, 32), hole, fill=False, color='white',
                            linewidth=1.8))
    for radius in (band.source_radius, *band.annulus_radii):
        ax.add_patch(plt.Circle((32, 32), radius, fill=False,
                                color='#56b4e9', linestyle=':'))
    ax.set_title(f'{flux:g}, S/N {snr[0]:.0f}, {hole:g} pixels',
                 fontsize='medium')
for ax in axes[-1]:
    ax.set_xlabel('x (pixels)')
for ax in axes[:, 0]:
    ax.set_ylabel('y (pixels)')
fig.colorbar(shown, ax=axes, shrink=0.7, extend='both',
             label='Standard deviations of the annulus')
plt.show()
