# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train the shipped weights of the finder
=======================================

This script makes the weights with which
`~compact_removal.CompactSourceFinder` finds sources::

    python docs/examples/train_finder_weights.py output --maps DIR

``DIR`` holds real maps, as for ``train_shipped_weights.py``, whose bands it
shares. A run that was stopped continues from its checkpoint in the output
folder. On two CPU cores it takes about an hour.
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

from tqdm import tqdm
from train_shipped_weights import load_maps, make_bands, ship

from compact_removal import __version__, nn
from compact_removal.detection.networks import WEIGHTS, find_model_class
from compact_removal.detection.batches import DetectionScenes
from compact_removal.detection.training import fit_probabilities
from compact_removal.nn.batches import RecalledFields

SEED = 20261126

# What differs where training starts from weights.
AGAIN = {'n_epochs': 64, 'learning_rate': 0.0008}
SETTINGS = {
    'width': 8,
    'training': {'n_epochs': 40, 'learning_rate': 0.001,
                 'scheduler': 'cosine', 'max_norm': 5.0},
    'scenes': {'size': 136, 'batch_size': 16, 'n_batches': 80,
               'real_fraction': 0.5, 'n_fields': 40},
    'size': 128, 'n_distinct': 24,
}

# Scenes for the probabilities, and their side (pixels).
N_SCENES, SCENE_SIZE = 200, 224


def make_scenes(maps, seed, **changes):
    """
    Scenes for training or validation.
    """
    return DetectionScenes(make_bands('separation'), maps, seed=seed,
                           **{**SETTINGS['scenes'], **changes})


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    parser.add_argument('--maps', type=Path, help='folder of real maps')
    parser.add_argument('--start', type=Path,
                        help='weights to start from, instead of new ones')
    parser.add_argument('--score', type=Path,
                        help='weights of which only the probabilities are '
                             'fitted anew')
    parser.add_argument('--seed', type=int, default=SEED,
                        help='of the scenes that the network learns from')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    maps = load_maps(args.maps)
    if args.score is not None:
        path = score(args.score, args.output, maps)
    else:
        path = train(args, maps)
    if args.ship:
        ship(path, path.stem, WEIGHTS, find_model_class)


def train(args, maps):
    """
    Train the network, and fit the probabilities.
    """
    settings, seed, earlier = SETTINGS, args.seed, []
    if args.start is None:
        model, start = nn.make_model(
            find_model_class('localization'), {'width': SETTINGS['width']},
            seed=1), 'new weights'
    else:
        model, start = nn.load_weights(args.start, find_model_class)
        earlier = list_stages(start)
        start = f'weights with sha256 {start["sha256"]}'
        settings = {**SETTINGS, 'training': {**SETTINGS['training'], **AGAIN}}
    names = (*model.inputs, *model.targets)
    sizes = (SETTINGS['size'],)
    history = nn.train(
        model,
        RecalledFields(make_scenes(maps, seed), names, sizes,
                       SETTINGS['n_distinct']),
        RecalledFields(make_scenes(maps, seed + 1, n_batches=10), names,
                       sizes, 1),
        nn.TrainingSettings(**settings['training'], checkpoint=str(
            args.output / 'localization.checkpoint')),
        loss=model.make_loss(), progress_bar=True, seed=1)
    (args.output / 'localization.json').write_text(json.dumps(history))
    path = args.output / 'localization.safetensors'
    metadata = {
        'mode': 'any', 'date': datetime.date.today().isoformat(),
        'version': __version__, 'seed': seed, 'start': start,
        'earlier': earlier,
        'configuration': settings,
        'n_steps': (SETTINGS['scenes']['n_batches']
                    * settings['training']['n_epochs']),
        'data': ('simulated backgrounds of all kinds and the real maps '
                 + ', '.join(background.name for background in maps))}
    nn.save_weights(model, path, metadata)
    return score(path, args.output, maps)


def list_stages(info):
    """
    How weights came to be, from new ones on.
    """
    return [*info.get('earlier', []), {
        name: info[name] for name in ('sha256', 'start', 'seed', 'version',
                                      'configuration')}]


def score(weights, output, maps):
    """
    Copy weights, with probabilities that are fitted anew.
    """
    model, info = nn.load_weights(weights, find_model_class)
    metadata = {key: value for key, value in info.items()
                if key not in ('network', 'config', 'sha256')}
    metadata.update(fit_probabilities(
        model, make_scenes(maps, SEED + 2), N_SCENES, SCENE_SIZE,
        progress=tqdm), n_scenes=N_SCENES)
    path = output / Path(weights).name
    nn.save_weights(model, path, metadata)
    return path


if __name__ == '__main__':
    main()
