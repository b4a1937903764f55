# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From a map and its sources to the background: fits, network, blending.

Sources are fitted all together. The rest goes tile by tile, so that the
memory does not grow with the map or the number of its sources; a tile
knows all that reaches into it, so no seam can be seen.
"""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from compact_removal.cutouts import (DiscBlender, chunk_slices, cutout_radii,
                                     extract_cutouts)
from compact_removal.estimators._engine import FLAG, PIXEL_FLAG
from compact_removal.estimators._tiles import make_tiles
from compact_removal.masks import draw_discs, scale_factor, source_snr
from compact_removal.photometry import aperture_weights
from compact_removal.psf_learning import learn_psf
from compact_removal.source_models import SourceModels, fit_sources
from compact_removal.source_psf import SourcePSF

# Soft edge of the holes, in nominal pixels.
_TAPER = 3.0

# A network that sees the sources takes out their wings, too, as far as
# they reach this part of the standard deviation of the background.
_FAINTEST_WING = 0.1

# Cutouts that are in memory at a time.
_CHUNK = 512

# With less of the surroundings outside of holes, a source is flagged.
# With less of a cutout, the pixels with the least light of sources, so
# many of them, take the place of the background.
_LITTLE_OPEN = 0.1
_LEAST_OPEN = 0.05
_FAINTEST_PIXELS = 0.2

# What was removed is shared between sources in proportion to their
# models, where these are more than this part of the noise.
_SHARED_LIGHT = 0.01


@dataclass
class Background:
    """
    What `estimate_background` found.

    ``data``, ``error`` and ``pixel_flags`` have the shape of the map;
    ``sums`` and ``areas`` are the light of each source in each aperture
    (unit of the map times pixel) and the pixels that were summed, shape
    ``(m, n)``.
    """

    data: np.ndarray
    error: np.ndarray
    pixel_flags: np.ndarray
    sums: np.ndarray
    areas: np.ndarray


def estimate_background(input_map, sources, predict, *, band, sizes,
                        separates, apertures, error_scale,
                        progress_bar=False):
    """
    Estimate the background under all sources.

    Sets ``footprint``, ``flux_error``, ``blend_error`` and flags of the
    sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    sources : Sources
        The sources.
    predict : callable
        Takes images, validity, source models, each of shape ``(n, size,
        size)``, and a `~compact_removal.source_psf.SourcePSF`, and
        returns a `~compact_removal.nn.Prediction`.
    band : Band
        The band.
    sizes : tuple of int
        Side of the cutouts (pixels), for sources that reach little and
        for the others.
    separates : bool
        Whether the network sees the sources; then wings beyond the
        holes are taken out, too.
    apertures : `~numpy.ndarray`
        Radii of the apertures (pixels), shape ``(m,)``.
    error_scale : callable
        Maps signal-to-noise ratios to factors on the errors.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    background : `Background`
        The map without the sources, and their light.
    """
    kind = input_map.data.dtype
    if kind.kind != 'f':
        kind = np.result_type(kind, np.float32)
    kind = kind.newbyteorder('=')
    shape = input_map.data.shape
    error = np.zeros(shape, dtype=np.result_type(kind, np.float32))
    if input_map.error is not None:
        error[:] = input_map.error
        error[~np.isfinite(error)] = 0
    found = Background(np.array(input_map.data, dtype=kind), error,
                       np.zeros(shape, dtype=np.uint8),
                       *np.full((2, apertures.size, sources.x.size), np.nan))
    rows = sources.ordered()
    if rows.size == 0:
        return found
    taper = _TAPER * scale_factor(band, input_map.pixel_scale)
    tiles = make_tiles(shape, int(np.ceil(apertures.max() + max(sizes))) + 3)
    models = _fit(input_map, sources, rows, band)
    light = _Light(models)
    spread = _spread(input_map, models, light, tiles, band)
    if separates:
        limit = max(sizes) / 2 - taper - 1
        reach = np.maximum(models.psf.radius_of(
            models.flux, _FAINTEST_WING * spread), apertures.max())
        sources.footprint[rows] = np.maximum(sources.radius[rows],
                                             np.minimum(reach, limit))
    work = _Work(input_map, sources, models, light, spread, predict, band, sizes, separates,
                 apertures, error_scale, taper, rows, found)
    with tqdm(total=rows.size, disable=not progress_bar,
              unit='source') as bar:
        for tile in tiles:
            bar.update(work.process(tile))
    return found


def _fit(input_map, sources, rows, band):
    """
    Models of the sources, with the PSF of the map.
    """
    x, y, noise = sources.x[rows], sources.y[rows], sources.std[rows]
    psf, sources.n_psf = learn_psf(
        input_map.data, x, y, SourcePSF(band, input_map.pixel_scale), noise,
        mask=input_map.mask)
    fit = fit_sources(input_map.data, x, y, psf, noise, mask=input_map.mask)
    sources.flags[rows[~fit.converged]] |= FLAG['not_converged']
    sources.blend_error[rows] = fit.blend_error
    return SourceModels(x, y, fit.flux, fit.shapes, psf, noise)


class _Light:
    """
    The light of all sources in the windows of tiles; the last is kept.
    """

    def __init__(self, models):
        self._models = models
        self._last = None, None

    def draw(self, tile, shape):
        """
        Draw the sources on a window.
        """
        if self._last[0] is not tile:
            moved = self._models.moved(-tile.window[1].start,
                                       -tile.window[0].start)
            self._last = tile, moved.render(shape)
        return self._last[1]


def _spread(input_map, models, light, tiles, band):
    """
    Standard deviation of the background around each source.

    In the annuli of the signal-to-noise ratio, but without the light of
    the sources.
    """
    factor = scale_factor(band, input_map.pixel_scale)
    inner, outer = (radius * factor for radius in band.annulus_radii)
    spread = np.zeros(models.x.size)
    for tile in tiles:
        mine = np.flatnonzero(tile.distance(models.x, models.y) <= 0)
        if mine.size:
            clean = input_map.window(tile.window)
            clean -= light.draw(tile, clean.shape)
            _, _, spread[mine] = source_snr(
                clean, models.x[mine] - tile.window[1].start,
                models.y[mine] - tile.window[0].start,
                source_radius=band.source_radius * factor,
                annulus_radii=(inner, outer))
    return np.where(spread > 0, spread, models.noise)


@dataclass
class _Work:
    """
    The way of a tile; ``models`` and ``rows`` belong together.
    """

    input_map: object
    sources: object
    models: object
    light: _Light
    spread: np.ndarray
    predict: object
    band: object
    sizes: tuple
    separates: bool
    apertures: np.ndarray
    error_scale: object
    taper: float
    rows: np.ndarray
    found: Background

    def process(self, tile):
        """
        Fill the core of a tile, and tell how many sources are in it.
        """
        models, sources, rows = self.models, self.sources, self.rows
        distance = tile.distance(models.x, models.y)
        mine = distance <= 0
        reach = sources.footprint[rows] + self.taper
        chosen = distance <= reach + self.apertures.max() + 2
        if not chosen.any():
            return 0
        # in pixels of the window from here on
        models = models.moved(-tile.window[1].start, -tile.window[0].start)
        data = self.input_map.window(tile.window)
        light = self.light.draw(tile, data.shape)
        radius = sources.radius[rows]
        near = distance <= tile.margin + radius.max()
        count = draw_discs(data.shape, models.x[near], models.y[near],
                           radius[near])
        opened = np.isfinite(data) & (count == 0)
        layers = [DiscBlender(data.shape, 2, taper=self.taper)
                  for _ in range(1 + self.separates)]
        clean = data - light
        small = reach + 1 <= min(self.sizes) / 2
        for size, fits in ((min(self.sizes), small),
                           (max(self.sizes), ~small)):
            wanted = np.flatnonzero(chosen & fits)
            for start in range(0, wanted.size, _CHUNK):
                self._estimate(wanted[start:start + _CHUNK], size, models,
                               clean, light, opened, tile, layers)
        result, error = data, self.found.error[tile.window]
        weight = np.zeros(data.shape, dtype=np.float32)
        for layer in layers:
            result, error = (layer.blend(0, result), layer.blend(1, error))
            weight = np.maximum(weight, layer.weight)
        self._sum(np.flatnonzero(mine), models, data, result, light)
        self._write(tile, result, error, np.where(np.isfinite(data), weight,
                                                  0))
        return int(mine.sum())

    def _estimate(self, index, size, models, clean, light, opened, tile,
                  layers):
        """
        Estimate the background in cutouts, and put them into the layers.
        """
        sources, rows = self.sources, self.rows[index]
        x, y = models.x[index], models.y[index]
        images, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
        brightness, _ = extract_cutouts(light, x, y, size, fill=0.0)
        validity, _ = extract_cutouts(opened, x, y, size, fill=False)
        self._check_open(rows, x, y, corners, images, brightness, validity)
        prediction = self.predict(images, validity, brightness, models.psf)
        background = prediction.background
        if not np.all(np.isfinite(background)):
            msg = ('weights: the network gave values that are not finite; '
                   'the weights are damaged, or not those of a trained '
                   'network')
            raise ValueError(msg)
        scale = self.error_scale(sources.snr[rows])
        if self.separates:
            deviation = prediction.error * scale[:, None, None]
            sources.flux_error[rows] = prediction.flux_error
            if self.input_map.error is not None:
                # outside the holes pixels keep their noise
                noise, _ = extract_cutouts(self.input_map.error,
                                           self.models.x[index],
                                           self.models.y[index], size,
                                           fill=0)
                noise = np.where(np.isfinite(noise), noise, 0)
                deviation = np.where(validity, np.hypot(deviation, noise),
                                     deviation)
            # first the wings, then the holes: a hole belongs to its source
            layers[0].add((background, deviation), x, y,
                          sources.footprint[rows], corners)
        else:
            deviation = np.broadcast_to(
                (scale * np.nan_to_num(sources.std[rows]))[:, None, None],
                background.shape)
        layers[-1].add((background, deviation), x, y, sources.radius[rows],
                       corners)

    def _check_open(self, rows, x, y, corners, images, brightness, validity):
        """
        Flag holes with little around them, and find what can be used.
        """
        size = images.shape[-1]
        factor = scale_factor(self.band, self.input_map.pixel_scale)
        around = cutout_radii(x, y, corners, size) <= min(
            self.band.annulus_radii[1] * factor, size / 2)
        share = (validity & around).sum(axis=(1, 2)) / around.sum(axis=(1, 2))
        self.sources.flags[rows[share < _LITTLE_OPEN]] |= (
            FLAG['little_background'])
        known = np.isfinite(images)
        few = validity.sum(axis=(1, 2)) < _LEAST_OPEN * known.sum(axis=(1, 2))
        for i in np.flatnonzero(few):
            values = brightness[i][known[i]]
            validity[i] |= known[i] & (brightness[i] <= np.quantile(
                values, _FAINTEST_PIXELS))

    def _sum(self, index, models, data, result, light):
        """
        Sum the light of each source in its apertures.

        Where models of sources overlap, what was removed is shared
        between them in proportion.
        """
        sources, found = self.sources, self.found
        removed = np.where(np.isfinite(data), data - result, np.nan)
        size = 2 * int(np.ceil(self.apertures.max())) + 3
        for part in chunk_slices(index.size, size):
            chosen = index[part]
            rows = self.rows[chosen]
            x, y = models.x[chosen], models.y[chosen]
            stack, corners = extract_cutouts(removed, x, y, size,
                                             fill=np.nan)
            total, _ = extract_cutouts(light, x, y, size, fill=0.0)
            own = models.draw(chosen, corners, size)
            floor = _SHARED_LIGHT * np.nan_to_num(
                self.spread[chosen])[:, None, None]
            share = np.divide(np.maximum(own, 0) + floor,
                              np.maximum(total, 0) + floor,
                              out=np.ones_like(own), where=total + floor > 0)
            mine = own + np.minimum(share, 1) * (stack - total)
            known = np.isfinite(stack)
            mine[~known] = 0
            for k, aperture in enumerate(self.apertures):
                radius = np.minimum(aperture, sources.footprint[rows])
                weights = aperture_weights(x, y, radius, corners, size)
                found.sums[k, rows] = (weights * mine).sum(axis=(1, 2))
                found.areas[k, rows] = (weights * known).sum(axis=(1, 2))

    def _write(self, tile, result, error, weight):
        """
        Put the core of a tile into the results.
        """
        result, error, weight = (value[tile.inside]
                                 for value in (result, error, weight))
        changed = weight > 0
        self.found.data[tile.core][changed] = result[changed]
        self.found.error[tile.core][changed] = error[changed]
        self.found.pixel_flags[tile.core][changed] = np.where(
            weight[changed] < 1, PIXEL_FLAG['blended'], PIXEL_FLAG['filled'])
