# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Mask an exposure, and fill its defects
======================================

Cosmic rays, a trail and dead columns on a simulated exposure.
"""

# %%
# A clean exposure, and what is added to it.

from astropy.table import Table
from matplotlib import pyplot as plt

from compact_removal import ContaminantMasker
from compact_removal.contaminants import CLASSES, clean, contaminate
from compact_removal.datasets import ExposureSettings, make_exposure
from compact_removal.plotting import plot_classes

settings = ExposureSettings(fwhm=(2.5, 2.5), stars=(2000.0, 2000.0),
                            sky=(800.0, 800.0))
exposure = contaminate(
    make_exposure((300, 300), settings=settings, seed=12),
    ['CR', 'DCL', 'TRL'], seed=12)

# %%
# The masker needs no parameters. But this exposure has more defects than usual
# ones, which ``priors`` says. Flags are sums of the bits of classes.

masker = ContaminantMasker(priors={'CR': 0.002, 'DCL': 0.01, 'TRL': 0.02})
masked = masker.mask(exposure.image)
shown = [one for one in CLASSES if one.bit]
axes = plot_classes(exposure.image, [masked.flags & one.bit > 0
                                     for one in shown],
                    [one.name for one in shown],
                    [one.color for one in shown])
axes[0].figure.set_size_inches(9, 4)
plt.show()

# %%
# How many of the pixels of each class were found, and how many of those that
# were found are right.

rows = []
for k, one in enumerate(shown):
    truth, found = exposure.planes[k], masked.flags & one.bit > 0
    if truth.any():
        rows.append((one.name, int(truth.sum()), (found & truth).sum()
                     / truth.sum(), (found & truth).sum()
                     / max(found.sum(), 1)))
table = Table(rows=rows, names=['class', 'pixels', 'completeness', 'purity'])
table.round(2)
print(table)

# %%
# Small defects are filled with what the pixels around them predict. Two pixels
# around are masked, too, so that what the masker has missed of a defect does
# not count. What is wider than seven pixels stays masked.

cleaned = clean(masker.mask(exposure.image, grow=2))
fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout='constrained')
sky, noise = exposure.clean.sky, exposure.clean.noise
low, high = sky - 3 * noise, sky + 12 * noise
for ax, data, title in ((axes[0], exposure.image, 'Exposure'),
                        (axes[1], cleaned.data, 'Filled')):
    ax.imshow(data, origin='lower', cmap='gray_r', vmin=low, vmax=high)
    ax.set(title=title)
plt.show()
