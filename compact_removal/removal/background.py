# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From a map and its sources to the background: fits, network, blending.

Sources are fitted all together. The rest goes tile by tile, so that the
memory does not grow with the map or the number of its sources; a tile
knows all that reaches into it, so no seam can be seen.
"""

import sys
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from compact_removal.maps.cutouts import (DiscBlender, chunk_slices,
                                          cutout_radii, extract_cutouts)
from compact_removal.removal.locate import FLAG, PIXEL_FLAG
from compact_removal.maps.tiles import make_tiles
from compact_removal.maps.holes import draw_discs, scale_factor, source_snr
from compact_removal.photometry import aperture_weights
from compact_removal.fitting.psf_learning import learn_psf
from compact_removal.fitting.models import SourceModels, fit_sources
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.utils.progress import bar_shape

__all__ = ['Background', 'estimate_background', 'hole_taper']

# Soft edge of the holes, in nominal pixels.
_TAPER = 3.0

# A network that sees the sources takes out their wings, too, as far as
# they reach this part of the standard deviation of the background.
_FAINTEST_WING = 0.1

# With less of the surroundings outside of holes, a source is flagged.
# With less of a cutout, the pixels with the least light of sources, so
# many of them, take the place of the background.
_LITTLE_OPEN = 0.1
_LEAST_OPEN = 0.05
_FAINTEST_PIXELS = 0.2

# Distance of the fitted source from its position (full widths) that is
# flagged.
_FAR_OFF = 0.25

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


def estimate_background(input_map, sources, predict, *, band, size,
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
        size)``, and a `~compact_removal.fitting.SourcePSF`, and
        returns a `~compact_removal.nn.Prediction`.
    band : Band
        The band.
    size : int
        Side of the cutouts (pixels).
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
    models = _fit(input_map, sources, rows, band)
    work = _Work(input_map, sources, models, predict, band, size, separates,
                 apertures, error_scale, rows, found)
    with tqdm(total=rows.size, disable=not progress_bar, unit='source',
              **bar_shape(sys.stderr)) as bar:
        for tile in make_tiles(shape, work.margin()):
            bar.update(work.process(tile))
    return found


def hole_taper(band, pixel_scale):
    """
    Width of the soft edge of holes, in pixels of the map.
    """
    return _TAPER * scale_factor(band, pixel_scale)


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
    shift = np.hypot(*(fit.shapes[:, :2] - psf.mean[:2]).T)
    sources.flags[rows[shift > _FAR_OFF * psf.fwhm]] |= FLAG['off_center']
    sources.blend_error[rows] = fit.blend_error
    return SourceModels(x, y, fit.flux, fit.shapes, psf, noise)


@dataclass
class _Window:
    """
    A tile with its surroundings, in pixels of the window.

    ``spread`` is the standard deviation of the background around each
    source, without the light of the others; NaN for those far away.
    """

    tile: object
    models: object
    data: np.ndarray
    light: np.ndarray
    opened: np.ndarray
    spread: np.ndarray


@dataclass
class _Work:
    """
    The way of a tile; ``models`` and ``rows`` belong together.
    """

    input_map: object
    sources: object
    models: object
    predict: object
    band: object
    size: int
    separates: bool
    apertures: np.ndarray
    error_scale: object
    rows: np.ndarray
    found: Background

    def __post_init__(self):
        """
        Numbers that are the same for all tiles.
        """
        self.factor = scale_factor(self.band, self.input_map.pixel_scale)
        self.taper = hole_taper(self.band, self.input_map.pixel_scale)
        # what a cutout can hold
        self.limit = max(self.size / 2 - self.taper - 1, 0)
        self.radius = self.sources.radius[self.rows]
        # how far a source can change the map
        self.furthest = self.radius.max()
        if self.separates:
            self.furthest = max(self.furthest, self.models.psf.reach,
                                self.apertures.max())

    def margin(self):
        """
        How far beyond a tile the map matters to it.
        """
        around = max(self.size / 2, self.band.annulus_radii[1] * self.factor)
        return int(np.ceil(self.furthest + self.taper + self.apertures.max()
                           + around)) + 4

    def process(self, tile):
        """
        Fill the core of a tile, and tell how many sources are in it.
        """
        distance = tile.distance(self.models.x, self.models.y)
        # all that may change the core, or apertures that begin in it
        near = distance <= (self.furthest + self.taper
                            + self.apertures.max() + 2)
        if not near.any():
            return 0
        mine = np.flatnonzero(distance <= 0)
        window = self._look(tile, np.flatnonzero(near), distance)
        footprint = self._footprint(window.spread)
        self.sources.footprint[self.rows[mine]] = footprint[mine]
        chosen = np.flatnonzero(distance <= (
            footprint + self.taper + self.apertures.max() + 2))
        layers = [DiscBlender(window.data.shape, 2, taper=self.taper)
                  for _ in range(1 + self.separates)]
        for part in chunk_slices(chosen.size, self.size):
            self._estimate(window, chosen[part], footprint, layers)
        wide = chosen[footprint[chosen] > self.limit]
        if self.separates and wide.size:
            layers.insert(0, self._take_wings(window, wide, footprint))
        result = window.data.copy()
        error = self.found.error[tile.window].astype(float)
        weight = np.zeros(window.data.shape, dtype=np.float32)
        # a hole belongs to its source, so it comes last
        for layer in layers:
            layer.blend(0, result)
            layer.blend(1, error)
            weight = np.maximum(weight, layer.weight)
        weight[np.isnan(window.data)] = 0
        self._sum(window, mine, result, footprint)
        self._write(tile, result, error, weight, layers[-1].weight)
        return mine.size

    def _look(self, tile, near, distance):
        """
        Cut out the window of a tile, and draw holes and sources on it.
        """
        models = self.models.moved(-tile.window[1].start,
                                   -tile.window[0].start)
        data = self.input_map.window(tile.window)
        light = models.render(data.shape)
        covered = distance <= tile.margin + self.radius.max()
        count = draw_discs(data.shape, models.x[covered], models.y[covered],
                           self.radius[covered])
        spread = np.full(self.rows.size, np.nan)
        inner, outer = (radius * self.factor
                        for radius in self.band.annulus_radii)
        _, _, spread[near] = source_snr(
            data - light, models.x[near], models.y[near],
            source_radius=self.band.source_radius * self.factor,
            annulus_radii=(inner, outer))
        return _Window(tile, models, data, light,
                       np.isfinite(data) & (count == 0), spread)

    def _footprint(self, spread):
        """
        Radii within which sources change the map.
        """
        if not self.separates:
            return self.radius
        models = self.models
        spread = np.where(spread > 0, spread, models.noise)
        reach = models.psf.radius_of(models.flux, _FAINTEST_WING * spread)
        return np.maximum(np.maximum(reach, self.apertures.max()),
                          self.radius)

    def _take_wings(self, window, wide, footprint):
        """
        Take out wings that reach out of the cutouts, by the models alone.
        """
        models = window.models
        layer = DiscBlender(window.data.shape, 2, taper=self.taper)
        size = 2 * int(np.ceil(self.furthest + self.taper)) + 3
        clean = window.data - window.light
        error = np.hypot(self.found.error[window.tile.window],
                         models.psf.model_error * window.light)
        for part in chunk_slices(wide.size, size):
            rows = wide[part]
            x, y = models.x[rows], models.y[rows]
            images, corners = extract_cutouts(clean, x, y, size, fill=0.0)
            errors, _ = extract_cutouts(error, x, y, size, fill=0.0)
            layer.add((images, errors), x, y, footprint[rows], corners)
        return layer

    def _estimate(self, window, index, footprint, layers):
        """
        Estimate the background in cutouts, and put them into the layers.
        """
        sources, rows, size = self.sources, self.rows[index], self.size
        models = window.models
        x, y = models.x[index], models.y[index]
        images, corners = extract_cutouts(window.data, x, y, size,
                                          fill=np.nan)
        light, _ = extract_cutouts(window.light, x, y, size, fill=0.0)
        images -= light
        validity, _ = extract_cutouts(window.opened, x, y, size, fill=False)
        self._check_open(rows, x, y, corners, images, light, validity)
        prediction = self.predict(images, validity, light, models.psf)
        background = prediction['background']
        if not np.all(np.isfinite(background)):
            msg = ('weights: the network gave values that are not finite; '
                   'the weights are damaged, or not those of a trained '
                   'network')
            raise ValueError(msg)
        scale = self.error_scale(sources.snr[rows])
        if self.separates:
            deviation = prediction['error'] * scale[:, None, None]
            sources.flux_error[rows] = prediction['flux_error']
            if self.input_map.error is not None:
                # outside the holes pixels keep their noise
                noise, _ = extract_cutouts(self.input_map.error,
                                           self.models.x[index],
                                           self.models.y[index], size,
                                           fill=0)
                noise = np.where(np.isfinite(noise), noise, 0)
                deviation = np.where(validity, np.hypot(deviation, noise),
                                     deviation)
            layers[0].add((background, deviation), x, y,
                          np.minimum(footprint[index], self.limit), corners)
        else:
            deviation = np.broadcast_to(
                (scale * np.nan_to_num(sources.std[rows]))[:, None, None],
                background.shape)
        layers[-1].add((background, deviation), x, y, self.radius[index],
                       corners)

    def _check_open(self, rows, x, y, corners, images, light, validity):
        """
        Flag holes with little around them, and find what can be used.
        """
        size = self.size
        around = cutout_radii(x, y, corners, size) <= min(
            self.band.annulus_radii[1] * self.factor, size / 2)
        share = (validity & around).sum(axis=(1, 2)) / around.sum(axis=(1, 2))
        self.sources.flags[rows[share < _LITTLE_OPEN]] |= (
            FLAG['little_background'])
        known = np.isfinite(images)
        few = validity.sum(axis=(1, 2)) < _LEAST_OPEN * known.sum(axis=(1, 2))
        for i in np.flatnonzero(few):
            validity[i] |= known[i] & (light[i] <= np.quantile(
                light[i][known[i]], _FAINTEST_PIXELS))

    def _sum(self, window, index, result, footprint):
        """
        Sum the light of each source in its apertures.

        Where models of sources overlap, what was removed is shared
        between them in proportion.
        """
        found, models = self.found, window.models
        removed = window.data - result
        size = 2 * int(np.ceil(self.apertures.max())) + 3
        for part in chunk_slices(index.size, size):
            chosen = index[part]
            rows = self.rows[chosen]
            x, y = models.x[chosen], models.y[chosen]
            stack, corners = extract_cutouts(removed, x, y, size,
                                             fill=np.nan)
            total, _ = extract_cutouts(window.light, x, y, size, fill=0.0)
            own = models.draw(chosen, corners, size)
            floor = _SHARED_LIGHT * np.nan_to_num(
                window.spread[chosen])[:, None, None]
            share = np.divide(np.maximum(own, 0) + floor,
                              np.maximum(total, 0) + floor,
                              out=np.ones_like(own), where=total + floor > 0)
            light = own + np.minimum(share, 1) * (stack - total)
            known = np.isfinite(stack)
            light[~known] = 0
            for k, aperture in enumerate(self.apertures):
                radius = np.minimum(aperture, footprint[chosen])
                weights = aperture_weights(x, y, radius, corners, size)
                found.sums[k, rows] = (weights * light).sum(axis=(1, 2))
                found.areas[k, rows] = (weights * known).sum(axis=(1, 2))

    def _write(self, tile, result, error, weight, hole):
        """
        Put the core of a tile into the results.
        """
        result, error, weight, hole = (
            value[tile.inside] for value in (result, error, weight, hole))
        changed = weight > 0
        self.found.data[tile.core][changed] = result[changed]
        self.found.error[tile.core][changed] = error[changed]
        hole = hole[changed]
        self.found.pixel_flags[tile.core][changed] = np.select(
            [hole >= 1, hole > 0], [PIXEL_FLAG['filled'],
                                    PIXEL_FLAG['blended']],
            PIXEL_FLAG['wings'])
