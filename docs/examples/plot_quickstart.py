# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Quick start
===========

Take the sources out of a simulated map, measure them, and compare with
what was put in.
"""

# %%
# A simulated field stands in for a map: a structured background, noise,
# and sources of known flux. ``truth`` is the field without the sources.

import astropy.units as u
import numpy as np
from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.plotting import plot_removal

image, catalog, truth = make_example_field(kind='filaments', n_sources=25,
                                           seed=2, return_background=True)
print(image.data.shape, image.unit, len(catalog))

# %%
# The remover takes the map and the positions, and gives back the map
# without the sources and a table.

remover = CompactSourceRemover('scanmap', 'blue')
background, sources = remover.remove(image, catalog['sky_center'])
for name in ('snr', 'flux', 'flux_err'):
    sources[name].info.format = '.4f'
sources['id', 'snr', 'mask_radius', 'flux', 'flux_err', 'flags'][:5]

# %%
# The map, the background, and what was removed. The circles are the
# holes that the network filled.

# sphinx_gallery_thumbnail_number = 1
plot_removal(image, (background, sources), cmap='viridis')
plt.show()

# %%
# Because the truth is known here, the error of the background can be
# shown, too. The colours reach to a hundredth of the range of the field.
# Around bright sources the ends of their wings are seen: they are left
# where they are below a tenth of the standard deviation of the
# surroundings.

error = (background.data - truth.data) * 1e3
limit = 1e3 * np.ptp(np.percentile(truth.data, [0.5, 99.5])) / 100
fig, ax = plt.subplots(figsize=(6, 5), layout='constrained',
                       subplot_kw={'projection': image.wcs})
shown = ax.imshow(error, origin='lower', cmap='RdBu_r', vmin=-limit,
                  vmax=limit)
fig.colorbar(shown, label='Background minus truth (mJy / pix)')
ax.coords[0].set_axislabel('Right ascension')
ax.coords[1].set_axislabel('Declination')
plt.show()

# %%
# Measured against injected fluxes. The annulus is what standard
# photometry takes for the background. The scatter in the legend is the
# interquartile range over 1.349.

flux = catalog['flux'].to_value(u.mJy)
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout='constrained')
for name, color, marker in (('annulus_flux', '0.5', 's'),
                            ('flux', '#0072b2', 'o')):
    difference = sources[name].to_value(u.mJy) - flux
    low, high = np.nanpercentile(difference, [25, 75])
    ax.errorbar(flux, difference, sources[f'{name}_err'].to_value(u.mJy),
                fmt=marker, color=color, markersize=5, elinewidth=1,
                label=f'{name}: scatter {(high - low) / 1.349:.2g} mJy')
ax.axhline(0, color='black', linewidth=0.8)
ax.set_xscale('log')
ax.set_xlabel('Injected flux (mJy)')
ax.set_ylabel('Measured minus injected flux (mJy)')
ax.legend()
plt.show()
