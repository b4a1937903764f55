# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment of Sect. 5 of the paper: inject, remove, judge.
"""

import sys
import warnings
from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable, vstack
from astropy.utils.exceptions import AstropyUserWarning
from tqdm import tqdm

from compact_removal.datasets import make_test_fields
from compact_removal.instruments import get_band
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.positions import pair_catalogs
from compact_removal.metrics import compare_power_spectra
from compact_removal.psf import as_psf
from compact_removal.removal.evaluation_result import Evaluation
from compact_removal.removal.flux_evaluation import (add_ratios,
                                                     ratio_statistics,
                                                     summarize_fluxes)
from compact_removal.removal.injection import (Field, InjectionPlan,
                                               InjectionSettings)
from compact_removal.removal.map_evaluation import evaluate_removal
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              check_positive_integer)
from compact_removal.utils.progress import bar_shape

__all__ = ['evaluate_remover']

# Smaller maps have no power spectrum.
_LEAST_SIDE = 16


def evaluate_remover(remover, backgrounds=None, *, n_sources=50,
                     flux_levels=10, psf=None, catalogs=None, seed=None,
                     progress_bar=False):
    """
    Inject sources into maps, remove them, and judge the result.

    For each map and flux level, sources of that flux are injected at
    random positions and removed (Sect. 2.3.1 and 5.2 of the paper);
    once more for each map with sources of all levels in random
    orientations (Sect. 5.3). Fluxes are judged with the former, spectra
    and pixels with the latter. What is judged are the columns of the
    table, as users get them: fluxes and errors are compared with the
    whole flux that was injected, and nothing is corrected with the PSF
    that was injected.

    Parameters
    ----------
    remover : `~compact_removal.CompactSourceRemover`
        The estimator. Of any other object, ``mode``, ``band`` and
        ``remove`` are used.
    backgrounds : list or dict of `~astropy.nddata.CCDData`, optional
        Maps with few real sources, by name or not. Default: six
        simulated ones, see `~compact_removal.datasets.make_test_fields`.
        They must have a unit of flux per pixel, solid angle or beam.
    n_sources : int, optional
        Sources per level and map. There are fewer where their
        apertures have no room side by side, or, a fifth at a time,
        where they would come closer than half the mean distance.
    flux_levels : int or `~astropy.units.Quantity`, optional
        The injected fluxes, or how many of them: then they are chosen
        for each map between the fluxes where sources begin to be seen
        (S/N of 3, eq. 1) and where they are bright (S/N of 100), from
        Table 1 of the paper where it has enough.
    psf : Band or PSF object, optional
        The PSF that is injected, see `~compact_removal.psf.as_psf`.
        Default: that of the band. Give another one, such as that of
        real stamps, to see what happens when the PSF is not the one
        that is assumed.
    catalogs : list or dict, optional
        Positions of real sources in each map, to stay away from by the
        largest mask radius.
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `Evaluation`
        Its ``summary`` has one row per field: ``field``, ``n_sources``
        (of a simulation), ``flux_min``, ``flux_max`` (levels),
        ``n_ratios`` (of all levels), ``median_ratio`` and ``iqr`` (of
        ``flux`` over the injected flux), ``within_1`` and
        ``within_196`` (shares of the fluxes whose error is within one
        and 1.96 ``flux_err``; 0.683 and 0.95 if these are right), the
        same of ``annulus_flux`` and ``flux_fit``, as
        ``annulus_median_ratio``, ``fit_median_ratio``, ...,
        ``below_limit`` (share of the injected fluxes that are not above
        ``upper_limit``; 0.95 if it is right), ``false_alarms`` (share
        of the sources with a flag of quality), and the same of each of
        these: ``poor_fit``, ``sharp``, ``extended``, ``saturated`` and
        ``outlier_pixels``. Columns that the remover does not give count
        as NaN.

        The others are of the background: ``hole_error`` (error of the
        background in the holes over the standard deviation there, both
        robust), ``power_change`` (largest relative difference of the
        power spectra on scales above the FWHM of the PSF),
        ``power_before`` (the same with the sources in the map),
        ``delta_variance_change`` (the same, at all lags),
        ``ks_distance``, ``wasserstein_distance``, ``completeness``,
        ``reliability`` and ``n_significant``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed, or a map has no room for sources.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_test_fields
    >>> from compact_removal.removal import evaluate_remover
    >>> fields = make_test_fields('scanmap', 'blue', n_fields=1,
    ...                           shape=(128, 128))
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> evaluation = evaluate_remover(remover, fields, n_sources=5,
    ...                               flux_levels=2, seed=1)
    >>> evaluation.flux_ratios['method', 'level', 'n'].pprint()
     method level  n
             mJy
    ------- ----- ---
    network  20.0   5
    network 900.0   5
    annulus  20.0   5
    annulus 900.0   5
        fit  20.0   5
        fit 900.0   5
    """
    band = get_band(remover.mode, remover.band)
    settings = InjectionSettings(
        band, band if psf is None else psf,
        check_positive_integer('n_sources', n_sources), flux_levels)
    rng = np.random.default_rng(seed)
    fields = _fields(backgrounds, catalogs, remover, band, rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        plans = [InjectionPlan(field, settings, child)
                 for field, child in zip(fields, rng.spawn(len(fields)),
                                         strict=True)]
        tables, maps, rows = _run(remover, plans, progress_bar)
    # each once, not for every simulation
    messages = list(dict.fromkeys(str(entry.message) for entry in caught))
    for message in messages:
        warnings.warn(message, AstropyUserWarning, stacklevel=2)
    sources = vstack(tables, metadata_conflicts='silent')
    summary = vstack(rows)
    parameters = {'mode': band.mode, 'band': band.name,
                  'n_fields': len(fields), 'n_sources': settings.n_sources,
                  'psf': 'band' if psf is None else type(psf).__name__,
                  'seed': seed if isinstance(seed, int) else None,
                  'warnings': messages,
                  **{key: value for key, value in sources.meta.items()
                     if key.startswith('CR')}}
    return Evaluation(sources, ratio_statistics(sources), maps, summary,
                      parameters)


def _run(remover, plans, progress_bar):
    """
    All simulations: sources and summary of each field, and its metrics.
    """
    tables, maps, rows = [], {}, []
    with tqdm(total=sum(len(plan.levels) + 1 for plan in plans),
              unit='map', disable=not progress_bar,
              **bar_shape(sys.stderr)) as bar:
        for plan in plans:
            mine = []
            for level in plan.levels:
                image, catalog = plan.simulate(level)
                _, sources = remover.remove(image, catalog['sky_center'])
                mine.append(add_ratios(sources, catalog['flux']))
                bar.update()
            image, catalog = plan.simulate(None)
            result = remover.remove(image, catalog['sky_center'])
            result.sources['injected_flux'] = catalog['flux']
            maps[plan.name] = evaluate_removal(image, result, plan.ccd)
            bar.update()
            tables.append(vstack(mine, metadata_conflicts='silent'))
            tables[-1].add_column([plan.name] * len(tables[-1]),
                                  name='field', index=0)
            rows.append(_summary_row(plan, tables[-1], maps[plan.name]))
    return tables, maps, rows


def _fields(backgrounds, catalogs, remover, band, rng):
    """
    Maps with their names and catalogues.
    """
    if backgrounds is None:
        if catalogs is not None:
            msg = 'catalogs must be None where backgrounds is None'
            raise ParameterError(msg, 'catalogs')
        backgrounds = make_test_fields(remover.mode, band, seed=rng)
    if isinstance(backgrounds, CCDData):
        backgrounds = [backgrounds]
    if isinstance(backgrounds, Mapping):
        names, maps = list(backgrounds), list(backgrounds.values())
        if isinstance(catalogs, Mapping):
            catalogs = [catalogs.get(name) for name in names]
    else:
        maps = list(backgrounds)
        names = [_name(ccd, i) for i, ccd in enumerate(maps)]
    if not maps:
        msg = 'backgrounds must be None or hold at least one map'
        raise ParameterError(msg, 'backgrounds')
    for ccd in maps:
        if not isinstance(ccd, CCDData):
            msg = f'backgrounds must be CCDData, got {type(ccd).__name__}'
            raise ParameterTypeError(msg, 'backgrounds')
        SkyGrid(ccd.wcs, name='backgrounds')
        if min(ccd.shape) < _LEAST_SIDE:
            msg = (f'backgrounds must have at least {_LEAST_SIDE} pixels a '
                   f'side, got {ccd.shape}')
            raise ParameterError(msg, 'backgrounds')
    for keyword in ('PACSMODE', 'PACSBAND', 'WAVELNTH'):
        found = {ccd.meta.get(keyword) for ccd in maps} - {None}
        if len(found) > 1:
            msg = (f'backgrounds must be of one mode and band, got '
                   f'{keyword} {", ".join(map(str, sorted(found)))}')
            raise ParameterError(msg, 'backgrounds')
    catalogs = pair_catalogs(catalogs, len(maps))
    return [Field(*entry) for entry in zip(names, maps, catalogs,
                                           strict=True)]


def _name(ccd, i):
    """
    The name of a map: its number, and its object if the header has one.
    """
    title = str(getattr(ccd, 'meta', {}).get('OBJECT', '')).strip()
    return f'map {i + 1}' + (f' ({title})' if title else '')


def _summary_row(plan, sources, entry):
    """
    The numbers of one field.
    """
    row = QTable({'field': [plan.name], 'n_sources': [plan.n_sources]})
    row['flux_min'] = plan.levels[:1]
    row['flux_max'] = plan.levels[-1:]
    for name, value in summarize_fluxes(sources).items():
        row[name] = [value]
    row['hole_error'] = [entry.hole_error]
    # smaller scales hold no more than the noise
    psf = as_psf(plan.psf, pixel_scale=plan.pixel_scale)
    before = compare_power_spectra(entry.power_spectra['with sources'],
                                   entry.power_spectra['original'])
    for name, change in (('power_change', entry.spectrum_difference),
                         ('power_before', before)):
        seen = change['frequency'] <= 1 / (psf.fwhm * u.arcsec)
        row[name] = [float(np.abs(change['relative_difference'][seen]).max())]
    predicted, original = (
        entry.delta_variances[name]['delta_variance'].value
        for name in ('predicted', 'original'))
    row['delta_variance_change'] = [
        float(np.nanmax(np.abs(predicted / original - 1)))]
    row['ks_distance'] = [entry.pixel_comparison.ks_distance]
    distance = entry.pixel_comparison.wasserstein_distance
    row['wasserstein_distance'] = [distance.value] * distance.unit
    row['completeness'] = [entry.rates.completeness]
    row['reliability'] = [entry.rates.reliability]
    row['n_significant'] = [entry.rates.n_significant]
    return row
