# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `BlendPhotometer.fit` does: the network, then the scale of its errors.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.datasets import BlendSettings
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.deblending.batches import (PAIRS, ConditionedBlends,
                                                PairBlends)
from compact_removal.deblending.networks import find_model_class
from compact_removal.nn.batches import RecalledFields
from compact_removal.utils.parameters import ParameterError

__all__ = ['PHOTOMETER_DEFAULTS', 'PhotometerTraining', 'fit_photometer',
           'measure_errors']

# Batches are used again after so many epochs, turned.
_N_DISTINCT = 12


@dataclass(frozen=True)
class PhotometerTraining(nn.TrainingSettings):
    """
    How a photometer of blends is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the images of blends (pixels).
    n_galaxies : int, optional
        Simulated galaxies that blends are made of.
    width : int, optional
        Width of the network; without trained weights only.
    n_channels : int, optional
        Channels of the first level of the U-Net of blend2mask2flux;
        without trained weights only.
    loss : dict, optional
        Weights of the terms of the loss that differ from the defaults.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.deblending import PhotometerTraining
    >>> PhotometerTraining(n_epochs=3).size
    128
    """

    n_batches: int = 80
    n_validation_batches: int = 24
    size: int = 128
    n_galaxies: int = 600
    width: int | None = None
    n_channels: int | None = None
    loss: dict | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           'n_galaxies', optional=('width', 'n_channels'))
        if self.size < 48:
            msg = f'size must be at least 48, got {self.size!r}'
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
PHOTOMETER_DEFAULTS = PhotometerTraining(n_epochs=40, learning_rate=0.001,
                                         scheduler='cosine', max_norm=1.0)


def fit_photometer(photometer, galaxies, *, training):
    """
    Train a network for a photometer.

    Parameters
    ----------
    photometer : BlendPhotometer
        Its parameters are used.
    galaxies, training : object
        See `BlendPhotometer.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    settings = PHOTOMETER_DEFAULTS.updated(training)
    config = {name: getattr(settings, name) for name in ('width', 'n_channels')
              if getattr(settings, name) is not None}
    check_new_config(config, photometer.weights)
    stamps = read_galaxies(galaxies, 'galaxies')
    seed = make_training_seed(photometer.seed, settings)
    model_class = find_model_class(photometer.network)
    blends_class = (ConditionedBlends if 'target' in model_class.inputs
                    else PairBlends)

    # errors are those of usual pairs at positions that are right
    usual = {'settings': BlendSettings(), 'places': PAIRS}
    if blends_class is ConditionedBlends:
        usual['scatters'] = (0.0,)

    def simulate(seed, n_batches, **how):
        return blends_class(
            stamps, batch_size=photometer.batch_size, n_batches=n_batches,
            size=settings.size, seed=seed, n_galaxies=settings.n_galaxies,
            **how)

    names = (*model_class.inputs, *model_class.targets)
    validation = RecalledFields(simulate(
        seed + 1, settings.n_validation_batches), names, None, 1)
    model, info, history = photometer.train_network(
        RecalledFields(simulate(seed, settings.n_batches), names, None,
                       _N_DISTINCT), validation,
        settings=settings, seed=seed, config=config, loss=settings.loss,
        description={'size': settings.size, 'n_galaxies': settings.n_galaxies,
                     'batch_size': photometer.batch_size,
                     'n_stamps': len(stamps or [])})
    info |= {
        'mode': 'any', 'training': {**settings.to_dict(), **info['config']},
        'data': f'galaxies: {len(stamps)}, and simulated ones' if stamps
        else 'simulated galaxies',
        'error_factor': measure_errors(
            model, simulate(seed + 2, settings.n_validation_batches, **usual),
            device=photometer.device)}
    return model, info, history


def measure_errors(model, batches, *, device='auto'):
    """
    Measure how much larger errors are than the network predicts.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    batches : object
        Batches that it was not trained with.
    device : str, optional
        Where to compute.

    Returns
    -------
    factor : float
        With it 68 % of the fluxes are within their error.
    """
    pulls = []
    for number in range(len(batches)):
        batch = batches.batch(0, number)
        found = nn.predict(model, {name: batch[name]
                                   for name in model.inputs}, device=device)
        if 'flux' in found:
            # networks without errors have the same one for all
            pulls.append(np.ravel(np.abs(1 - batch['truth'] / found['flux'])))
            continue
        ratio = np.exp(found['log_flux'].astype(float) - batch['truth'])
        pulls.append(np.abs(1 - 1 / ratio) / np.exp(found['log_error']))
    return float(np.quantile(np.concatenate(pulls), 0.683))
