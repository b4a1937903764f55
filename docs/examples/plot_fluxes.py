# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes, beside those of an annulus
==================================

Inject sources of known flux, remove them, and compare fluxes and errors
with the truth.
"""

# %%
# Four simulated fields, from faint cirrus to bright filaments. The
# network was trained on fields of such kinds, but not on these. The PSF
# that is injected is 6 % wider than that of the band, and more elongated;
# the remover is not told. 25 sources at each of six fluxes are injected
# into each field.

from itertools import pairwise

import numpy as np
from matplotlib import pyplot as plt
from scipy.stats import norm

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_test_fields
from compact_removal.evaluation import evaluate
from compact_removal.instruments import get_band
from compact_removal.plotting import plot_flux_ratios
from compact_removal.psf import AnalyticPSF

psf = AnalyticPSF(get_band('scanmap', 'blue').psf)
psf = psf.vary(broadening=1.06, elongation=1.1)
fields = make_test_fields('scanmap', 'blue', n_fields=4,
                          shape=(256, 256), seed=3)
remover = CompactSourceRemover('scanmap', 'blue')
evaluation = evaluate(remover, fields, n_sources=25, flux_levels=6, psf=psf,
                      seed=1)

# %%
# One panel per field: measured over injected flux, for the fluxes of the
# remover, for standard photometry with an annulus in the same aperture,
# and for the fit. Nothing is corrected with the PSF that was injected:
# these are the columns of the table, over the whole light of the
# sources. (This is Fig. 11 of the paper.)

sources = evaluation.sources
fig, axes = plt.subplots(2, 2, figsize=(11, 7), layout='constrained')
for ax, name in zip(axes.flat, fields, strict=True):
    rows = sources[sources['field'] == name]
    plot_flux_ratios(rows['injected_flux'],
                     {'network': rows['flux_ratio'],
                      'annulus': rows['annulus_flux_ratio'],
                      'fit': rows['flux_fit_ratio']}, axes=ax)
    ax.set_title(name)
plt.show()

# %%
# The same in numbers: median and interquartile range of the ratios, and
# the shares of the fluxes that are within one and 1.96 of their errors
# (0.683 and 0.95 if the errors are right); and the shares of the sources
# below their upper limits (0.95) and with a flag of quality (0).

evaluation.summary.round(3)
evaluation.summary['field', 'median_ratio', 'iqr', 'annulus_median_ratio',
                   'annulus_iqr', 'within_1', 'within_196', 'below_limit',
                   'false_alarms']

# %%
# The pull of a flux is its error over ``flux_err``. If the errors are
# right, pulls are distributed like a Gaussian of unit width, for faint
# sources as for bright ones. On the right, half of the width of the
# central 68 % of them: below 1, errors are overestimated. The median is
# below 0, because the PSF is wider than that of the band. The remover
# learns the PSF from bright sources; where all sources of a map are
# faint, a part of their flux stays in the background. With ``psf=None``,
# which injects the PSF of the band, the shift is smaller.

pull = np.array(sources['pull'])
precision = np.array((sources['flux'] / sources['flux_err']).value)
grid = np.linspace(-5, 5, 201)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4),
                                  layout='constrained')
left.hist(pull, bins=np.linspace(-5, 5, 41), density=True,
          color='#56b4e9', label=f'{pull.size} fluxes')
left.plot(grid, norm.pdf(grid), color='black', label='unit Gaussian')
left.set_xlabel('(measured - injected) / flux_err')
left.set_ylabel('Probability density')
left.legend()
edges = np.percentile(precision, np.linspace(0, 100, 9))
found = []
for low, high in pairwise(edges):
    part = (precision >= low) & (precision <= high)
    found.append([np.median(precision[part]),
                  *np.percentile(pull[part], [16, 50, 84])])
x, lower, middle, upper = np.transpose(found)
right.plot(x, (upper - lower) / 2, 'o-', color='#0072b2',
           label='half of the central 68 %')
right.plot(x, middle, 's--', color='#d55e00', label='median')
for value in (0, 1):
    right.axhline(value, color='black', linewidth=0.8, linestyle=':')
right.set_xscale('log')
right.set_ylim(-1.5, 2)
right.set_xlabel('flux / flux_err')
right.set_ylabel('Pull')
right.legend()
plt.show()

# sphinx_gallery_thumbnail_number = 1
