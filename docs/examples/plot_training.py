# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training on your own maps
=========================

Go on from the shipped weights with maps of yours, and see on another map
whether it was worth it.
"""

# %%
# Maps with something that the shipped weights have not seen: stripes
# along one direction, stronger than the cirrus between them. Three maps
# are for training, one is kept for the test.

import numpy as np
from astropy.table import vstack
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter1d

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_test_fields
from compact_removal.evaluation import evaluate
from compact_removal.plotting import plot_history

rng = np.random.default_rng(1)
maps = []
for seed in range(4):
    (ccd,) = make_test_fields('scanmap', 'blue', n_fields=1,
                              shape=(192, 192), seed=seed).values()
    stripes = gaussian_filter1d(rng.standard_normal(ccd.shape[1]), 1.0)
    ccd.data += 0.003 * stripes / stripes.std()
    maps.append(ccd)
training_maps, test_map = maps[:3], maps[3]

# %%
# ``fit`` injects sources into the maps and starts from the weights of the
# estimator, by default those that ship. A low learning rate keeps what
# they have learned. Settings as small as these are for a
# page that is made in seconds; the shipped weights took hours. Positions
# of real sources in your maps go in as ``catalogs``, one per map.

settings = {'n_batches': 10, 'n_validation_batches': 3}
tuned = CompactSourceRemover('scanmap', 'blue', batch_size=8,
                             cutout_size=48, seed=1)
tuned.fit(training_maps, training={**settings, 'n_epochs': 4,
                                   'learning_rate': 0.0003})
plot_history(tuned.history_)
plt.show()

# %%
# For comparison a small network that starts from random weights.

small = CompactSourceRemover('scanmap', 'blue', weights=None, batch_size=8,
                             cutout_size=48, seed=1)
small.fit(training_maps, training={**settings, 'n_epochs': 8, 'width': 4,
                                   'learning_rate': 0.005})
plot_history(small.history_)
plt.show()

# %%
# Sources are injected into the map that was kept, and removed by both and
# by the remover with the shipped weights.

removers = {'shipped': CompactSourceRemover('scanmap', 'blue'),
            'shipped, trained on': tuned, 'random, trained': small}
evaluations, rows = {}, []
for name, remover in removers.items():
    remover.set_params(cutout_size=None, batch_size=64)
    evaluation = evaluate(remover, [test_map], n_sources=20, flux_levels=4,
                          seed=1)
    (evaluations[name],) = evaluation.maps.values()
    evaluation.summary['weights'] = [name]
    rows.append(evaluation.summary)
table = vstack(rows)
table.round(3)
table['weights', 'n_ratios', 'iqr', 'annulus_iqr', 'hole_error', 'within_1',
      'within_196']

# %%
# ``hole_error``, the error of the background in the holes over its
# standard deviation, says most. Seconds of training hardly change it for
# the shipped weights, which have seen structure of many kinds; scatters
# (``iqr``) of so few fluxes differ by chance, too. What can be learned
# fast is how large errors are on such maps: the shares of fluxes within
# one and 1.96 ``flux_err`` should be 0.683 and 0.95. The network that
# started from random weights would need a longer training, and a larger
# width, to come near the others.
#
# A map with sources of all fluxes, and the errors of the backgrounds:

# sphinx_gallery_thumbnail_number = 3
first = evaluations['shipped']
limit = 2e3 * first.reference.data.std()
fig, axes = plt.subplots(2, 2, figsize=(9, 8), layout='constrained',
                         sharex=True, sharey=True)
panels = [('Map', first.image.data - np.median(first.image.data), 'viridis')]
panels += [(f'Error: {name}', one.background.data - one.reference.data,
            'RdBu_r') for name, one in evaluations.items()]
for ax, (title, values, cmap) in zip(axes.flat, panels, strict=True):
    reach = limit if cmap == 'viridis' else limit / 4
    shown = ax.imshow(values * 1e3, cmap=cmap, vmin=-reach, vmax=reach,
                      origin='lower')
    fig.colorbar(shown, ax=ax, label='mJy / pix')
    ax.set_title(title)
for ax in axes[-1]:
    ax.set_xlabel('x (pixels)')
for ax in axes[:, 0]:
    ax.set_ylabel('y (pixels)')
plt.show()
