# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator of the tiny task.
"""

from collections.abc import Mapping
from importlib import import_module

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal import nn
from compact_removal.base import BaseEvaluation, TrainableEstimator
from compact_removal.tests.tiny.simulation import NoisyLevels
from compact_removal.utils.parameters import (ParameterError, check_choice,
                                              check_positive_integer)

__all__ = ['MeanEstimator', 'MeanEvaluation']

_DEFAULTS = nn.TrainingSettings(n_epochs=3, learning_rate=0.2, n_workers=0)
_SIDE = 8


def find_model_class(network):
    """
    The class of a network.
    """
    check_choice('network', network, ('tiny',))
    return import_module('compact_removal.tests.tiny.network_tiny').MeanModel


class MeanEvaluation(BaseEvaluation):
    """
    What the experiment of the tiny task returns.

    Parameters
    ----------
    summary : `~astropy.table.QTable`
        One row per field.
    parameters : dict
        How it was made.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from compact_removal.tests.tiny import MeanEvaluation
    >>> MeanEvaluation(QTable(), {}).headline
    ('field', 'scatter', 'gain')
    """

    headline = 'field', 'scatter', 'gain'
    legend = 'Gain is the scatter of pixels over that of the means.'

    def __init__(self, summary, parameters):
        self.summary = summary
        self.parameters = parameters


class MeanEstimator(TrainableEstimator):
    """
    Estimate the mean of cutouts, or the local mean of a map.

    Parameters
    ----------
    network : {'tiny'}, optional
        The network.
    weights : path-like or None, optional
        Weights to start from.
    batch_size : int, optional
        Number of cutouts that are computed at once.
    device : str, optional
        Where to compute.
    seed : int, optional
        Seed of the training.
    progress_bar : bool, optional
        Whether to show progress.

    Examples
    --------
    >>> from compact_removal.tests.tiny import MeanEstimator
    >>> MeanEstimator(seed=1)
    MeanEstimator(seed=1)
    """

    task = 'tiny'
    find_model_class = staticmethod(find_model_class)
    shipped_weights = nn.WeightsRegistry('compact_removal.tests.tiny')
    output_files = {'mean': '_mean.fits'}

    def __init__(self, *, network='tiny', weights=None, batch_size=64,
                 device='auto', seed=None, progress_bar=False):
        self.network = network
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def fit(self, images, *, training=None):
        """
        Learn the weights of the mean.

        Parameters
        ----------
        images : list of `~astropy.nddata.CCDData`
            Their means are the levels of simulated cutouts.
        training : dict, optional
            Settings, see `~compact_removal.nn.TrainingSettings`.

        Returns
        -------
        self : `MeanEstimator`
            The fitted estimator.
        """
        self._check()
        if images is None:
            msg = 'images must be a list of maps, got None'
            raise ParameterError(msg, 'images')
        settings = _DEFAULTS.updated(training)
        seed = 0 if self.seed is None else int(self.seed)
        levels = [np.mean(image.data) for image in images]
        batches, validation_batches = (
            NoisyLevels(levels, n_batches=n_batches, size=_SIDE,
                        batch_size=self.batch_size, seed=one)
            for n_batches, one in ((10, seed), (2, seed + 1)))
        model, info, history = self.train_network(
            batches, validation_batches, settings=settings, seed=seed)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def predict(self, cutouts):
        """
        Estimate the means of cutouts.

        Parameters
        ----------
        cutouts : array_like, (n, ny, nx)
            The cutouts.

        Returns
        -------
        means : ndarray, (n,)
            The means, in the unit of the cutouts.
        """
        self._check()
        model, _ = self._model()
        cutouts = np.asarray(cutouts, dtype=float)
        outputs = nn.predict(model, {'image': cutouts,
                                     'validity': np.isfinite(cutouts)},
                             batch_size=self.batch_size, device=self.device)
        return outputs['mean'].mean(axis=(1, 2))

    def predict_map(self, image):
        """
        Estimate the local mean of a map.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`
            The map.

        Returns
        -------
        mean : `~astropy.nddata.CCDData`
            The mean around each pixel.
        """
        self._check()
        model, _ = self._model()
        outputs = nn.predict_map(model, {'image': image.data, 'validity':
                                         np.isfinite(image.data)},
                                 tile_size=32, device=self.device)
        return CCDData(outputs['mean'], unit=image.unit)

    @staticmethod
    def read_image(path):
        # a map of this task needs no WCS
        return CCDData.read(path)

    def process(self, image, positions=None):
        return {'mean': self.predict_map(image)}

    def check_params(self):
        self._check()

    def experiment(self, data=None, *, n_fields=2, seed=0):
        """
        Compare the scatter of local means with that of pixels.

        Parameters
        ----------
        data : list of `~astropy.nddata.CCDData`, optional
            Maps. Default: simulated ones.
        n_fields : int, optional
            Number of simulated maps.
        seed : int, optional
            Their seed.

        Returns
        -------
        evaluation : `MeanEvaluation`
            Scatters and their ratio.
        """
        rng = np.random.default_rng(seed)
        if isinstance(data, Mapping):
            data = list(data.values())
        if data is None:
            data = [CCDData(rng.normal(5, 1, (40, 50)), unit='Jy')
                    for _ in range(n_fields)]
        summary = QTable({'field': [], 'scatter': [], 'gain': []},
                         dtype=[int, float, float])
        for number, image in enumerate(data):
            scatter = np.std(self.predict_map(image).data)
            summary.add_row((number, scatter, np.std(image.data) / scatter))
        return MeanEvaluation(summary, {'n_fields': len(data),
                                        'warnings': []})

    def _check(self):
        """
        Validate the parameters.
        """
        find_model_class(self.network)
        check_positive_integer('batch_size', self.batch_size)
