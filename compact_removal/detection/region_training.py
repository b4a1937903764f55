# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `RegionDetector.fit` does.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.detection.kinds import REGION_KINDS
from compact_removal.detection.networks import find_region_class
from compact_removal.detection.region_fields import RegionFields
from compact_removal.detection.region_labels import LabelledImages, read_labels
from compact_removal.detection.region_search import find_regions
from compact_removal.maps.background import scale_image
from compact_removal.metrics import best_threshold, match_boxes
from compact_removal.utils.parameters import ParameterError

__all__ = ['REGION_DEFAULTS', 'RegionTraining', 'fit_regions']

# The threshold of a network that finds nothing, and the overlap of boxes from
# which on a detection is right.
_UNKNOWN, _RIGHT = 0.5, 0.5


@dataclass(frozen=True)
class RegionTraining(nn.TrainingSettings):
    """
    How a region-based detector is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the fields (pixels), a multiple of 8.
    n_galaxies : int, optional
        Simulated galaxies that optical fields are made of.
    n_distinct : int, optional
        So many epochs are simulated; the next ones show them again,
        turned.
    n_fields : int, optional
        Fields in which the threshold is chosen.
    width : int, optional
        Width of the network; without trained weights only.
    loss : dict, optional
        Weights of the terms of the loss that differ from 1.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.detection import RegionTraining
    >>> RegionTraining(n_epochs=3).size
    128
    """

    n_batches: int = 80
    n_validation_batches: int = 16
    size: int = 128
    n_galaxies: int = 300
    n_distinct: int = 20
    n_fields: int = 60
    width: int | None = None
    loss: dict | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           'n_galaxies', 'n_distinct', 'n_fields',
                           optional=('width',))
        if self.size % 8 or self.size < 64:
            msg = ('size must be a multiple of 8 and at least 64, got '
                   f'{self.size!r}')
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
REGION_DEFAULTS = RegionTraining(n_epochs=60, learning_rate=0.001,
                                 scheduler='cosine', max_norm=5.0)


def fit_regions(detector, images, labels, *, training):
    """
    Train a network for a detector.

    Parameters
    ----------
    detector : RegionDetector
        Its parameters are used.
    images, labels, training : object
        See `RegionDetector.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    settings = REGION_DEFAULTS.updated(training)
    config = {} if settings.width is None else {'width': settings.width}
    check_new_config(config, detector.weights)
    model_class = find_region_class(detector.network)
    fields = read_labels(images, labels)
    if detector.weights is None:
        config['kinds'] = _find_kinds(fields)
        kinds = config['kinds']
    else:
        kinds = detector._load_weights(shared=True)[0].config['kinds']
    seed = make_training_seed(detector.seed, settings)
    shared = {'size': settings.size, 'batch_size': detector.batch_size,
              'n_distinct': settings.n_distinct, 'kinds': kinds,
              'masks': model_class.has_masks}

    def simulate(seed, n_batches):
        if fields is not None:
            return LabelledImages(fields, n_batches=n_batches, seed=seed,
                                  **shared)
        return RegionFields(n_batches=n_batches, seed=seed,
                            n_galaxies=settings.n_galaxies, **shared)

    model, info, history = detector.train_network(
        simulate(seed, settings.n_batches),
        simulate(seed + 1, settings.n_validation_batches),
        settings=settings, seed=seed, config=config, loss=settings.loss,
        description={'size': settings.size, 'n_galaxies': settings.n_galaxies,
                     'n_distinct': settings.n_distinct,
                     'batch_size': detector.batch_size,
                     'n_images': len(fields or [])})
    info |= {'mode': 'any', 'training': {**settings.to_dict(),
                                         **info['config']},
             'data': f'{len(fields)} images' if fields
             else 'simulated fields',
             'threshold': choose_threshold(
                 model, simulate(seed + 2, 1), settings.n_fields,
                 device=detector.device)}
    return model, info, history


def choose_threshold(model, fields, n_fields, *, device='auto'):
    """
    Choose the score with the best F1.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    fields : object
        Draws labelled fields.
    n_fields : int
        How many are used.
    device : str, optional
        Where to compute.

    Returns
    -------
    threshold : float
        Between 0 and 1.
    """
    scores, right, n_sources = [], [], 0
    for number in range(n_fields):
        field = fields.field(number)
        found = find_regions(model, scale_image(field.image), 0.0,
                             device=device)
        scores.append(found.score)
        right.append(match_boxes(found.boxes, found.score, field.boxes,
                                 _RIGHT) >= 0)
        n_sources += len(field.kind)
    scores = np.concatenate(scores)
    if not (n_sources and len(scores)):
        return _UNKNOWN
    return best_threshold(scores, np.concatenate(right), n_sources)


def _find_kinds(fields):
    """
    The kinds of a new network.
    """
    if fields is None:
        return list(REGION_KINDS)
    kinds = {kind for field in fields for kind in field.kind}
    if kinds <= set(REGION_KINDS):
        return list(REGION_KINDS)
    return sorted(kinds)
