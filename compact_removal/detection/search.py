# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The search for sources on a whole map, tile by tile.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter

from compact_removal import nn
from compact_removal.detection.candidates import (FEATURES, find_candidates,
                                                  find_peaks,
                                                  measure_candidates,
                                                  measure_structure)
from compact_removal.detection.filters import filter_map
from compact_removal.fitting import learn_psf
from compact_removal.maps.cutouts import extract_cutouts
from compact_removal.maps.tiles import make_tiles

__all__ = ['Found', 'predict_logit', 'search']

# Surroundings of a tile (full widths): the network sees 56 pixels far,
# filters and fits less.
_MARGIN = 12.0
_LEAST_MARGIN = 64

# Significance of sources that the PSF of the map is learned from, and
# their largest number.
_BRIGHT, _MOST = 20.0, 100

# Cutouts in which the network looks for its centres and their neighbours
# (pixels): least logit of a centre, and largest distance (full widths).
_CUTOUT, _CENTER, _NEIGHBORS = 64, -0.5, 3.0


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
        Width over that of the PSF, NaN for faint ones, shape ``(n,)``.
    edge, invalid : `~numpy.ndarray` of bool
        Whether the edge of what was observed is near, and pixels in the
        core are not known, shape ``(n,)``.
    features : `~numpy.ndarray`
        See `~compact_removal.detection.candidates.FEATURES`, shape
        ``(n, n_features)``.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    width: np.ndarray
    edge: np.ndarray
    invalid: np.ndarray
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


def search(window, shape, psf, model, *, device='auto', progress=iter):
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
        Wraps the numbers of tiles.

    Returns
    -------
    found : `Found`
        Candidates by rows of tiles.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    """
    margin = max(_LEAST_MARGIN, int(np.ceil(_MARGIN * psf.fwhm)))
    tiles = make_tiles(shape, margin)

    # a map of one tile is filtered once, for the PSF and for the search
    @lru_cache(maxsize=1)
    def filter_tile(number):
        data = window(tiles[number].window)
        return data, filter_map(data, psf)

    learned = _learn_psf(window, tiles, shape, psf, model, filter_tile,
                         device)
    step = round(psf.fwhm)
    rows = []
    for number in progress(range(len(tiles))):
        tile = tiles[number]
        data, filtered = filter_tile(number)
        if not filtered.known.any():
            continue
        logit = predict_logit(model, filtered.planes, psf, device=device)
        start = [part.start for part in tile.window]
        here = learned.moved(-start[1], -start[0])
        x, y = find_candidates(data, here, filtered, logit)
        if not x.size:
            continue
        part = measure_candidates(data, x, y, here, filtered, logit)
        near = (maximum_filter(lost, 2 * step + 1, mode='constant',
                               cval=outside)[y, x]
                for lost, outside in ((~filtered.known, True),
                                      (~np.isfinite(data), False)))
        mine = tile.distance(part.x + start[1], part.y + start[0]) <= 0
        rows.append([value[mine] for value in (
            part.x + start[1], part.y + start[0], part.fit.flux,
            part.flux_err, part.width, *near, part.features)])
    if not rows:
        none = np.zeros(0)
        return Found(none, none, none, none, none, none > 0, none > 0,
                     np.zeros((0, len(FEATURES)))), learned
    return Found(*(np.concatenate(column)
                   for column in zip(*rows, strict=True))), learned


def _learn_psf(window, tiles, shape, psf, model, filter_tile, device):
    """
    Learn the PSF from the brightest centres that the network sees.

    It sees two where two are blended into one peak.
    """
    found = []
    for number, tile in enumerate(tiles):
        _, filtered = filter_tile(number)
        x, y, height = find_peaks(filtered.planes[1], _BRIGHT,
                                  2 * round(psf.fwhm) + 1)
        start = tile.window[1].start, tile.window[0].start
        mine = np.flatnonzero(tile.distance(x + start[0], y + start[1]) <= 0)
        planes = [extract_cutouts(plane, x[mine], y[mine], _CUTOUT, fill=0)
                  for plane in filtered.planes]
        found += [(-height[k], *(planes[0][1][i] + start),
                   np.stack([stack[i] for stack, _ in planes]))
                  for i, k in enumerate(mine)]
        # the brightest of the map so far
        found = sorted(found, key=lambda row: row[:3])[:_MOST]
    if not found:
        return psf
    logit = nn.predict(model, {
        'significance': np.stack([row[3] for row in found]),
        'fwhm': psf.fwhm}, device=device)['logit'][:, 0]
    middle = _CUTOUT // 2
    centers = set()
    for (_, left, bottom, planes), one in zip(found, logit, strict=True):
        x, y, _ = find_peaks(one, _CENTER)
        near = np.hypot(x - middle, y - middle) < _NEIGHBORS * psf.fwhm
        centers.update((-float(planes[1, j, i]), int(left + i),
                        int(bottom + j))
                       for i, j in zip(x[near], y[near], strict=True))
    if not centers:
        return psf
    _, x, y = np.array(sorted(centers)).T.astype(int)
    data = window(tuple(slice(0, n) for n in shape))
    noise = measure_structure(data, x, y, psf)
    return learn_psf(data, x, y, psf, noise, n_teachers=_MOST)[0]
