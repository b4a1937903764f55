# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the experiment of a removal returns: tables, figures, explanations.
"""

from dataclasses import dataclass

from astropy.table import QTable, vstack

from compact_removal.base import BaseEvaluation
from compact_removal.removal.quality_flags import QUALITY_FLAGS

__all__ = ['Evaluation']

_HEADLINE = ('field', 'flux_min', 'flux_max', 'n_ratios', 'median_ratio',
             'iqr', 'annulus_iqr', 'within_1', 'below_limit', 'false_alarms',
             'hole_error', 'power_change', 'power_before', 'completeness',
             'reliability')

_LEGEND = """\
Ratios are of the output flux and the injected one (iqr: interquartile range,
beside that of an annulus; within_1: share within one flux_err, ideally 0.68;
below_limit: share not above upper_limit, ideally 0.95; false_alarms: share
with a flag of quality, ideally 0); the rest is about the background, see the
report."""

_NOTES = (
    'Ratios are of measured and injected flux, of all sources of a map; the '
    'interquartile range (IQR) is their scatter. What is judged are the '
    'columns that users get, against the whole light that was injected: '
    'nothing is corrected with the PSF that was injected. Beside "flux" '
    'there are standard photometry with an annulus ("annulus") and the '
    'flux of the fit ("fit"). Within 1 and 1.96 predicted errors should lie '
    '0.68 and 0.95 of the fluxes. If the median is off and few fluxes lie '
    'within their errors, the PSF may be another one than was learned.',
    'Below limit: the share of the injected fluxes that are not above '
    '"upper_limit", which should be 0.95 or more. False alarms: the share '
    'of the sources that carry a flag of quality, of all that got a flux; '
    'then the share of each of these flags. Injected sources are points '
    'without a fault, so it should be near 0, unless the injected PSF is far '
    'from that of the band, or real sources and defects lie in the map.',
    'The other columns are from one simulation of each map with sources of '
    'all fluxes. The error in the holes is that of the background, over its '
    'standard deviation there (both robust). Changes of power are the '
    'largest of the power spectrum at scales above the FWHM of the PSF, '
    'relative to the map before sources were injected: after the removal, '
    'and with the sources in the map. Sources have random orientations here, '
    'as in the paper, so the PSF of the map cannot be learned as well as in '
    'a real one. Complete: share of the significant sources (of so many) of '
    'which nothing significant, 3 sigma, is left; reliable: share of the '
    'removals that left neither a source nor a hole. A good removal has '
    'ratios of 1, an IQR well below that of the annulus, and all changes '
    'near 0.',
    'Pixel statistics are of the pixels in the holes, as Table 6 of the '
    'paper: before sources were injected, and as predicted after their '
    'removal.')

_LABELS = {
    'mode': 'Mode', 'band': 'Band', 'CRNET': 'Network',
    'CRWEIGHT': 'Weights', 'CRSHA256': 'SHA-256 of the weights',
    'CRVERS': 'compact_removal', 'n_fields': 'Maps',
    'n_sources': 'Sources per simulation (at most)', 'psf': 'Injected PSF',
    'seed': 'Seed',
    'field': 'map', 'flux_min': 'lowest flux', 'flux_max': 'highest flux',
    'n_ratios': 'ratios', 'median_ratio': 'median ratio', 'iqr': 'IQR',
    'within_1': 'within 1', 'within_196': 'within 1.96',
    **{f'{start}_{key}': f'{start}: {title}' for start in ('annulus', 'fit')
       for key, title in (('median_ratio', 'median ratio'), ('iqr', 'IQR'),
                          ('within_1', 'within 1'),
                          ('within_196', 'within 1.96'))},
    'below_limit': 'below limit', 'false_alarms': 'false alarms',
    **{name: name.replace('_', ' ') for name in QUALITY_FLAGS},
    'hole_error': 'error in holes', 'power_change': 'change of power',
    'power_before': 'with sources',
    'delta_variance_change': 'change of delta-variance',
    'ks_distance': 'KS distance',
    'wasserstein_distance': 'Wasserstein distance',
    'completeness': 'complete', 'reliability': 'reliable',
    'n_significant': 'of'}


@dataclass(frozen=True)
class Evaluation(BaseEvaluation):
    """
    What `~compact_removal.removal.evaluate_remover` found.

    Attributes
    ----------
    sources : `~astropy.table.QTable`
        All sources of all levels: the columns of
        `~compact_removal.CompactSourceRemover.remove`, and ``field``,
        ``injected_flux`` and the ratios of measured and injected flux,
        ``flux_ratio``, ``flux_ratio_1``, ... for further apertures,
        ``annulus_flux_ratio`` and ``flux_fit_ratio``. The injected flux
        is the whole light of a source, the measured one that of the
        output. ``pull``, ``pull_1``, ..., ``annulus_pull`` and
        ``fit_pull`` are errors over predicted errors.
    flux_ratios : `~astropy.table.QTable`
        Statistics of the ratios over all fields, see
        `~compact_removal.metrics.flux_ratio_statistics`; ``method`` is
        ``'network'``, ``'annulus'`` or ``'fit'``, ``aperture_radius`` an
        angle, NaN for the fit. ``within_1`` and ``within_196`` are the
        shares of the fluxes within one and 1.96 of their errors.
    maps : dict of str to `~compact_removal.removal.RemovalEvaluation`
        For each field, the metrics of a simulation with sources of all
        levels.
    summary : `~astropy.table.QTable`
        One row per field, see
        `~compact_removal.removal.evaluate_remover`.
    parameters : dict
        How the experiment was made; ``warnings`` of the removals.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_test_fields
    >>> from compact_removal.removal import evaluate_remover
    >>> fields = make_test_fields('scanmap', 'blue', n_fields=1,
    ...                           shape=(64, 64))
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> evaluation = evaluate_remover(remover, fields, n_sources=1,
    ...                               flux_levels=[900] * u.mJy, seed=1)
    >>> len(evaluation.sources), list(evaluation.maps)
    (1, ['field 1 (cirrus)'])
    >>> evaluation.pixel_statistics['field', 'map'].pprint()
         field          map
    ---------------- ---------
    field 1 (cirrus)  original
    field 1 (cirrus) predicted
    """

    sources: QTable
    flux_ratios: QTable
    maps: dict
    summary: QTable
    parameters: dict

    headline = _HEADLINE
    legend = _LEGEND
    notes = _NOTES
    labels = _LABELS

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'sources': self.sources, 'flux_ratios': self.flux_ratios,
                'pixel_statistics': self.pixel_statistics}

    @property
    def pixel_statistics(self):
        """
        Table 6 of the paper for the pixels in the holes of all fields.
        """
        tables = []
        for name, entry in self.maps.items():
            table = entry.pixel_statistics.copy()
            table.add_column([name] * len(table), name='field', index=0)
            tables.append(table)
        return vstack(tables)

    def figures(self):
        """
        Draw the figures of the paper's Section 5, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`: flux ratios by level
            (as Fig. 11); for each field the maps, and power spectra and
            pixel PDFs (as Fig. 13).
        """
        from matplotlib import pyplot as plt

        from compact_removal.plotting import (plot_flux_ratios, plot_pixel_pdf,
                                              plot_power_spectra, plot_removal)

        columns = {'network': 'flux_ratio', 'annulus': 'annulus_flux_ratio',
                   'fit': 'flux_fit_ratio'}
        axes = plot_flux_ratios(
            self.sources['injected_flux'],
            {label: self.sources[name] for label, name in columns.items()
             if name in self.sources.colnames})
        # fluxes are chosen for each map: neighbours may be of other maps
        yield ('Measured flux, as output, over injected flux, by injected '
               'flux', axes.figure)
        for name, entry in self.maps.items():
            axes = plot_removal(entry.image,
                                (entry.background, entry.sources))
            yield (f'{name}: map with sources, predicted background, and '
                   'what was removed', axes[0].figure)
            figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.8),
                                        layout='constrained')
            plot_power_spectra(entry.power_spectra, axes=axes[:2])
            plot_pixel_pdf(entry.pixel_comparison, axes=axes[2])
            yield (f'{name}: power spectra, their differences from the map '
                   'before sources were injected, and the distribution of '
                   'the pixels in the holes', figure)
