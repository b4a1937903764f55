# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training behind the ``fit`` method.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.nddata import NDData

from compact_removal import nn
from compact_removal.datasets import BackgroundMap
from compact_removal.removal.simulation import TrainingCutouts
from compact_removal.maps.images import read_image
from compact_removal.maps.positions import pair_catalogs, read_positions
from compact_removal.removal.calibration import measure_errors
from compact_removal.instruments import get_mode
from compact_removal.maps.holes import scale_factor

__all__ = ['TRAINING_DEFAULTS', 'fit_remover', 'load_model',
           'training_settings']

_COMMON = {'n_epochs': 100, 'n_batches': 100, 'n_validation_batches': 20,
           'n_fields': 400, 'width': None, 'loss': None, 'patience': 5,
           'factor': 0.5, 'checkpoint': None}

# What `fit` does unless told otherwise, by network; for inpainting these
# are the paper's settings (Sect. 3.5). From trained weights the learning
# rate is a tenth of that: with all of it they get worse.
TRAINING_DEFAULTS = {
    'separation': {**_COMMON, 'learning_rate': 0.001, 'scheduler': 'cosine',
                   'max_norm': 20.0},
    'inpainting': {**_COMMON, 'learning_rate': 0.005,
                   'scheduler': 'plateau', 'max_norm': 1.0},
}


def fit_remover(remover, band, backgrounds, catalogs, validation, training):
    """
    Train a network for a remover.

    Parameters
    ----------
    remover : CompactSourceRemover
        Its parameters are used.
    band : Band
        The band.
    backgrounds, catalogs, validation, training
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
    settings = training_settings(remover, training)
    maps = _background_maps('backgrounds', backgrounds, band, catalogs)
    kept = _background_maps('validation', validation, band, None)
    seed = _integer_seed(remover.seed)

    size = (remover.cutout_size
            or nn.network_limits(remover.network).usual_size)

    def cutouts(maps, n_batches, n_fields, seed):
        return TrainingCutouts(
            remover.mode, maps, bands=[band],
            real_fraction=1.0 if maps else 0.0, size=size,
            batch_size=max(2, remover.batch_size), n_batches=n_batches,
            n_fields=n_fields, field_size=2 * size, seed=seed)

    batches = cutouts(maps, settings['n_batches'], settings['n_fields'], seed)
    validation_batches = cutouts(
        kept or maps, settings['n_validation_batches'],
        max(1, settings['n_fields'] // 4), seed + 1)
    if remover.weights is None:
        model = nn.build_model(remover.network, width=settings['width'],
                               seed=seed)
        start = None
    else:
        model, start = load_model(remover.network, remover.mode,
                                  remover.weights)
    history = nn.train(
        model, batches, validation_batches,
        loss=nn.make_loss(remover.network, **(settings['loss'] or {})),
        n_epochs=settings['n_epochs'],
        learning_rate=settings['learning_rate'],
        scheduler=settings['scheduler'], patience=settings['patience'],
        factor=settings['factor'], max_norm=settings['max_norm'],
        checkpoint=settings['checkpoint'],
        progress_bar=remover.progress_bar, seed=seed, device=remover.device)
    info = {
        'network': remover.network,
        'mode': band.mode,
        'bands': [band.name],
        'seed': seed,
        'training': {key: value for key, value in settings.items()
                     if key != 'checkpoint'},
        'data': (f'{len(maps)} maps' if maps
                 else 'simulated backgrounds'),
        'started_from': None if start is None else start['name'],
        'validation': measure_errors(model, validation_batches,
                                     device=remover.device),
    }
    return model, info, history


def load_model(network, mode, weights, *, shared=False):
    """
    Load a network by name or file, and check that it is the right one.

    Parameters
    ----------
    network : str
        Name of the network.
    mode : str or ObservingMode
        The observing mode, which decides on the default weights.
    weights : str or path-like
        ``'default'``, a name of shipped weights, or a file.
    shared : bool, optional
        Whether it may be one that was loaded before, because it will
        not be trained.

    Returns
    -------
    model : object
        The network.
    info : dict
        Its description.

    Raises
    ------
    ValueError
        If the weights are of another network.
    """
    if isinstance(weights, str) and weights == 'default':
        weights = nn.find_weights(network, get_mode(mode).name)
    if shared and isinstance(weights, (str, Path)):
        model, info = _load_once(weights, _stamp(weights))
    else:
        model, info = nn.load_weights(weights)
    if info['network'] != network:
        msg = (f'weights {weights} are of network {info["network"]!r}: '
               f'network must be that, too, got {network!r}')
        raise ValueError(msg)
    return model, {'name': Path(weights).name, **info}


@lru_cache(maxsize=2)
def _load_once(weights, stamp):
    """
    The network of a file, or of its state when it was stamped.
    """
    return nn.load_weights(weights)


def _stamp(weights):
    """
    Size and time of a file; None for shipped weights.
    """
    try:
        found = Path(weights).stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def training_settings(remover, training):
    """
    The defaults of a network, with what the user changed.

    Parameters
    ----------
    remover : CompactSourceRemover
        Its network, and where the training starts.
    training : dict or None
        What the user changed.

    Returns
    -------
    settings : dict
        Values by name.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    defaults = dict(TRAINING_DEFAULTS[remover.network])
    if remover.weights is not None:
        defaults['learning_rate'] /= 10
    training = {} if training is None else training
    unknown = sorted(set(training) - set(defaults))
    if unknown:
        msg = (f'training must only have the keys {", ".join(defaults)}; '
               f'got {", ".join(unknown)}')
        raise ValueError(msg)
    return {**defaults, **training}


def _integer_seed(seed):
    """
    An integer from None, an integer or a generator.
    """
    if seed is None or isinstance(seed, np.random.Generator):
        return int(np.random.default_rng(seed).integers(2 ** 31))
    if isinstance(seed, (int, np.integer)) and seed >= 0:
        return int(seed)
    msg = f'seed must be None, an integer >= 0 or a Generator, got {seed!r}'
    raise ValueError(msg)


def _background_maps(name, images, band, catalogs):
    """
    Maps and positions to avoid, as arrays.
    """
    if images is None:
        return []
    images = [images] if isinstance(images, NDData) else list(images)
    if not images:
        msg = f'{name} must be None or hold at least one map'
        raise ValueError(msg)
    catalogs = pair_catalogs(catalogs, len(images))
    maps = []
    for image, catalog in zip(images, catalogs, strict=True):
        input_map = read_image(image)
        scale_factor(band, input_map.pixel_scale)
        positions = np.zeros((0, 2))
        if catalog is not None and len(catalog):
            x, y = input_map.wcs.world_to_pixel(read_positions(catalog))
            positions = np.column_stack([x, y])
            positions = positions[np.isfinite(positions).all(axis=1)]
        data = input_map.window(np.s_[:, :])
        maps.append(BackgroundMap(data, positions))
    return maps
