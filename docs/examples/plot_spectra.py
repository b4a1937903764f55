# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Power spectrum and pixels, before and after
===========================================

What sources do to the statistics of a map, and what is left of it after
they were removed.
"""

# %%
# Thirty sources are injected into a simulated field, whose statistics
# without them are known.

import astropy.units as u
from astropy.visualization import simple_norm
from matplotlib import pyplot as plt

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.metrics import compare_pixels, fit_power_law
from compact_removal.plotting import plot_pixel_pdf, plot_power_spectra
from compact_removal.removal import evaluate_removal

image, catalog, truth = make_example_field(
    shape=(320, 320), n_sources=30, kind='anisotropic', seed=8,
    return_background=True)
remover = CompactSourceRemover('scanmap', 'blue')
result = remover.remove(image, catalog)
evaluation = evaluate_removal(image, result, truth)

# %%
# The map as it is observed, what came back, and the truth.

norm = simple_norm(truth.data * 1e3, 'asinh', min_percent=0.5,
                   max_percent=99.8)
fig, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout='constrained',
                         subplot_kw={'projection': image.wcs})
panels = {'with sources': image, 'predicted': result.background,
          'original': truth}
for ax, (title, ccd) in zip(axes, panels.items(), strict=True):
    shown = ax.imshow(ccd.data * 1e3, norm=norm, cmap='inferno',
                      origin='lower')
    ax.set_title(title)
    ax.coords[0].set_axislabel('Right ascension')
    ax.coords[0].set_ticks(number=3)
    ax.coords[1].set_axislabel('Declination' if ax is axes[0] else ' ')
    ax.coords[1].set_ticklabel_visible(ax is axes[0])
fig.colorbar(shown, ax=axes, label='mJy / pix', shrink=0.8)
plt.show()

# %%
# The power spectra. With sources in it, the map has more power on all
# scales; the line of the predicted map follows that of the original. At
# the highest frequencies, where the map has little but noise, a little
# that is left of a bright source can be seen.

# sphinx_gallery_thumbnail_number = 2
plot_power_spectra(evaluation.power_spectra)
plt.show()

# %%
# Whoever fits a power law to the spectrum of a cloud gets another exponent
# if the sources are left in. Here on scales between 200 and 25 arcsec:

for name, spectrum in evaluation.power_spectra.items():
    law = fit_power_law(spectrum, limits=[1 / 200, 1 / 25] / u.arcsec)
    print(f'{name:13} {law.index:6.2f} +- {law.index_err:.2f}')

# %%
# The delta-variance shows the same without a window: it is the variance
# of the map, filtered to structure of one size, the lag.

fig, ax = plt.subplots(figsize=(6.4, 4.2), layout='constrained')
styles = {'original': ('#56b4e9', '-', 5), 'predicted': ('black', '--', 1.8),
          'with sources': ('#d55e00', '-', 1.8)}
for name, (color, line, width) in styles.items():
    table = evaluation.delta_variances[name]
    ax.loglog(table['lag'].value, table['delta_variance'].value, line,
              color=color, linewidth=width, label=name)
ax.set_xlabel('Lag (arcsec)')
ax.set_ylabel(f'Delta-variance ({table["delta_variance"].unit:unicode})')
ax.legend()
plt.show()

# %%
# The distribution of the pixels in the holes: on the left that of the map
# with the sources, on the right that of the background, each beside the
# truth.

left_in = compare_pixels(image, truth, where=evaluation.holes)
fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout='constrained')
plot_pixel_pdf(left_in, axes=axes[0], labels=('original', 'with sources'))
plot_pixel_pdf(evaluation.pixel_comparison, axes=axes[1])
plt.show()

evaluation.pixel_statistics.round(4)
evaluation.pixel_statistics['map', 'mean', 'median', 'iqr', 'skewness']
