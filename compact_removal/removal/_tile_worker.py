# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From a tile of a map to its background: look, predict, blend, sum.

A tile is seen with all that reaches into it, so no seam can be found.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.fitting.models import LEAST_SHOWN
from compact_removal.maps.cutouts import (DiscBlender, chunk_slices,
                                          extract_cutouts)
from compact_removal.maps.holes import mask_radius, scale_radii
from compact_removal.maps.tiles import Tile
from compact_removal.removal._prediction import predict_cutouts
from compact_removal.removal._window import extract_noise, open_window
from compact_removal.removal.flags import FLAG, PIXEL_FLAG
from compact_removal.removal.measure import sum_light
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.removal.reach import Reach, hole_taper
from compact_removal.removal.records import Record

__all__ = ['TileEstimate', 'TileWorker']


@dataclass(frozen=True)
class TileEstimate(Record):
    """
    The background of a tile, and numbers of the sources in it.

    Parameters
    ----------
    tile : Tile
        The tile.
    changed : `~numpy.ndarray` of bool
        Pixels of its core that sources have changed, shape ``(ny,
        nx)``.
    data, error, pixel_flags : `~numpy.ndarray`
        Background, its error, and bits of ``PIXEL_FLAGS`` in these
        pixels, one-dimensional.
    index : `~numpy.ndarray` of int
        Which of the models lie in the core, shape ``(k,)``.
    footprint, flux_error, flags : `~numpy.ndarray`
        Of these, see
        `~compact_removal.removal.background.BackgroundEstimate`, shape
        ``(k,)``, ``(k, n_radii)`` and ``(k,)``.
    sums, missing : `~numpy.ndarray`
        Their light in apertures, and the part of it that was filled,
        see `~compact_removal.removal.measure.sum_light`, shape
        ``(n_apertures, k)``.
    """

    tile: Tile
    changed: np.ndarray
    data: np.ndarray
    error: np.ndarray
    pixel_flags: np.ndarray
    index: np.ndarray
    footprint: np.ndarray
    flux_error: np.ndarray
    flags: np.ndarray
    sums: np.ndarray
    missing: np.ndarray


class TileWorker:
    """
    Estimates the background of one tile after the other.

    Parameters
    ----------
    input_map : InputMap
        The map.
    located : LocatedSources
        The sources.
    fitted : FittedSources
        Their models, at least one.
    network : CutoutNetwork
        The network.
    band : Band
        The band.
    apertures : `~numpy.ndarray`
        Radii of the apertures (pixels), shape ``(n_apertures, m)``.
    error_dtype : `~numpy.dtype`
        Type in which errors are kept.
    """

    def __init__(self, input_map, located, fitted, network, *, band,
                 apertures, error_dtype):
        self._input_map = input_map
        self._fitted, self._models = fitted, fitted.models
        self._std = located.std[fitted.rows]
        self._snr = located.snr[fitted.rows]
        self._network = network
        self._apertures = apertures
        self._error_dtype = error_dtype
        _, (_, self._outer_annulus) = scale_radii(band,
                                                  input_map.pixel_scale)
        self._taper = hole_taper(band, input_map.pixel_scale)
        self._reach = Reach(self._models, located.radius[fitted.rows],
                            self._taper, apertures.max(),
                            network.removes_wings)
        # as the fluxes of faint sources, their holes are all alike
        self._shown_radius = self._reach.radius
        if network.corrects_wings:
            self._shown_radius = np.maximum(self._reach.radius, mask_radius(
                LEAST_SHOWN, band, pixel_scale=input_map.pixel_scale))
        self._sizes = network.sizes(self._reach.radius + self._taper)

    def margin(self):
        """
        Compute how far beyond a tile the map matters to it.

        Returns
        -------
        margin : int
            In pixels.
        """
        around = max(self._sizes.max() / 2, self._outer_annulus)
        return int(np.ceil(self._reach.furthest + self._taper
                           + self._apertures.max() + around)) + 4

    def estimate(self, tile):
        """
        Estimate the background in the core of a tile.

        Parameters
        ----------
        tile : Tile
            The tile, with a margin of at least `margin`.

        Returns
        -------
        estimate : `TileEstimate` or None
            `None` if no source reaches into it.
        """
        models, reach = self._models, self._reach
        distance = tile.distance(models.x, models.y)
        near = reach.concerns(distance, reach.furthest)
        if not near.any():
            return None
        inside = distance <= 0
        window = open_window(
            self._input_map, tile, self._fitted,
            (self._shown_radius, reach.radius), self._std, distance,
            error_dtype=self._error_dtype)
        footprint = reach.footprint(window.std)
        chosen = np.flatnonzero(reach.concerns(distance, footprint))
        flux_error = np.full((inside.size, len(ERROR_RADII)), np.nan)
        little = np.zeros(inside.size, dtype=bool)
        holes = self._new_layer(window)
        layers = [holes]
        if reach.removes_wings:
            layers = [*self._model_wings(window, chosen, footprint), holes]
        if self._network.corrects_wings:
            wings = self._new_layer(window)
            layers.insert(-1, wings)
        for index, size in self._batches(chosen):
            cutouts = predict_cutouts(
                window, index, self._network, size=size,
                snr=self._snr[index], surroundings=self._outer_annulus)
            flux_error[index] = cutouts.flux_error
            little[index] = cutouts.little_background
            if self._network.corrects_wings:
                self._add(wings, window, cutouts, np.minimum(
                    footprint, self._network_radius()))
            self._add(holes, window, cutouts, reach.radius)
        data, error, weight, outlier = self._blend(window, layers)
        index = np.flatnonzero(inside)
        sums, missing = sum_light(
            window.data - data, window.light, window.models, index,
            window.std, footprint[index], self._apertures[:, index])
        # nobody asked for the removal of these
        data += window.unlisted
        changed = (weight > 0)[tile.inside]
        hole = holes.weight[tile.inside][changed]
        pixel_flags = np.select([hole >= 1, hole > 0],
                                [PIXEL_FLAG['filled'], PIXEL_FLAG['blended']],
                                PIXEL_FLAG['wings'])
        pixel_flags[outlier[tile.inside][changed]] |= PIXEL_FLAG['outlier']
        return TileEstimate(
            tile, changed, data[tile.inside][changed],
            error[tile.inside][changed],
            pixel_flags, index, footprint[index], flux_error[index],
            little[index] * FLAG['little_background'], sums, missing)

    def _new_layer(self, window):
        """
        An empty layer for backgrounds and their errors.
        """
        return DiscBlender(window.data.shape, 2, taper=self._taper)

    def _network_radius(self):
        """
        Radii within which the network is believed: the largest discs
        that the cutouts can hold, or the holes.
        """
        if not self._network.corrects_wings:
            return self._reach.radius
        return np.maximum(self._sizes / 2 - self._taper - 1, 0)

    def _batches(self, chosen):
        """
        Sources whose cutouts have the same size, some at a time.
        """
        for size in np.unique(self._sizes[chosen]):
            alike = chosen[self._sizes[chosen] == size]
            for part in chunk_slices(alike.size, size):
                yield alike[part], int(size)

    def _model_wings(self, window, chosen, footprint):
        """
        Layers of wings where the network is not believed, by models alone.
        """
        wide = chosen[(footprint > self._network_radius())[chosen]]
        if not wide.size:
            return []
        models = window.models
        layer = self._new_layer(window)
        size = 2 * int(np.ceil(self._reach.furthest + self._taper)) + 3
        clean = window.data - window.light
        for part in chunk_slices(wide.size, size):
            index = wide[part]
            x, y = models.x[index], models.y[index]
            images, corners = extract_cutouts(clean, x, y, size, fill=0.0)
            light, _ = extract_cutouts(window.light, x, y, size, fill=0.0)
            errors = np.hypot(extract_noise(window, index, size),
                              models.psf.model_error * light)
            layer.add((images, errors), x, y, footprint[index], corners)
        return [layer]

    @staticmethod
    def _add(layer, window, cutouts, radius):
        """
        Put cutouts into a layer, in discs around their sources.
        """
        index, models = cutouts.index, window.models
        layer.add((cutouts.background, cutouts.error), models.x[index],
                  models.y[index], radius[index], cutouts.corners)

    def _blend(self, window, layers):
        """
        Lay layers on a window.

        Returns background, error and largest weight, and the pixels
        that stood out, where the estimate has taken their place.
        """
        data = window.data.copy()
        unknown = np.isnan(data)
        stand_out = np.zeros(data.shape, dtype=bool)
        stand_out[self._fitted.outliers_in(window.tile.window)] = True
        error = window.noise.astype(float)
        weight = np.zeros(data.shape, dtype=np.float32)
        # a hole belongs to its source, so it comes last
        for layer in layers:
            layer.blend(0, data)
            layer.blend(1, error)
            weight = np.maximum(weight, layer.weight)
        weight[unknown & ~stand_out] = 0
        return data, error, weight, stand_out
