# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train the shipped weights of the classifier of exposures
========================================================

This script makes the weights with which
`~compact_removal.TrackingErrorClassifier` finds tracking errors::

    python docs/examples/train_tracking_weights.py output --data DIR

``DIR`` is that of ``train_masker_weights.py``, of which the galaxies are used.
A run that was stopped continues from its checkpoint in the output folder. On
two CPU cores it takes about half an hour.
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

from train_masker_weights import load_parts
from train_shipped_weights import ship

from compact_removal import __version__, nn
from compact_removal.contaminants.motion import TrackingExposures
from compact_removal.contaminants.networks import WEIGHTS, find_tracking_class
from compact_removal.nn.batches import RecalledFields

SEED = 20261128
SETTINGS = {
    'width': 8,
    'training': {'n_epochs': 100, 'learning_rate': 0.001,
                 'scheduler': 'cosine', 'max_norm': 1.0},
    'exposures': {'size': 320, 'batch_size': 64, 'n_batches': 16},
    'n_distinct': 8,
}


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--data', type=Path, required=True,
                        help='folder with galaxies')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    path = train(args.output, load_parts(args.data)['galaxies'])
    if args.ship:
        ship(path, 'tracking', WEIGHTS, find_tracking_class)


def train(output, galaxies):
    """
    Train the network.
    """
    model = nn.make_model(find_tracking_class('small'),
                          {'width': SETTINGS['width']}, seed=1)

    def simulate(seed, **changes):
        return TrackingExposures(seed=seed, galaxies=galaxies,
                                 **{**SETTINGS['exposures'], **changes})

    names = (*model.inputs, *model.targets)
    history = nn.train(
        model,
        RecalledFields(simulate(SEED), names, None, SETTINGS['n_distinct']),
        RecalledFields(simulate(SEED + 1, n_batches=10), names, None, 1),
        nn.TrainingSettings(**SETTINGS['training'], checkpoint=str(
            output / 'tracking.checkpoint')),
        progress_bar=True, seed=1)
    (output / 'tracking.json').write_text(json.dumps(history))
    path = output / 'tracking.safetensors'
    nn.save_weights(model, path, {
        'mode': 'any', 'date': datetime.date.today().isoformat(),
        'version': __version__, 'seed': SEED, 'start': 'new weights',
        'configuration': SETTINGS, 'share': 0.5,
        'n_steps': (SETTINGS['exposures']['n_batches']
                    * SETTINGS['training']['n_epochs']),
        'data': 'simulated exposures with real galaxies, half of them with '
                'simulated tracking errors'})
    return path


if __name__ == '__main__':
    main()
