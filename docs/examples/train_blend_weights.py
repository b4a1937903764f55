# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
r"""
Train weights of the estimators for blends
==========================================

This script makes weights with which
`~compact_removal.BlendPhotometer` measures blended galaxies and
`~compact_removal.SourceDeblender` takes fields apart::

    python docs/examples/train_blend_weights.py output --data DIR \
        --network contribution

``DIR`` holds the folder ``galaxies`` (stamps of HST galaxies). One fifth of
them is kept aside: benchmarks use it. A run that was stopped continues from
its checkpoint in the output folder. On two CPU cores a network takes about
an hour.
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

import numpy as np

from train_shipped_weights import ship

from compact_removal import (BlendPhotometer, SourceDeblender, __version__,
                             nn)
from compact_removal.deblending import WEIGHTS
from compact_removal.deblending.batches import SETTINGS

# Estimator, seed and settings of each network. For contribution a second run
# started from the weights of this one: 36 epochs, learning rate 0.001, seed
# 20261202.
RUNS = {
    'conditioned': (BlendPhotometer, 20261129, {
        'n_epochs': 120, 'learning_rate': 0.0015}),
    'contribution': (SourceDeblender, 20261130, {
        'n_epochs': 110, 'learning_rate': 0.002}),
    'pais': (SourceDeblender, 20261201, {
        'n_epochs': 12, 'learning_rate': 0.001, 'n_distinct': 6,
        'mixed_precision': True}),
}

# Every so-manieth galaxy is kept aside for benchmarks.
APART = 5


def load_galaxies(folder, *, apart=False):
    """
    Load galaxies.

    Parameters
    ----------
    folder : `~pathlib.Path`
        See above.
    apart : bool, optional
        Whether to return those that are kept aside instead.

    Returns
    -------
    galaxies : list of `~numpy.ndarray`
        Their stamps.
    """
    with np.load(folder / 'galaxies/hst_cosmos_galaxies.npz') as stamps:
        return [stamps[key] for number, key in enumerate(sorted(stamps))
                if (number % APART == 0) == apart]


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--data', type=Path, required=True,
                        help='folder with the galaxies')
    parser.add_argument('--network', choices=RUNS, default='contribution')
    parser.add_argument('--epochs', type=int, help='number of epochs')
    parser.add_argument('--start', help='weights to start from; default: '
                        'random ones')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    estimator_class, seed, training = RUNS[args.network]
    training = {**training, 'checkpoint': str(
        args.output / f'{args.network}.checkpoint')}
    if args.epochs:
        training['n_epochs'] = args.epochs
    estimator = estimator_class(network=args.network, weights=args.start,
                                seed=seed, progress_bar=True)
    start = 'new weights' if args.start is None else (
        f'weights with sha256 {estimator._load_weights()[1]["sha256"]}')
    estimator.fit(load_galaxies(args.data), training=training)
    (args.output / f'{args.network}.json').write_text(
        json.dumps(estimator.history_))
    path = args.output / f'{args.network}.safetensors'
    nn.save_weights(estimator.model_, path, {
        **estimator.info_, 'version': __version__, 'start': start,
        'date': datetime.date.today().isoformat(),
        'n_steps': estimator.n_epochs_ * estimator.info_['training'][
            'n_batches'],
        'data': 'simulated blends of simulated and HST galaxies, and stars'})
    if args.ship:
        ship(path, args.network, WEIGHTS, estimator.find_model_class,
             SETTINGS['fwhm'])


if __name__ == '__main__':
    main()
