# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What each change to the method of the paper brings.

Runs the package with one part after the other switched off, on the scenes
of ``accuracy.py``, and prints the same figures as there::

    python benchmarks/ablation.py --data ../shared/data

Parts are switched off by replacing single functions while the estimator
runs. That the switches do what they say is checked first.
"""

import warnings
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import astropy.units as u
import numpy as np
from accuracy import (as_ccd, iterate_backgrounds, load_psfs, make_parser,
                      make_scene, run_methods)
from accuracy_report import (LEVELS, by_level, error_scatter, flux_figures,
                             hole_errors)
from accuracy_report import robust as robust_scatter
from astropy.table import vstack
from unbiased import predict_nothing

from compact_removal import CompactSourceRemover, nn
from compact_removal.fitting import robust
from compact_removal.instruments import get_band, list_bands
from compact_removal.photometry import aperture_correction
from compact_removal.psf import as_psf
from compact_removal.removal import remover as remover_module

TITLES = {'all': 'simulated and real', 'simulated': 'simulated',
          'real': 'real', 'noisy': 'noisy'}

# What is compared: rows with and without a change.
CHANGES = {
    'models, fill, scale, training': ('inpainting, nominal PSF', 'paper'),
    'PSF, for inpainting': ('inpainting', 'inpainting, nominal PSF'),
    'separation network': ('separation', 'inpainting'),
    'PSF, for separation': ('separation', 'separation, nominal PSF'),
    'PSF, for the fit': ('fit only', 'fit only, nominal PSF'),
    'network on fit': ('separation', 'fit only'),
    'network on fit, nominal': ('separation, nominal PSF',
                                'fit only, nominal PSF'),
}


class Variant:
    """
    An estimator with functions of the package replaced.
    """

    def __init__(self, remover, *replaced):
        self.remover, self.replaced = remover, replaced

    def remove(self, image, positions):
        """
        Remove sources while the functions are replaced.
        """
        with ExitStack() as stack:
            for owner, name, function in self.replaced:
                stack.enter_context(patch.object(owner, name, function))
            return self.remover.remove(image, positions)


def keep_nominal(data, x, y, psf, noise, **_options):
    """
    Instead of `learn_psf`: the nominal PSF.
    """
    return psf, 0


def make_variants(mode, band):
    """
    The rows of the table.
    """
    def remover(network):
        return CompactSourceRemover(mode, band, network=network)

    nominal = (robust, 'learn_psf', keep_nominal)
    no_network = (remover_module, 'make_predict', predict_nothing)
    return {
        'paper': Variant(remover('paper')),
        'inpainting, nominal PSF': Variant(remover('inpainting'), nominal),
        'inpainting': Variant(remover('inpainting')),
        'fit only, nominal PSF': Variant(remover('separation'), nominal,
                                         no_network),
        'fit only': Variant(remover('separation'), no_network),
        'separation, nominal PSF': Variant(remover('separation'), nominal),
        'separation': Variant(remover('separation')),
    }


def check_variants(variants, ccd, positions):
    """
    Raise if a switch does not do what it says.
    """
    predict, calls = nn.predict, []

    def listen(*args, **kwargs):
        calls.append(args)
        return predict(*args, **kwargs)

    for name, variant in variants.items():
        calls.clear()
        with patch.object(nn, 'predict', listen):
            _, sources = variant.remove(ccd, positions)
        checks = {
            'PSF': (sources.meta['CRNPSF'] == 0) == ('nominal PSF' in name),
            'network': bool(calls) != name.startswith('fit'),
        }
        failed = [key for key, good in checks.items() if not good]
        if failed:
            msg = f'{name}: not as it should be: {", ".join(failed)}'
            raise RuntimeError(msg)


def print_table(title, rows):
    """
    Print fluxes and holes of one set of maps.
    """
    methods = [name for name in dict.fromkeys(rows['method'])
               if name != 'none']
    unit = by_level(rows[rows['method'] == 'annulus'], error_scatter)
    counts = by_level(rows[rows['method'] == 'annulus'], len)
    names = ''.join(f'{low}-{high:g}'.rjust(7) if np.isfinite(high)
                    else f'>{low}'.rjust(7) for low, high in LEVELS)
    print(f'\n{title}: flux, and its bias; '
          f'{" + ".join(map(str, counts))} sources\n'
          f'{"method":24s}{names[:14]}  rel. %  {names}')
    for method in methods:
        scatter, bias, relative = flux_figures(rows[rows['method'] == method])
        print(f'{method:24s}' + ''.join(
            f'{value:7.3f}' for value in np.divide(scatter, unit)[:2])
            + f'{relative:8.2f}  ' + ''.join(
                f'{value:7.2f}' for value in bias))
    print(f'\n{title}: error in the hole\n{"method":24s}{names}')
    for method in methods:
        mine = rows[rows['method'] == method]
        if np.isfinite(mine['hole']).any():
            print(f'{method:24s}' + ''.join(
                f'{value:7.3f}' for value in hole_errors(mine)))


def print_ratios(title, rows, function, n_draws=400):
    """
    Print what changes bring, with errors from resampled maps.
    """
    rng = np.random.default_rng(1)
    tables = {name: rows[rows['method'] == name] for name in
              dict.fromkeys(rows['method'])}
    annulus = tables['annulus']
    level = np.asarray(annulus['level'])
    place = np.digitize(level, [low for low, _ in LEVELS[1:]])
    # relative errors of the brightest
    unit = np.where(place < 2, annulus['sigma'], annulus['true_flux'])
    maps = np.asarray(annulus['map'])
    parts = [np.flatnonzero(maps == name) for name in dict.fromkeys(maps)]
    names = ''.join(f'{low}-{high:g}'.rjust(14) if np.isfinite(high)
                    else f'>{low}'.rjust(14) for low, high in LEVELS)
    print(f'\n{title} over that without\n{"change":30s}{names}')

    def ratios(errors, index):
        one, two = ([function(error[index][place[index] == i])
                     for i in range(len(LEVELS))] for error in errors)
        return np.divide(one, two)

    for title, (new, old) in CHANGES.items():
        errors = [np.asarray(tables[name]['error'] / unit)
                  for name in (new, old)]
        found = ratios(errors, np.arange(level.size))
        spread = np.std([ratios(errors, np.concatenate([
            parts[i] for i in rng.integers(len(parts), size=len(parts))]))
            for _ in range(n_draws)], axis=0)
        print(f'{title:30s}' + ''.join(
            f'{value:7.2f} +-{error:4.2f}'
            for value, error in zip(found, spread, strict=True)))


def print_outside():
    """
    Print the share of the flux outside of the holes.

    From the tables of encircled energy; beyond them, from the PSF.
    """
    print('\nFlux outside of the smallest and the largest hole (%)')
    for row in list_bands():
        band = get_band(row['mode'], row['band'])
        outside = []
        for radius in (min(band.mask_radii), max(band.mask_radii)):
            angle = radius * band.pixel_scale
            if angle <= max(band.eef_radii) * u.arcsec:
                inside = aperture_correction(band, angle)
            else:
                inside = as_psf(band).encircled_energy(
                    angle.to_value(u.arcsec))
            outside.append(100 * (1 - float(inside)))
        print(f'{band.mode:10s}{band.name:7s}'
              + ''.join(f'{value:6.1f}' for value in outside))


def main():
    """
    Run it for one mode and band.
    """
    parser = make_parser(__doc__)
    parser.add_argument('--output', type=Path, help='the text')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    band = get_band(args.mode, args.band)
    variants = make_variants(args.mode, args.band)
    psfs = load_psfs(args.data, args.band)
    tables = []
    for truth, avoid, seed, name, kind, _ in iterate_backgrounds(
            args.data, band, args.n_fields, args.n_repeats):
        scene, flux, sigma = make_scene(truth, avoid, band,
                                        psfs[seed % len(psfs)], seed)
        if not tables:
            ccd = as_ccd(scene.image, band)
            check_variants(variants, ccd,
                           ccd.wcs.pixel_to_world(scene.x, scene.y))
        rows = run_methods(scene, truth, flux, sigma, band, variants, ())
        rows['map'], rows['kind'] = name, kind
        tables.append(rows)
    rows = vstack(tables)
    with ExitStack() as stack:
        if args.output:
            stack.enter_context(redirect_stdout(stack.enter_context(
                args.output.open('w', encoding='utf-8'))))
        groups = {'all': rows[rows['kind'] != 'noisy'],
                  **{kind: rows[rows['kind'] == kind]
                     for kind in ('simulated', 'real', 'noisy')}}
        for kind, mine in groups.items():
            if len(mine):
                print_table(TITLES[kind], mine)
        print_ratios('Scatter', groups['all'], robust_scatter)
        print_ratios('Median absolute error (with the bias)', groups['all'],
                     lambda values: np.nanmedian(np.abs(values)))
        print_outside()


if __name__ == '__main__':
    main()
