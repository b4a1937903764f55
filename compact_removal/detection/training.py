# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `CompactSourceFinder.fit` does: the network, then the probabilities.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal import nn
from compact_removal.base.arguments import check_new_config, make_training_seed
from compact_removal.base.training_data import make_training_data
from compact_removal.detection.candidates import PREVIEW_FEATURES
from compact_removal.detection.networks import find_model_class
from compact_removal.detection.probability import fit_scorer
from compact_removal.detection.search import measure, survey
from compact_removal.detection.batches import DetectionScenes, match_scene
from compact_removal.metrics import completeness_at_reliability
from compact_removal.nn.batches import SelectedFields
from compact_removal.utils.descriptions import hash_settings
from compact_removal.utils.parameters import ParameterError, check_boolean

__all__ = ['TRAINING_DEFAULTS', 'FinderTraining', 'fit_finder',
           'fit_probabilities', 'score_candidates']

# Reliability at the default threshold.
_RELIABILITY = 0.9

# Parts of the scenes that get probabilities from the rest of them.
_N_FOLDS = 4

# The feature by which candidates are matched before they are fitted.
_SCORE = PREVIEW_FEATURES.index('rest_medium')

# Probabilities are learned from more candidates than a search fits: those
# with at least this one before the fit.
_LEAST_PREVIEW = 0.015

# Simulated maps per band.
_N_FIELDS = 40


@dataclass(frozen=True)
class FinderTraining(nn.TrainingSettings):
    """
    How a finder is trained.

    The parameters are those of `~compact_removal.nn.TrainingSettings`
    and these.

    Parameters
    ----------
    n_batches, n_validation_batches : int, optional
        Batches per epoch.
    size : int, optional
        Side of the scenes that the network learns from (pixels), a
        multiple of 8.
    n_scenes : int, optional
        Scenes whose candidates the probabilities are fitted to.
    scene_size : int, optional
        Their side (pixels).
    width, n_channels : int, optional
        Width of the network, and maps that it sees together; without
        trained weights only.
    counts : bool, optional
        Whether it is one for photons; without trained weights only.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.detection import FinderTraining
    >>> FinderTraining(n_epochs=3).n_scenes
    200
    """

    n_batches: int = 80
    n_validation_batches: int = 10
    size: int = 128
    n_scenes: int = 200
    scene_size: int = 224
    width: int | None = None
    n_channels: int | None = None
    counts: bool | None = None

    def __post_init__(self):
        super().__post_init__()
        self._check_counts('n_batches', 'n_validation_batches', 'size',
                           'n_scenes', 'scene_size',
                           optional=('width', 'n_channels'))
        if self.counts is not None:
            check_boolean('counts', self.counts)
        if self.size % 8 or self.size < 32:
            msg = ('size must be a multiple of 8 and at least 32, got '
                   f'{self.size!r}')
            raise ParameterError(msg, 'size')


# What `fit` does unless told otherwise.
TRAINING_DEFAULTS = FinderTraining(n_epochs=40, learning_rate=0.001,
                                   scheduler='cosine', max_norm=5.0)


def fit_finder(finder, band, backgrounds, *, training):
    """
    Train a network for a finder, and fit its probabilities.

    Parameters
    ----------
    finder : CompactSourceFinder
        Its parameters are used.
    band : Band
        The band.
    backgrounds, training : object
        See `CompactSourceFinder.fit`.

    Returns
    -------
    model : object
        The trained network.
    info : dict
        Its description.
    history : dict
        Losses and learning rates.
    """
    data = make_training_data(band, backgrounds)
    settings = TRAINING_DEFAULTS.updated(training)
    config = {name: getattr(settings, name)
              for name in ('width', 'n_channels', 'counts')
              if getattr(settings, name) is not None}
    check_new_config(config, finder.weights)
    sees = {'n_channels': 1, 'counts': False, **config}
    if finder.weights is not None:
        sees = finder._load_weights(shared=True)[0].config
    sees = {name: sees[name] for name in ('n_channels', 'counts')}
    if (sees['n_channels'] > 1 or sees['counts']) and data.maps:
        msg = ('backgrounds must be None for counts and for several channels, '
               'which are simulated')
        raise ParameterError(msg, 'backgrounds')
    seed = make_training_seed(finder.seed, settings)

    def simulate(seed, n_batches):
        return DetectionScenes(
            data.bands, data.maps, size=settings.size, n_batches=n_batches,
            batch_size=finder.batch_size, seed=seed, n_fields=_N_FIELDS,
            real_fraction=1.0 if data.maps else 0.0, **sees)

    model_class = find_model_class(finder.network)
    names = (*model_class.inputs, *model_class.targets)
    batches = simulate(seed, settings.n_batches)
    model, info, history = finder.train_network(
        SelectedFields(batches, names),
        SelectedFields(simulate(seed + 1, settings.n_validation_batches),
                       names),
        settings=settings, seed=seed,
        config=config,
        description={'mode': band.mode, 'size': settings.size,
                     'bands': [hash_settings({'band': entry})
                               for entry in data.bands],
                     'batch_size': finder.batch_size,
                     'maps': hash_settings({'maps': list(data.maps)})})
    info |= {'mode': band.mode, 'bands': [entry.name for entry in data.bands],
             'training': {**settings.to_dict(), **info['config']},
             'data': data.summary,
             **fit_probabilities(model, simulate(seed + 2, 1),
                                 settings.n_scenes, settings.scene_size,
                                 device=finder.device)}
    return model, info, history


def fit_probabilities(model, scenes, n_scenes, size, *, device='auto',
                      progress=iter):
    """
    Fit probabilities of candidates, before and after their fit, to scenes.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    scenes : `~compact_removal.detection.batches.DetectionScenes`
        The scenes.
    n_scenes, size : int
        How many, and their side (pixels).
    device : str, optional
        Where to compute.
    progress : callable, optional
        Wraps the numbers of the scenes, twice.

    Returns
    -------
    info : dict
        For the description of weights: ``preview``, and what
        `score_candidates` gives.
    """
    looks, fits = [], []
    for number in progress(range(n_scenes)):
        scene = scenes.scene(number, size=size)
        for part in survey(scene.channels, scene.psf, model,
                           device=device):
            x, y, mine = part.on_map(part.x, part.y)
            looks.append(_label(scene, x[mine], y[mine],
                                part.preview[mine, _SCORE],
                                part.preview[mine], number))
    looks = [np.concatenate(column) for column in zip(*looks, strict=True)]
    _check_kinds(looks[1])
    preview = fit_scorer(*looks[:2], PREVIEW_FEATURES)
    for number in progress(range(n_scenes)):
        scene = scenes.scene(number, size=size)
        for found, _ in measure(scene.channels, scene.psf, model, preview,
                                least=_LEAST_PREVIEW, device=device):
            found = found.take(found.fitted)
            fits.append(_label(
                scene, found.x, found.y, found.flux
                / np.maximum(found.flux_err, 1e-30), found.features, number))
    return {'preview': preview.to_dict(), **score_candidates(*(
        np.concatenate(column) for column in zip(*fits, strict=True)))}


def _label(scene, x, y, score, features, number):
    """
    Features and kinds of candidates, 0 for nothing, and their scene.

    What a real map has had before is left out.
    """
    index, kept = match_scene(scene, x, y, score)
    kind = np.zeros(index.size, dtype=int)
    kind[index >= 0] = scene.kind[index[index >= 0]] + 1
    return features[kept], kind[kept], np.full(kept.sum(), number)


def _check_kinds(kind):
    """
    Check that there are sources among candidates, and others.
    """
    if not 0 < np.count_nonzero(kind == 1) < len(kind):
        msg = ('training: n_scenes must be larger, there are no candidates '
               'of both kinds, sources and others')
        raise ParameterError(msg, 'training')


def score_candidates(features, kind, number):
    """
    Fit probabilities, and find the default threshold.

    Parameters
    ----------
    features : `~numpy.ndarray`
        Of all candidates, shape ``(n, n_features)``.
    kind, number : `~numpy.ndarray` of int
        0 for nothing, 1 and on for the ``KINDS``; number of the scene.
        Shape ``(n,)``.

    Returns
    -------
    info : dict
        For the description of weights: ``scorer`` and ``threshold``.

    Raises
    ------
    ParameterError
        If none of the candidates is a source, or all are.
    """
    _check_kinds(kind)
    probability = np.zeros(len(kind))
    for fold in range(_N_FOLDS):
        apart = number % _N_FOLDS == fold
        if apart.any() and not apart.all():
            probability[apart] = fit_scorer(features[~apart], kind[~apart])(
                features[apart])[:, 0]
    _, threshold = completeness_at_reliability(
        probability, kind == 1, int(np.sum(kind == 1)), _RELIABILITY)
    return {'scorer': fit_scorer(features, kind).to_dict(),
            'threshold': round(min(threshold, 1.0), 4)}
