# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that takes blends apart.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, NDData

from compact_removal.base.trainable import TrainableEstimator
from compact_removal.deblending.attribution import (DOUBTFUL, find_sources,
                                                    keep_first,
                                                    measure_doubts,
                                                    measure_parts,
                                                    share_light)
from compact_removal.deblending.contributions import (SourceParts,
                                                      find_window)
from compact_removal.deblending.deblender_training import (DeblenderTraining,
                                                           fit_deblender)
from compact_removal.deblending.flags import BLEND_FLAG, find_faint
from compact_removal.deblending.networks import (DEBLENDER_NETWORKS, WEIGHTS,
                                                 find_deblender_class)
from compact_removal.deblending.photometer import BlendPhotometer
from compact_removal.deblending.results import DeblendingResult, make_sources
from compact_removal.deblending.scaling import scale_blends
from compact_removal.maps import read_pixels
from compact_removal.maps.arrays import find_wcs, read_array
from compact_removal.maps.exposures import read_exposure
from compact_removal.maps.pixels import on_map
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_choice,
                                              check_positive_integer)

__all__ = ['SourceDeblender']


class SourceDeblender(TrainableEstimator):
    """
    Share the light of an image among its sources.

    The method is partial-attribution instance segmentation (Hausen &
    Robertson 2022): each pixel belongs to the nearest n sources, in parts
    that a network predicts. The parts add up to the image.

    Parameters
    ----------
    n_contributions : int, optional
        Each pixel may belong to so many sources. Weights were trained
        with one number: 3 for those that ship.
    network : {'contribution', 'pais'}, optional
        The default, which is run once to find sources, and once more to
        share their light and to measure fluxes with errors; or the
        network of the paper.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    threshold : float or str, optional
        The least probability of a source, between 0 and 1.
        ``'default'``: where completeness and reliability are best
        together on simulations. What is less probable, but more than
        0.1, is not in the table; its light stays in ``unassigned``.
    fluxes : {'photometer', 'parts'}, optional
        What measures fluxes: the default network of `BlendPhotometer`,
        at the positions that were found or given; or the sums of the
        parts, times a factor that the network predicts (none for
        ``'pais'``).
    batch_size : int, optional
        Fields per step of `fit`.
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
    >>> from compact_removal.deblending import SourceDeblender, make_blends
    >>> blend, = make_blends(1, seed=1)
    >>> result = SourceDeblender().deblend(blend.image)
    >>> result.sources.colnames
    ['id', 'x_center', 'y_center', 'probability', 'flux', 'flux_err', 'r90',
    'flags']
    """

    task = 'deblending'
    find_model_class = staticmethod(find_deblender_class)
    shipped_weights = WEIGHTS
    networks = DEBLENDER_NETWORKS
    training_class = DeblenderTraining
    output_files = {'sources': '_deblended.ecsv',
                    'segmentation': '_segmentation.fits',
                    'unassigned': '_unassigned.fits'}
    positions_use = 'optional'

    def __init__(self, *, n_contributions=3, network='contribution',
                 weights='default', threshold='default', fluxes='photometer',
                 batch_size=16, device='auto', seed=None, progress_bar=False):
        self.n_contributions = n_contributions
        self.network = network
        self.weights = weights
        self.threshold = threshold
        self.fluxes = fluxes
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def deblend(self, image, positions=None):
        """
        Take an image apart.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity or array
            The image, shape ``(ny, nx)``; its background is subtracted
            here. Pixels that are masked or not finite are not used.
        positions : SkyCoord, Table, regions or array, optional
            The sources; sky coordinates need a WCS. See
            `~compact_removal.maps.read_pixels`. Default: they are found.

        Returns
        -------
        result : `~compact_removal.DeblendingResult`
            ``sources`` has the columns ``id``, ``sky_center`` (for images
            with a WCS), ``x_center``, ``y_center`` (pixels),
            ``probability`` (of the rows with 0.8, 80 % are sources in
            usual fields; NaN where positions were given), ``flux``,
            ``flux_err`` (sums over pixels, see below), ``r90`` (radius
            with 90 % of the light, pixels) and ``flags``, see
            `~compact_removal.deblending.BLEND_FLAGS`.
            ``flux`` is that of the whole source: more than the sum of its
            part where light is lost in the noise. It has the unit of the
            image, without "per pixel".

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        """
        from photutils.segmentation import SegmentationImage

        self._check()
        model, info = self._model()
        self._check_contributions(model)
        data = read_array(image)
        scaled, noise = scale_blends(data)
        how = {'device': self.device, 'progress_bar': self.progress_bar}
        doubtful, n_sure = np.zeros((2, 0)), None
        if positions is None:
            x, y, probability, doubtful, n_sure = self._find(model, scaled,
                                                             info, how)
        else:
            x, y = read_pixels(positions, wcs=find_wcs(image),
                               shape=data.shape)
            probability = np.full(len(x), np.nan)
        good = on_map(x, y, data.shape)
        n = int(good.sum())
        # what may be a source keeps its light
        places = np.append([x[good], y[good]], doubtful, axis=1)
        shared = keep_first(share_light(model, scaled, *places, **how), n)
        parts = _scale_parts(shared.parts, noise)
        flux, error = _sum_parts(shared, parts, noise, x[good], y[good], info)
        if self.fluxes == 'photometer':
            flux, error = measure_doubts(
                BlendPhotometer(device=self.device,
                                progress_bar=self.progress_bar),
                data, *places, n if n_sure is None else n_sure)
            flux, error = flux[:n], error[:n]
            if positions is None:
                # what is found is less certain than what is given
                error *= info['photometer_factor']
        radius, flags = measure_parts(shared, x[good], y[good],
                                      np.isfinite(data))
        columns = _place({
            'probability': probability[good], 'flux': flux,
            'flux_err': error, 'r90': radius,
            'flags': flags | find_faint(flux, error)}, good)
        provenance = self._provenance(info)
        parts = _place_parts(parts, shared.parts.corners, good, data)
        return DeblendingResult(
            make_sources(image, x, y, columns, provenance),
            SegmentationImage(_rename(shared.labels, good)),
            _make_rest(image, parts.unassigned, provenance), parts)

    def fit(self, galaxies=None, *, training=None):
        """
        Train the network on simulated fields.

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
            `~compact_removal.deblending.DeblenderTraining`.

        Returns
        -------
        self : `SourceDeblender`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        self._check()
        model, info, history = fit_deblender(self, galaxies,
                                             training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=20, size=256, seed=None,
                   progress_bar=False):
        """
        Take simulated fields apart, and judge what was found.

        Parameters
        ----------
        data : list or dict of array_like, optional
            Stamps of single galaxies, in the middle and with nothing
            else. Default: simulated ones.
        n_maps : int, optional
            Number of fields, with 12 to 40 sources per 256 x 256 pixels.
        size : int, optional
            Their side (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.deblending.DeblendingEvaluation`
            Tables and figures.
        """
        from compact_removal.deblending.deblender_evaluation import (
            evaluate_deblender)

        return evaluate_deblender(self, data, n_maps=n_maps, size=size,
                                  seed=seed, progress_bar=progress_bar)

    @staticmethod
    def read_image(path, *, unit=None):
        return read_exposure(path, unit=unit)

    def process(self, image, positions=None):
        return self.deblend(image, positions).to_products()

    def _check(self):
        """
        Validate the parameters.
        """
        find_deblender_class(self.network)
        check_positive_integer('n_contributions', self.n_contributions)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)
        check_choice('fluxes', self.fluxes, ('photometer', 'parts'))
        if self.threshold != 'default' and not (
                isinstance(self.threshold, (int, float, np.number))
                and not isinstance(self.threshold, bool)
                and 0 < self.threshold < 1):
            msg = ("threshold must be 'default' or a number between 0 and 1, "
                   f'got {self.threshold!r}')
            raise ParameterError(msg, 'threshold')

    def _check_contributions(self, model):
        """
        Refuse another number of contributions than that of the network.
        """
        trained = model.config['n_contributions']
        if self.n_contributions != trained:
            msg = (f'n_contributions must be {trained}, as the weights were '
                   f'trained with it, got {self.n_contributions!r}')
            raise ParameterError(msg, 'n_contributions')

    def _find(self, model, scaled, info, how):
        """
        Sources, their probabilities, doubtful ones, and how many are sure.

        That does not depend on the threshold of the user.
        """
        threshold = (info['threshold'] if self.threshold == 'default'
                     else float(self.threshold))
        x, y, probability = find_sources(
            model, scaled, threshold=min(threshold, DOUBTFUL),
            calibration=info['calibration'], **how)
        n = int((probability >= threshold).sum())
        n_sure = int((probability >= info['threshold']).sum())
        return (x[:n], y[:n], probability[:n], np.array([x[n:], y[n:]]),
                n_sure)


def _scale_parts(parts, noise):
    """
    Parts in the unit of the image.
    """
    return [part * noise[find_window(part, corner)]
            for part, corner in zip(parts.parts, parts.corners, strict=True)]


def _sum_parts(shared, parts, noise, x, y, info):
    """
    Fluxes of the parts, and their errors; NaN without a part.
    """
    flux = np.array([part.sum() for part in parts]) * np.exp(
        shared.log_factor)
    relative = np.where(np.isfinite(shared.log_error),
                        np.exp(shared.log_error), 1.0) * info['error_factor']
    # no flux is better than the noise of its pixels
    local = noise[np.rint(y).astype(int), np.rint(x).astype(int)]
    error = np.maximum(relative * np.abs(flux), local * shared.spread)
    lost = shared.spread == 0
    flux[lost] = error[lost] = np.nan
    return flux, error


def _place(columns, good):
    """
    Columns with rows for positions that are not on the image.
    """
    placed = {}
    for name, values in columns.items():
        missing = (BLEND_FLAG['outside'] if name == 'flags' else np.nan)
        placed[name] = np.full(len(good), missing)
        placed[name][good] = values
    return placed


def _place_parts(parts, corners, good, data):
    """
    Parts in the order of the table, and the image without them.
    """
    light = [np.zeros((0, 0)) for _ in good]
    places = [(0, 0) for _ in good]
    rest = data.astype(float)
    for number, part, corner in zip(np.flatnonzero(good), parts, corners,
                                    strict=True):
        light[number], places[number] = part, corner
        rest[find_window(part, corner)] -= part
    return SourceParts(light, places, rest)


def _rename(labels, good):
    """
    Labels that are the ``id`` of the table.
    """
    return np.append(0, np.flatnonzero(good) + 1)[labels]


def _make_rest(image, data, provenance):
    """
    What belongs to no source, as CCDData of the input's kind.
    """
    rest = CCDData(data, wcs=find_wcs(image), unit=getattr(
        image, 'unit', None) or u.dimensionless_unscaled)
    if isinstance(image, NDData) and image.mask is not None:
        rest.mask = np.broadcast_to(image.mask, rest.shape).copy()
    rest.meta.update(provenance)
    return rest
