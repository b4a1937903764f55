# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train the shipped inpainting weights
====================================

This script made the weights that ship with the package, one file per
observing mode::

    python docs/examples/train_shipped_weights.py scanmap output --maps DIR

``DIR`` holds the real maps whose morphology is mixed with simulated
backgrounds; without it, training uses simulated ones alone. A run that
was stopped continues from its checkpoint in the output folder. Two runs,
one per mode with one thread each, take about an hour on two CPU cores.
"""

import argparse
import datetime
import json
import os
import warnings
from pathlib import Path

# One thread per run: two runs side by side are faster than two threads.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np

from compact_removal import nn
from compact_removal.datasets import TrainingCutouts, load_background_maps
from compact_removal.instruments import get_band
from compact_removal.photometry import aperture_scatter

# Never trained on: they are for benchmarks/inpainting_accuracy.py.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')

WIDTH = 5
SEED = 20261121
LOSS = {'valid': 20, 'hole': 60, 'style': 120, 'ssim': 0.4, 'source': 10,
        'flux': 0.3}
TRAINING = {'n_epochs': 20, 'learning_rate': 0.003, 'scheduler': 'cosine'}
CUTOUTS = {'batch_size': 48, 'n_fields': 400, 'real_fraction': 0.4}
N_BATCHES = 100


def measure_errors(model, mode):
    """
    Errors of a trained network on simulated fields of another seed.

    Returns ``hole_error``, the rms error in the hole of the central
    source in units of the standard deviation of the background around
    it (median over sources), and ``flux_error``, the scatter of the
    error of the aperture sum in units of the scatter of aperture sums
    around the source: the factors of the estimator's error bars.
    """
    holes, fluxes = [], []
    for name in ('blue', 'green', 'red'):
        band = get_band(mode, name)
        cutouts = TrainingCutouts(mode, bands=[name], n_batches=4,
                                  n_fields=40, batch_size=64, seed=SEED + 2)
        inner, outer = (band.photometry_annulus / band.pixel_scale).value
        y, x = np.indices((cutouts.size,) * 2)
        for batch in cutouts.epoch(0):
            estimate = nn.predict(model, batch['image'],
                                  batch['validity'] > 0)
            for target, guess, valid, aperture in zip(
                    batch['target'], estimate, batch['validity'],
                    batch['aperture'], strict=True):
                known = np.isfinite(target)
                x0, y0 = (np.average(axis, weights=aperture)
                          for axis in (x, y))
                radius = np.hypot(x - x0, y - y0)
                ring = known & (radius > 10) & (radius < 22)
                hole = known & (valid == 0) & (radius < band.mask_radii[0])
                if not known[aperture > 0].all() or not hole.any():
                    continue
                error = guess - target
                holes.append(np.sqrt(np.mean(error[hole] ** 2))
                             / target[ring].std())
                scatter = aperture_scatter(
                    target, [x0], [y0], [np.sqrt(aperture.sum() / np.pi)],
                    (inner + outer) / 2)[0]
                fluxes.append(np.sum((error * aperture)[aperture > 0])
                              / scatter)
    low, high = np.nanpercentile(fluxes, [16, 84])
    return {'hole_error': round(float(np.median(holes)), 3),
            'flux_error': round(float(high - low) / 2, 3)}


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('mode', choices=['scanmap', 'parallel'])
    parser.add_argument('output', type=Path)
    parser.add_argument('--maps', type=Path)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings('ignore', 'File may have been truncated')

    maps = []
    if args.maps is not None:
        maps = [background for background in load_background_maps(args.maps)
                if background.name not in HELD_OUT]
    batches = TrainingCutouts(args.mode, maps, n_batches=N_BATCHES,
                              seed=SEED, **CUTOUTS)
    validation = TrainingCutouts(
        args.mode, maps, n_batches=10, seed=SEED + 1,
        **{**CUTOUTS, 'n_fields': 60})
    model = nn.build_model('inpainting', width=WIDTH, seed=SEED)
    name = f'inpainting_{args.mode}'
    history = nn.train(model, batches, validation,
                       loss=nn.make_loss('inpainting', **LOSS),
                       checkpoint=args.output / f'{name}.checkpoint',
                       progress_bar=True, seed=SEED, **TRAINING)
    best = int(np.argmin(history['validation_loss']))
    metadata = {
        'mode': args.mode,
        'bands': ['blue', 'green', 'red'],
        'date': datetime.date.today().isoformat(),
        'seed': SEED,
        'n_steps': N_BATCHES * TRAINING['n_epochs'],
        'configuration': {'loss': LOSS, 'training': TRAINING,
                          'cutouts': CUTOUTS},
        'data': ('simulated backgrounds of all kinds and the real maps '
                 + ', '.join(background.name for background in maps)),
        'validation': {
            'best_epoch': best,
            **{key.removeprefix('validation_'): round(values[best], 5)
               for key, values in history.items()
               if key.startswith('validation_')},
            **measure_errors(model, args.mode),
        },
    }
    nn.save_weights(model, args.output / f'{name}.safetensors', metadata)
    (args.output / f'{name}.json').write_text(json.dumps(history))


if __name__ == '__main__':
    main()
