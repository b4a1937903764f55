# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A part of a map as the estimate of its background sees it.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.fitting.models import SourceModels
from compact_removal.maps.cutouts import extract_cutouts
from compact_removal.maps.holes import draw_discs
from compact_removal.maps.tiles import Tile
from compact_removal.removal.records import Record

__all__ = ['Window', 'extract_noise', 'open_window', 'read_noise']


@dataclass(frozen=True)
class Window(Record):
    """
    A tile with its surroundings, in pixels of the window.

    Parameters
    ----------
    tile : Tile
        The tile.
    models : `~compact_removal.fitting.SourceModels`
        All sources of the map.
    data : `~numpy.ndarray`
        The map without ``unlisted``, NaN where a pixel must not be used
        or stands out from the fit, shape ``(ny, nx)``.
    light : `~numpy.ndarray`
        The light of all models, shape ``(ny, nx)``.
    shown : `~numpy.ndarray`
        The light that networks see, which hides the fluxes of faint
        sources (`~compact_removal.fitting.SourceModels.shown`), shape
        ``(ny, nx)``.
    unlisted : `~numpy.ndarray`
        The light of sources that are not among the positions, shape
        ``(ny, nx)``.
    outside, open : `~numpy.ndarray` of bool
        True at usable pixels outside of all holes, as networks see them
        and as they are, shape ``(ny, nx)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around each source, without
        the light of the others, shape ``(m,)``.
    noise : `~numpy.ndarray`
        The uncertainty of the map, NaN where it is unknown, shape ``(ny,
        nx)``.
    """

    tile: Tile
    models: SourceModels
    data: np.ndarray
    light: np.ndarray
    shown: np.ndarray
    unlisted: np.ndarray
    outside: np.ndarray
    open: np.ndarray
    std: np.ndarray
    noise: np.ndarray


def open_window(input_map, tile, fitted, radii, std, distance, *,
                error_dtype):
    """
    Cut out the window of a tile, and draw holes and sources on it.

    Parameters
    ----------
    input_map : InputMap
        The map.
    tile : Tile
        The tile.
    fitted : FittedSources
        All sources of the map.
    radii : tuple of `~numpy.ndarray`
        Radii of their holes, as networks see them and as they are
        (pixels), shape ``(m,)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around them, shape ``(m,)``.
    distance : `~numpy.ndarray`
        How far outside of the core of the tile they lie (pixels), shape
        ``(m,)``.
    error_dtype : `~numpy.dtype`
        Type in which errors are kept.

    Returns
    -------
    window : `Window`
        The window.
    """
    models = fitted.models.moved(-tile.window[1].start, -tile.window[0].start)
    data = fitted.window(input_map, tile.window)
    light = models.render(data.shape)
    unlisted = fitted.unlisted.moved(-tile.window[1].start,
                                     -tile.window[0].start).render(data.shape)
    data -= unlisted
    outside = []
    for radius in radii:
        covered = distance <= tile.margin + radius.max()
        count = draw_discs(data.shape, models.x[covered], models.y[covered],
                           radius[covered])
        outside.append(np.isfinite(data) & (count == 0))
    return Window(tile, models, data, light,
                  models.shown().render(data.shape), unlisted,
                  *outside, std,
                  read_noise(input_map, tile.window, error_dtype))


def read_noise(input_map, part, dtype):
    """
    Read the uncertainty of a part of a map.

    Parameters
    ----------
    input_map : InputMap
        The map.
    part : tuple of slice
        Rows and columns.
    dtype : `~numpy.dtype`
        Type of the result.

    Returns
    -------
    noise : `~numpy.ndarray`
        Standard deviation per pixel, NaN where it is unknown.
    """
    if input_map.error is None:
        return np.full(input_map.data[part].shape, np.nan, dtype)
    with np.errstate(over='ignore'):
        noise = input_map.error[part].astype(dtype)
    # what the type cannot hold
    noise[~((noise > 0) & (noise < np.inf))] = np.nan
    return noise


def extract_noise(window, index, size):
    """
    Cut the uncertainty of the map out around sources.

    Parameters
    ----------
    window : `Window`
        The window.
    index : `~numpy.ndarray` of int
        Which of its models, shape ``(k,)``.
    size : int
        Side of the cutouts (pixels).

    Returns
    -------
    noise : `~numpy.ndarray`
        Standard deviation per pixel, shape ``(k, size, size)``. Where it
        is unknown, the standard deviation of the background around the
        source, which contains it, takes its place.
    """
    noise, _ = extract_cutouts(window.noise, window.models.x[index],
                               window.models.y[index], size, fill=np.nan)
    return np.where(np.isnan(noise), window.std[index, None, None], noise)
