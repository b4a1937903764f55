# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Draw scenes from simulated and real maps.
"""

import numpy as np

from compact_removal.datasets._places import (BoundedCache, CutoutPlaces,
                                              flip_at_random, lose_pixels)
from compact_removal.datasets._scene_bands import (count_slots, match_bands,
                                                   weigh_maps)
from compact_removal.datasets._scene_sources import (SourceDrawer,
                                                     draw_neighbor_pixel)
from compact_removal.datasets._stamps import StampLibrary
from compact_removal.datasets.background_maps import BackgroundMap
from compact_removal.datasets.backgrounds import (draw_background_settings,
                                                  make_background)
from compact_removal.datasets.scenes import Scene, SceneSettings
from compact_removal.instruments import get_band
from compact_removal.maps.holes import source_snr
from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['SceneSimulator', 'make_scene']

# Memory for maps that can be made again (bytes).
_CACHE_SIZE = 256 * 2 ** 20


class SceneSimulator:
    """
    Draws scenes from simulated and real maps.

    The background of a scene is a piece of a simulated or real map,
    flipped, rotated by right angles and scaled at random. Its sources
    have a PSF that differs from the nominal one, and positions with
    errors. A scene depends on the settings, bands, maps and random
    numbers only, not on those drawn before; what is kept saves time.

    Parameters
    ----------
    bands : sequence of `~compact_removal.instruments.Band`
        Bands to mix; one may be there several times.
    maps : sequence of `BackgroundMap`, optional
        Real maps. One with a pixel scale is shown in a band with its
        pixels; others are dimensionless, and shown in any.
    settings : `SceneSettings`, optional
        What is simulated.
    seed : int, optional
        Seed; `None` for one that differs each time.
    cache_size : int, optional
        Memory (bytes) for simulated and smoothed maps. Those that were
        not used for longest are made again when they are needed. The
        images of sources, whose number is limited by the settings, are
        kept beside them.

    Attributes
    ----------
    bands : tuple of `~compact_removal.instruments.Band`
        The bands of the scenes, with the pixels of the maps.
    n_maps : int
        Number of real maps with room for a cutout.

    Raises
    ------
    ParameterError
        If there is no band, no map has room for a cutout, or a map has
        pixels that differ too much from those of its band.

    Examples
    --------
    >>> from compact_removal.datasets import SceneSettings, SceneSimulator
    >>> from compact_removal.instruments import get_band
    >>> settings = SceneSettings(size=48, field_size=64, n_psfs=2)
    >>> simulator = SceneSimulator([get_band('scanmap', 'blue')],
    ...                            settings=settings, seed=1)
    >>> scene = simulator.scene(7)
    >>> scene.image.shape
    (48, 48)
    """

    def __init__(self, bands, maps=(), *, settings=None, seed=None,
                 cache_size=_CACHE_SIZE):
        self.settings = SceneSettings() if settings is None else settings
        self.seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        bands = list(bands)
        if not bands:
            msg = 'bands must hold at least one band, got none'
            raise ParameterError(msg, 'bands')
        self._maps = list(maps)
        self._places = {}
        groups = weigh_maps(
            match_bands(bands, self._maps),
            lambda *key: self._original(*key).count())
        self._entries = [entry for group in groups for entry in group]
        self._slots = count_slots(groups)
        self.n_maps = len({number for entry in self._entries
                           for number in entry.maps})
        self.bands = tuple(entry.band for entry in self._entries)
        self._libraries = {}
        self._cache = BoundedCache(check_positive_integer('cache_size',
                                                          cache_size))
        y, x = np.indices((self.settings.size,) * 2) - self.settings.size // 2
        self._radius = np.hypot(x, y)

    def __getstate__(self):
        # what can be made again stays behind
        return {**self.__dict__, '_libraries': {},
                '_cache': BoundedCache(self._cache.limit)}

    def __repr__(self):
        names = ', '.join(band.name for band in self.bands)
        return (f'<{type(self).__name__}: bands {names}; {self.n_maps} maps; '
                f'size {self.settings.size}>')

    @property
    def cache_bytes(self):
        """
        Memory (bytes) of the maps that are kept at the moment.
        """
        return self._cache.nbytes

    def draw_psf(self, rng):
        """
        Draw a band and a PSF.

        Parameters
        ----------
        rng : `~numpy.random.Generator`
            Source of randomness.

        Returns
        -------
        band, psf : int
            Number in ``bands``, and number of the PSF.
        """
        band = self._slots[rng.integers(len(self._slots))]
        return band, int(rng.integers(self.settings.n_psfs))

    def scene(self, index):
        """
        Draw a cutout by its number.

        Parameters
        ----------
        index : int
            The number, >= 0.

        Returns
        -------
        scene : `Scene`
            The same one for the same settings, bands, maps and seed.
        """
        rng = np.random.default_rng([self.seed, 5, index])
        return self.draw(rng, *self.draw_psf(rng))

    def draw(self, rng, band, psf, *, settings=None):
        """
        Draw a cutout with one source near its centre.

        Its catalogue position lies within half a pixel of the centre of
        pixel ``size // 2``. It often has neighbours.

        Parameters
        ----------
        rng : `~numpy.random.Generator`
            Source of randomness.
        band, psf : int
            From `draw_psf`.
        settings : `SceneSettings`, optional
            Other settings of sources, errors and lost pixels. Those of
            maps and PSFs must be those of the simulator.

        Returns
        -------
        scene : `Scene`
            The cutout.
        """
        settings = self.settings if settings is None else settings
        entry, size = self._entries[band], settings.size
        if rng.random() < settings.real_fraction and entry.maps:
            places = self._real(entry, entry.draw_map(rng))
        else:
            places = self._field(band, int(rng.integers(settings.n_fields)))
        cutout = flip_at_random(places.draw(
            rng, (size, size), edge_chance=settings.edge_chance), rng)
        background, known, factor = _scale(cutout, settings, rng)
        inner, outer = entry.band.annulus_radii
        ring = ((self._radius >= inner) & (self._radius <= outer)
                & np.isfinite(background))
        std = 0.0
        if ring.any():
            std = float(background[ring].std(dtype=np.float64))
        std = std or 1.0

        n_neighbors = 0
        if (settings.neighbor_chance
                and rng.random() < settings.neighbor_chance):
            n_neighbors = int(rng.integers(1, settings.max_neighbors + 1))
        least = 1.5 * entry.band.mask_radii[-1]
        sources = SourceDrawer(self._library(band), psf, settings, rng)
        for k in range(n_neighbors + 1):
            sources.draw_stamp()
            if k == 0:
                sources.center(size // 2)
                sources.draw_flux(settings.log_ratios, std,
                                  empty=settings.empty_chance,
                                  negative=settings.negative_chance)
            else:
                sources.place(*draw_neighbor_pixel(rng, size, least))
                sources.draw_flux(settings.neighbor_log_ratios, std)
        return Scene(background, known, factor * places.noise, entry.band,
                     psf, **sources.arrays())

    def draw_map(self, rng, band, psf, *, shape, n_sources):
        """
        Draw a whole map with sources anywhere.

        Parameters
        ----------
        rng : `~numpy.random.Generator`
            Source of randomness.
        band, psf : int
            From `draw_psf`.
        shape : tuple of int
            ``(ny, nx)``.
        n_sources : int
            Number of sources, >= 0. They have no central source among
            them, and may overlap.

        Returns
        -------
        scene : `Scene`
            The map. A real map that is smaller than ``shape`` leaves
            unknown pixels around it.
        """
        if len(shape) != 2 or min(shape) < 1:
            msg = f'shape must be two positive numbers, got {shape!r}'
            raise ParameterError(msg, 'shape')
        if n_sources < 0:
            msg = f'n_sources must not be negative, got {n_sources!r}'
            raise ParameterError(msg, 'n_sources')
        entry, settings = self._entries[band], self.settings
        if rng.random() < settings.real_fraction and entry.maps:
            places = self._real(entry, entry.draw_map(rng))
            cutout, noise = places.draw(rng, shape), places.noise
        else:
            cutout, noise = _make_field(shape, entry, settings, rng)
            cutout = cutout.astype(np.float32)
        background, known, factor = _scale(flip_at_random(cutout, rng),
                                           settings, rng)
        x = rng.integers(shape[1], size=n_sources)
        y = rng.integers(shape[0], size=n_sources)
        _, _, std = source_snr(background, x, y,
                               source_radius=entry.band.source_radius,
                               annulus_radii=entry.band.annulus_radii)
        std = np.where(std > 0, std, np.nanstd(background) or 1.0)
        sources = SourceDrawer(self._library(band), psf, settings, rng)
        for k in range(n_sources):
            sources.draw_stamp()
            sources.place(int(x[k]), int(y[k]))
            sources.draw_flux(settings.log_ratios, float(std[k]))
        return Scene(background, known, factor * noise, entry.band, psf,
                     **sources.arrays())

    def _original(self, number, scale):
        """
        One of the real maps, as it is.
        """
        key = number, scale
        if key not in self._places:
            self._places[key] = CutoutPlaces(
                self._maps[number], self.settings.clearance, scale=scale)
        return self._places[key]

    def _real(self, entry, number):
        """
        One of the real maps, with at least the beam of a band.
        """
        beam = self._maps[number].fwhm
        if beam is not None:
            # in steps, so that similar bands share their maps
            beam = max(beam, np.floor(2 * entry.fwhm) / 2)
        if beam == self._maps[number].fwhm:
            return self._original(number, entry.scale)
        return self._cache.get(
            ('real', number, beam, entry.scale),
            lambda: CutoutPlaces(self._maps[number].smoothed(beam),
                                 self.settings.clearance, scale=entry.scale))

    def _field(self, band, number):
        """
        One of the simulated maps of a band.
        """
        def make():
            rng = np.random.default_rng([self.seed, 2, band, number])
            data, noise = _make_field((self.settings.field_size,) * 2,
                                      self._entries[band], self.settings, rng)
            return CutoutPlaces(BackgroundMap(data), 0.0, noise=noise,
                                scale=self._entries[band].scale)

        return self._cache.get(('field', band, number), make)

    def _library(self, band):
        """
        The images of sources of a band.
        """
        if band not in self._libraries:
            rng = np.random.default_rng([self.seed, 3, band])
            self._libraries[band] = StampLibrary(
                self.bands[band], self.settings.n_psfs,
                self.settings.n_stamps, 2 * self.settings.size // 3, rng,
                knots=self.settings.knots)
        return self._libraries[band]


def _make_field(shape, entry, settings, rng):
    """
    A simulated background and its noise.
    """
    beam = entry.fwhm * rng.uniform(*settings.beam)
    drawn = draw_background_settings(rng)
    return make_background(shape, fwhm=beam, seed=rng, **drawn), drawn['noise']


def _scale(cutout, settings, rng):
    """
    Background and known pixels of a piece of a map, and its factor.
    """
    measured = np.isfinite(cutout)
    values = cutout if measured.all() else cutout[measured]
    factor = np.float32(10 ** rng.uniform(*settings.log_spread)) / max(
        float(values.std(dtype=np.float64)), 1e-30)
    offset = np.float32(rng.uniform(*settings.offset))
    middle = values.mean(dtype=np.float64)
    background = (cutout - np.float32(middle)) * factor
    background += offset
    if settings.loss_chance and rng.random() < settings.loss_chance:
        lose_pixels(measured, rng)
    return background, measured, float(factor)


def make_scene(mode, band, shape=(192, 192), *, n_sources=20, settings=None,
               seed=None):
    """
    Make a simulated map with sources whose truth is known.

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode.
    band : str or `~compact_removal.instruments.Band`
        The band.
    shape : tuple of int, optional
        ``(ny, nx)``.
    n_sources : int, optional
        Number of sources.
    settings : `SceneSettings`, optional
        What is simulated; default: one PSF.
    seed : int, optional
        Seed.

    Returns
    -------
    scene : `Scene`
        The map, its background, and its sources.

    Raises
    ------
    ParameterError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.datasets import make_scene
    >>> scene = make_scene('scanmap', 'red', (64, 96), n_sources=2, seed=3)
    >>> scene.image.shape, len(scene.stamps)
    ((64, 96), 2)
    """
    settings = SceneSettings(n_psfs=1) if settings is None else settings
    simulator = SceneSimulator([get_band(mode, band)], settings=settings,
                               seed=seed)
    rng = np.random.default_rng([simulator.seed, 6])
    return simulator.draw_map(rng, *simulator.draw_psf(rng), shape=shape,
                              n_sources=n_sources)
