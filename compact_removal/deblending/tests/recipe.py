# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the test of the contract does with the photometer of blends.
"""

import numpy as np
from astropy.nddata import CCDData

from compact_removal.datasets import make_galaxy
from compact_removal.deblending import make_blends
from compact_removal.tests.recipes import Recipe

__all__ = ['RECIPE', 'TINY', 'make_image']

# A training that takes less than a second.
TINY = {'n_epochs': 1, 'n_batches': 1, 'size': 64, 'n_validation_batches': 1,
        'width': 1, 'learning_rate': 0.01, 'n_workers': 0, 'n_galaxies': 4}


def make_image(seed=1, n_sources=3):
    """
    A blend, and the positions of its sources.
    """
    blend, = make_blends(1, n_sources=n_sources, seed=seed)
    image = CCDData(100 + 3 * blend.image, unit='adu',
                    mask=np.zeros(blend.image.shape, dtype=bool))
    return image, np.column_stack([blend.x, blend.y])


def make_data_of_fit(settings=TINY):
    """
    A galaxy, and the settings of a short training.
    """
    galaxy = make_galaxy('disk', seed=1) * 1e4
    noise = np.random.default_rng(1).standard_normal(galaxy.shape)
    return {'galaxies': [galaxy + noise], 'training': dict(settings)}


def copy_data(data):
    """
    What the photometer must leave alone.
    """
    return {'galaxy': data['galaxies'][0].copy(),
            'training': repr(data['training'])}


def measure(photometer, data, folder):
    """
    Fluxes and errors of a blend.
    """
    table = photometer.measure(*make_image())
    return {name: table[name].value for name in ('flux', 'flux_err')}


RECIPE = Recipe(
    params={'weights': None, 'batch_size': 2, 'seed': 3},
    data=make_data_of_fit,
    snapshot=copy_data,
    uses={'measure': measure,
          'segment': lambda photometer, data, folder: {
              'masks': photometer.segment(*make_image())},
          'process': lambda photometer, data, folder: {
              'flux': photometer.process(*make_image())['sources'][
                  'flux'].value},
          'experiment': lambda photometer, data, folder: {
              'flux': photometer.experiment(
                  n_maps=2, size=64, seed=1).sources['flux']},
          'save': lambda photometer, data, folder: photometer.save(
              folder / 'used.safetensors')},
    main='measure',
    later={},
    bad={'network': 'none', 'batch_size': 0, 'progress_bar': 'no'},
    unsaved={'seed': np.random.default_rng(1)},
)
