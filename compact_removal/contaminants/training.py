# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `ContaminantMasker.fit` does: the network, then its priors and curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.contaminants.base import read_exposures
from compact_removal.contaminants.batches import ADDED, ContaminatedExposures
from compact_removal.contaminants.classes import CLASS_NAMES, find_classes
from compact_removal.contaminants.cosmic_rays import cut_cosmic_rays
from compact_removal.contaminants.networks import find_model_class
from compact_removal.maps.arrays import read_arrays
from compact_removal.metrics.segmentation import SegmentationScores
from compact_removal.nn.batches import RecalledFields
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['TRAINING_DEFAULTS', 'MaskerTraining', 'fit_masker',
           'score_network']

# Classes of which users may have examples: what these are, and the argument of
# the simulator.
_EXAMPLES = {'CR': ('dark frames', 'cosmic_rays'),
             'FR': ('patterns', 'fringes'), 'NEB': ('maps', 'nebulae')}

# Each exposure is used again after so many epochs, turned.
_N_DISTINCT = 24

# Exposures on which the shares of the classes are measured, and logits at
# which curves are kept.
_N_SHARES, _LOGITS = 64, np.linspace(14, -10, 121)


@dataclass(frozen=True)
class MaskerTraining(nn.TrainingSettings):
    """
    How a masker is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the exposures (pixels), a multiple of 32.
    n_scores : int, optional
        Exposures on which priors and thresholds are measured.
    width : int, optional
        Width of the network; without trained weights only.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.contaminants import MaskerTraining
    >>> MaskerTraining(n_epochs=3).size
    256
    """

    n_batches: int = 100
    n_validation_batches: int = 16
    size: int = 256
    n_scores: int = 200
    width: int | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           'n_scores', optional=('width',))
        if self.size % 32:
            msg = f'size must be a multiple of 32, got {self.size!r}'
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
TRAINING_DEFAULTS = MaskerTraining(n_epochs=40, learning_rate=0.001,
                                   scheduler='cosine', max_norm=1.0)


def fit_masker(masker, clean_images, *, contaminants, training):
    """
    Train a network for a masker.

    Parameters
    ----------
    masker : ContaminantMasker
        Its parameters are used.
    clean_images, contaminants, training : object
        See `ContaminantMasker.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    settings = TRAINING_DEFAULTS.updated(training)
    config = {} if settings.width is None else {'width': settings.width}
    check_new_config(config, masker.weights)
    images = read_exposures(clean_images, 'clean_images')
    names, parts = _read_contaminants(contaminants)
    seed = make_training_seed(masker.seed, settings)
    model_class = find_model_class(masker.network)

    def simulate(seed, n_batches):
        return ContaminatedExposures(
            names, images=images, size=settings.size, n_batches=n_batches,
            batch_size=masker.batch_size, seed=seed,
            structure=model_class.structure, **parts)

    batches = simulate(seed, settings.n_batches)
    learned = [name for name in CLASS_NAMES if name in names or name in (
        ('BBG', 'BG') if images else ('SAT', 'SP', 'BBG', 'BG'))]
    shares = _measure_shares(batches, learned)
    fields = (*model_class.inputs, *model_class.targets)
    model, info, history = masker.train_network(
        RecalledFields(batches, fields, None, _N_DISTINCT),
        RecalledFields(simulate(seed + 1, settings.n_validation_batches),
                       fields, None, 1),
        settings=settings, seed=seed,
        config=config, loss={'shares': shares},
        description={'classes': list(names), 'size': settings.size,
                     'batch_size': masker.batch_size,
                     'n_images': len(images or [])})
    info |= {
        'mode': 'any', 'training': {**settings.to_dict(), **info['config']},
        'data': f'images: {len(images)}' if images else 'simulated exposures',
        'classes': learned,
        **score_network(model, simulate(seed + 2, 1), settings.n_scores,
                        device=masker.device)}
    return model, info, history


def _read_contaminants(contaminants):
    """
    Names of the classes to add, and examples that the user has.
    """
    if contaminants is None:
        return ADDED, {}
    if not isinstance(contaminants, Mapping):
        msg = (f'contaminants must be None or a dict by class, got '
               f'{type(contaminants).__name__}')
        raise ParameterTypeError(msg, 'contaminants')
    index = find_classes(list(contaminants), 'contaminants')
    names = [CLASS_NAMES[k] for k in index]
    parts = {}
    for name in names:
        examples = contaminants[name]
        if name not in ADDED:
            msg = (f'contaminants must be of {", ".join(ADDED)}, which can be '
                   f'added, got {name!r}')
            raise ParameterError(msg, 'contaminants')
        if examples is None:
            continue
        if name not in _EXAMPLES:
            msg = (f'contaminants must have None for {name!r}, which is '
                   f'simulated; examples may be given of '
                   f'{", ".join(_EXAMPLES)}')
            raise ParameterError(msg, 'contaminants')
        what, part = _EXAMPLES[name]
        arrays = read_arrays(examples, 'contaminants', empty=(
            f'have {what} for {name!r}, got an empty list'))
        parts[part] = cut_cosmic_rays(arrays) if name == 'CR' else arrays
    return names, parts


def _measure_shares(batches, learned):
    """
    Shares of the pixels of the training; 0 for what is not learned.
    """
    truth = np.stack([batches.exposure(2 ** 20, k).truth
                      for k in range(_N_SHARES)])
    return [max(float(np.mean(truth >> k & 1)), 1e-5)
            if name in learned else 0.0
            for k, name in enumerate(CLASS_NAMES)]


def score_network(model, exposures, n_exposures, *, device='auto',
                  progress=iter):
    """
    Measure priors and curves of a trained network.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    exposures : `ContaminatedExposures`
        Exposures that it was not trained with.
    n_exposures : int
        How many.
    device : str, optional
        Where to compute.
    progress : callable, optional
        Wraps their numbers.

    Returns
    -------
    info : dict
        For the description of weights: ``shares``, the mean posterior
        of each class (MaxiMask, Equation 27), and ``scores``, see
        `~compact_removal.contaminants.priors.find_thresholds`.
    """
    scores = SegmentationScores(CLASS_NAMES)
    for number in progress(range(n_exposures)):
        image, exposure = exposures.scaled(number)
        scores.add(nn.predict_map(model, {'image': image},
                                  device=device)['probability'],
                   exposure.planes)
    summary = scores.summary()
    curves = {'tpr': [], 'fpr': [], 'least_fpr': []}
    for row in summary:
        curve = scores.curve(row['name'])
        levels = logit(np.asarray(curve['threshold']))
        for name in ('tpr', 'fpr'):
            values = np.interp(-_LOGITS, -levels, np.nan_to_num(curve[name]))
            curves[name].append([float(f'{value:.4g}') for value in values])
        n_others = row['n_pixels'] / max(row['share'], 1e-30) - row['n_pixels']
        curves['least_fpr'].append(1 / max(n_others, 1.0))
    return {'shares': [min(max(float(value), 1e-6), 1 - 1e-6)
                       for value in summary['mean_probability']],
            'scores': {'logit': _LOGITS.round(3).tolist(), **curves}}
