# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Scenes with sources, blobs and defects, and the batches made of them.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import gaussian_filter

from compact_removal.detection.candidates import find_peaks
from compact_removal.detection.channels import Channel
from compact_removal.detection.filters import (SCATTER_BOX, filter_flux,
                                               filter_map, local_scatter)
from compact_removal.fitting import SourcePSF

__all__ = ['DetectionScene', 'draw_scene']

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

# Radius of a source (full widths).
_DISK = 0.75

# Least peaks that a real map has already: neither right nor wrong.
_OWN_PEAK = 4.0


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
    radius : `~numpy.ndarray`
        How far they reach (pixels), shape ``(n,)``.
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
    radius: np.ndarray
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
    rows = [(x, y, 0, _DISK * psf.fwhm)
            for x, y in zip(scene.x, scene.y, strict=True)]
    blobs = np.zeros(shape)
    for _ in range(rng.poisson(_BLOBS * area)):
        x, y = rng.uniform(0, np.array(shape[::-1]) - 1)
        light, radius = _draw_blob(shape, x, y, std, psf, rng)
        blobs += light
        rows.append((x, y, 1, radius))
    images = [image + blobs, *(
        _draw_channel(k, scene, background, blobs, std, rng)
        for k in range(1, n_channels))]
    flux = scene.flux
    if counts:
        floor = np.nanpercentile(background, _FLOOR)
        unit = 10 ** rng.uniform(*_COUNTS) / np.nanmean(background - floor)
        images = [_count(unit * (one - floor), rng) for one in images]
        background = _count(unit * (background - floor), rng)
        flux, std = unit * flux, unit * std
    image = images[0]
    for _ in range(rng.poisson(_DEFECTS * area)):
        x, y = (int(rng.integers(n)) for n in shape[::-1])
        x, y, radius = _add_track(image, x, y, std, rng)
        rows.append((x, y, 2, radius))
    x, y, kind, radius = np.array(rows, dtype=float).reshape(-1, 4).T
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
                          significance, radius, own, psf,
                          scene.band.pixel_scale,
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
    An elliptical Gaussian, wider than the PSF, and its radius.
    """
    major = gaussian_fwhm_to_sigma * psf.fwhm * rng.uniform(*_BLOB_WIDTHS)
    minor, angle = major * rng.uniform(0.5, 1), rng.uniform(0, np.pi)
    peak = std * 10 ** rng.uniform(*_BLOB_PEAKS)
    rows, columns = np.ogrid[:shape[0], :shape[1]]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    light = peak * np.exp(-0.5 * ((along / major) ** 2
                                  + (across / minor) ** 2))
    return light, _DISK * major / gaussian_fwhm_to_sigma


def _add_track(image, x, y, std, rng):
    """
    Add a hot pixel or a track, in place; return its middle and radius.
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
    return columns[inside].mean(), rows[inside].mean(), 0.5 * length + 1
