# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `SourceDeblender.fit` does.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.datasets import BlendSettings
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.deblending.attribution import (DOUBTFUL,
                                                    apply_calibration,
                                                    find_sources,
                                                    measure_doubts,
                                                    share_light)
from compact_removal.deblending.fields import (ContributionFields,
                                               PartialFields)
from compact_removal.deblending.networks import find_deblender_class
from compact_removal.deblending.photometer import BlendPhotometer
from compact_removal.deblending.scaling import scale_blends
from compact_removal.metrics import best_threshold, match_detections
from compact_removal.utils.parameters import ParameterError

__all__ = ['DEBLENDER_DEFAULTS', 'FIELDS', 'MATCH_RADIUS', 'USUAL',
           'DeblenderTraining', 'fit_deblender', 'measure_deblender']

# What is found within this distance of a source is that source (pixels).
MATCH_RADIUS = 3.0

# Usual fields: what is in them; for their 128 x 128 pixels the numbers of
# sources, how they are placed, and the share.
FIELDS = BlendSettings(shift='field', stars=0.25, radius=(2.0, 6.0),
                       snr=(60.0, 400.0), difference=1.5)
USUAL = (((3, 10), 'field', 1.0),)

# Sources that should be found (signal-to-noise ratio), and the least value
# of candidates among which the threshold is chosen.
_BRIGHT, _LEAST = 7.0, 0.02

# The threshold of a network that finds nothing.
_UNKNOWN = 0.5

# Fluxes whose errors are measured have so much of them in the field.
_INSIDE = 0.9


@dataclass(frozen=True)
class DeblenderTraining(nn.TrainingSettings):
    """
    How a deblender is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the fields (pixels), a multiple of 32.
    n_galaxies : int, optional
        Simulated galaxies that fields are made of.
    n_distinct : int, optional
        So many epochs are simulated; the next ones show them again,
        turned.
    n_fields : int, optional
        Fields in which threshold and errors are measured.
    width : int, optional
        Width of the network; without trained weights only.
    loss : dict, optional
        Weights of the terms of the loss that differ from the defaults.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.deblending import DeblenderTraining
    >>> DeblenderTraining(n_epochs=3).size
    128
    """

    n_batches: int = 80
    n_validation_batches: int = 16
    size: int = 128
    n_galaxies: int = 600
    n_distinct: int = 12
    n_fields: int = 60
    width: int | None = None
    loss: dict | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           'n_galaxies', 'n_distinct', 'n_fields',
                           optional=('width',))
        if self.size % 32:
            msg = f'size must be a multiple of 32, got {self.size!r}'
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
DEBLENDER_DEFAULTS = DeblenderTraining(n_epochs=60, learning_rate=0.002,
                                       scheduler='cosine', max_norm=1.0)


def fit_deblender(deblender, galaxies, *, training):
    """
    Train a network for a deblender.

    Parameters
    ----------
    deblender : SourceDeblender
        Its parameters are used.
    galaxies, training : object
        See `SourceDeblender.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    settings = DEBLENDER_DEFAULTS.updated(training)
    config = {} if settings.width is None else {'width': settings.width}
    check_new_config(config, deblender.weights)
    config['n_contributions'] = deblender.n_contributions
    stamps = read_galaxies(galaxies, 'galaxies')
    seed = make_training_seed(deblender.seed, settings)
    model_class = find_deblender_class(deblender.network)
    fields_class = (ContributionFields if 'pointers' in model_class.inputs
                    else PartialFields)

    def simulate(seed, n_batches, **how):
        return fields_class(
            stamps, batch_size=deblender.batch_size, n_batches=n_batches,
            size=settings.size, seed=seed, n_galaxies=settings.n_galaxies,
            n_contributions=deblender.n_contributions,
            n_distinct=settings.n_distinct, **how)

    validation = simulate(seed + 1, settings.n_validation_batches)
    model, info, history = deblender.train_network(
        simulate(seed, settings.n_batches), validation, settings=settings,
        seed=seed, config=config, loss=settings.loss,
        description={'size': settings.size, 'n_galaxies': settings.n_galaxies,
                     'n_distinct': settings.n_distinct,
                     'batch_size': deblender.batch_size,
                     'n_stamps': len(stamps or [])})
    info |= {
        'mode': 'any', 'training': {**settings.to_dict(), **info['config']},
        'data': f'galaxies: {len(stamps)}, and simulated ones' if stamps
        else 'simulated galaxies',
        **measure_deblender(
            model, simulate(seed + 2, 1, settings=FIELDS, places=USUAL),
            settings.n_fields, device=deblender.device)}
    return model, info, history


def measure_deblender(model, fields, n_fields, *, device='auto'):
    """
    Choose a threshold, and measure errors of fluxes.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    fields : PartialFields
        Draws fields that it was not trained with.
    n_fields : int
        How many are used.
    device : str, optional
        Where to compute.

    Returns
    -------
    measured : dict
        ``threshold``, with which as many sources as possible are found
        and as few others (F1); ``calibration`` of probabilities;
        ``error_factor`` and ``photometer_factor``: with these 68 % of the
        fluxes are within their errors, those of parts at known positions,
        and those of the photometer at positions that were found.
    """
    chances, right, n_sources, pulls, lists = [], [], 0, [], []
    for number in range(n_fields):
        blend = fields.blend(number)
        image, noise = scale_blends(blend.image)
        x, y, chance = find_sources(model, image, threshold=_LEAST,
                                    device=device)
        index = match_detections(x, y, chance, blend.x, blend.y, MATCH_RADIUS)
        bright = blend.snr > _BRIGHT
        # what is faint is neither right nor wrong
        counted = (index < 0) | bright[index]
        chances.append(chance[counted])
        right.append(index[counted] >= 0)
        n_sources += bright.sum()
        pulls.append(_pull(model, image, blend, noise, bright, device))
        lists.append((blend, x, y, chance, index, bright))
    chances, right = np.concatenate(chances), np.concatenate(right)
    calibration = _calibrate(chances, right)
    lists = [(blend, x, y, apply_calibration(chance, calibration), *rest)
             for blend, x, y, chance, *rest in lists]
    threshold = (best_threshold(apply_calibration(chances, calibration),
                                right, n_sources)
                 if len(chances) else _UNKNOWN)
    photometer = BlendPhotometer(device=device)
    return {'threshold': threshold, 'calibration': calibration,
            'error_factor': _limit(pulls),
            'photometer_factor': _limit([_pull_photometer(
                photometer, threshold, *one) for one in lists])}


def _calibrate(chance, right):
    """
    Fit slope and offset of the logits of probabilities.
    """
    from scipy import optimize

    def miss(values):
        found = apply_calibration(chance, (np.exp(values[0]), values[1]))
        # flat where nothing is known
        return (-np.log(np.where(right, found, 1 - found) + 1e-9).sum()
                + 0.5 * (values ** 2).sum())

    slope, offset = optimize.minimize(miss, np.zeros(2),
                                      method='Nelder-Mead').x
    return [float(np.exp(slope)), float(offset)]


def _limit(pulls):
    """
    What 68 % of some numbers are below; 1 without numbers.
    """
    pulls = np.concatenate(pulls)
    return float(np.quantile(pulls, 0.683)) if pulls.size else 1.0


def _pull_photometer(photometer, threshold, blend, x, y, chance, index,
                     bright):
    """
    Errors of fluxes at positions that were found, over those predicted.
    """
    n = int((chance >= threshold).sum())
    some = chance >= min(threshold, DOUBTFUL)
    flux, error = measure_doubts(photometer, blend.image, x[some], y[some], n)
    index = index[:n]
    good = (index >= 0) & bright[index] & _is_inside(blend)[index]
    return (np.abs(flux[:n] - blend.flux[index]) / error[:n])[good]


def _is_inside(blend):
    """
    Which sources have most of their light in the field.
    """
    return blend.sources.sum(axis=(1, 2)) > _INSIDE * blend.flux


def _pull(model, image, blend, noise, bright, device):
    """
    Errors of fluxes at known positions, over those that are predicted.
    """
    shared = share_light(model, image, blend.x, blend.y, device=device)
    inside = bright & _is_inside(blend)
    ratio = (shared.parts.flux * np.exp(shared.log_factor)
             * float(noise.mean()) / blend.flux)[inside]
    error = np.where(np.isfinite(shared.log_error),
                     np.exp(shared.log_error), 1.0)[inside]
    return np.abs(1 - 1 / np.maximum(ratio, 1e-3)) / error
