# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Two PACS maps: Helix nebula and gamma Draconis
==============================================

Faint sources on the emission of a nebula, and a bright star on an empty
sky, from the *Herschel* Science Archive.
"""

# %%
# The maps do not come with the package. They are sought in the folder
# ``pacs`` below that of the environment variable ``COMPACT_REMOVAL_DATA``,
# or below ``shared/data`` beside the repository. Where they are not found,
# this page shows pictures of an earlier run, made by ::
#
#     python docs/examples/plot_real_map.py save
#
# (`~compact_removal.datasets.fetch_pacs_map` gets maps from the archive.)

import os
import sys
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.stats import mad_std
from astropy.visualization import simple_norm
from matplotlib import pyplot as plt

from compact_removal import CompactSourceFinder, CompactSourceRemover
from compact_removal.datasets import read_pacs_map
from compact_removal.plotting import plot_detections

docs = Path(sys.argv[0]).resolve().parents[1]
data = Path(os.environ.get('COMPACT_REMOVAL_DATA',
                           docs.parents[1] / 'shared' / 'data'))
helix = data / 'pacs' / 'helix_ksu_hppjsmapb.fits'
star = next((data / 'pacs').glob('hpacs_25HPPJSMAPB_blue*'), None)
print('maps found:', helix.exists(), star is not None)

# %%
# Three compact sources in the Helix nebula at 70 um, with zooms of 41
# pixels (66 arcsec): the map, the background, and what was removed, all
# with one stretch. In the background, the emission goes on below the
# sources, with the noise that can be seen there. A weak neighbour of
# source 3 was not in the list, and stays.

remover = CompactSourceRemover('scanmap', 'blue', recenter=True)
still = docs / '_static' / 'gallery_helix.png'
if helix.exists():
    image = read_pacs_map(helix).convert_unit_to('mJy / pix')
    positions = SkyCoord([337.4020, 337.4237, 337.3960],
                         [-20.7856, -20.8389, -20.8210], unit='deg')
    background, sources = remover.remove(image, positions)
    for row in sources:
        print(f'{row["sky_center"].to_string("hmsdms", precision=1)}  '
              f'S/N {row["snr"]:4.1f}  flux {row["flux"]:5.1f} '
              f'+- {row["flux_err"]:.1f}')

    fig = plt.figure(figsize=(12, 6.6), layout='constrained')
    grid = fig.add_gridspec(3, 4, width_ratios=(2.4, 1, 1, 1))
    norm = simple_norm(image.data, 'asinh', vmin=-0.4, vmax=1.6)
    ax = fig.add_subplot(grid[:, 0], projection=image.wcs)
    shown = ax.imshow(image.data, norm=norm, cmap='inferno', origin='lower')
    ax.coords[0].set_axislabel('Right ascension')
    ax.coords[1].set_axislabel('Declination')
    titles = ('Map', 'Background', 'Removed')
    panels = (image.data, background.data, image.data - background.data)
    for i, row in enumerate(sources):
        x, y = round(row['x_center']), round(row['y_center'])
        cut = np.s_[y - 20:y + 21, x - 20:x + 21]
        ax.add_patch(plt.Rectangle((x - 20, y - 20), 40, 40, fill=False,
                                   color='white'))
        ax.text(x - 17, y + 9, f'{i + 1}', color='white', weight='bold')
        for j, (title, values) in enumerate(zip(titles, panels,
                                                strict=True)):
            zoom = fig.add_subplot(grid[i, j + 1])
            zoom.imshow(values[cut], norm=norm, cmap='inferno', origin='lower')
            zoom.add_patch(plt.Circle((20, 20), row['mask_radius'],
                                      fill=False, color='white',
                                      linestyle=':'))
            zoom.set(xticks=[], yticks=[], title='' if i else title,
                     ylabel='' if j else f'Source {i + 1}')
    bar = fig.colorbar(shown, ax=fig.axes, label='mJy / pix', aspect=40)
    bar.set_ticks([-0.4, -0.2, 0, 0.4, 0.8, 1.6])
    if 'save' in sys.argv:
        fig.savefig(still, dpi=90)
else:
    fig = plt.figure(figsize=(12, 6.6))
    plt.axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[])
    plt.imshow(plt.imread(still))
plt.show()

# %%
# Without a list, the finder makes one: here what is a source with a
# probability above the default threshold. The thin edge of the map, where
# the noise is high, has none.

still = docs / '_static' / 'gallery_helix_found.png'
if helix.exists():
    found = CompactSourceFinder('scanmap', 'blue').find(image)
    for row in found[:8]:
        print(f'{row["sky_center"].to_string("hmsdms", precision=1)}  '
              f'probability {row["probability"]:.2f}  '
              f'S/N {row["snr"]:5.1f}  {row["kind"]}')
    fig = plot_detections(image, found).figure
    if 'save' in sys.argv:
        fig.savefig(still, dpi=90, bbox_inches='tight')
else:
    fig = plt.figure(figsize=(6.4, 6.4))
    plt.axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[])
    plt.imshow(plt.imread(still))
plt.show()

# %%
# Gamma Draconis is a standard star, here in panels of 91 pixels (146
# arcsec); its flux in Table 5 of the paper is 3.283 Jy. Its PSF has three
# lobes and wide wings. The background is shown with the stretch of the
# map, and with one of five standard deviations of the sky (robust). There
# the hole can be seen: the noise below a star as bright as this cannot be
# told from the star, so that the background is smooth.

still = docs / '_static' / 'gallery_gamma_dra.png'
if star is not None:
    image = read_pacs_map(star).convert_unit_to('mJy / pix')
    remover.set_params(recenter=False)
    background, (row,) = remover.remove(
        image, SkyCoord([269.15154], [51.48889], unit='deg'))
    print(f'flux {row["flux"]:.0f} +- {row["flux_err"]:.0f}, '
          f'over that of the paper {row["flux"].value / 3283:.3f}')
    x, y = round(row['x_center']), round(row['y_center'])
    cut = np.s_[y - 45:y + 46, x - 45:x + 46]
    sky = background.data[cut]
    middle, rms = np.median(sky), mad_std(sky)
    wide = simple_norm(sky, 'asinh', asinh_a=1e-3, vmin=middle - 3 * rms,
                       vmax=image.data[cut].max())
    narrow = simple_norm(sky, vmin=middle - 5 * rms,
                         vmax=middle + 5 * rms)
    fig, axes = plt.subplots(1, 3, figsize=(12, 5.4), layout='constrained')
    panels = (('Map', image, wide, 'inferno'),
              ('Background', background, wide, 'inferno'),
              ('Background, stretched', background, narrow, 'RdBu_r'))
    for ax, (title, ccd, norm, cmap) in zip(axes, panels, strict=True):
        shown = ax.imshow(ccd.data[cut], norm=norm, cmap=cmap,
                          origin='lower')
        ax.set(title=title, xticks=[], yticks=[])
        bar = fig.colorbar(shown, ax=ax, label='mJy / pix',
                           orientation='horizontal', aspect=30)
        bar.set_ticks([0, 1, 10, 100] if norm is wide
                      else [-1, -0.5, 0, 0.5])
    if 'save' in sys.argv:
        fig.savefig(still, dpi=100)
else:
    fig = plt.figure(figsize=(12, 5.4))
    plt.axes((0, 0, 1, 1), frameon=False, xticks=[], yticks=[])
    plt.imshow(plt.imread(still))
plt.show()

# %%
# Data: ESA, *Herschel* Science Archive. :doc:`/user_guide/real_maps` has
# more on both maps.
