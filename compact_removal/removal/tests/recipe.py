# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the remover.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData

from compact_removal.instruments import get_band, get_mode
from compact_removal.tests.any_input import make_data, make_wcs, sky
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
            'catalogs': [sky(image.wcs, [50.2], [40.1])],
            'training': {'n_epochs': 1, 'n_batches': 2,
                         'n_validation_batches': 1, 'width': 1,
                         'learning_rate': 0.01, 'n_workers': 0}}


def copy_data(data):
    """
    What the remover must leave alone.
    """
    image, = data['backgrounds']
    positions, = data['catalogs']
    return {'data': image.data.copy(), 'mask': image.mask.copy(),
            'rest': repr((image.unit, image.wcs.to_header_string(),
                          dict(image.meta), data['training'], positions))}


def remove(remover, data, folder):
    """
    The results of a remover.
    """
    background, sources = remover.remove(data['backgrounds'][0],
                                         data['catalogs'][0])
    columns = {name: sources[name] for name in sources.colnames
               if name != 'sky_center'}
    return {'data': background.data, 'flags_of_pixels': background.flags,
            'error': background.uncertainty.array, **columns}


RECIPE = Recipe(
    params={'mode': 'scanmap', 'band': 'blue', 'weights': None,
            'cutout_size': 32, 'batch_size': 2, 'seed': 3},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={'remove': remove,
          'process': lambda remover, data, folder: {
              'data': remover.process(
                  data['backgrounds'][0],
                  data['catalogs'][0])['background'].data},
          'experiment': lambda remover, data, folder: {
              'ratio': remover.experiment(
                  data['backgrounds'], n_sources=1,
                  flux_levels=[900] * u.mJy, seed=1).sources['flux_ratio']},
          'save': lambda remover, data, folder: remover.save(
              folder / 'used.safetensors')},
    main='remove',
    later={'apertures': [5, 7] * u.arcsec},
    bad={'mode': 'slow', 'band': 5, 'network': None, 'batch_size': 0,
         'cutout_size': 33, 'recenter': 'no'},
    unsaved={'seed': np.random.default_rng(1),
             'band': get_band('scanmap', 'blue'),
             'mode': get_mode('scanmap')},
)
