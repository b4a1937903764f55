# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
r"""
Train weights of the blend photometer
=====================================

This script makes weights with which
`~compact_removal.deblending.BlendPhotometer` measures blended galaxies::

    python docs/examples/train_photometer_weights.py output --data DIR \
        --epochs 50

``DIR`` holds the folder ``galaxies`` (stamps of HST galaxies). One fifth of
them is kept aside: benchmarks use it. A run that was stopped continues from
its checkpoint in the output folder. On two CPU cores it takes about half
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

from compact_removal import __version__, nn
from compact_removal.datasets import clean_galaxy
from compact_removal.deblending.batches import ConditionedBlends
from compact_removal.deblending.networks import find_model_class
from compact_removal.deblending.training import measure_errors
from compact_removal.nn.batches import RecalledFields

SEED = 20261128
SETTINGS = {
    'width': 8,
    'training': {'n_epochs': 100, 'learning_rate': 0.002,
                 'scheduler': 'cosine', 'max_norm': 1.0},
    'blends': {'batch_size': 64, 'n_batches': 80},
    'n_distinct': 12,
}

# Every so-manieth galaxy is kept aside for benchmarks.
APART = 5


def load_galaxies(folder, *, apart=False):
    """
    Load galaxies, without their noise.

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
        return [clean_galaxy(stamps[key])
                for number, key in enumerate(sorted(stamps))
                if (number % APART == 0) == apart]


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--data', type=Path, required=True,
                        help='folder with the galaxies')
    parser.add_argument('--epochs', type=int,
                        default=SETTINGS['training']['n_epochs'])
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    galaxies = load_galaxies(args.data)
    model = nn.make_model(find_model_class('conditioned'),
                          {'width': SETTINGS['width']}, seed=1)

    def simulate(seed, **changes):
        return ConditionedBlends(galaxies, seed=seed, **{**SETTINGS['blends'],
                                                         **changes})

    training = {**SETTINGS['training'], 'n_epochs': args.epochs}
    names = (*model.inputs, *model.targets)
    validation = RecalledFields(simulate(SEED + 1, n_batches=24), names, None,
                                1)
    history = nn.train(
        model, RecalledFields(simulate(SEED), names, None,
                              SETTINGS['n_distinct']), validation,
        nn.TrainingSettings(**training, checkpoint=str(
            args.output / 'conditioned.checkpoint')),
        progress_bar=True, seed=1)
    (args.output / 'conditioned.json').write_text(json.dumps(history))
    nn.round_weights(model)
    factor = measure_errors(model, validation)
    nn.save_weights(model, args.output / 'conditioned.safetensors', {
        'mode': 'any', 'error_factor': factor,
        'date': datetime.date.today().isoformat(),
        'version': __version__, 'seed': SEED, 'start': 'new weights',
        'configuration': {**SETTINGS, 'training': training},
        'n_steps': SETTINGS['blends']['n_batches'] * args.epochs,
        'data': 'simulated blends of simulated and HST galaxies, and stars'})


if __name__ == '__main__':
    main()
