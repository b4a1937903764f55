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
from compact_removal.detection.channels import filter_channels
from compact_removal.detection.model_errors import (USUAL_ERRORS,
                                                    measure_model_errors)
from compact_removal.detection.kinds import KINDS
from compact_removal.fitting import learn_psf
from compact_removal.fitting.patches import close_pairs
from compact_removal.maps.cutouts import extract_cutouts
from compact_removal.maps.tiles import make_tiles

__all__ = ['Found', 'Surveyed', 'measure', 'predict_logit', 'search',
           'survey']

# Surroundings of a tile (full widths): the network sees 56 pixels far,
# filters and fits less.
_MARGIN = 12.0
_LEAST_MARGIN = 64

# Significance of sources that the PSF of the map is learned from, and their
# largest number. What changes the width (logarithm) or the elongation (in
# units of its prior) more than this are blends, or extended sources.
_BRIGHT, _MOST = 20.0, 100
_WIDEST, _LONGEST = 0.18, 2.5

# Least probability, before the fit, that a candidate is anything; bright ones
# are fitted in any case, for their light.
_LEAST_PREVIEW, _FITTED = 0.05, 12.0

# What is fainter than this share of a neighbour may be one of its lobes, and
# is left to it.
_LOBE = 0.1

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
        In the unit of the map times pixel, NaN for those that were not
        fitted, shape ``(n,)``.
    width : `~numpy.ndarray`
        Width over that of the PSF, NaN for faint ones, shape ``(n,)``.
    edge, invalid : `~numpy.ndarray` of bool
        Whether the edge of what was observed is near, and pixels in the
        core are not known, shape ``(n,)``.
    fitted : `~numpy.ndarray` of bool
        Whether they were fitted, shape ``(n,)``.
    probability : `~numpy.ndarray`
        Of the kinds, shape ``(n, n_kinds)``.
    features : `~numpy.ndarray`
        See `~compact_removal.detection.candidates.FEATURES`, NaN for
        those that were not fitted, shape ``(n, n_features)``.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    width: np.ndarray
    edge: np.ndarray
    invalid: np.ndarray
    fitted: np.ndarray
    probability: np.ndarray
    features: np.ndarray

    def take(self, rows):
        """
        Take some of them.

        Parameters
        ----------
        rows : `~numpy.ndarray`
            Which ones, in which order.

        Returns
        -------
        found : `Found`
            These.
        """
        return Found(*(value[rows] for value in self))


class Surveyed(NamedTuple):
    """
    Candidates on a tile, not yet fitted.

    Attributes
    ----------
    tile : `~compact_removal.maps.tiles.Tile`
        Where it is.
    data : `~numpy.ndarray`
        The tile and its surroundings, NaN where unknown, shape ``(my,
        mx)``.
    filtered : `~compact_removal.detection.filters.FilteredMap`
        Its significances.
    logit : `~numpy.ndarray`
        Logits of centres by kind, shape ``(n_kinds, my, mx)``.
    learned, psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map, in pixels of the map and of the tile.
    model_errors : `~compact_removal.detection.model_errors.ModelErrors`
        What models of sources leave beside them.
    x, y : `~numpy.ndarray`
        Pixels of ``data``, shape ``(n,)``.
    preview : `~numpy.ndarray`
        See `~compact_removal.detection.candidates.PREVIEW_FEATURES`,
        shape ``(n, n_features)``.
    """

    tile: object
    data: np.ndarray
    filtered: object
    logit: np.ndarray
    learned: object
    psf: object
    model_errors: np.ndarray
    x: np.ndarray
    y: np.ndarray
    preview: np.ndarray

    def on_map(self, x, y):
        """
        Give positions in pixels of the map, and which belong to the tile.

        Parameters
        ----------
        x, y : `~numpy.ndarray`
            Pixels of ``data``, shape ``(n,)``.

        Returns
        -------
        x, y : `~numpy.ndarray`
            Pixels of the map, shape ``(n,)``.
        mine : `~numpy.ndarray` of bool
            Whether they are the tile's own, shape ``(n,)``.
        """
        rows, columns = (part.start for part in self.tile.window)
        x, y = x + columns, y + rows
        return x, y, self.tile.distance(x, y) <= 0


def predict_logit(model, planes, psf, *, device='auto'):
    """
    Run the network over a map.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    planes : `~numpy.ndarray`
        Significances, shape ``(3 n_channels, ny, nx)``.
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


def survey(channels, psf, model, *, device='auto', progress=iter):
    """
    Find candidates on a map, tile by tile, before they are fitted.

    Parameters
    ----------
    channels : sequence of `~compact_removal.detection.channels.Channel`
        The map, and others that the network sees; pixels that are not
        finite are not known.
    psf : `~compact_removal.fitting.SourcePSF`
        The nominal PSF.
    model : `~compact_removal.nn.Model`
        The network.
    device : str, optional
        Where to compute.
    progress : callable, optional
        Wraps the numbers of tiles.

    Yields
    ------
    part : `Surveyed`
        A tile where something is known.
    """
    margin = max(_LEAST_MARGIN, int(np.ceil(_MARGIN * psf.fwhm)))
    tiles = make_tiles(channels[0].data.shape, margin)

    # a map of one tile is filtered once, for the PSF and for the search
    @lru_cache(maxsize=1)
    def filter_tile(number):
        return filter_channels(channels, tiles[number].window, psf)

    learned, errors = _learn_psf(channels[0], tiles, psf, model, filter_tile,
                                 device)
    for number in progress(range(len(tiles))):
        values, filtered, planes = filter_tile(number)
        if not filtered.known.any():
            continue
        logit = predict_logit(model, planes, psf, device=device)
        rows, columns = (part.start for part in tiles[number].window)
        here = learned.moved(-columns, -rows)
        yield Surveyed(tiles[number], values, filtered, logit, learned, here,
                       errors, *find_candidates(values, here, filtered, logit,
                                                errors))


def measure(channels, psf, model, preview, *, least=_LEAST_PREVIEW,
            device='auto', progress=iter):
    """
    Find candidates, tile by tile, and fit those that may be something.

    Parameters
    ----------
    channels, psf, model : object
        See `survey`.
    preview : `~compact_removal.detection.probability.Scorer`
        Probabilities before the fit.
    least : float, optional
        The least of these, of all kinds together, of what is fitted.
    device, progress : object
        See `survey`.

    Yields
    ------
    found : `Found`
        Candidates of a tile, with the probabilities before the fit.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    """
    step = round(psf.fwhm)
    for part in survey(channels, psf, model, device=device,
                       progress=progress):
        x, y = part.x, part.y
        chance = preview(part.preview)
        fitted = ((chance.sum(axis=1) > least)
                  | (part.filtered.planes[1][y, x] > _FITTED))
        near = [maximum_filter(lost, 2 * step + 1, mode='constant',
                               cval=outside)[y, x]
                for lost, outside in ((~part.filtered.known, True),
                                      (~np.isfinite(part.data), False))]
        values = [x.astype(float), y.astype(float), *np.full((3, x.size),
                                                             np.nan)]
        features = np.full((x.size, len(FEATURES)), np.nan)
        if fitted.any():
            measured = measure_candidates(
                part.data, x[fitted], y[fitted], part.psf, part.filtered,
                part.logit, part.model_errors)
            features[fitted] = measured.features
            for value, one in zip(values, (
                    measured.x, measured.y, measured.fit.flux,
                    measured.flux_err, measured.width), strict=True):
                value[fitted] = one
        *values[:2], mine = part.on_map(*values[:2])
        yield Found(*values, *near, fitted, chance,
                    features).take(mine), part.learned


def search(channels, psf, model, preview, scorer, threshold, *,
           device='auto', progress=iter):
    """
    Find sources on a map.

    Parameters
    ----------
    channels, psf, model, preview : object
        See `measure`.
    scorer : `~compact_removal.detection.probability.Scorer`
        Probabilities after the fit.
    threshold : float
        Least probability of compact sources.
    device, progress : object
        See `survey`.

    Returns
    -------
    found : `Found`
        Candidates by rows of tiles, without features.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF of the map.
    """
    none = np.zeros(0)
    tiles = [Found(*[none] * 5, *[none > 0] * 3, np.zeros((0, len(KINDS))),
                   np.zeros((0, 0)))]
    learned = psf
    for found, adapted in measure(channels, psf, model, preview,
                                  device=device, progress=progress):
        learned = adapted
        found.probability[found.fitted] = scorer(found.features[found.fitted])
        kept = found._replace(features=np.zeros((found.x.size, 0)))
        tiles.append(kept.take(found.probability[:, 0] >= threshold))
    return Found(*(np.concatenate(column)
                   for column in zip(*tiles, strict=True))), learned


def _learn_psf(channel, tiles, psf, model, filter_tile, device):
    """
    Learn the PSF from the brightest centres that the network sees, and
    what its models leave.

    It sees two where two are blended into one peak. Where most of them are
    blends even so, the PSF is the nominal one.
    """
    found = []
    for number, tile in enumerate(tiles):
        _, filtered, planes = filter_tile(number)
        x, y, height = find_peaks(filtered.planes[1], _BRIGHT,
                                  2 * round(psf.fwhm) + 1)
        start = tile.window[1].start, tile.window[0].start
        mine = np.flatnonzero(tile.distance(x + start[0], y + start[1]) <= 0)
        planes = [extract_cutouts(plane, x[mine], y[mine], _CUTOUT, fill=0)
                  for plane in planes]
        found += [(-height[k], *(planes[0][1][i] + start),
                   np.stack([stack[i] for stack, _ in planes]))
                  for i, k in enumerate(mine)]
        # the brightest of the map so far
        found = sorted(found, key=lambda row: row[:3])[:_MOST]
    if not found:
        return psf, USUAL_ERRORS
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
        return psf, USUAL_ERRORS
    height, x, y = np.array(sorted(centers)).T
    others, owners = close_pairs(x, y, _NEIGHBORS * psf.fwhm)
    lobes = owners[height[others] < height[owners] / _LOBE]
    x, y = (np.delete(value, lobes).astype(int) for value in (x, y))
    data, mask, _ = channel
    noise = measure_structure(data, x, y, psf, mask=mask)
    learned, _ = learn_psf(data, x, y, psf, noise, mask=mask,
                           n_teachers=_MOST)
    if (abs(learned.mean[2]) > _WIDEST or np.hypot(*learned.mean[3:])
            > _LONGEST * psf.prior[3]):
        return psf, USUAL_ERRORS
    return learned, measure_model_errors(data, x, y, learned, noise,
                                         mask=mask)
