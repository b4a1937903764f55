# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that measures blended sources at known positions.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import NDData
from astropy.table import QTable
from scipy.spatial import cKDTree
from tqdm import tqdm

from compact_removal import nn
from compact_removal.base.trainable import TrainableEstimator
from compact_removal.deblending.flags import BLEND_FLAG
from compact_removal.deblending.networks import WEIGHTS, find_model_class
from compact_removal.deblending.scaling import scale_blends
from compact_removal.deblending.stamps import (choose_scales, cut_planes,
                                               cut_stamps)
from compact_removal.deblending.training import fit_photometer
from compact_removal.maps import read_pixels
from compact_removal.maps.arrays import read_array
from compact_removal.maps.pixels import on_map
from compact_removal.utils.parameters import (check_boolean,
                                              check_positive_integer)

__all__ = ['BlendPhotometer']

# Sources whose stamps are in memory at once.
_CHUNK = 512

# Shares of the light that are flagged: at the edge of the image, on pixels
# that are not known, of others.
_EDGE, _INVALID, _OTHERS = 0.01, 0.01, 0.1

# A source is where it has this share of its highest light.
_WHERE = 0.05

# Positions that are nearer are one (pixels), and the least significance.
_CLOSE, _SIGNIFICANT = 1.0, 3.0


class BlendPhotometer(TrainableEstimator):
    """
    Measure galaxies and stars that overlap, at known positions.

    The network is pointed at one position after the other, and sees where
    all others are. It predicts the share of each pixel, the flux and its
    error. It is the successor of blend2flux (Boucaud et al. 2020), which
    takes pairs alone.

    Parameters
    ----------
    network : {'conditioned'}, optional
        The network.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    batch_size : int, optional
        Sources that are computed at once.
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
    >>> import numpy as np
    >>> from compact_removal.deblending import BlendPhotometer, make_blends
    >>> blend, = make_blends(1, seed=1)
    >>> table = BlendPhotometer().measure(
    ...     blend.image, np.column_stack([blend.x, blend.y]))
    >>> table.colnames
    ['id', 'x_center', 'y_center', 'flux', 'flux_err', 'flags']
    """

    task = 'blends'
    find_model_class = staticmethod(find_model_class)
    shipped_weights = WEIGHTS
    output_files = {'sources': '_blends.ecsv'}
    positions_use = 'required'

    def __init__(self, *, network='conditioned', weights='default',
                 batch_size=64, device='auto', seed=None, progress_bar=False):
        self.network = network
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def measure(self, image, positions):
        """
        Measure sources at known positions.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity or array
            The image, shape ``(ny, nx)``; its background is subtracted
            here. Pixels that are masked or not finite are not used.
        positions : SkyCoord, Table, regions or array
            All sources of the image that are bright enough to matter;
            sky coordinates need a WCS. See
            `~compact_removal.maps.read_pixels`.

        Returns
        -------
        sources : `~astropy.table.QTable`
            In the order of the positions: ``id``, ``sky_center`` (for
            images with a WCS), ``x_center``, ``y_center`` (pixels),
            ``flux`` and ``flux_err`` (unit of the image times pixel) and
            ``flags``, see `~compact_removal.deblending.BLEND_FLAGS`. NaN
            where nothing was measured.

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
        data = read_array(image)
        wcs = getattr(image, 'wcs', None) if isinstance(image,
                                                        NDData) else None
        x, y = read_pixels(positions, wcs=wcs, shape=data.shape)
        flux, error, flags = self._measure(data, x, y, model, info)
        unit = getattr(image, 'unit', None) or u.dimensionless_unscaled
        table = QTable({'id': np.arange(1, len(x) + 1), 'x_center': x,
                        'y_center': y, 'flux': flux * unit,
                        'flux_err': error * unit, 'flags': flags},
                       meta=self._provenance(info))
        if wcs is not None and wcs.has_celestial:
            table.add_column(wcs.pixel_to_world(x, y), name='sky_center',
                             index=1)
        return table

    def fit(self, galaxies=None, *, training=None):
        """
        Train the network on simulated blends.

        Training starts from ``weights``, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced.

        Parameters
        ----------
        galaxies : list of array_like, optional
            Stamps of single galaxies, in the middle and with nothing
            else, from which noise is taken off. Simulated ones are used,
            too.
        training : dict, optional
            Settings that differ from the defaults, see
            `~compact_removal.deblending.PhotometerTraining`.

        Returns
        -------
        self : `BlendPhotometer`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        self._check()
        model, info, history = fit_photometer(self, galaxies,
                                              training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=200, size=96, seed=None,
                   progress_bar=False):
        """
        Measure simulated pairs, and judge what was measured.

        Parameters
        ----------
        data : list or dict of array_like, optional
            Stamps of single galaxies, see `fit`. Default: simulated ones.
        n_maps : int, optional
            Number of pairs.
        size : int, optional
            Side of their images (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.deblending.BlendEvaluation`
            Tables and figures.
        """
        from compact_removal.deblending.evaluation import evaluate_photometer

        return evaluate_photometer(self, data, n_maps=n_maps, size=size,
                                   seed=seed, progress_bar=progress_bar)

    def process(self, image, positions=None):
        return {'sources': self.measure(image, positions)}

    def _check(self):
        """
        Validate the parameters.
        """
        find_model_class(self.network)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)

    def _measure(self, data, x, y, model, info):
        """
        Fluxes, errors and flags at positions in pixels.
        """
        flux, error = np.full((2, len(x)), np.nan)
        flags = np.full(len(x), BLEND_FLAG['outside'])
        good = np.flatnonzero(on_map(x, y, data.shape))
        flags[good] = 0
        if not len(good):
            return flux, error, flags
        scaled, noise = scale_blends(data)
        x, y = x[good], y[good]
        scales = choose_scales(scaled, x, y)
        planes = np.ones_like(scaled), np.isfinite(data).astype(np.float32)
        inside = np.rint(y).astype(int), np.rint(x).astype(int)
        unit = noise[inside] * scales
        parts = range(0, len(good), _CHUNK)
        for start in tqdm(parts, disable=not self.progress_bar):
            some = np.arange(start, min(start + _CHUNK, len(good)))
            stamps, corners = cut_stamps(scaled, x, y, some, scales)
            found = nn.predict(model, stamps, device=self.device,
                               batch_size=self.batch_size)
            value = np.exp(found['log_flux'].astype(float))
            flux[good[some]] = value * unit[some]
            error[good[some]] = (value * unit[some] * np.exp(
                found['log_error'].astype(float)) * info['error_factor'])
            covered = [cut_planes(plane, corners, scales[some])
                       / scales[some, None, None] for plane in planes]
            flags[good[some]] |= _flag_stamps(stamps['image'], found['share'],
                                              *covered)
        distance = cKDTree(np.column_stack([x, y])).query(
            np.column_stack([x, y]), k=2)[0][:, 1]
        flags[good] |= BLEND_FLAG['close'] * (distance < _CLOSE)
        flags |= BLEND_FLAG['not_significant'] * (flux < _SIGNIFICANT * error)
        return flux, error, flags


def _flag_stamps(image, share, inside, known):
    """
    Flags that follow from what is on stamps.

    ``inside`` and ``known`` are shares of each pixel of a stamp that are
    on the image, and of these that are known.
    """
    light = share * np.maximum(image, 0)
    total = np.maximum(light.sum(axis=(1, 2)), 1e-9)
    area = np.maximum(share.sum(axis=(1, 2)), 1e-9)
    beyond, lost = ((missing * share).sum(axis=(1, 2)) / area
                    for missing in (1 - inside, inside - known))
    mine = light > _WHERE * light.max(axis=(1, 2), keepdims=True)
    others = ((1 - share) * np.maximum(image, 0) * mine).sum(axis=(1, 2))
    return (BLEND_FLAG['edge'] * (beyond > _EDGE)
            | BLEND_FLAG['invalid_pixels'] * (lost > _INVALID)
            | BLEND_FLAG['blended'] * (others > _OTHERS * total))
