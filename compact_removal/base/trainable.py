# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What estimators with a network have: weights, fit, save, load.
"""

import warnings
from functools import lru_cache

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal import nn
from compact_removal.base.estimator import BaseEstimator, NotFittedError
from compact_removal.utils.files import check_overwrite
from compact_removal.utils.parameters import ParameterError

__all__ = ['TrainableEstimator']


class TrainableEstimator(BaseEstimator):
    """
    Base class of estimators with a network: weights, fit, save and load.

    Subclasses have the parameters ``network``, ``weights``, ``device``,
    ``seed`` and ``progress_bar``, the attributes below, and a method
    ``fit`` that calls `train_network`. Their ``training_class`` is the
    class of the settings of the training, by default
    `~compact_removal.nn.TrainingSettings`.

    Attributes
    ----------
    task : str
        The name of the task, in files.
    find_model_class : callable
        Maps the name of a network to its class; a static method.
    shipped_weights : `~compact_removal.nn.WeightsRegistry`
        The weights that ship.
    networks : dict or None
        The networks by name, where a folder has several estimators.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.base import TrainableEstimator
    >>> issubclass(CompactSourceRemover, TrainableEstimator)
    True
    """

    task = ''
    training_class = nn.TrainingSettings
    find_model_class = None
    shipped_weights = None
    networks = None

    # The number of the format of what `save` writes of the parameters.
    _format = 2

    @classmethod
    def list_weights(cls):
        """
        List the weights that ship for the estimator.

        Returns
        -------
        rows : list of dict
            Their ``name``, ``network``, ``sha256`` and more; weights of
            the folder that are for another estimator are left out.
        """
        return [row for row in cls.shipped_weights.list()
                if cls.networks is None or row['network'] in cls.networks]

    def save(self, path, *, overwrite=False):
        """
        Write the network's weights and the parameters to a file.

        Parameters
        ----------
        path : str or path-like
            A safetensors file; parameters go into its header as JSON.
        overwrite : bool, optional
            Whether an existing file may be replaced.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is False.
        NotFittedError
            If ``weights`` is `None` and ``fit`` was not called.
        ParameterError
            If a parameter is not allowed, or an object that a file
            cannot hold.
        """
        path = check_overwrite(path, overwrite=overwrite)
        self._check()
        model, info = self._model()
        nn.save_weights(model, path, {
            **info, 'estimator': {'format': self._format, 'task': self.task,
                                  'class': type(self).__name__,
                                  'params': self._plain_params()}})

    @classmethod
    def load(cls, path):
        """
        Read what `save` has written.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        estimator : object
            An estimator that is ready to use. Parameters that this
            version has and the file does not have their defaults.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ParameterError
            If it was not written by `save`, is damaged, or of a later
            version with parameters that this one does not have.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from compact_removal import CompactSourceRemover
        >>> remover = CompactSourceRemover('scanmap', 'blue', recenter=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / 'remover.safetensors'
        ...     remover.save(path)
        ...     CompactSourceRemover.load(path)
        CompactSourceRemover('scanmap', 'blue', recenter=True)
        """
        model, info = nn.load_weights(path, cls.find_model_class)
        stored = info.get('estimator')
        if stored is None:
            msg = (f'path: {path} was not written by {cls.__name__}.save; '
                   f'give files with weights alone as weights')
            raise ParameterError(msg, 'path')
        params = cls._read_stored(stored, path)
        try:
            estimator = cls(**cls._from_plain(params))
            estimator._check()
            good = estimator.network == info['network']
        except (KeyError, TypeError, ValueError) as error:
            msg = (f'path: {path} holds parameters that are not allowed: '
                   f'{error}')
            raise ParameterError(msg, 'path') from error
        if not good:
            msg = (f'path: {path} holds a network {info["network"]!r} that is '
                   'not the one of its parameters')
            raise ParameterError(msg, 'path')
        estimator._set_fitted(model, info)
        return estimator

    @classmethod
    def _read_stored(cls, stored, path):
        """
        The parameters in a file, of this format or the first one.
        """
        good = isinstance(stored, dict)
        if good and 'format' in stored:
            number = stored['format']
            if type(number) is int and number > cls._format:
                msg = (f'path: {path} has format {number}, of a later version '
                       f'of the package; this one reads formats up to '
                       f'{cls._format}')
                raise ParameterError(msg, 'path')
            if stored.get('class') != cls.__name__:
                msg = (f'path: {path} holds a {stored.get("class")}, not a '
                       f'{cls.__name__}')
                raise ParameterError(msg, 'path')
            stored = stored.get('params')
            good = isinstance(stored, dict)
        if not good:
            msg = f'path: {path} holds parameters that are damaged'
            raise ParameterError(msg, 'path')
        allowed = cls._parameters()
        unknown = sorted(set(stored) - set(allowed))
        if unknown:
            msg = (f'path: {path} holds the parameter {unknown[0]}, which '
                   f'{cls.__name__} of this version does not have; allowed '
                   f'are {", ".join(allowed)}')
            raise ParameterError(msg, 'path')
        missing = [name for name, parameter in allowed.items()
                   if parameter.default is parameter.empty
                   and name not in stored]
        if missing:
            msg = (f'path: {path} lacks the parameter {missing[0]}, which '
                   f'{cls.__name__} needs')
            raise ParameterError(msg, 'path')
        return stored

    @classmethod
    def _from_plain(cls, params):
        """
        Parameters as ``__init__`` takes them, of those in a file.
        """
        return params

    def _plain_params(self):
        """
        Parameters as a file can hold them.
        """
        params = {**self.get_params(), **self._plain_values()}
        if self.weights is not None:
            params['weights'] = str(self.weights)
        return self._to_plain(params)

    def _plain_values(self):
        """
        Values in place of those of parameters that JSON cannot hold.
        """
        return {}

    def check_params(self):
        self._check()

    def _check(self):
        """
        Validate the parameters.
        """
        raise NotImplementedError

    def train_network(self, batches, validation_batches, *, settings, seed,
                      config=None, loss=None, augment=None,
                      description=None):
        """
        Train the network from ``weights``, or from random ones.

        This is the part of ``fit`` that all tasks share.

        Parameters
        ----------
        batches, validation_batches, settings : object
            See `compact_removal.nn.train`.
        seed : int
            Seed of the weights and of the augmentation.
        config : dict, optional
            Configuration of a network with random weights.
        loss : dict, optional
            Weights of the terms of the loss.
        augment : callable, optional
            See `compact_removal.nn.train`.
        description : dict, optional
            What else decides on the result.

        Returns
        -------
        model : object
            The network, its weights rounded as in files.
        info : dict
            ``network``, ``config``, ``seed`` and ``started_from``.
        history : dict of list
            Losses and learning rates.
        """
        if self.weights is None:
            model = nn.make_model(self.find_model_class(self.network), config,
                                  seed=seed)
            start = None
        else:
            model, start = self._load_weights()
        started_from = None if start is None else start['name']
        history = nn.train(
            model, batches, validation_batches, settings,
            loss=model.make_loss(**(loss or {})), augment=augment,
            seed=seed, device=self.device,
            description={
                'task': self.task, 'network': self.network,
                'started_from': None if start is None else start['sha256'],
                'loss': loss or {}, **(description or {})},
            progress_bar=self.progress_bar)
        # so that it is the same before it is saved and after
        nn.round_weights(model)
        return model, {'network': self.network, 'seed': seed,
                       'config': dict(model.config),
                       'started_from': started_from}, history

    def _set_fitted(self, model, info):
        """
        Keep a network, and the parameters that it was made with.
        """
        # the same hash before it is saved and after
        self.model_ = model
        self.info_ = {**info, 'sha256': nn.hash_weights(model)}
        self._fitted_with = self._fit_depends_on()

    def _fit_depends_on(self):
        """
        Parameters whose change asks for another fit, by name.
        """
        return {'weights': self.weights}

    def _is_fitted(self):
        """
        Whether `fit` or `load` has given a network.
        """
        return hasattr(self, 'model_')

    def _model(self):
        """
        The fitted network and its description, or that of ``weights``.
        """
        if not self._is_fitted():
            if self.weights is None:
                msg = ('weights is None, so the network is not trained: call '
                       'fit() first, or choose weights')
                raise NotFittedError(msg)
            return self._load_weights(shared=True)
        if self.info_['network'] != self.network:
            msg = (f'network must be {self.info_["network"]!r}, which was '
                   f'fitted or loaded, got {self.network!r}; call fit() again '
                   f'to change it')
            raise ParameterError(msg, 'network')
        changed = [name for name, value in self._fit_depends_on().items()
                   if not _is_same(value, self._fitted_with[name])]
        if changed:
            warnings.warn(f'{", ".join(changed)}: changed after the fit; the '
                          'fitted network stays in use until fit() is called '
                          'again', AstropyUserWarning, stacklevel=3)
        return self.model_, self.info_

    def _load_weights(self, *, shared=False):
        """
        The network that ``weights`` names, and its description.

        ``shared``: it may be one that was loaded before, because it will
        not be trained.
        """
        name, path, sha256 = self._find_weights()
        if shared:
            model, info = _load_once(
                self.find_model_class, path, _stamp(path), sha256,
                str(nn.resolve_device(self.device)))
        else:
            model, info = nn.load_weights(path, self.find_model_class,
                                          sha256=sha256)
        if info['network'] != self.network:
            msg = (f'weights {self.weights} are of network '
                   f'{info["network"]!r}: network must be that, too, got '
                   f'{self.network!r}')
            raise ParameterError(msg, 'weights')
        return model, {'name': name, **info}

    def _find_weights(self):
        """
        Name, file and hash of the weights; the hash is None for files.
        """
        weights, registry = self.weights, self.shipped_weights
        if isinstance(weights, str) and weights == 'default':
            weights = registry.find(self.network, self._weights_mode())
        return registry.locate(weights)

    def _provenance(self, info):
        """
        How a result was made, as FITS keywords.
        """
        from compact_removal import __version__

        return {'CRVERS': __version__, **self._name_weights(info)}

    def _name_weights(self, info):
        """
        Which network and weights made a result, as FITS keywords.
        """
        return {'CRNET': self.network,
                'CRWEIGHT': info.get('name', 'fitted'),
                'CRSHA256': info.get('sha256', '')}

    def _weights_mode(self):
        """
        The observing mode that decides on the default weights.
        """
        return 'any'


@lru_cache(maxsize=4)
def _load_once(find_class, path, stamp, sha256, device):
    """
    The network of a file, for a device and a state of the file.

    Each device has a network of its own, as others would be moved under
    an estimator that computes.
    """
    return nn.load_weights(path, find_class, sha256=sha256)


def _stamp(path):
    """
    Size and time of a file.
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _is_same(one, other):
    """
    Whether values of parameters are equal, arrays included.
    """
    if one is other:
        return True
    try:
        return bool(np.all(one == other))
    except (TypeError, ValueError):
        return False
