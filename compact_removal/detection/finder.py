# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that finds compact sources.
"""

import sys
import warnings

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable
from tqdm import tqdm

from compact_removal.base import BandEstimator
from compact_removal.detection.candidates import PREVIEW_FEATURES
from compact_removal.detection.channels import (filter_channels, read_array,
                                                read_channels)
from compact_removal.detection.flags import DETECTION_FLAG
from compact_removal.detection.kinds import KINDS
from compact_removal.detection.networks import (NETWORKS, WEIGHTS,
                                                find_model_class)
from compact_removal.detection.probability import Scorer
from compact_removal.detection.search import predict_logit, search
from compact_removal.detection.training import FinderTraining, fit_finder
from compact_removal.fitting import SourcePSF
from compact_removal.fitting.aperture_fraction import ApertureFraction
from compact_removal.fitting.patches import close_pairs
from compact_removal.instruments import get_band
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)
from compact_removal.utils.progress import bar_shape

__all__ = ['CompactSourceFinder']

# Detections within so many full widths share light.
_BLENDED = 1.5

# Scatter of fluxes where nothing is, below which one is not significant.
_SIGNIFICANT = 3.0

# Errors of fluxes, measured on scenes: of positions that noise has moved, as
# a factor on the scatter, and of the PSF of the map, relative to the flux.
_MOVED, _PSF_ERROR = 1.2, 0.11


class CompactSourceFinder(BandEstimator):
    """
    Find compact sources in maps with structured backgrounds.

    A U-Net finds centres in maps of the significance of a source, as
    AutoSourceID-Light does in images (Stoppa et al. 2022, Sect. 3). The
    PSF of the map is learned from its bright sources, all candidates are
    fitted together, and a model that was calibrated on simulations turns
    what network and fit show into a probability.

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode: ``'scanmap'`` or ``'parallel'``.
    band : str, Quantity or `~compact_removal.instruments.Band`
        The band (``'blue'``, ``'green'``, ``'red'``), its wavelength
        (70, 100 or 160 um), or a band object of another instrument.
    network : {'localization'}, optional
        The network.
    threshold : float or 'default', optional
        Least probability of what is returned; 0 for all candidates.
        Default: the one at which 90 % of the detections in simulated
        maps are sources.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    batch_size : int, optional
        Scenes in one step of a training.
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
    >>> from compact_removal import CompactSourceFinder
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(128, 128), n_sources=3)
    >>> sources = CompactSourceFinder('scanmap', 'blue').find(image)
    >>> int((sources['probability'] > 0.9).sum())
    3
    """

    task = 'detection'
    training_class = FinderTraining
    find_model_class = staticmethod(find_model_class)
    shipped_weights = WEIGHTS
    networks = NETWORKS
    output_files = {'sources': '_sources.ecsv'}

    def __init__(self, mode, band, *, network='localization',
                 threshold='default', weights='default', batch_size=16,
                 device='auto', seed=None, progress_bar=False):
        self.mode = mode
        self.band = band
        self.network = network
        self.threshold = threshold
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def find(self, image):
        """
        Find the sources of a map.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData` or list
            The map, shape ``(ny, nx)``, with a celestial WCS and a unit
            of flux per pixel, solid angle or beam, or of counts. Pixels
            that are masked or not finite are not used. It is never
            modified. A list has one map per channel of the network, all
            with the same pixels; positions and fluxes are those of the
            first.

        Returns
        -------
        sources : `~astropy.table.QTable`
            The most probable first: ``id``, ``sky_center``,
            ``x_center``, ``y_center`` (pixels), ``probability`` (that it
            is a compact source), ``snr`` (flux over the scatter of such
            fluxes where nothing is), ``flux``, ``flux_err`` (of the PSF,
            fitted together with its neighbours; the error includes 11 %
            for the PSF of the map), ``fwhm_ratio`` (width over that of the
            PSF of the map, NaN for faint ones), ``kind``,
            ``probability_<kind>`` for the kinds compact, extended and
            artefact, and ``flags``, bits of ``DETECTION_FLAGS``. ``meta``
            has the provenance; ``CRTHRESH`` is the threshold.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.

        Warns
        -----
        AstropyUserWarning
            If the header of the map or the width of the PSF in pixels
            does not fit the band.
        """
        band = self._check()
        model, info = self._model()
        input_map, channels = self._read(image, band, model, info)
        psf = SourcePSF(band, input_map.pixel_scale)
        table = self._search(channels, psf, model, info)
        x, y = table['x_center'], table['y_center']
        unit = input_map.to_flux_at(x, y) * input_map.flux_unit
        for name in ('flux', 'flux_err'):
            table[name] = table[name] * unit
        table.add_column(input_map.grid.to_sky(x, y), name='sky_center',
                         index=1)
        table.meta.update(self._provenance(band, info),
                          CRTHRESH=self._find_threshold())
        return table

    def __call__(self, data, mask=None):
        """
        Find sources in an array, as a finder of photutils does.

        The pixels are taken to be the nominal ones of the band. This is
        for ``finder=`` of `~photutils.psf.PSFPhotometry`.

        Parameters
        ----------
        data : array_like or `~astropy.units.Quantity`
            The image, shape ``(ny, nx)``.
        mask : array_like of bool, optional
            True where a pixel must not be used.

        Returns
        -------
        sources : `~astropy.table.QTable` or `None`
            ``id``, ``x_centroid``, ``y_centroid`` (pixels), ``flux``
            (unit of the data times pixel) and ``probability``, the most
            probable first; `None`, with a warning, if there are none.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is not allowed.
        """
        band = self._check()
        model, info = self._model()
        table = self._search(read_array(data, mask, model),
                             SourcePSF(band, band.pixel_scale), model, info)
        if not len(table):
            from photutils.utils import NoDetectionsWarning

            warnings.warn('No sources were found.', NoDetectionsWarning,
                          stacklevel=2)
            return None
        table.rename_columns(['x_center', 'y_center'],
                             ['x_centroid', 'y_centroid'])
        if getattr(data, 'unit', None) is not None:
            table['flux'] = table['flux'] * data.unit
        return table['id', 'x_centroid', 'y_centroid', 'flux', 'probability']

    def predict_proba(self, image):
        """
        Predict where centres of compact sources are.

        This is what the network alone predicts, before any fit. It is
        not calibrated: neighbouring pixels share one source.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData` or list
            See `find`.

        Returns
        -------
        probability : `~astropy.nddata.CCDData`
            Dimensionless, shape ``(ny, nx)``; masked where no source can
            be found.

        Raises
        ------
        TypeError, ValueError, NotFittedError
            See `find`.
        """
        band = self._check()
        model, info = self._model()
        input_map, channels = self._read(image, band, model, info)
        psf = SourcePSF(band, input_map.pixel_scale)
        _, filtered, planes = filter_channels(channels, np.s_[:, :], psf)
        logit = predict_logit(model, planes, psf, device=self.device)[0]
        return CCDData(1 / (1 + np.exp(-logit)), mask=~filtered.known,
                       unit=u.dimensionless_unscaled,
                       wcs=input_map.grid.wcs,
                       meta=self._provenance(band, info))

    def fit(self, backgrounds=None, *, training=None):
        """
        Train the network and the probabilities on simulated scenes.

        Sources, extended blobs and artefacts are added to backgrounds.
        Training starts from ``weights``, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced.

        Parameters
        ----------
        backgrounds : list of `~astropy.nddata.CCDData`, dict or None
            Maps to learn from; `None`: simulated ones. A dict has one of
            these for each of several bands of the mode, by its name.
            Compact sources that they have already are left out.
        training : dict, optional
            Settings that differ from the defaults, see
            `~compact_removal.detection.FinderTraining`.

        Returns
        -------
        self : `CompactSourceFinder`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        band = self._check()
        model, info, history = fit_finder(self, band, backgrounds,
                                          training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=8, size=256, seed=None,
                   progress_bar=False):
        """
        Find simulated sources, and judge what was found.

        Parameters
        ----------
        data : list or dict of `~astropy.nddata.CCDData`, optional
            Maps that sources are added to. Default: simulated ones.
        n_maps : int, optional
            Scenes: in all, or from each map.
        size : int, optional
            Side of the scenes (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.detection.FinderEvaluation`
            Tables and figures.
        """
        from compact_removal.detection.evaluation import evaluate_finder

        return evaluate_finder(self, data, n_maps=n_maps, size=size,
                               seed=seed, progress_bar=progress_bar)

    def process(self, image, positions=None):
        return {'sources': self.find(image)}

    def describe_task(self, image, positions=None):
        return f'sources found in {image}'

    def _read(self, image, band, model, info):
        """
        The map of the fluxes, and all that the network sees.
        """
        images, maps, channels = read_channels(image, model)
        for one, read in zip(images, maps, strict=True):
            self._check_map(one, read, band, info.get('name'))
        return maps[0], channels

    def _search(self, channels, psf, model, info):
        """
        Search a map; fluxes in its unit times pixel.
        """
        scorer = Scorer.from_dict(info.get('scorer'))
        preview = Scorer.from_dict(info.get('preview'), PREVIEW_FEATURES)

        def progress(tiles):
            return tqdm(tiles, unit='tile', disable=not self.progress_bar,
                        **bar_shape(sys.stderr))

        found, learned = search(channels, psf, model, preview, scorer,
                                self._find_threshold(), device=self.device,
                                progress=progress)
        x, y, flux, error, width, edge, invalid, fitted, score, _ = found.take(
            np.argsort(-found.probability[:, 0], kind='stable'))
        normal = ApertureFraction(learned).normalization(
            learned.mean_at(x, y)[:, 2])
        flux, noise = normal * flux, normal * error
        error = np.hypot(_MOVED * noise, _PSF_ERROR * flux)
        others, owners = close_pairs(x, y, _BLENDED * psf.fwhm)
        blended = np.isin(np.arange(x.size), owners[
            score[others, 0] >= info['threshold']])
        flags = (DETECTION_FLAG['edge'] * edge
                 | DETECTION_FLAG['invalid_pixels'] * invalid
                 | DETECTION_FLAG['not_fitted'] * ~fitted
                 | DETECTION_FLAG['blended'] * blended
                 | DETECTION_FLAG['not_significant']
                 * (flux < _SIGNIFICANT * noise))
        return QTable({
            'id': np.arange(1, x.size + 1), 'x_center': x,
            'y_center': y, 'probability': score[:, 0], 'snr': flux / noise,
            'flux': flux, 'flux_err': error, 'fwhm_ratio': width,
            'kind': np.array(KINDS)[score.argmax(axis=1)],
            **{f'probability_{kind}': score[:, k]
               for k, kind in enumerate(KINDS)},
            'flags': flags.astype(np.int64)})

    def _find_threshold(self):
        """
        The least probability of what is returned.
        """
        return (self._model()[1]['threshold']
                if isinstance(self.threshold, str) else self.threshold)

    def _check(self):
        """
        Validate the parameters and return the band.
        """
        band = get_band(self.mode, self.band)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)
        find_model_class(self.network)
        good = (self.threshold == 'default' if isinstance(self.threshold, str)
                else isinstance(self.threshold, (int, float, np.number))
                and not isinstance(self.threshold, bool)
                and 0 <= self.threshold <= 1)
        if not good:
            msg = ("threshold must be 'default' or a probability in [0, 1], "
                   f'got {self.threshold!r}')
            raise ParameterError(msg, 'threshold')
        return band
