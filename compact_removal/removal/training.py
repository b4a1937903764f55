# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Settings of the training behind `CompactSourceRemover.fit`.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from compact_removal import nn
from compact_removal.base.arguments import make_training_seed
from compact_removal.datasets import FLUX_LEVELS
from compact_removal.nn import TrainingSettings
from compact_removal.nn.batches import SelectedFields
from compact_removal.psf import fwhm_in_pixels
from compact_removal.removal.calibration import measure_errors
from compact_removal.removal.cutout_network import make_predict
from compact_removal.removal.networks import choose_size, find_model_class
from compact_removal.removal.simulation import TrainingCutouts
from compact_removal.base.training_data import make_training_data
from compact_removal.utils.descriptions import hash_settings
from compact_removal.utils.parameters import ParameterError, check_boolean

__all__ = ['RemovalTraining', 'TRAINING_DEFAULTS', 'choose_scenes',
           'choose_settings', 'fit_remover']

# Simulated maps per band, unless told otherwise.
_N_FIELDS = 400


@dataclass(frozen=True)
class RemovalTraining(TrainingSettings):
    """
    How a network of the removal is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch, of the training and of the validation.
    n_fields : int, optional
        Simulated maps; for training without maps only. Default: 400.
    width : int, optional
        Width of a network with random weights; default: that of its
        class.
    loss : dict, optional
        Weights of the terms of the loss, by name, and what else it
        takes that a file can hold.
    augment : bool, optional
        Whether to flip cutouts, rotate them by any angle and, for
        networks that predict no errors, shift them. This is that of
        the paper (Sect. 2.4.3), and comes after the simulation.

    Raises
    ------
    ParameterError
        If a value is not allowed, or has no effect.

    Examples
    --------
    >>> from compact_removal.removal import RemovalTraining
    >>> RemovalTraining(n_epochs=3).n_batches
    100
    """

    n_batches: int = 100
    n_validation_batches: int = 20
    n_fields: int | None = None
    width: int | None = None
    loss: dict | None = None
    augment: bool = False

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches',
                           optional=('n_fields', 'width'))
        if self.loss is not None and not (isinstance(self.loss, dict) and all(
                isinstance(value, (int, float, str))
                for value in self.loss.values())):
            msg = ('loss must be None or a dict of numbers and names of '
                   f'files, got {self.loss!r}')
            raise ParameterError(msg, 'loss')
        check_boolean('augment', self.augment)

    def make_loss(self, network):
        """
        Make the loss.

        Parameters
        ----------
        network : str
            Name of the network.

        Returns
        -------
        loss : `torch.nn.Module`
            The loss of the network, with the arguments ``loss``.

        Raises
        ------
        ParameterError
            If it does not take them.
        """
        try:
            return find_model_class(network).make_loss(**(self.loss or {}))
        except (TypeError, ValueError) as error:
            msg = f'loss of network {network!r}: {error}'
            raise ParameterError(msg, 'loss') from error

    def resolved(self, *, has_maps, has_weights):
        """
        Make the settings that run, for a kind of start and of data.

        Parameters
        ----------
        has_maps : bool
            Whether there are maps to learn from for all bands.
        has_weights : bool
            Whether the training starts from trained weights. Then the
            default learning rate is a tenth: with all of it they get
            worse.

        Returns
        -------
        settings : `RemovalTraining`
            The settings.

        Raises
        ------
        ParameterError
            If a setting that was given has no effect.
        """
        if has_weights and self.width is not None:
            msg = ('width must be None where weights are given, whose '
                   f'network has one, got {self.width!r}')
            raise ParameterError(msg, 'width')
        if has_maps and self.n_fields is not None:
            msg = ('n_fields must be None where backgrounds are given, got '
                   f'{self.n_fields!r}')
            raise ParameterError(msg, 'n_fields')
        if not has_maps and self.n_fields is None:
            return replace(self, n_fields=_N_FIELDS)
        return self


# What `fit` does unless told otherwise, by network; for the others these
# are the paper's settings (Sect. 3.5), and for its network its augmentation
# (Sect. 2.4.3), too. From trained weights the learning rate is a tenth.
TRAINING_DEFAULTS = MappingProxyType({
    'separation': RemovalTraining(learning_rate=0.001, scheduler='cosine',
                                  max_norm=20.0),
    'inpainting': RemovalTraining(),
    'paper': RemovalTraining(augment=True),
})

# The paper's simulations: all levels of Table 1 are equally likely, the
# lowest one has a peak of one standard deviation of the background, and
# augmentation moves the sources.
_LOG_LEVELS = tuple(np.log10(FLUX_LEVELS / FLUX_LEVELS[0]).value.tolist())
_PAPER_SCENES = {
    'quantiles': tuple(np.linspace(0, 1, len(_LOG_LEVELS)).tolist()),
    'log_ratios': _LOG_LEVELS, 'neighbor_log_ratios': _LOG_LEVELS,
    'small_error': 0.0, 'large_error_chance': 0.0}


def choose_scenes(network):
    """
    Choose what differs in the simulations for a network.

    Parameters
    ----------
    network : str
        Its name.

    Returns
    -------
    settings : dict
        Parameters of `TrainingCutouts`.

    Examples
    --------
    >>> from compact_removal.removal.training import choose_scenes
    >>> choose_scenes('inpainting')
    {'subtract_models': True}
    >>> choose_scenes('paper')['log_ratios'][:3]
    (0.0, 0.3010299956639812, 0.6020599913279624)
    """
    subtract = find_model_class(network).removes_wings
    return {'subtract_models': subtract,
            **({} if subtract else _PAPER_SCENES)}


def choose_settings(network, training, *, has_maps, has_weights):
    """
    Make the settings of a training: the defaults, and what was changed.

    Parameters
    ----------
    network : str
        Name of the network.
    training : dict or None
        What the user changed.
    has_maps, has_weights : bool
        See `RemovalTraining.resolved`.

    Returns
    -------
    settings : `RemovalTraining`
        The settings that run.

    Raises
    ------
    ParameterError
        If a setting is unknown, not allowed, or has no effect.
    """
    defaults = TRAINING_DEFAULTS.get(network, RemovalTraining())
    if has_weights:
        defaults = replace(defaults,
                           learning_rate=defaults.learning_rate / 10)
    settings = defaults.updated(training)
    try:
        settings = settings.resolved(has_maps=has_maps,
                                     has_weights=has_weights)
        # what the loss refuses, it refuses before anything else is done
        settings.make_loss(network)
    except ParameterError as error:
        msg = f'training: {error}'
        raise ParameterError(msg, 'training') from error
    return settings


def fit_remover(remover, band, backgrounds, *, catalogs, validation,
                training):
    """
    Train a network for a remover.

    Parameters
    ----------
    remover : CompactSourceRemover
        Its parameters are used.
    band : Band
        The band.
    backgrounds, catalogs, validation, training : object
        See `CompactSourceRemover.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    data = make_training_data(band, backgrounds, catalogs=catalogs,
                              validation=validation)
    settings = choose_settings(remover.network, training,
                               has_maps=data.all_have_maps,
                               has_weights=remover.weights is not None)
    seed = make_training_seed(remover.seed, settings)
    model_class = find_model_class(remover.network)
    size = remover.cutout_size or max(
        choose_size(model_class, fwhm_in_pixels(entry, entry.pixel_scale))
        for entry in data.bands)
    batch_size = max(2, remover.batch_size)

    def simulate(maps, n_batches, n_fields, seed, **options):
        return TrainingCutouts(
            remover.mode, maps, bands=data.bands,
            real_fraction=1.0 if maps else 0.0, size=size,
            batch_size=batch_size, n_batches=n_batches, n_fields=n_fields,
            field_size=2 * size, seed=seed, **choose_scenes(remover.network),
            **options)

    n_fields = settings.n_fields or _N_FIELDS
    batches = simulate(data.maps, settings.n_batches, n_fields, seed)
    # the first chooses the epoch, the second scales the errors
    validation_batches, calibration_batches = (
        simulate(data.validation_maps, settings.n_validation_batches,
                 max(1, n_fields // 4), one, with_snr=with_snr)
        for one, with_snr in ((seed + 1, False), (seed + 2, True)))
    names = (*model_class.inputs, *model_class.targets)
    augment = None
    if settings.augment:
        # a network that predicts its error expects the source in the centre
        augment = nn.RandomTransform(
            max_shift=0.0 if 'flux_error' in model_class.outputs else 2.0)
    bands = [entry.name for entry in data.bands]
    model, info, history = remover.train_network(
        SelectedFields(batches, names),
        SelectedFields(validation_batches, names), settings=settings,
        seed=seed,
        config={} if settings.width is None else {'width': settings.width},
        loss=settings.loss, augment=augment,
        description={'mode': band.mode, 'size': size,
                     'bands': [hash_settings({'band': entry})
                               for entry in data.bands],
                     'batch_size': batch_size,
                     'maps': hash_settings({'maps': list(data.maps)}),
                     'validation_maps': hash_settings(
                         {'maps': list(data.validation_maps)})})
    info |= {'mode': band.mode, 'bands': bands,
             'training': {**settings.to_dict(), **info['config']},
             'cutout_size': size, 'batch_size': batch_size,
             'data': data.summary,
             'validation': measure_errors(
                 make_predict(model, device=remover.device),
                 calibration_batches.epoch(0))}
    return model, info, history
