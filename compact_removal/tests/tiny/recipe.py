# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the tiny estimator.
"""

import numpy as np
from astropy.nddata import CCDData

from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE']


def make_data_of_fit():
    """
    Two maps, and one epoch.
    """
    rng = np.random.default_rng(1)
    images = [CCDData(rng.normal(level, 1, (20, 30)), unit='Jy')
              for level in (2, 5)]
    return {'images': images, 'training': {'n_epochs': 1}}


def copy_data(data):
    """
    What must not change.
    """
    return {'first': data['images'][0].data.copy(),
            'second': data['images'][1].data.copy(),
            'rest': repr(data['training'])}


RECIPE = Recipe(
    params={'batch_size': 4, 'seed': 3},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={
        'predict': lambda one, data, folder: {
            'means': one.predict([data['images'][0].data])},
        'predict_map': lambda one, data, folder: {
            'mean': one.predict_map(data['images'][0]).data},
        'process': lambda one, data, folder: {
            'mean': one.process(data['images'][0])['mean'].data},
        'experiment': lambda one, data, folder: {
            'gain': one.experiment(data['images']).summary['gain']},
        'save': lambda one, data, folder: one.save(
            folder / 'used.safetensors')},
    main='predict_map',
    later={},
    bad={'network': 'huge', 'batch_size': 0},
    unsaved={'seed': np.random.default_rng(1)},
)
