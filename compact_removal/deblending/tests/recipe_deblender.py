# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the deblender.
"""

import numpy as np
from astropy.nddata import CCDData

from compact_removal.deblending import BlendSettings, make_blends
from compact_removal.deblending.tests.recipe import (copy_data,
                                                     make_data_of_fit)
from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE', 'TINY', 'make_field']

# A training that takes less than a second.
TINY = {'n_epochs': 1, 'n_batches': 1, 'size': 64, 'n_validation_batches': 1,
        'width': 1, 'learning_rate': 0.01, 'n_workers': 0, 'n_galaxies': 4,
        'n_fields': 2}


def make_field(seed=1, n_sources=5):
    """
    A field, and the positions of its sources.
    """
    blend, = make_blends(1, n_sources=n_sources, seed=seed,
                         settings=BlendSettings(shift='field'))
    image = CCDData(100 + 3 * blend.image.astype(float), unit='adu',
                    mask=np.zeros(blend.image.shape, dtype=bool))
    return image, np.column_stack([blend.x, blend.y])


def deblend(deblender, data, folder):
    """
    Fluxes, errors and what is left of a field.
    """
    result = deblender.deblend(*make_field())
    return {'flux': result.sources['flux'].value,
            'flux_err': result.sources['flux_err'].value,
            'unassigned': result.unassigned.data}


RECIPE = Recipe(
    params={'weights': None, 'batch_size': 2, 'seed': 3},
    data=lambda: make_data_of_fit(TINY),
    snapshot=copy_data,
    uses={'deblend': deblend,
          'process': lambda deblender, data, folder: {
              'flux': deblender.process(*make_field())['sources'][
                  'flux'].value},
          'experiment': lambda deblender, data, folder: {
              'flux': deblender.experiment(
                  n_maps=1, size=64, seed=1).sources['flux']},
          'save': lambda deblender, data, folder: deblender.save(
              folder / 'used.safetensors')},
    main='deblend',
    later={'fluxes': 'parts'},
    bad={'network': 'none', 'batch_size': 0, 'progress_bar': 'no',
         'threshold': 2.0, 'fluxes': 'all', 'n_contributions': 0},
    unsaved={'seed': np.random.default_rng(1)},
)
