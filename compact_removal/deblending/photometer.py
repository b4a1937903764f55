# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that measures blended sources at known positions.
"""

import numpy as np
from astropy.nddata import overlap_slices
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from compact_removal import nn
from compact_removal.base.trainable import TrainableEstimator
from compact_removal.deblending.flags import (BLEND_FLAG, LIMITS,
                                              find_close, find_doubts,
                                              find_faint)
from compact_removal.deblending.networks import (NETWORKS, WEIGHTS,
                                                 find_model_class)
from compact_removal.deblending.pairs import measure_pair
from compact_removal.deblending.results import make_sources
from compact_removal.deblending.scaling import scale_blends
from compact_removal.deblending.stamps import (choose_scales, cut_planes,
                                               cut_stamps,
                                               measure_significance)
from compact_removal.deblending.training import (PhotometerTraining,
                                                 fit_photometer)
from compact_removal.maps import read_pixels
from compact_removal.maps.arrays import find_wcs, read_array
from compact_removal.maps.exposures import read_exposure
from compact_removal.maps.pixels import on_map
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)

__all__ = ['BlendPhotometer']

# Sources whose stamps are in memory at once.
_CHUNK = 512

# So many times the inverse of the significance is the least relative error.
_DOUBT = 1.5

# Nothing is measured where less than this share of the spot at the position
# is known.
_SEEN = 0.5

# The mask of a source: where its light, smoothed with a Gaussian of this
# width (pixels), is above so many standard deviations of the noise.
_SMOOTH, _LEVEL = 1.0, 1.0



class BlendPhotometer(TrainableEstimator):
    """
    Measure galaxies and stars that overlap, at known positions.

    The network is pointed at one position after the other, and sees where
    all others are. It predicts the share of each pixel, the flux and its
    error. It is the successor of blend2flux (Boucaud et al. 2020), which
    takes pairs alone.

    Parameters
    ----------
    network : {'conditioned', 'blend2flux', 'blend2mask2flux'}, optional
        The default takes any number of positions. The others are those
        of the paper: they take two positions, of which the first is the
        central galaxy, and have no weights that ship.
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
    networks = NETWORKS
    training_class = PhotometerTraining
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
            ``flux`` and ``flux_err`` (sums over pixels, in the unit of the
            image without "per pixel"), and ``flags``, see
            `~compact_removal.deblending.BLEND_FLAGS`. NaN where nothing
            was measured. Fluxes are positive; where there is no source,
            their errors say so.

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
        data, x, y = self._read(image, positions)
        measure = (self._measure_stamps if 'target' in model.inputs
                   else self._measure_pair)
        good = on_map(x, y, data.shape)
        flux, error = np.full((2, len(x)), np.nan)
        flags = np.full(len(x), BLEND_FLAG['outside'])
        flags[good] = 0
        if good.any() or measure == self._measure_pair:
            flux[good], error[good], flags[good] = measure(
                data, x[good], y[good], model, info)
        flags |= find_faint(flux, error)
        return make_sources(image, x, y, {'flux': flux, 'flux_err': error,
                                          'flags': flags},
                            self._provenance(info))

    @property
    def draws_masks(self):
        """
        Whether the network draws masks, so that there is `segment`.
        """
        outputs = find_model_class(self.network).outputs
        return bool({'masks', 'share'} & set(outputs))

    def segment(self, image, positions):
        """
        Draw masks of sources at known positions.

        Parameters
        ----------
        image, positions : object
            See `measure`.

        Returns
        -------
        masks : `~numpy.ndarray` of bool
            Where each source is, shape ``(n, ny, nx)``, in the order of
            the positions; masks overlap where sources do. Empty for
            positions that are not on the image.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed, or the network draws no masks.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.

        Examples
        --------
        >>> import numpy as np
        >>> from compact_removal.deblending import (BlendPhotometer,
        ...                                         make_blends)
        >>> blend, = make_blends(1, seed=1)
        >>> masks = BlendPhotometer().segment(
        ...     blend.image, np.column_stack([blend.x, blend.y]))
        >>> masks.shape
        (2, 96, 96)
        """
        self._check()
        model, _ = self._model()
        if not self.draws_masks:
            msg = ("network must be 'conditioned' or 'blend2mask2flux', which "
                   f'draw masks, got {self.network!r}')
            raise ParameterError(msg, 'network')
        data, x, y = self._read(image, positions)
        good = np.flatnonzero(on_map(x, y, data.shape))
        scaled, _ = scale_blends(data)
        masks = np.zeros((len(x), *data.shape), dtype=bool)
        if 'masks' in model.outputs:
            masks[good] = measure_pair(
                model, scaled, x[good], y[good], network=self.network,
                device=self.device)[1]
            return masks
        scales = choose_scales(scaled, x[good], y[good])
        for some, stamps, corners, found in self._predict(
                model, scaled, x[good], y[good], scales):
            smooth = gaussian_filter(stamps['image'], (0, _SMOOTH, _SMOOTH))
            drawn = found['share'] * smooth > _LEVEL
            for number, mask, corner in zip(some, drawn, corners,
                                            strict=True):
                _put_mask(masks[good[number]], mask, corner, scales[number])
        return masks

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
            Stamps of single galaxies, in the middle and with nothing
            else. Default: simulated ones.
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

    @staticmethod
    def read_image(path, *, unit=None):
        return read_exposure(path, unit=unit)

    def process(self, image, positions=None):
        return {'sources': self.measure(image, positions)}

    def _check(self):
        """
        Validate the parameters.
        """
        find_model_class(self.network)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)

    def _read(self, image, positions):
        """
        An image as an array, and positions in pixels.
        """
        data = read_array(image)
        return data, *read_pixels(positions, wcs=find_wcs(image),
                                  shape=data.shape)

    def _measure_pair(self, data, x, y, model, info):
        """
        Fluxes, errors and flags of two positions on the image.
        """
        scaled, noise = scale_blends(data)
        flux, _ = measure_pair(model, scaled, x, y, network=self.network,
                               device=self.device)
        flux *= noise[np.rint(y).astype(int), np.rint(x).astype(int)]
        error = np.abs(flux) * info['error_factor']
        return flux, error, find_close(x, y)

    def _measure_stamps(self, data, x, y, model, info):
        """
        Fluxes, errors and flags of positions on the image.
        """
        flux, error = np.full((2, len(x)), np.nan)
        flags = find_close(x, y)
        scaled, noise = scale_blends(data)
        scales = choose_scales(scaled, x, y)
        planes = np.ones_like(scaled), np.isfinite(data).astype(np.float32)
        inside = np.rint(y).astype(int), np.rint(x).astype(int)
        unit = noise[inside] * scales
        for some, stamps, corners, found in self._predict(model, scaled, x, y,
                                                          scales):
            value = np.exp(found['log_flux'].astype(float))
            flux[some] = value * unit[some]
            error[some] = (value * unit[some] * np.exp(
                found['log_error'].astype(float)) * info['error_factor'])
            covered = [cut_planes(plane, corners, scales[some])
                       / scales[some, None, None] for plane in planes]
            doubts = find_doubts(stamps['image'], found['share'],
                                 found['other_share'], *covered)
            flags[some] |= sum(BLEND_FLAG[name] * (doubts[name] > limit)
                               for name, limit in LIMITS.items())
            # what is not seen, and what may be noise
            error[some] = np.maximum(np.hypot(error[some], flux[some] * (
                doubts['edge'] + doubts['invalid_pixels'])), flux[some]
                * _DOUBT / measure_significance(stamps,
                                                found['other_share']))
            unseen = _measure_seen(stamps['target'], *covered) < _SEEN
            flux[some[unseen]] = error[some[unseen]] = np.nan
        return flux, error, flags

    def _predict(self, model, scaled, x, y, scales):
        """
        Run the network at all positions, some at a time.
        """
        parts = range(0, len(x), _CHUNK)
        for start in tqdm(parts, disable=not self.progress_bar):
            some = np.arange(start, min(start + _CHUNK, len(x)))
            stamps, corners = cut_stamps(scaled, x, y, some, scales)
            yield some, stamps, corners, nn.predict(
                model, stamps, device=self.device, batch_size=self.batch_size)


def _put_mask(mask, stamp, corner, scale):
    """
    Put the mask of a stamp on that of an image.
    """
    large = np.kron(stamp, np.ones((scale, scale), dtype=bool))
    target, source = overlap_slices(
        mask.shape, large.shape,
        [low + (side - 1) / 2 for low, side in zip(corner, large.shape,
                                                   strict=True)])
    mask[target] |= large[source]


def _measure_seen(target, inside, known):
    """
    Share of the spots at positions that is known, of what is inside.
    """
    return ((target * known).sum(axis=(1, 2))
            / np.maximum((target * inside).sum(axis=(1, 2)), 1e-9))
