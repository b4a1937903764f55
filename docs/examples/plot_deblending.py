# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Take a blend apart
==================

Three galaxies that overlap, and pairs at known positions.
"""

# %%
# A simulated blend, whose truth is known.

import numpy as np
from matplotlib import pyplot as plt

from compact_removal import BlendPhotometer, SourceDeblender
from compact_removal.datasets import make_galaxy
from compact_removal.deblending import BlendSettings, make_blends
from compact_removal.plotting import plot_magnitude_errors

settings = BlendSettings(fwhm=(3.0, 3.0), radius=(3.0, 5.0),
                         snr=(200.0, 200.0), difference=1.0,
                         separation=(1.8, 3.0), stars=0.0)
galaxies = [make_galaxy(kind, seed=k) for k, kind in enumerate(
    ('spheroid', 'disk', 'composite') * 3)]
blend, = make_blends(1, n_sources=3, galaxies=galaxies, settings=settings,
                     seed=8)

# %%
# The deblender shares the light of each pixel among the galaxies, and measures
# their fluxes. Without positions it would find them; in groups as dense as
# this one it may miss some.

places = np.column_stack([blend.x, blend.y])
result = SourceDeblender().deblend(blend.image, places)
axes = result.plot()
plt.show()

# %%
# Each galaxy alone, above as it was taken out, below as it was simulated.

sources = result.sources
n = len(sources)
fig, axes = plt.subplots(2, n, figsize=(2.2 * n, 4.6), layout='constrained',
                         squeeze=False, sharex=True, sharey=True)
for k in range(n):
    how = {'origin': 'lower', 'cmap': 'gray_r', 'vmin': -3, 'vmax': 25}
    axes[0, k].imshow(result.model(sources['id'][k]), **how)
    axes[1, k].imshow(blend.sources[k], **how)
    axes[0, k].set_title(f'flux {sources["flux"][k].value:.0f} '
                         f'± {sources["flux_err"][k].value:.0f}', fontsize=9)
    axes[1, k].set_title(f'true {blend.flux[k]:.0f}', fontsize=9)
plt.show()

# %%
# Where positions are known, the photometer measures them. Errors of pairs grow
# as they come nearer; :doc:`/science/deblending` has more.

evaluation = BlendPhotometer().experiment(n_maps=60, seed=2)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout='constrained')
for ax, name, label in ((axes[0], 'separation',
                         'Separation (half-light radii)'),
                        (axes[1], 'difference', 'Magnitude difference')):
    plot_magnitude_errors(evaluation.sources['flux'],
                          evaluation.sources['true_flux'],
                          evaluation.sources[name], label=label, axes=ax)
plt.show()
