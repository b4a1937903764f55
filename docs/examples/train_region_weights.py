# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
r"""
Train weights of the region-based detectors
===========================================

This script makes weights of `~compact_removal.RegionDetector`, in an
environment with the extra ``[rcnn]``::

    python docs/examples/train_region_weights.py output --data DIR \
        --network mask_rcnn

``DIR`` holds the folder ``galaxies`` (stamps of HST galaxies). One fifth of
them is kept aside: benchmarks use it. A run that was stopped continues from
its checkpoint in the output folder.
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

from train_blend_weights import load_galaxies
from train_shipped_weights import ship

from compact_removal import RegionDetector, __version__, nn
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.detection import REGION_KINDS, WEIGHTS, RegionTraining
from compact_removal.detection.region_fields import RegionFields
from compact_removal.detection.region_training import choose_threshold

SEED = 20261215

SETTINGS = {'n_epochs': 130, 'n_batches': 80, 'learning_rate': 0.001,
            'scheduler': 'cosine', 'max_norm': 5.0, 'n_distinct': 16,
            'mixed_precision': True, 'n_workers': 2}

# Widths of the PSFs that were learned (pixels).
FWHM = (1.8, 8.0)


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--data', type=Path, required=True,
                        help='folder with the galaxies')
    parser.add_argument('--network', choices=('faster_rcnn', 'mask_rcnn'),
                        default='mask_rcnn')
    parser.add_argument('--epochs', type=int, help='number of epochs')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    settings = RegionTraining(**{**SETTINGS, 'checkpoint': str(
        args.output / f'{args.network}.checkpoint'),
        **({'n_epochs': args.epochs} if args.epochs else {})})
    detector = RegionDetector(network=args.network, weights=None,
                              progress_bar=True)
    model_class = detector.find_model_class(args.network)
    # without their noise
    galaxies = read_galaxies(load_galaxies(args.data), 'galaxies')

    def simulate(seed, n_batches):
        return RegionFields(galaxies, n_batches=n_batches, seed=seed,
                            size=settings.size, batch_size=8,
                            n_distinct=settings.n_distinct,
                            masks=model_class.has_masks)

    model, info, history = detector.train_network(
        simulate(SEED, settings.n_batches),
        simulate(SEED + 1, settings.n_validation_batches),
        settings=settings, seed=SEED, config={'kinds': list(REGION_KINDS)},
        description={'n_galaxies': len(galaxies)})
    (args.output / f'{args.network}.json').write_text(json.dumps(history))
    path = args.output / f'{args.network}.safetensors'
    nn.save_weights(model, path, {
        **info, 'mode': 'any', 'version': __version__,
        'training': {**settings.to_dict(), **info['config']},
        'date': datetime.date.today().isoformat(),
        'n_steps': len(history['epoch']) * settings.n_batches,
        'data': 'simulated optical fields with simulated and HST galaxies, '
                'infrared, radio and gamma-ray fields',
        'threshold': choose_threshold(model, simulate(SEED + 2, 1),
                                      settings.n_fields)})
    if args.ship:
        ship(path, args.network, WEIGHTS, detector.find_model_class, FWHM)


if __name__ == '__main__':
    main()
