# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Judging a removal
=================

Inject sources into maps, remove them, and see what became of fluxes,
power spectra and pixels.
"""

# %%
# Two simulated fields stand in for maps of yours. Fifteen sources at each
# of five fluxes are injected into both, and removed.

from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_test_fields
from compact_removal.evaluation import evaluate_remover
from compact_removal.plotting import (plot_flux_ratios, plot_pixel_pdf,
                                      plot_power_spectra, plot_removal)

fields = make_test_fields('scanmap', 'blue', n_fields=2,
                          shape=(224, 224))
remover = CompactSourceRemover('scanmap', 'blue')
evaluation = evaluate_remover(remover, fields, n_sources=15,
                              flux_levels=5, seed=1)
summary = evaluation.summary['field', 'median_ratio', 'iqr',
                             'annulus_iqr', 'completeness']
summary.round(3)
print(summary)

# %%
# Measured over injected fluxes, as Fig. 11 of the paper shows them: the
# network beside standard photometry with an annulus.

sources = evaluation.sources
plot_flux_ratios(sources['injected_flux'],
                 {'network': sources['flux_ratio'],
                  'annulus': sources['annulus_flux_ratio']})
plt.show()

# %%
# For each field there is one simulation with sources of all fluxes. The
# map, the background that was found, and what was removed:

name, entry = list(evaluation.maps.items())[1]
plot_removal(entry.image, (entry.background, entry.sources))
plt.show()

# %%
# Its power spectrum before sources were injected, with sources, and
# after their removal, as in Fig. 13 of the paper:

plot_power_spectra(entry.power_spectra)
plt.show()

# %%
# The pixels in the holes, before and after:

plot_pixel_pdf(entry.pixel_comparison)
plt.show()
statistics = entry.pixel_statistics['map', 'mean', 'median', 'iqr',
                                    'skewness']
statistics.round(4)
print(statistics)
