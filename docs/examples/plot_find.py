# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find sources, then remove them
==============================

Without a catalogue: the finder makes one, the remover takes it.
"""

# %%
# A filament with sources from faint to bright, at 70 um.

import astropy.units as u
import numpy as np
from astropy.visualization import simple_norm
from matplotlib import pyplot as plt

from compact_removal import CompactSourceFinder, CompactSourceRemover
from compact_removal.datasets import (inject_sources, make_background,
                                      make_example_field,
                                      make_source_catalog)
from compact_removal.instruments import get_band

band = get_band('scanmap', 'blue')
image, _ = make_example_field(shape=(260, 260), n_sources=0, seed=8)
image.data[:] = 1e-3 * make_background(image.shape, kind='filaments',
                                       fwhm=3.1, noise=0.1, seed=8)
true = make_source_catalog(image, 30, 1 * u.Jy, min_separation=8, border=10,
                           seed=8)
true['flux'] = np.geomspace(5, 300, 30) * u.mJy
image = inject_sources(image, true, band, seed=8)

# %%
# The most probable sources come first.

finder = CompactSourceFinder('scanmap', 'blue')
found = finder.find(image)
shown = found['id', 'x_center', 'y_center', 'probability', 'snr', 'flux',
              'flux_err', 'kind']
for name in ('flux', 'flux_err'):
    shown[name] = shown[name].to(u.mJy)
shown.round({'x_center': 1, 'y_center': 1, 'probability': 2, 'snr': 1,
             'flux': 1, 'flux_err': 1})
print(shown)

# %%
# The table goes into the remover as it is.

background, sources = CompactSourceRemover('scanmap', 'blue').remove(image,
                                                                     found)

# %%
# Left: the map, with what was found (circles) and what was put in (crosses).
# Right: what is left. Sources that were not found are still there.

norm = simple_norm(background.data, 'asinh', min_percent=0.5,
                   max_percent=99.9)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4),
                                  layout='constrained')
for ax, data, title in ((left, image.data, 'Map'),
                        (right, background.data, 'Background')):
    ax.imshow(data, norm=norm, cmap='gray_r', origin='lower')
    ax.set(title=title, xlabel='x (pixels)', xlim=(0, 259), ylim=(0, 259))
left.set_ylabel('y (pixels)')
left.scatter(found['x_center'], found['y_center'], s=90, marker='o',
             facecolor='none', edgecolor='#d55e00', label='found')
left.scatter(true['x_center'], true['y_center'], s=25, marker='+',
             color='#0072b2', linewidth=0.9, label='put in')
left.legend(loc='upper right', framealpha=0.9)
plt.show()
