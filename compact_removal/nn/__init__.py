# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The bridge to the neural networks.

These functions take and return NumPy arrays; PyTorch is loaded when one
of them is first called. A model is an opaque object.
"""

from collections import namedtuple

__all__ = ['ERROR_RADII', 'build_model', 'find_weights', 'limit_threads',
           'list_weights', 'load_weights', 'make_loss', 'network_limits',
           'predict', 'save_weights', 'train', 'weights_path']

# What `network_limits` returns.
NetworkLimits = namedtuple('NetworkLimits', ['size_step', 'min_size',
                                             'usual_size', 'separates'])

# Radii of apertures, in FWHM of the PSF, whose errors networks predict.
ERROR_RADII = (0.8, 1.2, 1.8, 2.7)


def build_model(network, *, width=None, seed=None):
    """
    Make a model with new weights.

    Parameters
    ----------
    network : str
        Name of the network, for example ``'inpainting'``.
    width : int, optional
        Width of the network; by default that of the paper (32).
    seed : int, optional
        Seed of the weights.

    Returns
    -------
    model : object
        For the other functions of this module.

    Raises
    ------
    ValueError
        If there is no such network or the width is not positive.

    Examples
    --------
    >>> from compact_removal.nn import build_model
    >>> build_model('inpainting', width=1, seed=1).network_name
    'inpainting'
    """
    from compact_removal.nn.models import make_model

    return make_model(network, width=width, seed=seed)


def network_limits(network):
    """
    Tell which cutouts a network takes.

    Parameters
    ----------
    network : str
        Name of the network.

    Returns
    -------
    limits : NetworkLimits
        A named tuple: ``size_step`` and ``min_size``, the side of
        cutouts is a multiple of the first and at least the second
        (pixels); ``usual_size``, beyond which larger cutouts bring
        nothing to sources that fit; ``separates``, whether it sees the
        pixels under the sources, and tells errors.

    Raises
    ------
    ValueError
        If there is no such network.

    Examples
    --------
    >>> from compact_removal.nn import network_limits
    >>> limits = network_limits('inpainting')
    >>> limits.size_step, limits.min_size
    (32, 96)
    """
    from compact_removal.nn.networks import get_network_class

    found = get_network_class(network)
    return NetworkLimits(found.size_step, found.min_size, found.usual_size,
                         found.separates)


def predict(model, image, validity, *, sources=None, fwhm=3.0,
            psf_error=0.1, batch_size=64, device='auto', progress_bar=False):
    """
    Estimate the background of cutouts.

    Parameters
    ----------
    model : object
        From `build_model` or `load_weights`.
    image : ndarray, (n, ny, nx)
        The cutouts minus the fitted sources, in any unit; NaN where
        nothing was measured. The central source of each lies at pixel
        ``size // 2``.
    validity : ndarray of bool, (n, ny, nx)
        True outside the holes of all sources. Some networks see the
        other pixels, some do not.
    sources : ndarray, (n, ny, nx), optional
        The fitted sources, see
        `~compact_removal.fitting.render_sources`.
    fwhm : float or ndarray, (n,), optional
        Width of the PSF (pixels).
    psf_error : float or ndarray, (n,), optional
        Uncertainty of the shapes of sources, see
        `~compact_removal.fitting.SourcePSF`.
    batch_size : int, optional
        Number of cutouts per batch. The results do not depend on it
        but for rounding.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    prediction : `~compact_removal.nn.prediction.Prediction`
        A named tuple: ``background``, the estimate in the unit of the
        image, in all pixels (0 where a cutout has no valid pixel at
        all), float32, or float64 if the image is float64; ``error``,
        its standard error, and ``flux_error``, (n, n_radii), that of
        its sum in apertures of the radii `ERROR_RADII` around the
        central source; both `None` if the network does not tell.

    Raises
    ------
    ValueError
        If the shapes do not fit each other or the network, there is no
        such device, or ``batch_size``, ``fwhm`` or ``psf_error`` is not
        positive.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import build_model, predict
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> image = np.ones((2, 96, 96), dtype=np.float32)
    >>> predict(model, image, image > 0).background.shape
    (2, 96, 96)
    """
    from compact_removal.nn.prediction import predict_background

    return predict_background(model, image, validity, sources=sources,
                              fwhm=fwhm, psf_error=psf_error,
                              batch_size=batch_size, device=device,
                              progress_bar=progress_bar)


def make_loss(network, **kwargs):
    """
    Make the loss function of a network.

    Parameters
    ----------
    network : str
        Name of the network.
    **kwargs
        Weights of the terms, see
        `compact_removal.removal.InpaintingLoss` and
        `compact_removal.removal.SeparationLoss`.

    Returns
    -------
    loss : callable
        For `train`.

    Raises
    ------
    ValueError
        If there is no such network or a weight is negative.

    Examples
    --------
    >>> from compact_removal.nn import make_loss
    >>> make_loss('inpainting', flux=1.0).weights['flux']
    1.0
    """
    from compact_removal.nn import losses
    from compact_removal.nn.networks import get_network_class

    return getattr(losses, get_network_class(network).loss_class)(**kwargs)


def train(model, batches, validation_batches, **kwargs):
    """
    Train a model.

    Parameters
    ----------
    model : object
        From `build_model` or `load_weights`. It is changed.
    batches, validation_batches : object
        ``batches.epoch(i)`` gives dicts of float32 arrays, such as
        `~compact_removal.datasets.TrainingCutouts` does: ``image``,
        ``validity``, ``target`` and optionally ``aperture``, each
        (n, ny, nx); for separation also ``sources``, (n, ny, nx), and
        ``fwhm`` and ``psf_error``, (n,).
    **kwargs
        ``loss`` (from `make_loss`), ``n_epochs``, ``learning_rate``,
        ``scheduler`` (``'plateau'`` with ``patience`` and ``factor``, or
        ``'cosine'``), ``max_norm`` of gradients, ``mixed_precision``,
        ``augment``, ``checkpoint`` (a file), ``progress_bar``, ``seed``
        and ``device``; their defaults are told by the docstring of
        ``compact_removal.nn.training.train``.

    Returns
    -------
    history : dict of list
        Losses and learning rates per epoch.

    Raises
    ------
    TrainingDivergedError
        If the loss is not finite.
    ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.nn import build_model, train
    >>> class Batches:
    ...     def epoch(self, i):
    ...         image = np.random.default_rng(i).normal(size=(2, 96, 96))
    ...         yield {'image': image, 'validity': np.ones_like(image),
    ...                'target': image}
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> history = train(model, Batches(), Batches(), n_epochs=1)
    >>> len(history['loss'])
    1
    """
    from compact_removal.nn import training

    return training.train(model, batches, validation_batches, **kwargs)


def save_weights(model, path, metadata=None):
    """
    Write the weights of a model to a safetensors file.

    Parameters
    ----------
    model : object
        The model.
    path : str or path-like
        The file.
    metadata : dict, optional
        What to keep with the weights; must fit into JSON.

    Raises
    ------
    ValueError
        If the weights do not fit into half precision.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.nn import build_model, load_weights, save_weights
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'weights.safetensors'
    ...     save_weights(model, path, {'mode': 'scanmap'})
    ...     model, metadata = load_weights(path)
    >>> metadata['network'], metadata['width'], metadata['mode']
    ('inpainting', 1, 'scanmap')
    """
    from compact_removal.nn import weights

    weights.save_weights(model, path, metadata)


def load_weights(path):
    """
    Read a model.

    Parameters
    ----------
    path : str or path-like
        Name of shipped weights or a safetensors file.

    Returns
    -------
    model : object
        The model.
    metadata : dict
        What is known about it: what was given to `save_weights`, and
        ``network``, ``width``, ``sha256``.

    Raises
    ------
    ValueError
        If the file is not what it should be.
    FileNotFoundError
        If there is no such file.
    OSError
        If the file cannot be read.
    TypeError
        If ``path`` is neither a name nor a path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.nn import build_model, load_weights, save_weights
    >>> model = build_model('inpainting', width=1, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'weights.safetensors'
    ...     save_weights(model, path, {'mode': 'scanmap'})
    ...     model, metadata = load_weights(path)
    >>> metadata['network'], metadata['width'], metadata['mode']
    ('inpainting', 1, 'scanmap')
    """
    from compact_removal.nn import weights

    return weights.load_weights(path)


def list_weights():
    """
    List the shipped weights.

    Returns
    -------
    rows : list of dict
        Each with ``name``, ``file``, ``network``, ``mode``, ``width``,
        ``n_parameters``, ``sha256``, ``date``, ``training_data``,
        ``n_steps`` and ``license``.

    Examples
    --------
    >>> from compact_removal.nn import list_weights
    >>> sorted(row['network'] for row in list_weights())
    ['inpainting', 'separation']
    """
    from compact_removal.nn import weights

    return weights.list_weights()


def weights_path(name):
    """
    Return the file of shipped weights.

    Parameters
    ----------
    name : str
        A name from `list_weights`.

    Returns
    -------
    path : `pathlib.Path`
        The file.

    Raises
    ------
    ValueError
        If there are no such weights.

    Examples
    --------
    >>> from compact_removal.nn import weights_path
    >>> weights_path('separation').name
    'separation.safetensors'
    """
    from compact_removal.nn import weights

    return weights.weights_path(name)


def find_weights(network, mode):
    """
    Find the shipped weights of a network for an observing mode.

    Parameters
    ----------
    network : str
        Name of the network.
    mode : str
        Name of the observing mode. Weights for just this mode come
        before those for any.

    Returns
    -------
    name : str
        The name of the weights.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> from compact_removal.nn import find_weights
    >>> find_weights('separation', 'parallel')
    'separation'
    """
    from compact_removal.nn import weights

    return weights.find_weights(network, mode)


def limit_threads(n_threads):
    """
    Let this process compute with no more than some threads.

    Parameters
    ----------
    n_threads : int
        The most threads; if fewer are set already, nothing changes.

    Returns
    -------
    n_threads : int
        The number that is set now.

    Raises
    ------
    ValueError
        If it is not positive.

    Examples
    --------
    >>> from compact_removal.nn import limit_threads
    >>> limit_threads(1000) <= 1000
    True
    """
    import torch

    if n_threads < 1:
        msg = f'n_threads must be positive, got {n_threads!r}'
        raise ValueError(msg)
    if n_threads < torch.get_num_threads():
        torch.set_num_threads(n_threads)
    return torch.get_num_threads()
