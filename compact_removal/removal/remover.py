# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that removes compact sources.
"""

import tempfile
import warnings
from collections import namedtuple
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal import nn
from compact_removal.removal.locate import FLAG, locate
from compact_removal.removal.background import estimate_background, hole_taper
from compact_removal.removal.training import (TRAINING_DEFAULTS, fit_remover,
                                              load_model)
from compact_removal.maps.images import (check_apertures, read_image,
                                         warn_of_band, warn_of_width)
from compact_removal.removal.measure import measure
from compact_removal.maps.positions import read_positions
from compact_removal.removal.results import make_ccd, make_table
from compact_removal.base import BaseEstimator, NotFittedError
from compact_removal.removal.calibration import calibration
from compact_removal.instruments import (Band, ObservingMode, get_band,
                                         list_bands)
from compact_removal.utils.files import check_overwrite

__all__ = ['TRAINING_DEFAULTS', 'CompactSourceRemover', 'RemovalResult']


# Pixels between the largest hole and the edge of the cutout, at least.
_AROUND_HOLES = 4


class RemovalResult(namedtuple('RemovalResult', ['background', 'sources'])):
    """
    What `CompactSourceRemover.remove` returns; it unpacks.

    Attributes
    ----------
    background : `~astropy.nddata.CCDData`
        The map without the sources.
    sources : `~astropy.table.QTable`
        One row per position, in the input's order.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> result = CompactSourceRemover('scanmap', 'blue').remove(image, catalog)
    >>> result.background.shape, len(result.sources)
    ((64, 64), 1)
    """

    __slots__ = ()


class CompactSourceRemover(BaseEstimator):
    """
    Remove compact sources from maps, and measure them.

    Each source is covered by a round hole whose radius grows with its
    signal-to-noise ratio (paper, Table 3). A model of the source, fitted
    to its core, is taken out of the map, wings included. Then a network
    estimates the background in the hole, from the pixels around it
    (inpainting) or from all pixels (separation); the flux of the source
    is what was removed, corrected for the aperture. "Paper" is Madarasz
    et al., "A Deep Neural Network Approach to Compact Source Removal".

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode: ``'scanmap'`` or ``'parallel'``.
    band : str, Quantity or `~compact_removal.instruments.Band`
        The band (``'blue'``, ``'green'``, ``'red'``), its wavelength
        (70, 100 or 160 um), or a band object of another instrument.
    network : {'separation', 'inpainting'}, optional
        ``'separation'``: sees the pixels under the sources, too, and
        tells errors. ``'inpainting'``: the network of the paper, which
        sees only the pixels outside the holes.
    weights : str or path-like, optional
        ``'default'``: the weights that ship for ``network`` and
        ``mode``; or the name of shipped weights, or a safetensors file.
        `None`: random weights, to be trained with `fit`. After `fit` and
        `load` it only tells where the next `fit` starts.
    apertures : `~astropy.units.Quantity`, optional
        Aperture radii (angle), scalar or ``(m,)``; the first gives
        ``flux``, further ones ``flux_1``, ... Default: one, the
        band's.
    cutout_size : int, optional
        Side of the cutouts in pixels. Default: 64 for separation, 96
        for inpainting, or what the largest hole needs.
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

    output_files = {'background': '_background.fits',
                    'sources': '_sources.ecsv'}
    positions_use = 'required'

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
        """
        Remove sources from a map, see `remove`.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`
            The map.
        positions : SkyCoord, Table or regions
            The sources.

        Returns
        -------
        products : dict
            ``background`` and ``sources``.
        """
        return self.remove(image, positions)._asdict()

    def check_params(self):
        """
        Check the parameters; mode and band may be None.

        Raises
        ------
        TypeError, ValueError
            If a parameter is not allowed.
        """
        if self.mode is not None and self.band is not None:
            check_apertures(self.apertures, self._check())
            return
        # any will do for the other parameters
        any_row = list_bands()[0]
        type(self)(**{**self.get_params(),
                      'mode': self.mode or str(any_row['mode']),
                      'band': self.band or str(any_row['band'])})._check()

    def check_images(self, images):
        """
        Check that images are maps with a celestial WCS and a unit.

        Parameters
        ----------
        images : list of `~astropy.nddata.CCDData`
            The images.

        Raises
        ------
        TypeError, ValueError
            If one of them is not allowed.
        """
        for image in images:
            read_image(image)

    def describe_task(self, image, positions=None):
        """
        Describe what was removed, for the header of a result.

        Parameters
        ----------
        image : str
            Name of the file of the map.
        positions : str, optional
            Name of the file of the positions, if it was a file.

        Returns
        -------
        history : str
            The sentence.
        """
        what = 'sources' if positions is None else f'sources of {positions}'
        return f'{what} removed from {image}'

    @classmethod
    def list_weights(cls):
        """
        List the weights that ship for the estimator.

        Returns
        -------
        rows : list of dict
            Their ``name``, ``network``, ``sha256`` and more.
        """
        return nn.list_weights()

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
            The sources: sky coordinates, a table with a SkyCoord column
            or columns of longitude and latitude such as ``ra`` and
            ``dec`` (degrees where they have no unit), or sky regions.

        Returns
        -------
        result : `RemovalResult`
            ``background``, a `~astropy.nddata.CCDData` of the same
            shape, unit and WCS: pixels outside the footprints of the
            sources are those of the input, bit by bit; ``flags`` marks
            changed pixels (``PIXEL_FLAGS``), ``uncertainty`` is the
            error of the estimate (elsewhere that of the input, or 0),
            ``meta`` the provenance. Masked and non-finite pixels keep
            their values. The footprint of a source is its hole with a
            soft edge; for separation it reaches out to where the wings
            drop below a tenth of the local standard deviation.
            ``sources``, a `~astropy.table.QTable` with the columns
            ``id``, ``sky_center``, ``x_center``, ``y_center`` (pixels),
            ``snr`` (eq. 1), ``mask_radius`` (pixels of the map), ``flux``,
            ``flux_err``, ``aperture_radius``, ``aperture_correction``,
            ``flux_<i>``, ``flux_err_<i>``, ``annulus_flux``,
            ``annulus_flux_err`` and ``flags`` (see `decode_flags`);
            radius and correction of further apertures, too, with
            ``_<i>``. ``sky_center`` is the position that was given, the
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
        input_map = read_image(image)
        coordinates = read_positions(positions)
        apertures = check_apertures(self.apertures, band)
        model, info = self._model()
        sources = locate(input_map, coordinates, band,
                                 recenter=self.recenter)
        if np.all(sources.flags & FLAG['off_map']) and sources.x.size:
            warnings.warn('none of the positions lies on the map (are '
                          'longitude and latitude in their columns, and '
                          'their units right?)', AstropyUserWarning,
                          stacklevel=2)
        warn_of_band(image, band)
        if not hasattr(self, 'model_'):
            warn_of_width(band, input_map.pixel_scale)

        def predict(images, validity, models, psf):
            return nn.predict(model, images, validity, sources=models,
                              fwhm=psf.fwhm, psf_error=psf.uncertainty,
                              batch_size=self.batch_size,
                              device=self.device)

        limits = nn.network_limits(self.network)
        size = self.cutout_size
        if size is None:
            size = self._cutout_size(limits, sources.radius, hole_taper(
                band, input_map.pixel_scale))
        background = estimate_background(
            input_map, sources, predict, band=band,
            size=size, separates=limits.separates,
            apertures=(apertures / input_map.pixel_scale).to_value(
                u.dimensionless_unscaled),
            error_scale=calibration(info, 'hole_error'),
            progress_bar=self.progress_bar)
        columns = measure(
            input_map, background, sources, band=band, apertures=apertures,
            error_scale=calibration(info, 'flux_error'))
        table = make_table(input_map, coordinates, sources, columns)
        provenance = self._provenance(band, info, size)
        provenance['CRNPSF'] = sources.n_psf
        table.meta.update(provenance)
        return RemovalResult(make_ccd(image, background, provenance), table)

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
        backgrounds : list of `~astropy.nddata.CCDData` or None
            Maps to learn from; `None`: simulated ones.
        catalogs : list, optional
            Positions of real sources in each map, to stay away from; as
            for `remove`, or `None` for a map without.
        validation : list of `~astropy.nddata.CCDData`, optional
            Maps that decide which epoch's weights are kept; default:
            other cutouts of ``backgrounds``.
        training : dict, optional
            Settings of the training, see ``TRAINING_DEFAULTS``, which
            has one dict per network.

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
            self, band, backgrounds, catalogs, validation, training)
        # so that it is the same before it is saved and after
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'weights.safetensors'
            nn.save_weights(model, path)
            self.model_, _ = nn.load_weights(path)
        self.info_, self.history_ = info, history
        self.n_epochs_ = len(history['epoch'])
        return self

    def save(self, path, *, overwrite=False):
        """
        Write the network's weights and the parameters to a file.

        Parameters
        ----------
        path : str or path-like
            A safetensors file; parameters go into its header as JSON.
        overwrite : bool, optional
            Whether an existing file may be replaced.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is False.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        ValueError
            If a parameter is not allowed, or an object that a file
            cannot hold.
        """
        path = check_overwrite(path, overwrite=overwrite)
        band = self._check()
        model, info = self._model()
        nn.save_weights(model, path,
                        {**info, 'estimator': self._plain_params(band)})

    @classmethod
    def load(cls, path):
        """
        Read what `save` has written.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        remover : `CompactSourceRemover`
            An estimator that is ready to use.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it was not written by `save`, or is damaged.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from compact_removal import CompactSourceRemover
        >>> remover = CompactSourceRemover('scanmap', 'blue', recenter=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / 'remover.safetensors'
        ...     remover.save(path)
        ...     CompactSourceRemover.load(path)
        CompactSourceRemover('scanmap', 'blue', recenter=True)
        """
        model, info = nn.load_weights(path)
        stored = info.get('estimator')
        if stored is None:
            msg = (f'path: {path} was not written by {cls.__name__}.save; '
                   f'give files with weights alone as weights')
            raise ValueError(msg)
        try:
            params = {name: stored[name] for name in cls(None, None)
                      .get_params()}
            if params['apertures'] is not None:
                params['apertures'] = np.array(
                    params['apertures'], dtype=float) * u.arcsec
            remover = cls(**params)
            check_apertures(remover.apertures, remover._check())
            good = (len(params) == len(stored)
                    and remover.network == info['network'])
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            msg = f'path: {path} holds parameters that are not allowed'
            raise ValueError(msg)
        remover.model_, remover.info_ = model, info
        return remover

    def _check(self):
        """
        Validate the parameters and return the band.
        """
        band = get_band(self.mode, self.band)
        for name in ('cutout_size', 'batch_size'):
            value = getattr(self, name)
            if name == 'cutout_size' and value is None:
                continue
            if (not isinstance(value, (int, np.integer))
                    or isinstance(value, bool) or value < 1):
                msg = f'{name} must be a positive integer, got {value!r}'
                raise ValueError(msg)
        if not isinstance(self.recenter, (bool, np.bool_)):
            msg = f'recenter must be True or False, got {self.recenter!r}'
            raise ValueError(msg)
        step, smallest, *_ = nn.network_limits(self.network)
        if self.cutout_size is not None and (
                self.cutout_size % step or self.cutout_size < smallest):
            msg = (f'cutout_size must be a multiple of {step} and at least '
                   f'{smallest} for network {self.network!r}, got '
                   f'{self.cutout_size}')
            raise ValueError(msg)
        return band

    def _model(self):
        """
        The fitted network and its description, or that of ``weights``.
        """
        if hasattr(self, 'model_'):
            if self.info_['network'] != self.network:
                msg = (f'network must be {self.info_["network"]!r}, which '
                       f'was fitted or loaded, got {self.network!r}; call '
                       f'fit() again to change it')
                raise ValueError(msg)
            return self.model_, self.info_
        if self.weights is None:
            msg = ('weights is None, so the network is not trained: call '
                   'fit() first, or choose weights')
            raise NotFittedError(msg)
        return load_model(self.network, self.mode, self.weights, shared=True)

    def _plain_params(self, band):
        """
        Parameters as JSON can hold them.
        """
        for name, kind in (('band', Band), ('mode', ObservingMode)):
            if isinstance(getattr(self, name), kind):
                msg = (f'{name} must be a name in the tables for saving; keep '
                       f'an own {kind.__name__} in a script, and save the '
                       f'network with compact_removal.nn.save_weights('
                       f'remover.model_, path, remover.info_)')
                raise ValueError(msg)
        params = self.get_params()
        params['band'] = band.name
        if self.weights is not None:
            params['weights'] = str(self.weights)
        if self.apertures is not None:
            params['apertures'] = check_apertures(self.apertures,
                                                   band).value.tolist()
        return self._to_plain(params)

    @staticmethod
    def _cutout_size(limits, radius, taper):
        """
        The usual size, or what the largest hole needs.
        """
        largest = np.nanmax(radius, initial=0)
        steps = np.ceil(2 * (largest + taper + _AROUND_HOLES)
                        / limits.size_step)
        return max(limits.usual_size, int(steps) * limits.size_step)

    def _provenance(self, band, info, size):
        """
        What a result must tell of its making, as FITS keywords.
        """
        from compact_removal import __version__

        return {
            'CRVERS': __version__,
            'CRMODE': band.mode,
            'CRBAND': band.name,
            'CRNET': self.network,
            'CRWEIGHT': info.get('name', 'fitted'),
            'CRSHA256': info.get('sha256', ''),
            'CRCUTOUT': int(size),
            'CRRECENT': bool(self.recenter),
        }
