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
import warnings
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

from train_shipped_weights import HELD_OUT, RecalledFields, make_bands

from compact_removal import __version__, nn
from compact_removal.datasets import load_background_maps
from compact_removal.detection.networks import find_model_class
from compact_removal.detection.simulation import DetectionScenes

SEED = 20261126
SETTINGS = {
    'width': 8,
    'training': {'n_epochs': 40, 'learning_rate': 0.001,
                 'scheduler': 'cosine', 'max_norm': 5.0},
    'scenes': {'size': 136, 'batch_size': 16, 'n_batches': 80,
               'real_fraction': 0.5, 'n_fields': 40},
    'size': 128, 'n_distinct': 4,
}


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
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings('ignore', 'File may have been truncated')
    maps = []
    if args.maps is not None:
        maps = [background for background
                in load_background_maps(args.maps, fwhm=2.0)
                if background.name not in HELD_OUT]
    model = nn.make_model(find_model_class('localization'),
                          {'width': SETTINGS['width']}, seed=1)
    names = (*model.inputs, *model.targets)
    sizes = (SETTINGS['size'],)
    history = nn.train(
        model,
        RecalledFields(make_scenes(maps, SEED), names, sizes,
                       SETTINGS['n_distinct']),
        RecalledFields(make_scenes(maps, SEED + 1, n_batches=10), names,
                       sizes, 1),
        nn.TrainingSettings(**SETTINGS['training'], checkpoint=str(
            args.output / 'localization.checkpoint')),
        loss=model.make_loss(), progress_bar=True, seed=1)
    (args.output / 'localization.json').write_text(json.dumps(history))
    nn.save_weights(model, args.output / 'localization.safetensors', {
        'mode': 'any', 'date': datetime.date.today().isoformat(),
        'version': __version__, 'seed': SEED, 'configuration': SETTINGS,
        'n_steps': (SETTINGS['scenes']['n_batches']
                    * SETTINGS['training']['n_epochs']),
        'data': ('simulated backgrounds of all kinds and the real maps '
                 + ', '.join(background.name for background in maps))})


if __name__ == '__main__':
    main()
