# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Whether fluxes are unbiased from nothing to the brightest sources.

Experiments, each per field and pooled::

    python benchmarks/unbiased.py fluxes --data ../shared/data
    python benchmarks/unbiased.py fluxes --fit-only
    python benchmarks/unbiased.py stacking
    python benchmarks/unbiased.py gaussians
    python benchmarks/unbiased.py power

``fluxes``: maps with sources and empty positions; scatter over that of
the clipped annulus and bias over scatter, and errors of the background in
holes. ``--fit-only`` leaves the network out. ``stacking``: faint sources
with and without their light in the same noise. ``gaussians``: round
Gaussians up to 1.5 beams wide on a smooth map of an interferometer.
``power``: change of the power spectrum by sources and their removal.
"""

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import astropy.units as u
import numpy as np
from accuracy_report import LEVELS, robust
from astropy.table import Table, vstack
from development_data import as_ccd
from scipy.ndimage import gaussian_filter
from trust import with_empty
from trust_cases import PSF_KINDS, local_sigma, make_case, render

from compact_removal import CompactSourceRemover
from compact_removal.instruments import get_band
from compact_removal.metrics import power_spectrum
from compact_removal.psf import StampPSF
from compact_removal.removal import remover as remover_module

# Radius of what counts as the hole (pixels).
_HOLE = 6.0

# Fewer sources of a field than that have no scatter.
_LEAST_SOURCES = 12

# Ends of the names of fields where noise rules.
_NOISY = ('noisy', 'NGC5705field')

# Sources of `stacking` in their predicted errors, and their distance.
_FAINT = 0.5
_STEP = 36

# Fluxes of sources of `power` in local standard deviations, and limits of
# the frequencies (per pixel).
_POWER_FLUXES = (5.0, 1600.0)
_FREQUENCIES = (0.01, 0.5)

# Gaussians: width of the beam (pixels), sizes in beams, peaks over the
# noise, sources per map, and their distance (pixels).
_BEAM = 5.0
_SIZES = (0.85, 1.5)
_PEAKS = (5.0, 100.0)
_PER_MAP, _APART = 50, 40


def predict_nothing(model, **_options):
    """
    In place of a network: the map minus the fitted sources.
    """
    def predict(inputs):
        image = np.array(inputs['image'])
        level = np.nanmedian(image, axis=(1, 2), keepdims=True)
        image = np.where(np.isfinite(image), image, level)
        return {'background': image, 'error': np.ones_like(image),
                'flux_error': np.ones((len(image), 4))}

    return predict


def remove(ccd, x, y, args, band=None):
    """
    Remove sources as ``args`` say.
    """
    if args.fit_only:
        remover_module.make_predict = predict_nothing
    remover = CompactSourceRemover(
        args.mode, args.band if band is None else band,
        network=args.network, weights=args.weights)
    return remover.remove(ccd, ccd.wcs.pixel_to_world(x, y))


def read_fluxes(sources):
    """
    Columns of fluxes in Jy.
    """
    return {name: sources[name].to_value('Jy') for name in (
        'flux', 'flux_err', 'flux_fit', 'flux_fit_err', 'annulus_flux')}


def run_fluxes(seed, args):
    """
    One map of `fluxes`: a row for each position.
    """
    case = make_case(args.case, seed, band=get_band(args.mode, args.band),
                     folder=args.data)
    case = with_empty(case, np.random.default_rng([seed, 7]), faint=False)
    background, sources = remove(case.ccd(), case.x, case.y, args)
    rows = Table({'field': np.full(case.x.size, case.field),
                  'true_flux': case.flux, 'sigma': case.sigma,
                  **read_fluxes(sources)})
    error = background.data - case.truth
    rows['hole'] = [np.sqrt(np.nanmean(error[case.radius(k) <= _HOLE] ** 2))
                    / case.sigma[k] for k in range(case.x.size)]
    return rows


def run_stacking(seed, args):
    """
    One map of `stacking`: the same noise without and with the light.
    """
    band = get_band(args.mode, args.band)
    case = make_case(args.case, seed, band=band, folder=args.data,
                     density=0.3)
    bright, ny = case.x.size, case.truth.shape[0]
    axis = np.arange(_STEP, ny - _STEP / 2, _STEP)
    x, y = (values.ravel() + 0.3 for values in np.meshgrid(axis, axis))
    free = ~case.avoid[np.rint(y).astype(int), np.rint(x).astype(int)]
    free &= np.min(np.hypot(x[:, None] - case.x, y[:, None] - case.y),
                   axis=1) > _STEP / 2
    x, y = x[free], y[free]
    case = case.add(x, y, 0 * x, local_sigma(case.truth, x, y))
    before, after = None, case
    rows = Table({'field': np.full(case.x.size, case.field)})
    for label in ('without', 'with'):
        _, sources = remove(after.ccd(), case.x, case.y, args)
        for name, values in read_fluxes(sources).items():
            rows[f'{name}_{label}'] = values
        if before is None:
            before = _FAINT * np.where(np.arange(case.x.size) < bright, 0,
                                       rows['flux_err_without'])
            image = case.image + render(
                case.psf, band, case.truth.shape, case.x, case.y,
                np.nan_to_num(before))
            after = replace(case, image=image)
    rows['true_flux'] = before
    return rows[bright:]


def run_gaussians(seed, args):
    """
    One map of `gaussians`.
    """
    rng = np.random.default_rng([90_220_000, seed])
    fine = np.arange(-120, 121) / 4
    sigma = _BEAM / 2.3548
    beam = np.exp(-0.5 * (fine ** 2 + fine[:, None] ** 2) / sigma ** 2)
    scale = 0.5 * u.arcsec
    band = replace(get_band('scanmap', 'blue'), name='beam', mode='radio',
                   pixel_scale=scale, psf=StampPSF(beam, scale / 4),
                   eef_radii=(), eef_values=(),
                   default_aperture=1.2 * _BEAM * scale,
                   photometry_annulus=np.array([3, 5]) * _BEAM * scale)
    side = int(_APART * np.ceil(np.sqrt(_PER_MAP)) + _APART)
    image = gaussian_filter(rng.normal(size=(side, side)), sigma)
    image /= image.std()
    axis = np.arange(_APART, side - _APART / 2, _APART)
    x, y = (values.ravel()[:_PER_MAP] + rng.uniform(-2, 2, _PER_MAP)
            for values in np.meshgrid(axis, axis))
    size = rng.uniform(*_SIZES, x.size)
    peak = np.exp(rng.uniform(*np.log(_PEAKS), x.size))
    rows, columns = np.indices(image.shape)
    for k in range(x.size):
        image += peak[k] * np.exp(
            -0.5 * ((columns - x[k]) ** 2 + (rows - y[k]) ** 2)
            / (size[k] * sigma) ** 2)
    _, sources = remove(as_ccd(image, band), x, y, args, band)
    return Table({'field': np.full(x.size, 'beam'), 'size': size,
                  'peak': peak,
                  'true_flux': peak * 2 * np.pi * (size * sigma) ** 2,
                  **read_fluxes(sources)})


def run_power(seed, args):
    """
    One map of `power`: the largest changes of the log of the power.
    """
    case = make_case(args.case, seed, band=get_band(args.mode, args.band),
                     folder=args.data, flux_range=_POWER_FLUXES)
    background, _ = remove(case.ccd(), case.x, case.y, args)
    logs = []
    for image in (case.truth, background.data, case.image):
        spectrum = power_spectrum(image)
        frequency = spectrum['frequency'].value
        inside = (frequency > _FREQUENCIES[0]) & (frequency < _FREQUENCIES[1])
        logs.append(np.log(spectrum['power'].value[inside]))
    changes = np.abs(np.array(logs[1:]) - logs[0])
    where = frequency[inside][changes[0].argmax()]
    return Table({'field': [case.field], 'change': [changes[0].max()],
                  'frequency': [where], 'with sources': [changes[1].max()]})


def report_power(rows):
    """
    Median and largest change of each field.
    """
    table = []
    for field in (*np.unique(rows['field']), 'all'):
        part = rows[(rows['field'] == field) | (field == 'all')]
        worst = part['change'].argmax()
        table.append({'field': str(field), 'n': len(part),
                      'median': np.median(part['change']),
                      'worst': part['change'][worst],
                      'at frequency': part['frequency'][worst],
                      'with sources': np.median(part['with sources'])})
    show(Table(table))


def report_fluxes(rows):
    """
    Scatter over that of the annulus, and bias over scatter, per field.
    """
    table = []
    level = rows['true_flux'] / rows['sigma']
    ranges = [('empty', level == 0)] + [
        (f'{low}-{high}', (level >= low) & (level < high))
        for low, high in LEVELS]
    noisy = np.array([field.endswith(_NOISY) for field in rows['field']])
    parts = {field: rows['field'] == field
             for field in np.unique(rows['field'])}
    parts |= {'structured': ~noisy, 'noisy': noisy, 'all': level >= 0}
    for field, mine in parts.items():
        for name, which in ranges:
            part = rows[mine & which]
            if len(part) < _LEAST_SOURCES:
                continue
            errors = {one: np.asarray((part[one] - part['true_flux'])
                                      / part['sigma'])
                      for one in ('flux', 'flux_fit', 'annulus_flux')}
            scatter = {one: robust(values) for one, values in errors.items()}
            pull = errors['flux'] * part['sigma'] / part['flux_err']
            with np.errstate(divide='ignore'):
                relative = np.asarray(part['flux'] / part['true_flux'] - 1)
            table.append({
                'field': str(field), 'level': name, 'n': len(part),
                'ratio': scatter['flux'] / scatter['annulus_flux'],
                'fit ratio': scatter['flux_fit'] / scatter['annulus_flux'],
                'bias': np.median(errors['flux']) / scatter['flux'],
                'pull': np.median(pull),
                'within 1': np.mean(np.abs(pull) < 1),
                '1.96': np.mean(np.abs(pull) < 1.96),
                '>3 %': 100 * np.mean(np.abs(pull) > 3),
                'rel. %': (100 * robust(relative) if name != 'empty'
                           else np.nan),
                'hole': np.median(part['hole'])})
    show(Table(table))


def report_stacking(rows):
    """
    Mean change of the flux over the light that was added.
    """
    table = []
    for field in (*np.unique(rows['field']), 'all'):
        part = rows[(rows['field'] == field) | (field == 'all')]
        part = part[np.isfinite(part['true_flux'] + part['flux_with'])]
        unit = part['true_flux'] / _FAINT
        entry = {'field': str(field), 'n': len(part)}
        for name in ('flux', 'flux_fit'):
            change = (part[f'{name}_with'] - part[f'{name}_without']) / unit
            entry[name] = np.mean(change) / _FAINT
            entry[f'{name} err'] = (np.std(change) / _FAINT
                                    / np.sqrt(len(part)))
        entry['mean pull without'] = np.mean(part['flux_without'] / unit)
        table.append(entry)
    show(Table(table))


def report_gaussians(rows):
    """
    Relative scatter and bias by size.
    """
    table = []
    edges = np.quantile(rows['size'], (0, 1 / 3, 2 / 3, 1))
    for low, high in [*pairwise(edges), (edges[0], edges[-1])]:
        part = rows[(rows['size'] >= low) & (rows['size'] <= high)]
        entry = {'size': f'{low:.2f}-{high:.2f}', 'n': len(part)}
        for name in ('flux', 'annulus_flux'):
            ratio = np.asarray(part[name] / part['true_flux'])
            entry[f'{name} median %'] = 100 * (np.median(ratio) - 1)
            entry[f'{name} scatter %'] = 100 * robust(ratio)
        pull = (part['flux'] - part['true_flux']) / part['flux_err']
        entry['within 1'] = np.mean(np.abs(pull) < 1)
        table.append(entry)
    show(Table(table))


def show(table):
    """
    Print all of a table.
    """
    for name in table.colnames:
        if table[name].dtype.kind == 'f':
            table[name].format = '.3f'
    print('\n'.join(table.pformat(max_lines=-1, max_width=-1)))


PARTS = {'fluxes': (run_fluxes, report_fluxes, 156),
         'stacking': (run_stacking, report_stacking, 78),
         'gaussians': (run_gaussians, report_gaussians, 10),
         'power': (run_power, report_power, 52)}


def run_one(task):
    """
    One map in a worker process.
    """
    seed, args = task
    warnings.simplefilter('ignore')
    return PARTS[args.part][0](seed, args)


def main():
    """
    Run one experiment.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('--data', type=Path, default='../shared/data')
    parser.add_argument('--mode', default='scanmap')
    parser.add_argument('--band', default='blue')
    parser.add_argument('--network', default='separation')
    parser.add_argument('--weights', default='default')
    parser.add_argument('--case', default='nominal', choices=PSF_KINDS)
    parser.add_argument('--fit-only', action='store_true',
                        help='leave the network out')
    parser.add_argument('--n-maps', type=int)
    parser.add_argument('--seed', type=int, default=20_000)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--output', type=Path, help='table of all rows')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    _, report, n_maps = PARTS[args.part]
    seeds = range(args.seed, args.seed + (args.n_maps or n_maps))
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    with ProcessPoolExecutor(args.workers, get_context('spawn')) as pool:
        rows = vstack(list(pool.map(run_one, [(s, args) for s in seeds])))
    if args.output:
        rows.write(args.output, overwrite=True)
    report(rows)


if __name__ == '__main__':
    main()
