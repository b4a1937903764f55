# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training cutouts, made on the fly from simulated and real maps.
"""

import numpy as np

from compact_removal.datasets._sites import Sites, lose_pixels, turn
from compact_removal.datasets._stamps import StampLibrary
from compact_removal.datasets.backgrounds import make_random_background
from compact_removal.datasets.background_maps import BackgroundMap
from compact_removal.instruments import get_band, get_mode, list_bands
from compact_removal.maps.holes import draw_discs, mask_radius, source_snr
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.models import fit_sources, render_sources
from compact_removal.fitting.source_psf import SourcePSF

__all__ = ['TrainingCutouts']

# Ratio of peak to local standard deviation of the background (log10)
# that a share of the sources does not reach, for the central source and
# for neighbours.
_SHARES = (0.0, 0.25, 0.55, 0.8, 0.95, 1.0)
_LOG_RATIO = (-0.6, 0.4, 1.2, 2.2, 3.2, 4.2)
_LOG_RATIO_BRIGHT = (0.8, 1.2, 1.6, 2.1, 2.7, 3.5)
_LOG_RATIO_NEIGHBOR = (-0.6, 0.0, 0.7, 1.5, 2.2, 2.7)

_NEIGHBOR_CHANCE = 0.5
_MAX_NEIGHBORS = 4

# Cutouts of a batch with the same PSF, stamps of each PSF, how often it
# is not learned, and from how many bright sources otherwise (log10).
_GROUP = 4
_STAMPS_PER_PSF = 6
_NOMINAL_CHANCE = 0.3
_LOG_BRIGHT = (0.0, 1.5)

# Error of catalogue positions in pixels: mostly small, some large.
_SMALL_ERROR = 0.2
_LARGE_ERROR = 1.2
_LARGE_ERROR_CHANCE = 0.25

# How often a cutout loses pixels.
_LOSS_CHANCE = 0.08


class TrainingCutouts:
    """
    Batches of cutouts with injected sources, and the truth behind them.

    Each cutout shows a piece of a simulated or real map, flipped,
    rotated and scaled at random, with one source near its centre and
    often some neighbours (paper, Sect. 2.3 and 2.4). The PSF differs
    from the nominal one; how much of that is known differs, too. Holes
    have the radius that the signal-to-noise ratio of each source asks
    for (paper, eq. 1 and Table 3). Everything depends on the seed and
    the number of the epoch only.

    Parameters
    ----------
    mode : str or `~compact_removal.instruments.ObservingMode`
        The observing mode.
    maps : sequence of `BackgroundMap`, optional
        Real maps, in the pixel scale of the bands, or dimensionless.
    bands : sequence of str or `~compact_removal.instruments.Band`, optional
        Bands to mix; default: all bands of the mode.
    real_fraction : float, optional
        Share of the cutouts that come from ``maps``; ignored without
        any.
    size : int, optional
        Side of the cutouts (pixels); the central source lies within
        half a pixel of pixel ``size // 2`` but for the error of its
        catalogue position.
    batch_size : int, optional
        Cutouts per batch.
    n_batches : int, optional
        Batches per epoch.
    n_fields : int, optional
        Simulated maps per band, made when first needed and kept.
    field_size : int, optional
        Side of the simulated maps (pixels).
    n_psfs : int, optional
        PSFs per band.
    clearance : float, optional
        Least distance (pixels) of the central source from real ones.
    seed : int, optional
        Seed; `None` for one that differs each time.

    Raises
    ------
    ValueError
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

    def __init__(self, mode, maps=(), *, bands=None, real_fraction=0.5,
                 size=96, batch_size=32, n_batches=100, n_fields=800,
                 field_size=192, n_psfs=48, clearance=12.0, seed=None):
        for name, value in (('size', size), ('batch_size', batch_size),
                            ('n_batches', n_batches), ('n_fields', n_fields),
                            ('n_psfs', n_psfs)):
            if value < 1:
                msg = f'{name} must be positive, got {value!r}'
                raise ValueError(msg)
        if not 0 <= real_fraction <= 1:
            msg = f'real_fraction must lie in [0, 1], got {real_fraction!r}'
            raise ValueError(msg)
        if field_size < size:
            msg = (f'field_size must be at least size ({size}), '
                   f'got {field_size}')
            raise ValueError(msg)
        self.mode = get_mode(mode)
        if bands is None:
            table = list_bands()
            bands = [str(name) for name in
                     table['band'][table['mode'] == self.mode.name]]
        self.bands = [get_band(self.mode, band) for band in bands]
        if not self.bands:
            msg = f'bands must name at least one band of {self.mode.name!r}'
            raise ValueError(msg)
        self.size, self.batch_size, self.n_batches = (size, batch_size,
                                                      n_batches)
        self.n_fields, self.field_size = n_fields, field_size
        self.n_psfs, self.clearance = n_psfs, clearance
        self.seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        pairs = [(item, Sites(item, size, clearance)) for item in maps]
        pairs = [pair for pair in pairs if pair[1].edge.size]
        self._maps = [item for item, _ in pairs]
        if len(maps) and not self._maps:
            msg = 'maps have no room for a cutout away from real sources'
            raise ValueError(msg)
        self.real_fraction = real_fraction if self._maps else 0.0
        weights = np.sqrt([float(site.edge.size) for _, site in pairs])
        self._map_shares = np.cumsum(weights / weights.sum())
        self._fields = {}
        self._libraries = {}
        # by number of the map and beam
        self._sites = {(number, item.fwhm): site
                       for number, (item, site) in enumerate(pairs)}
        self._psfs = {}
        self._learned = {}
        y, x = np.indices((size, size)) - size // 2
        self._radius = np.hypot(x, y)

    def __repr__(self):
        return (f'{type(self).__name__}(mode={self.mode.name!r}, '
                f'n_maps={len(self._maps)}, size={self.size}, '
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
            Float32, shape ``(batch_size, size, size)``: ``image`` (the
            map minus the fitted sources; NaN where there is no
            measurement), ``sources`` (the fitted sources, see
            `~compact_removal.fitting.fit_sources`), ``validity``
            (1 where a pixel shows background, 0 in the hole of any
            source or where there is no measurement), ``target`` (the
            background with its noise; NaN where it is not known),
            ``aperture`` (weights of the photometric aperture of the
            central source, soft at its edge); and of shape
            ``(batch_size,)``: ``fwhm``, the width of the nominal PSF (pixels),
            and ``psf_error``, how well the shapes of sources are known
            (`~compact_removal.fitting.SourcePSF.uncertainty`).
        """
        for number in range(self.n_batches):
            yield self.batch(i, number)

    def batch(self, epoch, number):
        """
        Make one batch.
        """
        return self._make_batch(
            np.random.default_rng([self.seed, 1, epoch, number]))

    def _map(self, band, number):
        """
        One of the real maps, with the beam of a band.
        """
        background = self._maps[number]
        fwhm = background.fwhm
        if fwhm is not None:
            # in steps, so that similar bands share their maps
            fwhm = max(fwhm, np.floor(2 * self._psf(band).fwhm) / 2)
        if (number, fwhm) not in self._sites:
            self._sites[number, fwhm] = Sites(
                background.smoothed(fwhm), self.size, self.clearance)
        return self._sites[number, fwhm]

    def _field(self, band, number):
        """
        One of the simulated maps of a band.
        """
        if (band, number) not in self._fields:
            rng = np.random.default_rng([self.seed, 2, band, number])
            data = make_random_background(
                (self.field_size,) * 2,
                fwhm=self._psf(band).fwhm * rng.uniform(0.95, 1.25),
                seed=rng)
            self._fields[band, number] = Sites(
                BackgroundMap(data), self.size, self.clearance)
        return self._fields[band, number]

    def _library(self, band):
        """
        The PSF stamps of a band.
        """
        if band not in self._libraries:
            rng = np.random.default_rng([self.seed, 3, band])
            self._libraries[band] = StampLibrary(
                self.bands[band], self.n_psfs, _STAMPS_PER_PSF,
                2 * self.size // 3, rng)
        return self._libraries[band]

    def _learned_psf(self, band, number):
        """
        One of the PSFs of a band, as bright sources of a map show it.
        """
        if (band, number) not in self._learned:
            rng = np.random.default_rng([self.seed, 4, band, number])
            n = round(10 ** rng.uniform(*_LOG_BRIGHT))
            target = np.empty((n, self.size, self.size), dtype=np.float32)
            image = np.empty_like(target)
            known = np.ones(target.shape, dtype=bool)
            sources = [self._fill(rng, band, number, target[k], image[k],
                                  known[k], bright=True) for k in range(n)]
            image[~known] = np.nan
            tall, x, y = self._stack(band, image, sources)
            _, _, std = self._signal(band, tall, x, y)
            self._learned[band, number], _ = learn_psf(
                tall, x, y, self._psf(band), std)
        return self._learned[band, number]

    def _make_batch(self, rng):
        size, n = self.size, self.batch_size
        target = np.empty((n, size, size), dtype=np.float32)
        image = np.empty_like(target)
        holes = np.zeros(target.shape, dtype=bool)
        models, aperture = np.zeros_like(image), np.empty_like(image)
        known = np.ones(target.shape, dtype=bool)
        fwhm, psf_error = np.empty((2, n), dtype=np.float32)
        grid = np.arange(size)
        for start in range(0, n, _GROUP):
            group = slice(start, start + _GROUP)
            number = int(rng.integers(len(self.bands)))
            member = int(rng.integers(self.n_psfs))
            psf = self._psf(number)
            if rng.random() > _NOMINAL_CHANCE:
                psf = self._learned_psf(number, member)
            sources = [self._fill(rng, number, member, target[k], image[k],
                                  known[k])
                       for k in range(n)[group]]
            image[group][~known[group]] = np.nan
            self._model_sources(number, psf, image[group], sources,
                                holes[group], models[group])
            fwhm[group], psf_error[group] = psf.fwhm, psf.uncertainty
            band = self.bands[number]
            radius = float(band.default_aperture / band.pixel_scale)
            for k, positions in zip(range(n)[group], sources, strict=True):
                x, y = positions[0]
                distance = np.hypot(grid - x, (grid - y)[:, None])
                aperture[k] = np.clip(radius + 0.5 - distance, 0, 1)
        image -= models
        return {'image': image, 'sources': models,
                'validity': (known & ~holes).astype(np.float32),
                'target': target, 'aperture': aperture,
                'fwhm': fwhm, 'psf_error': psf_error}

    def _psf(self, band):
        """
        The round nominal PSF of a band.
        """
        if band not in self._psfs:
            entry = self.bands[band]
            self._psfs[band] = SourcePSF(entry, entry.pixel_scale)
        return self._psfs[band]

    def _fill(self, rng, number, psf, target, image, known, *, bright=False):
        """
        Fill one cutout; returns the catalogue positions, shape (n, 2).

        ``bright``: with one bright source alone.
        """
        size, center = self.size, self.size // 2
        if rng.random() < self.real_fraction:
            index = np.searchsorted(self._map_shares, rng.random())
            site = self._map(number, min(index, len(self._maps) - 1))
        else:
            site = self._field(number, int(rng.integers(self.n_fields)))
        cutout = turn(site.draw(rng, size), rng)
        measured = np.isfinite(cutout)
        whole = bool(measured.all())
        values = cutout if whole else cutout[measured]
        scale = np.float32(10 ** rng.uniform(-1, 1)) / max(
            float(values.std(dtype=np.float64)), 1e-30)
        offset = np.float32(rng.uniform(-1, 3))
        middle = values.mean(dtype=np.float64)
        np.multiply(cutout - np.float32(middle), scale, out=target)
        target += offset
        known &= measured
        if not bright and rng.random() < _LOSS_CHANCE:
            lose_pixels(known, rng)
        np.copyto(image, target)

        band, library = self.bands[number], self._library(number)
        inner, outer = band.annulus_radii
        ring = (self._radius >= inner) & (self._radius <= outer) & measured
        spread = float(target[ring].std(dtype=np.float64)) if ring.any() else 0
        spread = spread or 1.0
        n_neighbors = 0
        if not bright and rng.random() < _NEIGHBOR_CHANCE:
            n_neighbors = int(rng.integers(1, _MAX_NEIGHBORS + 1))
        ratios = _LOG_RATIO_BRIGHT if bright else _LOG_RATIO
        positions = []
        for k in range(n_neighbors + 1):
            stamp, phase = library.draw(psf, rng)
            error = _position_error(rng)
            if k == 0:
                # the catalogue position lies in the central pixel
                x, y = (center - round(p - e)
                        for p, e in zip(phase, error, strict=True))
            else:
                x, y = _neighbor_pixel(rng, size, 1.5 * band.mask_radii[-1])
            ratio = 10 ** np.interp(
                rng.random(), _SHARES,
                _LOG_RATIO_NEIGHBOR if k else ratios)
            flux = ratio * spread / float(stamp.max())
            library.add(image, stamp, flux, x, y)
            positions.append((x + phase[0] - error[0],
                              y + phase[1] - error[1]))
        return np.array(positions)

    def _stack(self, number, image, sources):
        """
        All cutouts in one tall map, with gaps between them.

        Returns the map and the positions of all sources in it.
        """
        n, size = image.shape[:2]
        band, psf = self.bands[number], self._psf(number)
        gap = int(np.ceil(max(band.annulus_radii[1], 7 * psf.fwhm))) + 3
        tall = np.full((n, size + gap, size), np.nan, dtype=np.float32)
        tall[:, :size] = image
        x, y = np.concatenate(
            [positions + [0, row * (size + gap)]
             for row, positions in enumerate(sources)]).T
        return tall.reshape(-1, size), x, y

    def _signal(self, number, tall, x, y):
        """
        Signal-to-noise ratios, means and standard deviations of sources.
        """
        band = self.bands[number]
        return source_snr(tall, x, y, source_radius=band.source_radius,
                          annulus_radii=band.annulus_radii)

    def _model_sources(self, number, psf, image, sources, holes, models):
        """
        Draw holes and fitted models of all sources.
        """
        tall, x, y = self._stack(number, image, sources)
        snr, _, std = self._signal(number, tall, x, y)
        radii = mask_radius(snr, self.bands[number])
        flux, shapes, *_ = fit_sources(tall, x, y, psf, std)
        shape = image.shape[1:]
        start = 0
        for k, positions in enumerate(sources):
            part = slice(start, start + len(positions))
            holes[k] = draw_discs(shape, *positions.T, radii[part]) > 0
            models[k] = render_sources(shape, *positions.T, flux[part],
                                       shapes[part], psf)
            start = part.stop


def _position_error(rng):
    """
    Error of a catalogue position: (x, y) in pixels.
    """
    if rng.random() < _LARGE_ERROR_CHANCE:
        radius = _LARGE_ERROR * np.sqrt(rng.random())
        angle = rng.uniform(0, 2 * np.pi)
        return radius * np.cos(angle), radius * np.sin(angle)
    return tuple(rng.normal(0, _SMALL_ERROR, 2))


def _neighbor_pixel(rng, size, least):
    """
    A pixel for a neighbour; half of them lie near the centre.
    """
    half = size // 2
    reach = half / 2 if rng.random() < 0.5 else half
    while True:
        x, y = rng.uniform(-reach, reach, 2)
        if np.hypot(x, y) >= min(least, reach):
            return half + round(x), half + round(y)
