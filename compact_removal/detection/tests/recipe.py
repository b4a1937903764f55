# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the finder.
"""

import numpy as np
from astropy.nddata import CCDData

from compact_removal.instruments import get_band, get_mode
from compact_removal.tests.any_input import make_data, make_wcs
from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE']


def make_data_of_fit():
    """
    A map with a source, and the settings of a short training.
    """
    shape = (100, 110)
    image = CCDData(make_data(shape, [50.2], [40.1], [1.0]), unit='Jy/pix',
                    wcs=make_wcs(shape), mask=np.zeros(shape, dtype=bool))
    return {'backgrounds': [image],
            'training': {'n_epochs': 1, 'n_batches': 1, 'size': 64,
                         'n_validation_batches': 1, 'width': 1,
                         'learning_rate': 0.01, 'n_workers': 0,
                         'n_scenes': 6, 'scene_size': 96}}


def copy_data(data):
    """
    What the finder must leave alone.
    """
    image, = data['backgrounds']
    return {'data': image.data.copy(), 'mask': image.mask.copy(),
            'rest': repr((image.unit, image.wcs.to_header_string(),
                          dict(image.meta), data['training']))}


def find(finder, data, folder):
    """
    The results of a finder.
    """
    sources = finder.find(data['backgrounds'][0])
    return {name: sources[name] for name in sources.colnames
            if name != 'sky_center'}


RECIPE = Recipe(
    params={'mode': 'scanmap', 'band': 'blue', 'weights': None,
            'batch_size': 2, 'seed': 3, 'threshold': 0.0},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={'find': find,
          'predict_proba': lambda finder, data, folder: {
              'data': finder.predict_proba(data['backgrounds'][0]).data},
          'process': lambda finder, data, folder: {
              'x': finder.process(data['backgrounds'][0])['sources'][
                  'x_center']},
          'experiment': lambda finder, data, folder: {
              'found': finder.experiment(n_maps=1, size=96, seed=1).sources[
                  'found']},
          'save': lambda finder, data, folder: finder.save(
              folder / 'used.safetensors')},
    main='find',
    later={'threshold': 1.0},
    bad={'mode': 'slow', 'band': 5, 'network': None, 'batch_size': 0,
         'threshold': 1.5, 'progress_bar': 'no'},
    unsaved={'seed': np.random.default_rng(1),
             'band': get_band('scanmap', 'blue'),
             'mode': get_mode('scanmap')},
)
