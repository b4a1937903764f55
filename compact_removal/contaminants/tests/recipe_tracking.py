# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the classifier of exposures.
"""

import numpy as np

from compact_removal.contaminants.tests.recipe import TINY, make_image
from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE']


def make_data_of_fit():
    """
    Exposures, and the settings of a short training.
    """
    return {'clean_images': [make_image()], 'training': dict(TINY)}


def copy_data(data):
    """
    What the classifier must leave alone.
    """
    image, = data['clean_images']
    return {'data': image.data.copy(), 'mask': image.mask.copy(),
            'rest': repr((image.unit, dict(image.meta), data['training']))}


def predict(classifier, data, folder):
    """
    The probability of an exposure.
    """
    return {'probability': classifier.predict_proba(data['clean_images'][0])}


RECIPE = Recipe(
    params={'weights': None, 'batch_size': 2, 'seed': 3},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={'predict_proba': predict,
          'predict': lambda classifier, data, folder: {
              'found': classifier.predict(data['clean_images'])},
          'process': lambda classifier, data, folder: {
              'found': classifier.process(data['clean_images'][0])[
                  'tracking']['tracking_error']},
          'experiment': lambda classifier, data, folder: {
              'probability': classifier.experiment(
                  n_maps=2, size=64, seed=1).exposures['probability']},
          'save': lambda classifier, data, folder: classifier.save(
              folder / 'used.safetensors')},
    main='predict_proba',
    later={'prior': 0.5},
    bad={'network': 'none', 'batch_size': 0, 'prior': 1.5,
         'progress_bar': 'no'},
    unsaved={'seed': np.random.default_rng(1)},
)
