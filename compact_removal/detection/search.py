# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The search for sources on a whole map, tile by tile.
"""

from typing import NamedTuple

import numpy as np

from compact_removal import nn
from compact_removal.detection.candidates import (FEATURES, find_candidates,
                                                  find_peaks,
                                                  measure_candidates,
                                                  measure_structure)
from compact_removal.detection.filters import filter_map
from compact_removal.fitting import learn_psf
from compact_removal.maps.tiles import make_tiles

__all__ = ['Found', 'predict_logit', 'search']

# Surroundings of a tile (full widths): the network sees 56 pixels far,
# filters and fits less.
_MARGIN = 12.0
_LEAST_MARGIN = 64

# Significance of sources that the PSF of the map is learned from, and
# their largest number.
_BRIGHT, _MOST = 20.0, 100


class Found(NamedTuple):
    """
    Candidates on a map.

    Attributes
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.
    flux, flux_err : `~numpy.ndarray`
        In the unit of the map times pixel, shape ``(n,)``.
    width : `~numpy.ndarray`
        Log of the width over that of the PSF, shape ``(n,)``.
    features : `~numpy.ndarray`
        See `~compact_removal.detection.candidates.FEATURES`, shape
        ``(n, n_features)``.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    width: np.ndarray
    features: np.ndarray


def predict_logit(model, planes, psf, *, device='auto'):
    """
    Run the network over a map.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    planes : `~numpy.ndarray`
        Significances, shape ``(3, ny, nx)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The nominal PSF.
    device : str, optional
        Where to compute.

    Returns
    -------
    logit : `~numpy.ndarray`
        Logits of centres by kind, shape ``(n_kinds, ny, nx)``.
    """
    return nn.predict_map(model, {'significance': planes, 'fwhm': psf.fwhm},
                          device=device)['logit']


def search(window, shape, psf, model, *, device='auto', progress=None):
    """
    Find candidates on a map, and measure them.

    Parameters
    ----------
    window : callable
        Gives a part of the map, NaN where unknown.
    shape : tuple of int
        ``(ny, nx)``.
    psf : `~compact_removal.fitting.SourcePSF`
        The nominal PSF.
    model : `~compact_removal.nn.Model`
        The network.
    device : str, optional
        Where to compute.
    progress : callable, optional
        Wraps the list of tiles.

    Returns
    -------
    found : `Found`
        Candidates by rows of tiles.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    """
    margin = max(_LEAST_MARGIN, int(np.ceil(_MARGIN * psf.fwhm)))
    tiles = make_tiles(shape, margin)
    learned = _learn_psf(window, tiles, shape, psf)
    rows = []
    for tile in tiles if progress is None else progress(tiles):
        data = window(tile.window)
        if not np.isfinite(data).any():
            continue
        filtered = filter_map(data, psf)
        logit = predict_logit(model, filtered.planes, psf, device=device)
        start = [part.start for part in tile.window]
        here = learned.moved(-start[1], -start[0])
        x, y = find_candidates(data, here, filtered, logit)
        if not x.size:
            continue
        part = measure_candidates(data, x, y, here, filtered, logit)
        mine = tile.distance(part.x + start[1], part.y + start[0]) <= 0
        rows.append([value[mine] for value in (
            part.x + start[1], part.y + start[0], part.fit.flux,
            part.flux_err, part.fit.shapes[:, 2] - here.mean_at(x, y)[:, 2],
            part.features)])
    if not rows:
        return Found(*np.zeros((5, 0)), np.zeros((0, len(FEATURES)))), learned
    return Found(*(np.concatenate(column)
                   for column in zip(*rows, strict=True))), learned


def _learn_psf(window, tiles, shape, psf):
    """
    Learn the PSF from the brightest peaks of the map.
    """
    found = []
    for tile in tiles:
        data = window(tile.window)
        if not np.isfinite(data).any():
            continue
        filtered = filter_map(data, psf)
        x, y, height = _bright_peaks(filtered, psf)
        x, y = x + tile.window[1].start, y + tile.window[0].start
        mine = tile.distance(x, y) <= 0
        found.append(np.array([x, y, height])[:, mine])
    if not found:
        return psf
    x, y, height = np.concatenate(found, axis=1)
    order = np.argsort(-height, kind='stable')[:_MOST]
    x, y = x[order], y[order]
    if not x.size:
        return psf
    data = window(tuple(slice(0, n) for n in shape))
    noise = measure_structure(data, x, y, psf)
    return learn_psf(data, x, y, psf, noise)[0]


def _bright_peaks(filtered, psf):
    """
    Peaks of sources that may teach the PSF.
    """
    return find_peaks(filtered.planes[1], _BRIGHT,
                      2 * round(psf.fwhm) + 1)
