# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that finds exposures with tracking errors.
"""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from scipy.special import expit

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.contaminants.base import (ExposureEstimator,
                                               read_exposures)
from compact_removal.contaminants.motion import TrackingExposures
from compact_removal.contaminants.networks import (TRACKING_NETWORKS,
                                                   find_tracking_class)
from compact_removal.contaminants.priors import logit_shift
from compact_removal.contaminants.stacks import stack_sources
from compact_removal.maps.arrays import read_array
from compact_removal.maps.background import scale_image
from compact_removal.maps.exposures import list_images, to_exposure
from compact_removal.nn.batches import RecalledFields
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)

__all__ = ['TrackingErrorClassifier', 'TrackingTraining']

# Exposures of the training are used again after so many epochs, turned.
_N_DISTINCT = 20

# Half of the exposures of the training have tracking errors.
_SHARE = 0.5


@dataclass(frozen=True)
class TrackingTraining(nn.TrainingSettings):
    """
    How a classifier of exposures is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the exposures (pixels); for ``'maxitrack'`` that of the
        images that the network sees.
    width : int, optional
        Width of the network; without trained weights only.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.contaminants import TrackingTraining
    >>> TrackingTraining(n_epochs=3).size
    256
    """

    n_batches: int = 60
    n_validation_batches: int = 30
    size: int = 256
    width: int | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           optional=('width',))
        if self.size < 48:
            msg = f'size must be at least 48, got {self.size!r}'
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
_DEFAULTS = TrackingTraining(n_epochs=40, learning_rate=0.001,
                             scheduler='cosine', max_norm=1.0)


class TrackingErrorClassifier(ExposureEstimator):
    """
    Find exposures during which the telescope has moved.

    All sources of such an exposure are drawn out in the same way, by a
    drift, a jump, an oscillation or wind (MaxiTrack, Paillassa et al.
    2020). The default network looks at their common shape.

    Parameters
    ----------
    prior : float, optional
        Share of the exposures that have tracking errors.
    network : {'small', 'maxitrack'}, optional
        The network; ``'maxitrack'`` is that of the paper, without
        weights that ship.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    batch_size : int, optional
        Parts of exposures that are computed at once.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    seed : int, optional
        Seed of everything random in `fit`.
    progress_bar : bool, optional
        Whether to show progress.

    Attributes
    ----------
    history_ : dict of list
        After `fit`: ``epoch``, ``learning_rate``, ``loss``,
        ``validation_loss`` and the terms of both, one value per epoch.
    n_epochs_ : int
        After `fit`: number of epochs.

    Examples
    --------
    >>> from compact_removal import TrackingErrorClassifier
    >>> from compact_removal.contaminants import make_motion
    >>> from compact_removal.datasets import ExposureSettings, make_exposure
    >>> many = ExposureSettings(stars=(3000.0, 3000.0), fwhm=(3.0, 3.0))
    >>> good = make_exposure((256, 256), settings=many, seed=1)
    >>> bad = make_exposure((256, 256), settings=many, seed=1,
    ...                     motion=make_motion('drift', 9.0, seed=1))
    >>> TrackingErrorClassifier().predict([good.image, bad.image])
    array([False,  True])
    """

    task = 'tracking'
    training_class = TrackingTraining
    find_model_class = staticmethod(find_tracking_class)
    networks = TRACKING_NETWORKS
    output_files = {'tracking': '_tracking.ecsv'}

    def __init__(self, *, prior=0.05, network='small', weights='default',
                 batch_size=16, device='auto', seed=None, progress_bar=False):
        self.prior = prior
        self.network = network
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def predict_proba(self, image):
        """
        Predict whether exposures have tracking errors.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity, array, HDUList or list
            An exposure of shape ``(ny, nx)``, of any unit and type; an
            `~astropy.io.fits.HDUList`, whose images are the detectors of
            one exposure; or a list of these.

        Returns
        -------
        probability : float or `~numpy.ndarray`
            The mean of the images of an HDUList (with ``'maxitrack'``
            also of the parts of an image), updated for the prior; an
            array for a list. It is the prior where there are no sources.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        """
        self._check()
        model, info = self._model()
        if isinstance(image, (list, tuple)) and not isinstance(
                image, fits.HDUList):
            return np.array([self._predict(one, model, info)
                             for one in image], dtype=float)
        return self._predict(image, model, info)

    def predict(self, image):
        """
        Predict which exposures have tracking errors.

        Parameters
        ----------
        image : object
            See `predict_proba`.

        Returns
        -------
        found : bool or `~numpy.ndarray` of bool
            Whether the probability is above 0.5; an array for a list.

        Raises
        ------
        TypeError, ValueError, NotFittedError
            See `predict_proba`.
        """
        found = self.predict_proba(image)
        return found > 0.5 if isinstance(found, np.ndarray) else bool(
            found > 0.5)

    def fit(self, clean_images=None, *, training=None):
        """
        Train the network on exposures, half of them with tracking errors.

        Training starts from ``weights``, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced.

        Parameters
        ----------
        clean_images : list of `~astropy.nddata.CCDData`, optional
            Exposures of the user without tracking errors, which are added
            by convolution. Default: simulated ones.
        training : dict, optional
            Settings that differ from the defaults, see
            `~compact_removal.contaminants.TrackingTraining`.

        Returns
        -------
        self : `TrackingErrorClassifier`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        self._check()
        settings = _DEFAULTS.updated(training)
        config = {} if settings.width is None else {'width': settings.width}
        check_new_config(config, self.weights)
        images = read_exposures(clean_images, 'clean_images')
        seed = make_training_seed(self.seed, settings)
        if self.network == 'maxitrack' and self.weights is None:
            config['size'] = settings.size

        model_class = find_tracking_class(self.network)

        def simulate(seed, n_batches):
            return TrackingExposures(
                images=images, size=settings.size, n_batches=n_batches,
                batch_size=self.batch_size, seed=seed,
                sees=model_class.sees)

        names = (*model_class.inputs, *model_class.targets)
        model, info, history = self.train_network(
            RecalledFields(simulate(seed, settings.n_batches), names, None,
                           _N_DISTINCT),
            RecalledFields(simulate(seed + 1, settings.n_validation_batches),
                           names, None, 1),
            settings=settings, seed=seed, config=config,
            description={'size': settings.size,
                         'batch_size': self.batch_size,
                         'n_images': len(images or [])})
        self._set_fitted(model, {
            **info, 'mode': 'any', 'share': _SHARE,
            'training': {**settings.to_dict(), **info['config']},
            'data': f'images: {len(images)}' if images
            else 'simulated exposures'})
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=100, size=400, seed=None,
                   progress_bar=False):
        """
        Classify simulated exposures with tracking errors and without.

        Parameters
        ----------
        data : list or dict of `~astropy.nddata.CCDData`, optional
            Exposures without tracking errors. Default: simulated ones.
        n_maps : int, optional
            Number of exposures.
        size : int, optional
            Side of the exposures (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.contaminants.TrackingEvaluation`
            Tables and figures.
        """
        from compact_removal.contaminants.tracking_evaluation import (
            evaluate_tracking)

        return evaluate_tracking(self, data, n_maps=n_maps, size=size,
                                 seed=seed, progress_bar=progress_bar)

    def process(self, image, positions=None):
        probability = self.predict_proba(image)
        return {'tracking': QTable({'probability': [probability],
                                    'tracking_error': [probability > 0.5]},
                                   meta=self._provenance(self._model()[1]))}

    def describe_task(self, image, positions=None):
        return f'tracking errors sought in {image}'

    def _predict(self, image, model, info):
        """
        Probability of one exposure.
        """
        if isinstance(image, fits.HDUList):
            numbers = list_images(image)
            if not numbers:
                msg = 'image must have an HDU with two axes'
                raise ParameterError(msg, 'image')
            return float(np.mean([
                self._predict(to_exposure(image[number]), model, info)
                for number in numbers]))
        scaled = scale_image(read_array(image))
        parts = (stack_sources(scaled)[None] if model.sees == 'stack'
                 else _cut(scaled, model.usual_size))
        if not parts.any():
            # without sources nothing is learned
            return float(self.prior)
        logit = nn.predict(model, {model.sees: parts}, device=self.device,
                           batch_size=self.batch_size)['logit']
        return float(expit(logit.astype(float) + logit_shift(
            info['share'], self.prior)).mean())

    def _check(self):
        """
        Validate the parameters.
        """
        if not (isinstance(self.prior, (int, float, np.number))
                and not isinstance(self.prior, bool)
                and 0 < self.prior < 1):
            msg = f'prior must be between 0 and 1, got {self.prior!r}'
            raise ParameterError(msg, 'prior')
        find_tracking_class(self.network)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)

    def _provenance(self, info):
        """
        How a result was made, as FITS keywords.
        """
        return {**super()._provenance(info), 'CRPRIOR': self.prior}


def _cut(image, size):
    """
    Parts of an image of the size that a network sees.

    They overlap where the image is no multiple of it; a small image is
    surrounded by background.
    """
    image = np.pad(image, [(0, max(size - n, 0)) for n in image.shape])
    starts = [np.linspace(0, n - size, -(-n // size)).round().astype(int)
              for n in image.shape]
    return np.stack([image[y:y + size, x:x + size]
                     for y in starts[0] for x in starts[1]])
