# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From a DS9 region file to a table
=================================

Positions often come as circles that somebody drew in DS9. They go in as
they are.
"""

# %%
# First a region file as DS9 writes it, with a name for each circle. (Here
# it is made from a simulated field; yours is there already.)

import tempfile
from pathlib import Path

import astropy.units as u
from astropy.table import QTable
from astropy.visualization import simple_norm
from matplotlib import pyplot as plt
from regions import CircleSkyRegion, Regions

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.datasets import make_example_field

image, catalog = make_example_field(n_sources=8, shape=(200, 200), seed=11)
folder = Path(tempfile.mkdtemp())
drawn = [CircleSkyRegion(row['sky_center'], 10 * u.arcsec,
                         meta={'text': f'IRS {row["id"]}'})
         for row in catalog]
Regions(drawn).write(folder / 'sources.reg', format='ds9')
print((folder / 'sources.reg').read_text())

# %%
# Read it, and remove what is in the circles. Only their centres count:
# the radius of a hole follows from the signal-to-noise ratio.

circles = Regions.read(folder / 'sources.reg', format='ds9')
remover = CompactSourceRemover('scanmap', 'blue')
background, sources = remover.remove(image, circles)

# %%
# Rows are in the order of the file, so that the names fit. The table is
# written as ECSV, which keeps units and coordinates.

sources.add_column([circle.meta['text'] for circle in circles],
                   name='name', index=0)
sources['remarks'] = [', '.join(decode_flags(flags))
                      for flags in sources['flags']]
sources.write(folder / 'sources.ecsv')

table = QTable.read(folder / 'sources.ecsv')
table['flux'] = table['flux'].to(u.mJy)
table['flux_err'] = table['flux_err'].to(u.mJy)
table.round({'snr': 1, 'flux': 1, 'flux_err': 1})
table['name', 'sky_center', 'snr', 'mask_radius', 'flux', 'flux_err',
      'remarks']

# %%
# The circles of the file on the map, and the holes in the background.

norm = simple_norm(background.data, 'asinh', min_percent=0.5,
                   max_percent=99.9)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.4),
                                  layout='constrained',
                                  subplot_kw={'projection': image.wcs})
left.imshow(image.data, norm=norm, cmap='inferno', origin='lower')
shown = right.imshow(background.data, norm=norm, cmap='inferno',
                     origin='lower')
for circle in circles:
    pixels = circle.to_pixel(image.wcs)
    pixels.plot(ax=left, edgecolor='white', linewidth=1.2)
    x, y = pixels.center.xy
    left.text(x, y + pixels.radius + 2, circle.meta['text'], color='white',
              ha='center', fontsize='small', clip_on=True)
for row in sources:
    right.add_patch(plt.Circle((row['x_center'], row['y_center']),
                               row['mask_radius'], fill=False,
                               color='white', linestyle=':'))
for ax, title in ((left, 'Map and regions'), (right, 'Background')):
    ax.set_title(title)
    ax.coords[0].set_axislabel('Right ascension')
    ax.coords[1].set_axislabel('Declination' if ax is left else ' ')
    ax.coords[1].set_ticklabel_visible(ax is left)
fig.colorbar(shown, ax=(left, right), label=f'{image.unit}', shrink=0.8)
plt.show()
