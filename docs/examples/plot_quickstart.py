# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Quickstart
==========

Take the sources out of a simulated map, measure them, and compare with
what was put in.
"""

# %%
# A simulated field stands in for a map: a structured background, noise,
# and sources of known flux.

import astropy.units as u
import numpy as np
from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.plotting import plot_removal

image, catalog = make_example_field(seed=1)
print(image.data.shape, image.unit, len(catalog))

# %%
# The remover takes the map and the positions, and gives back the map
# without the sources and a table.

remover = CompactSourceRemover('scanmap', 'blue')
background, sources = remover.remove(image, catalog['sky_center'])
sources['id', 'snr', 'mask_radius', 'flux', 'flux_err', 'flags'][:5]

# %%
# The map, the background, and what was removed. The circles are the
# holes that the network filled.

plot_removal(image, (background, sources))
plt.show()

# %%
# Measured against injected fluxes. The annulus is what standard
# photometry takes for the background.

truth = catalog['flux'].to_value(u.mJy)
fig, ax = plt.subplots(layout='constrained')
for name, marker in (('annulus_flux', 'x'), ('flux', 'o')):
    error = sources[name].to_value(u.mJy) - truth
    low, high = np.nanpercentile(error, [25, 75])
    ax.plot(truth, error, marker, fillstyle='none',
            label=f'{name}: scatter {(high - low) / 1.349:.2g} mJy')
ax.axhline(0, color='0.5', linewidth=0.8)
ax.set_xscale('log')
ax.set_xlabel('Injected flux (mJy)')
ax.set_ylabel('Measured minus injected flux (mJy)')
ax.legend()
plt.show()
