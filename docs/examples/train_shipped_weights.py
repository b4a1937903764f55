# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train the shipped weights
=========================

This script made the weights that ship with the package, one file per
network, for all modes and bands::

    python docs/examples/train_shipped_weights.py separation output --maps DIR
    python docs/examples/train_shipped_weights.py inpainting output --maps DIR

``DIR`` holds the real maps whose morphology is mixed with simulated
backgrounds; without it, training uses simulated ones alone. A run that
was stopped continues from its checkpoint in the output folder. On two CPU
cores the first takes more than an hour, the second less.
"""

import argparse
import datetime
import json
import os
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

import astropy.units as u
import numpy as np

from compact_removal import nn
from compact_removal.datasets import TrainingCutouts, load_background_maps
from compact_removal.instruments import get_band
from compact_removal.masks import source_snr
from compact_removal.photometry import aperture_scatter

# Never trained on: they are for benchmarks/accuracy.py.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')

SEED = 20261121

# FWHM in pixels at which each band is seen besides its nominal one, which
# is seen as often as the number says.
WIDTHS = {('scanmap', 'blue'): (2, 2.5, 4.0, 5.2),
          ('scanmap', 'green'): (2, 2.6, 4.8),
          ('scanmap', 'red'): (1, 2.5, 4.2, 6.0),
          ('parallel', 'blue'): (1, 2.1, 2.8, 4.0),
          ('parallel', 'green'): (1, 2.6, 3.5),
          ('parallel', 'red'): (0, 2.4)}

# A PSF without rings, for other instruments.
PLAIN = {'core_fraction': 0.92, 'halo_fraction': 0.03, 'ring_fraction': 0.01}
PLAIN_WIDTHS = (2.5, 3.5, 5.0)

SETTINGS = {
    'separation': {
        'width': 8,
        'loss': {},
        'training': {'n_epochs': 36, 'learning_rate': 0.0008,
                     'scheduler': 'cosine', 'max_norm': 20.0},
        'cutouts': {'size': 80, 'batch_size': 32, 'n_batches': 150,
                    'n_fields': 120, 'field_size': 160, 'n_stamps': 128,
                    'real_fraction': 0.45},
    },
    'inpainting': {
        'width': 5,
        'loss': {'valid': 20, 'hole': 60, 'style': 120, 'ssim': 0.4,
                 'source': 10, 'flux': 0.3},
        'training': {'n_epochs': 20, 'learning_rate': 0.003,
                     'scheduler': 'cosine'},
        'cutouts': {'size': 96, 'batch_size': 48, 'n_batches': 100,
                    'n_fields': 400, 'real_fraction': 0.4},
    },
}

# Signal-to-noise ratios between which the errors are calibrated.
SNR_EDGES = (0, 5, 12, 30, 100, 400, np.inf)


def make_bands(network):
    """
    The bands to train on, some of them several times.
    """
    if network == 'inpainting':
        return [get_band(mode, name) for mode in ('scanmap', 'parallel')
                for name in ('blue', 'green', 'red')]
    bands = []
    for (mode, name), (n_nominal, *widths) in WIDTHS.items():
        band = get_band(mode, name)
        bands += n_nominal * [band]
        bands += [band.with_pixel_scale(band.psf.fwhm / width * u.arcsec)
                  for width in widths]
    band = get_band('scanmap', 'blue')
    plain = replace(band, name='plain', psf=replace(band.psf, **PLAIN))
    bands += [plain.with_pixel_scale(plain.psf.fwhm / width * u.arcsec)
              for width in PLAIN_WIDTHS]
    return bands


def make_cutouts(network, maps, seed, **changes):
    """
    Cutouts for training or validation.
    """
    settings = {**SETTINGS[network]['cutouts'], **changes}
    return TrainingCutouts('scanmap', maps, bands=make_bands(network),
                           seed=seed, **settings)


def measure_errors(model, cutouts):
    """
    Factors on the errors of background and flux, by signal-to-noise ratio.

    Errors of pixels in the hole of the central source and of its
    aperture flux are compared with what the network tells; if it does
    not, with the standard deviation of the annulus and with the scatter
    of aperture sums around the source. The factors bring 68.3 % of the
    errors within one and 95 % within 1.96.
    """
    snr, pixels, fluxes = [], [], []
    y, x = np.indices((cutouts.size,) * 2)
    for batch in cutouts.epoch(0):
        found = nn.predict(model, batch['image'], batch['validity'] > 0,
                           sources=batch['sources'], fwhm=batch['fwhm'])
        for k, target in enumerate(batch['target']):
            known = np.isfinite(target)
            aperture, fwhm = batch['aperture'][k], batch['fwhm'][k]
            x0, y0 = (np.average(axis, weights=aperture) for axis in (x, y))
            radius = np.hypot(x - x0, y - y0)
            hole = known & (batch['validity'][k] == 0) & (radius < 2 * fwhm)
            if not known[aperture > 0].all() or not hole.any():
                continue
            ratio, _, std = source_snr(
                batch['image'][k] + batch['sources'][k], [x0], [y0],
                source_radius=2.5 * fwhm,
                annulus_radii=(3.2 * fwhm, 7 * fwhm))
            error = found.background[k] - target
            size = np.sqrt(aperture.sum() / np.pi)
            if found.error is None:
                pixel_error = np.full(error.shape, std[0])
                flux_error = aperture_scatter(target, [x0], [y0], [size],
                                              6 * fwhm)[0]
            else:
                pixel_error = found.error[k]
                flux_error = np.exp(np.interp(
                    np.log(size / fwhm), np.log(nn.ERROR_RADII),
                    np.log(found.flux_error[k])))
            snr.append(ratio[0])
            pixels.append(np.percentile(np.abs(error / pixel_error)[hole],
                                        [68.3, 95]))
            fluxes.append(abs(np.sum(error * aperture, where=aperture > 0))
                          / flux_error)
    snr, pixels, fluxes = (np.array(one) for one in (snr, pixels, fluxes))
    result = {'hole_error': {'snr': [], 'factor': []},
              'flux_error': {'snr': [], 'factor': []}}
    for low, high in pairwise(SNR_EDGES):
        part = (snr >= low) & (snr < high) & np.isfinite(fluxes)
        one, two = np.percentile(fluxes[part], [68.3, 95])
        factors = {'flux_error': np.sqrt(one * two / 1.96),
                   'hole_error': np.sqrt(np.prod(
                       np.median(pixels[part], axis=0)) / 1.96)}
        for name, factor in factors.items():
            result[name]['snr'].append(round(float(np.exp(np.mean(
                np.log(np.maximum(snr[part], 1))))), 2))
            result[name]['factor'].append(round(float(factor), 4))
    return result


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('network', choices=list(SETTINGS))
    parser.add_argument('output', type=Path)
    parser.add_argument('--maps', type=Path)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings('ignore', 'File may have been truncated')

    maps = []
    if args.maps is not None:
        maps = [background for background
                in load_background_maps(args.maps, fwhm=2.0)
                if background.name not in HELD_OUT]
    settings = SETTINGS[args.network]
    batches = make_cutouts(args.network, maps, SEED)
    validation = make_cutouts(args.network, maps, SEED + 1, n_batches=12,
                              n_fields=40, n_stamps=32)
    model = nn.build_model(args.network, width=settings['width'], seed=1)
    name = args.network
    history = nn.train(model, batches, validation,
                       loss=nn.make_loss(name, **settings['loss']),
                       checkpoint=args.output / f'{name}.checkpoint',
                       progress_bar=True, seed=1, **settings['training'])
    best = int(np.argmin(history['validation_loss']))
    calibration = make_cutouts(args.network, maps, SEED + 2, n_batches=60,
                               n_fields=60, n_stamps=64)
    metadata = {
        'mode': 'any',
        'bands': ['blue', 'green', 'red'],
        'date': datetime.date.today().isoformat(),
        'seed': SEED,
        'n_steps': (settings['cutouts']['n_batches']
                    * settings['training']['n_epochs']),
        'configuration': settings,
        'data': ('simulated backgrounds of all kinds and the real maps '
                 + ', '.join(background.name for background in maps)),
        'validation': {
            'best_epoch': best,
            **{key.removeprefix('validation_'): round(values[best], 5)
               for key, values in history.items()
               if key.startswith('validation_')},
            **measure_errors(model, calibration),
        },
    }
    nn.save_weights(model, args.output / f'{name}.safetensors', metadata)
    (args.output / f'{name}.json').write_text(json.dumps(history))


if __name__ == '__main__':
    main()
