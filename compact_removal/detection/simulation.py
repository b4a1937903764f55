# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Scenes with sources, blobs and defects, and the batches made of them.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import gaussian_filter

from compact_removal.datasets import SceneSettings, SceneSimulator
from compact_removal.detection.candidates import find_peaks
from compact_removal.detection.channels import Channel, filter_channels
from compact_removal.detection.filters import (SCATTER_BOX, filter_flux,
                                               filter_map, local_scatter)
from compact_removal.detection.kinds import KINDS
from compact_removal.fitting import SourcePSF
from compact_removal.metrics import match_detections

__all__ = ['DetectionScene', 'DetectionScenes', 'draw_scene', 'make_truth',
           'match_scene']

# Logarithms (base 10) of sources per pixel, and how often there are none.
_DENSITIES = (-3.8, -2.4)
_EMPTY_CHANCE = 0.1

# Extended blobs and artefacts per pixel; widths of blobs over that of the
# PSF, logarithms of their peaks over the local standard deviation; lengths
# (pixels) and peaks of tracks, of which a length of one is a hot pixel.
_BLOBS, _DEFECTS = 10 ** -3.9, 10 ** -3.9
_BLOB_WIDTHS, _BLOB_PEAKS = (1.8, 4.0), (-0.2, 1.0)
_LENGTHS, _DEFECT_PEAKS = (1, 1, 1, 2, 3, 6), (0.0, 1.7)

# How often the coverage falls towards an edge, within how many pixels; the
# logarithm of the noise over the local standard deviation where it is half;
# and the least coverage.
_BORDER_CHANCE = 0.3
_BORDER_WIDTHS, _BORDER_NOISE, _LEAST_COVERAGE = (8, 60), (-1.7, 0.0), 0.02

# Further channels: what sources and backgrounds gain or lose from one to the
# next (base 10; sources have a scatter); standard deviation of their noise
# over the local one.
_BACKGROUND_INDEX, _SOURCE_INDEX, _INDEX_SCATTER = -0.2, -0.1, 0.15
_CHANNEL_NOISE = (0.1, 1.0)

# Logarithms (base 10) of mean counts per pixel, and what counts as no
# background (percentile).
_COUNTS, _FLOOR = (-0.5, 1.5), 0.5

# Sources whose flux is less than this over the scatter of the filter are
# neither right nor wrong, nor are peaks above the second that a real map
# has already.
_FAINTEST = 2.0
_OWN_PEAK = 4.0

# Candidates within so many full widths, and so many pixels more, of a
# source are that source.
_MATCH = (0.5, 1.0)

# Width of what stands for a centre in the truth (full widths, pixels).
_CENTER = (0.2, 0.7)

# Peaks of sources over the local standard deviation: even in logarithm.
_SETTINGS = {'quantiles': (0.0, 1.0), 'log_ratios': (-0.7, 2.2),
             'neighbor_log_ratios': (-0.7, 2.2), 'small_error': 0.0,
             'large_error_chance': 0.0, 'neighbor_chance': 0.0,
             'knots': 0.05}


@dataclass(frozen=True, eq=False)
class DetectionScene:
    """
    A map, and all that is on it.

    Parameters
    ----------
    image, background : `~numpy.ndarray`
        With and without what was added, NaN where nothing was measured,
        shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Positions of sources, blobs and artefacts (pixels), shape
        ``(n,)``.
    kind : `~numpy.ndarray` of int
        Their numbers in ``KINDS``, shape ``(n,)``.
    flux : `~numpy.ndarray`
        Fluxes of the sources, 0 for others, shape ``(n,)``.
    significance : `~numpy.ndarray`
        Flux over the scatter of a filter there; infinite for others,
        shape ``(n,)``.
    own : `~numpy.ndarray`
        ``(x, y)`` of peaks of a real background, shape ``(2, m)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The nominal PSF.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels (angle).
    channels : tuple of `~compact_removal.detection.channels.Channel`
        ``image``, and those that are seen with it.
    """

    image: np.ndarray
    background: np.ndarray
    x: np.ndarray
    y: np.ndarray
    kind: np.ndarray
    flux: np.ndarray
    significance: np.ndarray
    own: np.ndarray
    psf: object
    pixel_scale: object
    channels: tuple


def draw_scene(simulator, rng, shape, *, n_channels=1, counts=False):
    """
    Draw a scene.

    Parameters
    ----------
    simulator : `~compact_removal.datasets.SceneSimulator`
        What draws background and sources.
    rng : `~numpy.random.Generator`
        Source of randomness.
    shape : tuple of int
        ``(ny, nx)``.
    n_channels : int, optional
        Number of channels.
    counts : bool, optional
        Whether they count photons.

    Returns
    -------
    scene : `DetectionScene`
        The scene.
    """
    number, psf_number = simulator.draw_psf(rng)
    area = shape[0] * shape[1]
    n_sources = 0
    if rng.random() > _EMPTY_CHANCE:
        n_sources = int(rng.poisson(10 ** rng.uniform(*_DENSITIES) * area))
    scene = simulator.draw_map(rng, number, psf_number, shape=shape,
                               n_sources=n_sources)
    psf = _nominal_psf(scene.band)
    background = np.where(scene.known, scene.background, np.nan)
    image = np.where(scene.known, scene.image, np.nan).astype(float)
    std = float(np.nanmedian(scene.std)) if n_sources else float(
        np.nanstd(background)) or 1.0
    if rng.random() < _BORDER_CHANCE:
        noise = _draw_border(shape, std, rng)
        image, background = image + noise, background + noise
    rows = [(x, y, 0) for x, y in zip(scene.x, scene.y, strict=True)]
    blobs = np.zeros(shape)
    for _ in range(rng.poisson(_BLOBS * area)):
        x, y = rng.uniform(0, np.array(shape[::-1]) - 1)
        blobs += _draw_blob(shape, x, y, std, psf, rng)
        rows.append((x, y, 1))
    image += blobs
    others = [background]
    images = [image, *(_draw_channel(k, scene, background, blobs, std, rng)
                       for k in range(1, n_channels))]
    flux = scene.flux
    if counts:
        unit = 10 ** rng.uniform(*_COUNTS) / std
        floor = np.nanpercentile(background, _FLOOR)
        others, images = ([_count(unit * (one - floor), rng) for one in part]
                          for part in (others, images))
        image, background, flux, std = (images[0], others[0], unit * flux,
                                        unit * std)
    for _ in range(rng.poisson(_DEFECTS * area)):
        x, y = (int(rng.integers(n)) for n in shape[::-1])
        rows.append((*_add_track(image, x, y, std, rng), 2))
    x, y, kind = np.array(rows, dtype=float).reshape(-1, 3).T
    flux = np.append(flux, np.zeros(x.size - n_sources))
    significance = np.full(x.size, np.inf)
    if n_sources:
        scatter = _filter_scatter(background, psf)
        pixels = tuple(np.clip(np.rint(v[:n_sources]).astype(int), 0, n - 1)
                       for v, n in zip((y, x), shape, strict=True))
        significance[:n_sources] = flux[:n_sources] / np.maximum(
            scatter[pixels], 1e-30)
    own = np.zeros((2, 0))
    if np.isnan(scene.noise):
        own = np.array(find_peaks(filter_map(background, psf).planes.max(0),
                                  _OWN_PEAK)[:2], dtype=float)
    return DetectionScene(image, background, x, y, kind.astype(int), flux,
                          significance, own, psf, scene.band.pixel_scale,
                          tuple(Channel(one, counts=counts)
                                for one in images))


def _draw_channel(number, scene, background, blobs, std, rng):
    """
    A further channel: the same sky, sources with spectra of their own.
    """
    index = rng.normal(_SOURCE_INDEX, _INDEX_SCATTER, scene.flux.size)
    light = replace(scene, flux=scene.flux * 10 ** (number * index)).render()
    noise = std * rng.uniform(*_CHANNEL_NOISE) * rng.normal(
        size=background.shape)
    return 10 ** (number * _BACKGROUND_INDEX) * (background + blobs
                                                 + noise) + light


def _count(expected, rng):
    """
    Counts where so many are expected; NaN stays.
    """
    known = np.isfinite(expected)
    return np.where(known, rng.poisson(np.where(
        known, np.maximum(expected, 0), 0)), np.nan)


@lru_cache(maxsize=64)
def _nominal_psf(band):
    """
    The PSF that filters of a band are made for.
    """
    return SourcePSF(band, band.pixel_scale)


def _filter_scatter(background, psf):
    """
    Scatter of the flux that a filter finds where there is no source.
    """
    filled = np.where(np.isfinite(background), background,
                      np.nanmedian(background))
    flux = filter_flux(filled, psf, 2)
    flux[~np.isfinite(background)] = np.nan
    return local_scatter(flux, round(SCATTER_BOX * psf.fwhm))


def _draw_border(shape, std, rng):
    """
    Noise where the coverage falls towards a ragged edge; NaN beyond it.
    """
    ny, nx = shape
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(shape) - np.array([ny, nx])[:, None, None] / 2
    distance = (columns * np.cos(angle) + rows * np.sin(angle)
                + rng.uniform(0.1, 0.4) * min(ny, nx))
    # scans end where they like
    along = np.rint(rows * np.cos(angle) - columns * np.sin(angle))
    ends = rng.normal(0, rng.uniform(0, 4), 2 * (ny + nx))
    distance += ends[(along + ny + nx).astype(int) % ends.size]
    coverage = np.clip(distance / rng.uniform(*_BORDER_WIDTHS), 0, 1)
    level = std * 10 ** rng.uniform(*_BORDER_NOISE)
    noise = gaussian_filter(rng.normal(size=shape), rng.uniform(0, 0.7))
    noise *= level / noise.std()
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(coverage > _LEAST_COVERAGE,
                        noise * np.sqrt(1 / coverage - 1), np.nan)


def _draw_blob(shape, x, y, std, psf, rng):
    """
    An elliptical Gaussian, wider than the PSF.
    """
    major = gaussian_fwhm_to_sigma * psf.fwhm * rng.uniform(*_BLOB_WIDTHS)
    minor, angle = major * rng.uniform(0.5, 1), rng.uniform(0, np.pi)
    peak = std * 10 ** rng.uniform(*_BLOB_PEAKS)
    rows, columns = np.ogrid[:shape[0], :shape[1]]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    return peak * np.exp(-0.5 * ((along / major) ** 2
                                 + (across / minor) ** 2))


def _add_track(image, x, y, std, rng):
    """
    Add a hot pixel or a track, in place; return its middle.
    """
    length = rng.choice(_LENGTHS)
    angle = rng.uniform(0, np.pi)
    steps = np.arange(length)
    columns = np.rint(x + steps * np.cos(angle)).astype(int)
    rows = np.rint(y + steps * np.sin(angle)).astype(int)
    inside = ((rows >= 0) & (rows < image.shape[0]) & (columns >= 0)
              & (columns < image.shape[1]))
    image[rows[inside], columns[inside]] += std * 10 ** rng.uniform(
        *_DEFECT_PEAKS)
    return columns[inside].mean(), rows[inside].mean()


def match_scene(scene, x, y, score):
    """
    Match candidates and what is on a scene.

    Parameters
    ----------
    scene : `DetectionScene`
        The scene.
    x, y, score : array_like
        Positions of candidates (pixels) and what they are ranked by,
        shape ``(n,)``.

    Returns
    -------
    index : `~numpy.ndarray` of int
        See `~compact_removal.metrics.match_detections`.
    counts : `~numpy.ndarray` of bool
        False for what a real map has had before, shape ``(n,)``.
    """
    share, more = _MATCH
    radius = share * scene.psf.fwhm + more
    index = match_detections(x, y, score, scene.x, scene.y, radius)
    distance = np.hypot(np.subtract.outer(np.asarray(x), scene.own[0]),
                        np.subtract.outer(np.asarray(y), scene.own[1]))
    return index, (index >= 0) | (distance.min(axis=1, initial=np.inf)
                                  >= radius)


def make_truth(scene):
    """
    Make the map of centres that a network learns.

    Parameters
    ----------
    scene : `DetectionScene`
        The scene.

    Returns
    -------
    truth : `~numpy.ndarray`
        1 at the pixel of a centre, a Gaussian around it, 0 elsewhere;
        NaN where it is not known. Shape ``(n_kinds, ny, nx)``.
    """
    shape = scene.image.shape
    truth = np.zeros((len(KINDS), *shape), dtype=np.float32)
    faint = scene.significance < _FAINTEST
    reach = int(np.ceil(0.7 * scene.psf.fwhm))
    for x, y in (*scene.own.T, *zip(scene.x[faint], scene.y[faint],
                                    strict=True)):
        _, window, (dx, dy) = _around(x, y, reach, shape)
        truth[:, *window][:, dx ** 2 + dy ** 2 <= reach ** 2] = np.nan
    share, least = _CENTER
    sigma = max(share * scene.psf.fwhm, least)
    reach = int(np.ceil(4 * sigma))
    for x, y, kind in zip(scene.x[~faint], scene.y[~faint],
                          scene.kind[~faint], strict=True):
        inside, window, (dx, dy) = _around(x, y, reach, shape)
        if inside:
            part = truth[kind, *window]
            np.fmax(part, np.exp(-0.5 * (dx ** 2 + dy ** 2) / sigma ** 2),
                    out=part)
    truth[:, ~np.isfinite(scene.image)] = np.nan
    return truth


def _around(x, y, reach, shape):
    """
    Whether a pixel is on the map, the window around it, and offsets.
    """
    column, row = round(x), round(y)
    window, offsets = [], []
    for middle, n in zip((row, column), shape, strict=True):
        low, high = (min(max(middle + step, 0), n)
                     for step in (-reach, reach + 1))
        window.append(slice(low, high))
        offsets.append(np.arange(low, high) - middle)
    inside = 0 <= row < shape[0] and 0 <= column < shape[1]
    return inside, tuple(window), (offsets[1], offsets[0][:, None])


class DetectionScenes:
    """
    Batches of scenes for the training of a network.

    Parameters
    ----------
    bands : sequence of `~compact_removal.instruments.Band`
        The bands, with the pixels of the maps.
    maps : sequence of `~compact_removal.datasets.BackgroundMap`, optional
        Real maps.
    size : int, optional
        Side of the scenes (pixels), a multiple of 8.
    batch_size, n_batches : int, optional
        Scenes per batch, and batches per epoch.
    seed : int, optional
        Seed.
    n_channels, counts : object, optional
        See `draw_scene`.
    **settings
        Parameters of `~compact_removal.datasets.SceneSettings`.

    Examples
    --------
    >>> from compact_removal.detection.simulation import DetectionScenes
    >>> from compact_removal.instruments import get_band
    >>> scenes = DetectionScenes([get_band('scanmap', 'blue')], size=96,
    ...                          batch_size=2, n_batches=1, seed=1, n_psfs=1)
    >>> {name: value.shape for name, value in scenes.batch(0, 0).items()}
    {'significance': (2, 3, 96, 96), 'fwhm': (2,), 'truth': (2, 3, 96, 96)}
    """

    def __init__(self, bands, maps=(), *, size=128, batch_size=16,
                 n_batches=100, seed=0, n_channels=1, counts=False,
                 **settings):
        settings = {**_SETTINGS, 'n_psfs': 24, 'n_stamps': 6, **settings}
        self._size, self._batch_size = size, batch_size
        self._n_batches, self._seed = n_batches, seed
        self._channels = {'n_channels': n_channels, 'counts': counts}
        self.simulator = SceneSimulator(
            bands, maps, settings=SceneSettings(size=96, **settings),
            seed=seed)

    def __len__(self):
        return self._n_batches

    def scene(self, *key, size=None):
        """
        Draw a scene by its number.

        Parameters
        ----------
        *key : int
            Its numbers.
        size : int, optional
            Side (pixels).

        Returns
        -------
        scene : `DetectionScene`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 31, *key])
        return draw_scene(self.simulator, rng,
                          2 * (self._size if size is None else size,),
                          **self._channels)

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch, number : int
            Which one.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            ``significance``, ``fwhm`` and ``truth``.
        """
        scenes = [self.scene(epoch, number, k)
                  for k in range(self._batch_size)]
        return {
            'significance': np.stack([
                filter_channels(one.channels, np.s_[:, :], one.psf)[2]
                for one in scenes]),
            'fwhm': np.array([one.psf.fwhm for one in scenes]),
            'truth': np.stack([make_truth(one) for one in scenes])}
