# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
r"""
Train the shipped weights of the masker
=======================================

This script makes the weights with which
`~compact_removal.ContaminantMasker` finds contaminants::

    python docs/examples/train_masker_weights.py output --data DIR

``DIR`` holds the folders ``backgrounds`` (maps of the interstellar medium),
``galaxies`` and ``contaminants`` (stamps). One quarter of the cosmic rays, one
fifth of the galaxies and two maps are kept aside: benchmarks use them. A run
that was stopped continues from its checkpoint in the output folder. On two CPU
cores it takes about one hour. The shipped weights then saw other exposures,
three times::

    python docs/examples/train_masker_weights.py second --data DIR \
        --start output/segmentation.safetensors --seed 20261201 \
        --epochs 50 --rate 0.001
    python docs/examples/train_masker_weights.py third --data DIR \
        --start second/segmentation.safetensors --seed 20261202 --epochs 80
    python docs/examples/train_masker_weights.py fourth --data DIR --ship \
        --start third/segmentation.safetensors --seed 20261203 --epochs 60
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

import numpy as np
from tqdm import tqdm
from train_shipped_weights import ship

from compact_removal import __version__, nn
from compact_removal.contaminants.batches import ContaminatedExposures
from compact_removal.contaminants.networks import WEIGHTS, find_model_class
from compact_removal.contaminants.training import score_network
from compact_removal.datasets import load_background_maps
from compact_removal.nn.batches import RecalledFields

SEED = 20261127
SETTINGS = {
    'width': 8,
    'training': {'n_epochs': 90, 'learning_rate': 0.0015,
                 'scheduler': 'cosine', 'max_norm': 1.0},
    'exposures': {'size': 256, 'batch_size': 4, 'n_batches': 100},
    'n_distinct': 20,
}

# Exposures on which priors and thresholds are measured.
N_SCORES = 400

# Kept aside for benchmarks: every so-manieth cosmic ray and galaxy, and maps.
APART = {'cosmic_rays': 4, 'galaxies': 5}
MAPS_APART = ('OMC_SCUBA2', '30Dor')


def load_parts(folder, *, apart=False):
    """
    Load what exposures are made of.

    Parameters
    ----------
    folder : `~pathlib.Path`
        See above.
    apart : bool, optional
        Whether to return what is kept aside instead.

    Returns
    -------
    parts : dict of list
        ``cosmic_rays``, ``galaxies`` and ``nebulae``.
    """
    parts = {}
    for name, path in (('cosmic_rays', 'contaminants/cosmic_rays.npz'),
                       ('galaxies', 'galaxies/hst_cosmos_galaxies.npz')):
        with np.load(folder / path) as stamps:
            parts[name] = [stamps[key].astype(float)
                           for number, key in enumerate(sorted(stamps))
                           if (number % APART[name] == 0) == apart]
    parts['nebulae'] = [
        background.data for background in load_background_maps(
            folder / 'backgrounds')
        if background.name.startswith(MAPS_APART) == apart]
    return parts


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--data', type=Path, required=True,
                        help='folder of maps, galaxies and cosmic rays')
    parser.add_argument('--start', type=Path,
                        help='weights to start from, instead of new ones')
    parser.add_argument('--score', type=Path,
                        help='weights of which only priors and thresholds '
                             'are measured anew')
    parser.add_argument('--seed', type=int, default=SEED,
                        help='of the exposures that the network learns from')
    parser.add_argument('--epochs', type=int,
                        default=SETTINGS['training']['n_epochs'])
    parser.add_argument('--rate', type=float,
                        default=SETTINGS['training']['learning_rate'],
                        help='learning rate, at first')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    parts = load_parts(args.data)
    weights = train(args, parts) if args.score is None else args.score
    path = score(weights, args.output, parts)
    if args.ship:
        ship(path, path.stem, WEIGHTS, find_model_class)


def train(args, parts):
    """
    Train the network.
    """
    if args.start is None:
        model, start = nn.make_model(
            find_model_class('segmentation'), {'width': SETTINGS['width']},
            seed=1), 'new weights'
        earlier = []
    else:
        model, info = nn.load_weights(args.start, find_model_class)
        start = f'weights with sha256 {info["sha256"]}'
        earlier = [*info.get('earlier', []), {
            name: info[name] for name in ('sha256', 'start', 'seed',
                                          'version', 'configuration')}]

    def simulate(seed, **changes):
        return ContaminatedExposures(
            seed=seed, **{**SETTINGS['exposures'], **changes}, **parts)

    training = {**SETTINGS['training'], 'n_epochs': args.epochs,
                'learning_rate': args.rate}
    names = (*model.inputs, *model.targets)
    history = nn.train(
        model,
        RecalledFields(simulate(args.seed), names, None,
                       SETTINGS['n_distinct']),
        RecalledFields(simulate(args.seed + 1, n_batches=24), names, None, 1),
        nn.TrainingSettings(**training, checkpoint=str(
            args.output / 'segmentation.checkpoint')),
        progress_bar=True, seed=1)
    (args.output / 'segmentation.json').write_text(json.dumps(history))
    path = args.output / 'segmentation.safetensors'
    nn.save_weights(model, path, {
        'mode': 'any', 'date': datetime.date.today().isoformat(),
        'version': __version__, 'seed': args.seed, 'start': start,
        'earlier': earlier,
        'configuration': {**SETTINGS, 'training': training},
        'n_steps': SETTINGS['exposures']['n_batches'] * args.epochs,
        'data': 'simulated exposures with real galaxies, cosmic rays of '
                'darks (imSim), simulated ones, and maps of the interstellar '
                'medium'})
    return path


def score(weights, output, parts):
    """
    Copy weights, with priors and thresholds that are measured anew.
    """
    model, info = nn.load_weights(weights, find_model_class)
    metadata = {key: value for key, value in info.items()
                if key not in ('network', 'config', 'sha256')}
    exposures = ContaminatedExposures(
        seed=SEED + 2, **SETTINGS['exposures'], **parts)
    metadata.update(score_network(model, exposures, N_SCORES, progress=tqdm),
                    n_scores=N_SCORES)
    path = output / 'segmentation.safetensors'
    nn.save_weights(model, path, metadata)
    return path


if __name__ == '__main__':
    main()
