# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that finds compact sources.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal.base import TrainableEstimator
from compact_removal.detection.filters import filter_map
from compact_removal.detection.kinds import KINDS
from compact_removal.detection.networks import WEIGHTS, find_model_class
from compact_removal.detection.probability import Scorer
from compact_removal.detection.search import predict_logit, search
from compact_removal.fitting import SourcePSF
from compact_removal.instruments import get_band, get_mode
from compact_removal.maps.images import read_image
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['CompactSourceFinder']


class CompactSourceFinder(TrainableEstimator):
    """
    Find compact sources in maps with structured backgrounds.

    A U-Net finds centres in maps of the significance of a source, as
    AutoSourceID-Light does in images (Stoppa et al. 2022). The PSF of the
    map is learned from its bright sources, all candidates are fitted
    together, and a model calibrated on simulations turns what network and
    fit say into a probability.

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
        As for `~compact_removal.CompactSourceRemover`.
    batch_size : int, optional
        Tiles in one pass through the network.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    seed : int, optional
        Seed of everything random in `fit`.
    progress_bar : bool, optional
        Whether to show progress.
    """

    task = 'detection'
    find_model_class = staticmethod(find_model_class)
    shipped_weights = WEIGHTS
    output_files = {'sources': '_sources.ecsv'}

    def __init__(self, mode, band, *, network='localization',
                 threshold='default', weights='default', batch_size=1,
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
        image : `~astropy.nddata.CCDData` or `~astropy.nddata.NDData`
            The map, shape ``(ny, nx)``, with a celestial WCS and a unit
            of flux per pixel, solid angle or beam.

        Returns
        -------
        sources : `~astropy.table.QTable`
            The most probable first: ``id``, ``sky_center``,
            ``x_center``, ``y_center`` (pixels), ``probability`` (that it
            is a compact source), ``snr`` (of the fitted flux),
            ``flux``, ``flux_err``, ``fwhm_ratio`` (width over that of
            the PSF), ``kind`` and ``probability_<kind>``.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter is not allowed.
        """
        band = self._check()
        input_map = read_image(image)
        model, info = self._model()
        psf = SourcePSF(band, input_map.pixel_scale)
        found, _ = search(input_map.window, input_map.data.shape, psf, model,
                          device=self.device)
        score = Scorer.from_dict(info.get('scorer'))(found.features)
        threshold = (info['threshold'] if isinstance(self.threshold, str)
                     else self.threshold)
        order = np.argsort(-score[:, 0], kind='stable')
        order = order[score[order, 0] >= threshold]
        score, (x, y, flux, error, width) = score[order], (
            values[order] for values in found[:5])
        to_flux = input_map.to_flux_at(x, y)
        return QTable({
            'id': np.arange(1, order.size + 1),
            'sky_center': input_map.grid.to_sky(x, y),
            'x_center': x, 'y_center': y, 'probability': score[:, 0],
            'snr': flux / error,
            'flux': flux * to_flux * input_map.flux_unit,
            'flux_err': error * to_flux * input_map.flux_unit,
            'fwhm_ratio': np.exp(width),
            'kind': np.array(KINDS)[score.argmax(axis=1)],
            **{f'probability_{kind}': score[:, k]
               for k, kind in enumerate(KINDS)}})

    def predict_proba(self, image):
        """
        Predict the probability of a centre at each pixel.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`
            See `find`.

        Returns
        -------
        probability : `~astropy.nddata.CCDData`
            Of the network alone, not calibrated; dimensionless.
        """
        band = self._check()
        input_map = read_image(image)
        model, _ = self._model()
        psf = SourcePSF(band, input_map.pixel_scale)
        data = input_map.window(np.s_[:, :])
        filtered = filter_map(data, psf)
        logit = predict_logit(model, filtered.planes, psf,
                              device=self.device)[0]
        return CCDData(1 / (1 + np.exp(-logit)), mask=~filtered.known,
                       unit=u.dimensionless_unscaled, wcs=image.wcs)

    def _check(self):
        """
        Validate the parameters and return the band.
        """
        band = get_band(self.mode, self.band)
        check_positive_integer('batch_size', self.batch_size)
        find_model_class(self.network)
        good = self.threshold == 'default' if isinstance(
            self.threshold, str) else 0 <= self.threshold <= 1
        if not good:
            msg = ("threshold must be 'default' or a probability in [0, 1], "
                   f'got {self.threshold!r}')
            raise ParameterError(msg, 'threshold')
        return band

    def _weights_mode(self):
        return get_mode(self.mode).name
