# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that removes compact sources.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.base import BandEstimator
from compact_removal.instruments import get_band
from compact_removal.maps.images import check_image, read_image
from compact_removal.maps.positions import read_positions
from compact_removal.photometry.corrections import check_apertures
from compact_removal.removal.background import estimate_background
from compact_removal.removal.calibration import calibration
from compact_removal.removal.cutout_network import CutoutNetwork, make_predict
from compact_removal.removal.fit import fit
from compact_removal.removal.flags import FLAG
from compact_removal.removal.inspection import inspect_sources
from compact_removal.removal.locate import locate
from compact_removal.removal.measure import measure
from compact_removal.removal.networks import (WEIGHTS, choose_size,
                                              find_model_class)
from compact_removal.removal.reach import hole_taper
from compact_removal.removal.results import make_result
from compact_removal.removal.training import RemovalTraining, fit_remover
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)

__all__ = ['CompactSourceRemover']


class CompactSourceRemover(BandEstimator):
    """
    Remove compact sources from maps, and measure them.

    Each source is covered by a round hole whose radius grows with its
    signal-to-noise ratio (paper, Table 3). A model of the source, fitted
    to its core, is taken out of the map, wings included (but not for the
    network of the paper). Then a network estimates the background in the
    hole, from the pixels around it or, for separation, from all pixels;
    the flux of the source is what was removed, corrected for the aperture.
    "Paper" is Madarasz et al., "A Deep Neural Network Approach to Compact
    Source Removal".

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode: ``'scanmap'`` or ``'parallel'``.
    band : str, Quantity or `~compact_removal.instruments.Band`
        The band (``'blue'``, ``'green'``, ``'red'``), its wavelength
        (70, 100 or 160 um), or a band object of another instrument.
    network : {'separation', 'inpainting', 'paper'}, optional
        ``'separation'``: sees the pixels under the sources, too.
        ``'inpainting'``: sees only the pixels outside the holes. Both
        predict errors. ``'paper'``: the method of the paper as it is
        published, without models of the sources, for comparison.
    weights : str or path-like, optional
        ``'default'``: the weights that ship for ``network`` and
        ``mode``; or the name of shipped weights, or a safetensors file.
        `None`: random weights, to be trained with `fit`. After `fit` and
        `load` it is only where the next `fit` starts.
    apertures : `~astropy.units.Quantity`, optional
        Aperture radii (angle), scalar or ``(m,)``; the first gives
        ``flux``, further ones ``flux_1``, ... Default: one, the
        band's.
    cutout_size : int, optional
        Side of the cutouts in pixels. Default: 48 for separation, 64
        for inpainting and 96 for the paper's, or what the largest hole
        needs.
    batch_size : int, optional
        Cutouts in one pass through the network.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    recenter : bool, optional
        Whether to move positions to the centroid of the source first.
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
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(128, 128), n_sources=3)
    >>> remover = CompactSourceRemover('scanmap', 'blue')
    >>> background, sources = remover.remove(image, catalog['sky_center'])
    >>> len(sources), background.unit
    (3, Unit("Jy / pix"))
    """

    task = 'removal'
    training_class = RemovalTraining
    find_model_class = staticmethod(find_model_class)
    shipped_weights = WEIGHTS
    output_files = {'background': '_background.fits',
                    'sources': '_sources.ecsv'}
    positions_use = 'required'
    mode_params = {'apertures': None}

    def __init__(self, mode, band, *, network='separation',
                 weights='default', apertures=None, cutout_size=None,
                 batch_size=64, device='auto', recenter=False, seed=None,
                 progress_bar=False):
        self.mode = mode
        self.band = band
        self.network = network
        self.weights = weights
        self.apertures = apertures
        self.cutout_size = cutout_size
        self.batch_size = batch_size
        self.device = device
        self.recenter = recenter
        self.seed = seed
        self.progress_bar = progress_bar

    def experiment(self, data=None, *, n_sources=50, flux_levels=10,
                   psf=None, catalogs=None, seed=None, progress_bar=False):
        """
        Inject sources into maps, remove them, and judge the result.

        Parameters
        ----------
        data : list or dict of `~astropy.nddata.CCDData`, optional
            Maps with few real sources. Default: simulated ones.
        n_sources : int, optional
            Sources per map and flux.
        flux_levels : int or `~astropy.units.Quantity`, optional
            The injected fluxes, or how many of them.
        psf : Band or PSF object, optional
            The PSF that is injected. Default: that of the band.
        catalogs : list or dict, optional
            Positions of real sources in each map, to stay away from.
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.removal.Evaluation`
            See `~compact_removal.removal.evaluate_remover`.
        """
        from compact_removal.removal.evaluation import evaluate_remover

        return evaluate_remover(
            self, data, n_sources=n_sources, flux_levels=flux_levels,
            psf=psf, catalogs=catalogs, seed=seed, progress_bar=progress_bar)

    def process(self, image, positions=None):
        return self.remove(image, positions)._asdict()

    def describe_task(self, image, positions=None):
        what = 'sources' if positions is None else f'sources of {positions}'
        return f'{what} removed from {image}'

    def remove(self, image, positions):
        """
        Remove sources from a map.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData` or `~astropy.nddata.NDData`
            The map, shape ``(ny, nx)``, with a celestial WCS and a unit
            of flux per pixel, solid angle or beam. Mask and uncertainty
            are honoured. It is never modified.
        positions : SkyCoord, Table or regions
            The sources: sky coordinates; a table with a SkyCoord column,
            with columns of longitude and latitude such as ``ra`` and
            ``dec`` (degrees where they have no unit), or of pixels such
            as ``x_center`` and ``y_center``; regions; or pixels
            ``(x, y)`` of shape ``(n, 2)``. See
            `~compact_removal.maps.read_positions`.

        Returns
        -------
        result : `RemovalResult`
            ``background``, a `~astropy.nddata.CCDData` of the same
            shape, unit and WCS: pixels outside the footprints of the
            sources are those of the input, bit by bit; ``flags`` marks
            changed pixels (``PIXEL_FLAGS``), ``uncertainty`` is the
            error of the estimate (elsewhere that of the input, NaN where
            it is unknown), ``meta`` the provenance. Masked and
            non-finite pixels keep their values. The footprint of a
            source is its hole with a soft edge; for separation it
            reaches out to where the wings drop below a tenth of the
            local standard deviation.
            ``sources``, a `~astropy.table.QTable` with the columns
            ``id``, ``sky_center``, ``x_center``, ``y_center`` (pixels),
            ``snr`` (eq. 1), ``mask_radius`` (pixels of the map), ``flux``,
            ``flux_err``, ``aperture_radius``, ``aperture_correction``
            (of the PSF of the map), ``flux_<i>``, ``flux_err_<i>``,
            ``annulus_flux``, ``annulus_flux_err``, ``flux_fit``,
            ``flux_fit_err`` (of a linear fit, may be negative),
            ``upper_limit`` (95 %), ``qfit``, ``reduced_chi2``,
            ``fwhm_ratio`` (width over that of the PSF; NaN where too
            faint), ``missing_fraction`` (of the light, filled by the
            model) and ``flags`` (see `decode_flags`); radius and
            correction of further apertures, too, with ``_<i>``.
            ``sky_center`` is the position that was given, the
            pixel coordinates are those that were used.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        FileNotFoundError
            If ``weights`` is neither the name of shipped weights nor a
            file.

        Warns
        -----
        AstropyUserWarning
            If no position lies on the map, or the header of the map or
            the width of the PSF in pixels does not fit the band.
        """
        band = self._check()
        check_image(image)
        coordinates = read_positions(positions, wcs=image.wcs)
        input_map = read_image(image, coordinates)
        apertures = check_apertures(self.apertures, band)
        model, info = self._model()
        self._check_map(image, input_map, band, info.get('name'))
        located = locate(input_map, coordinates, band,
                         recenter=self.recenter)
        if np.all(located.flags & FLAG['off_map']) and located.x.size:
            warnings.warn('none of the positions lies on the map (are '
                          'longitude and latitude in their columns, and '
                          'their units right?)', AstropyUserWarning,
                          stacklevel=2)
        fitted = fit(input_map, located, band)
        located, inspection = inspect_sources(input_map, located, fitted,
                                              band)
        network = CutoutNetwork(
            make_predict(model, batch_size=self.batch_size,
                         device=self.device),
            size=(self.cutout_size
                  or choose_size(model, fitted.models.psf.fwhm)),
            error_scale=calibration(info, 'hole_error'),
            predicts_errors='error' in model.outputs,
            removes_wings=model.removes_wings,
            corrects_wings='sources' in model.inputs,
            size_step=None if self.cutout_size else model.size_step)
        estimate = estimate_background(
            input_map, located, fitted, network, band=band,
            apertures=(apertures[:, None] / input_map.scales_at(
                located.x, located.y)).to_value(u.dimensionless_unscaled),
            progress_bar=self.progress_bar)
        measurement = measure(
            input_map, located, fitted, inspection, estimate, band=band,
            apertures=apertures, error_scale=calibration(info, 'flux_error'))
        size = network.sizes(np.nanmax(located.radius, initial=0)
                             + hole_taper(band, input_map.pixel_scale))
        provenance = {**self._provenance(band, info), 'CRCUTOUT': int(size),
                      'CRRECENT': bool(self.recenter),
                      'CRNPSF': fitted.n_psf}
        return make_result(image, coordinates, input_map.flux_unit, located,
                           fitted, inspection, estimate, measurement,
                           provenance)

    def fit(self, backgrounds, *, catalogs=None, validation=None,
            training=None):
        """
        Train the network on maps.

        Sources of the band's PSF are injected into the maps on the fly
        (paper, Sect. 2.3.1). Training starts from ``weights``, with a
        tenth of the default learning rate, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced. The kernels that were learned are rounded to half
        precision, as in files.

        Parameters
        ----------
        backgrounds : list of `~astropy.nddata.CCDData`, dict or None
            Maps to learn from; `None`: simulated ones. A dict has one of
            these for each of several bands of the mode, by its name.
            Pixels need not be the nominal ones of the band.
        catalogs : list or dict, optional
            Positions of real sources in each map, to stay away from; as
            for `remove`, or `None` for a map without. A dict by band if
            ``backgrounds`` is one.
        validation : list of `~astropy.nddata.CCDData` or dict, optional
            Maps that decide which epoch's weights are kept; default:
            other cutouts of ``backgrounds``.
        training : dict, optional
            Settings that differ from ``TRAINING_DEFAULTS`` of the
            network, see `~compact_removal.removal.RemovalTraining`.

        Returns
        -------
        self : `CompactSourceRemover`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.

        Examples
        --------
        >>> from compact_removal import CompactSourceRemover
        >>> from compact_removal.datasets import read_pacs_map
        >>> remover = CompactSourceRemover('scanmap', 'blue', seed=1)
        >>> maps = [read_pacs_map('field.fits')]  # doctest: +SKIP
        >>> remover.fit(maps, training={'n_epochs': 20})  # doctest: +SKIP
        >>> remover.save('mine.safetensors')  # doctest: +SKIP
        """
        band = self._check()
        model, info, history = fit_remover(
            self, band, backgrounds, catalogs=catalogs,
            validation=validation, training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def _check(self):
        """
        Validate the parameters and return the band.
        """
        band = get_band(self.mode, self.band)
        check_positive_integer('batch_size', self.batch_size)
        if self.cutout_size is not None:
            check_positive_integer('cutout_size', self.cutout_size)
        check_boolean('recenter', self.recenter)
        check_apertures(self.apertures, band)
        limits = find_model_class(self.network)
        step, smallest = limits.size_step, limits.min_size
        if self.cutout_size is not None and (
                self.cutout_size % step or self.cutout_size < smallest):
            msg = (f'cutout_size must be a multiple of {step} and at least '
                   f'{smallest} for network {self.network!r}, got '
                   f'{self.cutout_size}')
            raise ParameterError(msg, 'cutout_size')
        return band

    @classmethod
    def _from_plain(cls, params):
        params = dict(params)
        if params.get('apertures') is not None:
            params['apertures'] = np.array(params['apertures'],
                                           dtype=float) * u.arcsec
        return params

    def _plain_values(self):
        plain = super()._plain_values()
        band = get_band(self.mode, self.band)
        apertures = self.apertures
        if apertures is not None:
            apertures = check_apertures(apertures, band).value.tolist()
        return {**plain, 'apertures': apertures}
