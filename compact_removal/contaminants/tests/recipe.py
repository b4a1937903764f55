# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the masker.
"""

import numpy as np
from astropy.nddata import CCDData

from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE', 'TINY']

# A training that takes less than a second.
TINY = {'n_epochs': 1, 'n_batches': 1, 'size': 64, 'n_validation_batches': 1,
        'width': 1, 'learning_rate': 0.01, 'n_workers': 0}


def make_image(seed=1, shape=(100, 110)):
    """
    An exposure of noise with a few bright pixels.
    """
    rng = np.random.default_rng(seed)
    data = rng.normal(300, 10, shape)
    data[rng.random(shape) < 0.01] += 500
    return CCDData(data, unit='adu', mask=np.zeros(shape, dtype=bool))


def make_data_of_fit():
    """
    Exposures, dark frames, and the settings of a short training.
    """
    return {'clean_images': [make_image()],
            'contaminants': {'CR': [make_image(2)], 'HP': None},
            'training': {**TINY, 'n_scores': 3}}


def copy_data(data):
    """
    What the masker must leave alone.
    """
    images = [*data['clean_images'], *data['contaminants']['CR']]
    return {**{f'data {k}': image.data.copy()
               for k, image in enumerate(images)},
            'mask': images[0].mask.copy(),
            'rest': repr((images[0].unit, dict(images[0].meta),
                          data['training']))}


def mask(masker, data, folder):
    """
    The flags of a masker.
    """
    masked = masker.mask(data['clean_images'][0])
    return {'flags': masked.flags, 'mask': masked.mask}


RECIPE = Recipe(
    params={'weights': None, 'batch_size': 2, 'seed': 3,
            'priors': 'training'},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={'predict_proba': lambda masker, data, folder: {
              'probability': masker.predict_proba(data['clean_images'][0])},
          'mask': mask,
          'list_classes': lambda masker, data, folder: {
              'threshold': masker.list_classes()['threshold']},
          'process': lambda masker, data, folder: {
              'flags': masker.process(data['clean_images'][0])['mask'].data},
          'experiment': lambda masker, data, folder: {
              'auc': masker.experiment(n_maps=1, size=64, seed=1).summary[
                  'auc']},
          'save': lambda masker, data, folder: masker.save(
              folder / 'used.safetensors')},
    main='predict_proba',
    later={'priors': 'default'},
    bad={'network': 'none', 'batch_size': 0, 'classes': ['XY'],
         'thresholds': 1.5, 'priors': 'usual', 'progress_bar': 'no'},
    unsaved={'seed': np.random.default_rng(1)},
)

