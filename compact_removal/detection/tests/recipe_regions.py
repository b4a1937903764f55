# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the region-based detector.
"""

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE', 'TINY', 'make_labelled']

# A training that takes a few seconds.
TINY = {'n_epochs': 1, 'n_batches': 2, 'n_validation_batches': 1, 'size': 64,
        'width': 8, 'n_workers': 0, 'n_galaxies': 3, 'n_fields': 2}


def make_labelled(seed=1, n_sources=4, shape=(96, 80)):
    """
    An image with stars, and its labels.
    """
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 1, shape)
    x, y = (np.sort(rng.uniform(8, n - 9, n_sources)) for n in shape[::-1])
    rows, columns = np.indices(shape)
    for x0, y0 in zip(x, y, strict=True):
        image += 40 * np.exp(-0.2 * ((columns - x0) ** 2 + (rows - y0) ** 2))
    left, low = (np.rint(values).astype(int) - 3 for values in (x, y))
    return CCDData(image, unit='adu'), QTable({
        'kind': np.full(n_sources, 'star'), 'bbox_xmin': left,
        'bbox_xmax': left + 6, 'bbox_ymin': low, 'bbox_ymax': low + 6})


def make_data():
    """
    The arguments of fit.
    """
    image, labels = make_labelled()
    return {'images': [image], 'labels': [labels], 'training': dict(TINY)}


def copy_data(data):
    """
    What must not change.
    """
    return {'image': data['images'][0].data.copy(),
            'left': np.array(data['labels'][0]['bbox_xmin'])}


def detect(detector, data, folder):
    """
    Positions and scores.
    """
    table = detector.detect(make_labelled()[0])
    return {name: np.asarray(table[name]) for name in ('x_center', 'score')}


RECIPE = Recipe(
    params={'weights': None, 'batch_size': 2, 'seed': 3, 'threshold': 0},
    data=make_data,
    snapshot=copy_data,
    uses={'detect': detect,
          'process': lambda detector, data, folder: {
              'score': np.asarray(detector.process(
                  make_labelled()[0])['sources']['score'])},
          'experiment': lambda detector, data, folder: {
              'ap50': np.asarray(detector.experiment(
                  n_maps=1, size=64, seed=1).summary['ap50'])},
          'save': lambda detector, data, folder: detector.save(
              folder / 'used.safetensors')},
    main='detect',
    later={'threshold': 0.9},
    bad={'network': 'none', 'batch_size': 0, 'progress_bar': 'no',
         'threshold': 2.0},
    unsaved={'seed': np.random.default_rng(1)},
)
