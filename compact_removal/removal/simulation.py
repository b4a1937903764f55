# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training cutouts of the removal, made from simulated scenes.
"""

from dataclasses import replace

import numpy as np

from compact_removal.datasets import SceneSettings, SceneSimulator
from compact_removal.fitting.models import LEAST_SHOWN, SourceModels
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.solver import fit_sources
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.instruments import get_band, get_mode, list_bands
from compact_removal.maps.holes import draw_discs, mask_radius, source_snr
from compact_removal.photometry.apertures import soft_aperture_weights
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)

__all__ = ['TrainingCutouts']

# Cutouts of a batch with the same PSF, how often it is not learned, and
# from how many bright sources otherwise (log10).
_GROUP = 4
_NOMINAL_CHANCE = 0.3
_LOG_BRIGHT = (0.0, 1.5)

# Ratios of these bright sources (log10), at the quantiles of
# `SceneSettings`.
_BRIGHT_QUANTILES = (0.0, 0.25, 0.55, 0.8, 0.95, 1.0)
_LOG_RATIOS_BRIGHT = (0.8, 1.2, 1.6, 2.1, 2.7, 3.5)


class TrainingCutouts:
    """
    Batches of cutouts with injected sources, and the truth behind them.

    Each cutout is a scene (`~compact_removal.datasets.SceneSimulator`)
    with one source near its centre and often some neighbours (paper,
    Sect. 2.3 and 2.4). The PSF differs from the nominal one; how much of
    that is known differs, too. Holes have the radius that the
    signal-to-noise ratio of each source asks for (paper, eq. 1 and
    Table 3). A batch depends on the seed and the numbers of epoch and
    batch only, so that several processes may share the work.

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode.
    maps : sequence of `~compact_removal.datasets.BackgroundMap`, optional
        Real maps. Cutouts of one with a pixel scale show its band with
        its pixels; others are dimensionless.
    bands : sequence of str or `~compact_removal.instruments.Band`, optional
        Bands to mix; default: all bands of the mode.
    batch_size : int, optional
        Cutouts per batch.
    n_batches : int, optional
        Batches per epoch.
    seed : int, optional
        Seed; `None` for one that differs each time.
    cache_size : int, optional
        Memory (bytes) for simulated and smoothed maps, see
        `~compact_removal.datasets.SceneSimulator`.
    with_snr : bool, optional
        Whether batches have the signal-to-noise ratios, too, which
        networks do not see.
    subtract_models : bool, optional
        Whether fitted sources are taken out of the maps, as for all
        networks but that of the paper.
    **settings
        Settings of the scenes, see
        `~compact_removal.datasets.SceneSettings`. The catalogue position
        of the central source lies within half a pixel of pixel
        ``size // 2``.

    Attributes
    ----------
    bands : tuple of `~compact_removal.instruments.Band`
        The bands of the cutouts, with the pixels of the maps.
    simulator : `~compact_removal.datasets.SceneSimulator`
        What draws the scenes.

    Raises
    ------
    ParameterError
        If a parameter is out of range, there is no such mode or band, or
        no map has room for a cutout.

    Examples
    --------
    >>> from compact_removal.removal import TrainingCutouts
    >>> cutouts = TrainingCutouts('scanmap', bands=['blue'], size=48,
    ...                           batch_size=4, n_batches=2, n_fields=2,
    ...                           field_size=64, n_psfs=3, seed=1)
    >>> for batch in cutouts.epoch(0):
    ...     print(len(batch), batch['image'].shape)
    7 (4, 48, 48)
    7 (4, 48, 48)
    """

    def __init__(self, mode, maps=(), *, bands=None, batch_size=32,
                 n_batches=100, seed=None, cache_size=None, with_snr=False,
                 subtract_models=True, **settings):
        check_boolean('with_snr', with_snr)
        check_boolean('subtract_models', subtract_models)
        self.with_snr, self.subtract_models = with_snr, subtract_models
        self.batch_size = check_positive_integer('batch_size', batch_size)
        self.n_batches = check_positive_integer('n_batches', n_batches)
        self.mode = get_mode(mode)
        if bands is None:
            table = list_bands()
            bands = [str(name) for name in
                     table['band'][table['mode'] == self.mode.name]]
        bands = [get_band(self.mode, band) for band in bands]
        if not bands:
            msg = f'bands must name at least one band of {self.mode.name!r}'
            raise ParameterError(msg, 'bands')
        unknown = settings.keys() - SceneSettings.__dataclass_fields__.keys()
        if unknown:
            msg = (f'{min(unknown)} is no setting of scenes; allowed are '
                   f'{", ".join(SceneSettings.__dataclass_fields__)}')
            raise ParameterError(msg, min(unknown))
        options = {} if cache_size is None else {'cache_size': cache_size}
        self.simulator = SceneSimulator(
            bands, maps, settings=SceneSettings(**settings), seed=seed,
            **options)
        self.bands, self.seed = self.simulator.bands, self.simulator.seed
        self._psfs = [SourcePSF(band, band.pixel_scale)
                      for band in self.bands]
        self._learned = {}

    def __getstate__(self):
        # what can be learned again stays behind
        return {**self.__dict__, '_learned': {}}

    def __repr__(self):
        return (f'{type(self).__name__}(mode={self.mode.name!r}, '
                f'n_maps={self.simulator.n_maps}, '
                f'size={self.simulator.settings.size}, '
                f'batch_size={self.batch_size}, n_batches={self.n_batches})')

    def __len__(self):
        return self.n_batches

    def epoch(self, i):
        """
        Make the batches of one epoch.

        Parameters
        ----------
        i : int
            Number of the epoch, from 0.

        Yields
        ------
        batch : dict of `~numpy.ndarray`
            See `batch`.
        """
        for number in range(self.n_batches):
            yield self.batch(i, number)

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        number : int
            Number of the batch in its epoch, from 0.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            Float32, shape ``(batch_size, size, size)``: ``image`` (the
            map minus the fitted sources; with them where
            ``subtract_models`` is False; NaN where there is no
            measurement), ``sources`` (the fitted sources, without the
            fluxes of faint ones, see
            `~compact_removal.fitting.SourceModels.shown`), ``validity``
            (1 where a pixel shows background, 0 in the hole of any
            source or where there is no measurement), ``target`` (the
            background with its noise; NaN where it is not known),
            ``aperture`` (weights of the photometric aperture of the
            central source, soft at its edge); and of shape
            ``(batch_size,)``: ``fwhm``, the width of the nominal PSF (pixels),
            ``psf_error``, how well the shapes of sources are known
            (`~compact_removal.fitting.SourcePSF.uncertainty`), and
            ``snr``, the signal-to-noise ratio of the central source, if
            it was asked for.
        """
        rng = np.random.default_rng([self.seed, 1, epoch, number])
        n, size = self.batch_size, self.simulator.settings.size
        batch = {key: np.empty((n, size, size), dtype=np.float32)
                 for key in ('image', 'sources', 'validity', 'target',
                             'aperture')}
        batch |= {key: np.empty(n, dtype=np.float32)
                  for key in ('fwhm', 'psf_error', 'snr')}
        for start in range(0, n, _GROUP):
            group = {key: values[start:start + _GROUP]
                     for key, values in batch.items()}
            self._fill_group(group, rng)
        if not self.with_snr:
            del batch['snr']
        return batch

    def _fill_group(self, group, rng):
        """
        Fill cutouts with the same PSF, in place.
        """
        number, member = self.simulator.draw_psf(rng)
        psf = self._psfs[number]
        if rng.random() > _NOMINAL_CHANCE:
            psf = self._learned_psf(number, member)
        group['fwhm'][:], group['psf_error'][:] = psf.fwhm, psf.uncertainty
        scenes = [self.simulator.draw(rng, number, member)
                  for _ in group['fwhm']]
        holes, models, shown, group['snr'][:] = self._model_sources(
            number, psf, scenes)
        band = self.bands[number]
        radius = float(band.default_aperture / band.pixel_scale)
        for k, scene in enumerate(scenes):
            group['image'][k] = scene.image - (
                models[k] if self.subtract_models else 0)
            group['sources'][k] = shown[k]
            group['validity'][k] = scene.known & ~holes[k]
            group['target'][k] = scene.background
        group['aperture'][:] = soft_aperture_weights(
            [scene.x_catalog[0] for scene in scenes],
            [scene.y_catalog[0] for scene in scenes], len(scenes) * [radius],
            self.simulator.settings.size)

    def _model_sources(self, number, psf, scenes):
        """
        Holes and fitted models of all sources of some scenes, as they
        are and as networks see them; ratios of the central sources.
        """
        tall, x, y = self._stack(number, scenes)
        snr, _, std = self._measure_snr(number, tall, x, y)
        # the holes of faint sources are all alike
        radii = mask_radius(np.maximum(snr, LEAST_SHOWN), self.bands[number])
        flux, shapes, *_ = fit_sources(tall, x, y, psf, std)
        holes, models, shown, central = [], [], [], []
        start = 0
        for scene in scenes:
            part = slice(start, start + scene.flux.size)
            places = scene.x_catalog, scene.y_catalog
            shape = scene.background.shape
            holes.append(draw_discs(shape, *places, radii[part]) > 0)
            fitted = SourceModels(*places, flux[part], shapes[part], psf,
                                  std[part])
            models.append(fitted.render(shape))
            shown.append(fitted.shown().render(shape))
            central.append(snr[start])
            start = part.stop
        return (holes, *(np.array(values, dtype=np.float32)
                         for values in (models, shown, central)))

    def _learned_psf(self, number, member):
        """
        One of the PSFs of a band, as bright sources of a map show it.
        """
        if (number, member) not in self._learned:
            rng = np.random.default_rng([self.seed, 4, number, member])
            n_sources = round(10 ** rng.uniform(*_LOG_BRIGHT))
            alone = replace(self.simulator.settings, loss_chance=0.0,
                            neighbor_chance=0.0, empty_chance=0.0,
                            negative_chance=0.0,
                            quantiles=_BRIGHT_QUANTILES,
                            log_ratios=_LOG_RATIOS_BRIGHT,
                            neighbor_log_ratios=_LOG_RATIOS_BRIGHT)
            scenes = [self.simulator.draw(rng, number, member,
                                          settings=alone)
                      for _ in range(n_sources)]
            tall, x, y = self._stack(number, scenes)
            _, _, std = self._measure_snr(number, tall, x, y)
            self._learned[number, member], _ = learn_psf(
                tall, x, y, self._psfs[number], std)
        return self._learned[number, member]

    def _stack(self, number, scenes):
        """
        All cutouts in one tall map, with gaps between them.

        Returns the map and the catalogue positions of all sources in it.
        """
        size = self.simulator.settings.size
        gap = int(np.ceil(max(self.bands[number].annulus_radii[1],
                              7 * self._psfs[number].fwhm))) + 3
        tall = np.full((len(scenes), size + gap, size), np.nan,
                       dtype=np.float32)
        for part, scene in zip(tall, scenes, strict=True):
            part[:size] = scene.image
        x = np.concatenate([scene.x_catalog for scene in scenes])
        y = np.concatenate([scene.y_catalog + row * (size + gap)
                            for row, scene in enumerate(scenes)])
        return tall.reshape(-1, size), x, y

    def _measure_snr(self, number, tall, x, y):
        """
        Signal-to-noise ratios, means and standard deviations of sources.
        """
        band = self.bands[number]
        return source_snr(tall, x, y, source_radius=band.source_radius,
                          annulus_radii=band.annulus_radii)
