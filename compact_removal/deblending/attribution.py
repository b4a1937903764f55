# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The steps of a deblender: find centres, share out light, measure sources.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import expit, logit

from compact_removal import nn
from compact_removal.deblending.contributions import (SourceParts,
                                                      find_centers,
                                                      find_window,
                                                      split_light)
from compact_removal.deblending.flags import (BLEND_FLAG, CORE, LIMITS,
                                              find_close, measure_lost)
from compact_removal.deblending.pointers import PointerPlanes, find_nearest

__all__ = ['DOUBTFUL', 'Attribution', 'apply_calibration', 'find_sources',
           'keep_first', 'measure_doubts', 'measure_parts', 'share_light']

# What is less likely a source than the threshold, but more than this, is
# not in the table; its light still is not that of its neighbours.
DOUBTFUL = 0.1

# Limits of values of the map of centres, so that their logits are finite.
_LIMITS = 1e-6, 1 - 1e-6

# Shares below this are those of no source.
_SMALLEST = 1e-3

# The segment of a source: where its light, smoothed with a Gaussian of this
# width (pixels), is above so many standard deviations of the noise.
_SMOOTH, _LEVEL = 1.0, 0.5

# Share of the light within the radius of a source.
_WITHIN = 0.9


@dataclass(frozen=True, eq=False)
class Attribution:
    """
    The light of an image, shared out.

    Parameters
    ----------
    parts : `~compact_removal.deblending.SourceParts`
        Light of each source, over the noise.
    spread : `~numpy.ndarray`
        Standard deviations of the noise in each part, over that of a
        pixel, shape ``(n,)``.
    others : `~numpy.ndarray`
        Light of others where each source is, over its own, shape
        ``(n,)``.
    log_factor, log_error : `~numpy.ndarray`
        Logarithms of flux over light, and of the relative error of the
        flux, shape ``(n,)``.
    labels : `~numpy.ndarray` of int
        Which source has the largest share of each pixel, from 1; 0: no
        source. Shape ``(ny, nx)``.
    """

    parts: SourceParts
    spread: np.ndarray
    others: np.ndarray
    log_factor: np.ndarray
    log_error: np.ndarray
    labels: np.ndarray


def find_sources(model, image, *, threshold, calibration=(1.0, 0.0),
                 device='auto', progress_bar=False):
    """
    Find centres of sources.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The network.
    image : `~numpy.ndarray`
        Less its background, over its noise, finite, shape ``(ny, nx)``.
    threshold : float
        The least probability of a source.
    calibration : sequence of float, optional
        Slope and offset of the logit of the probability against that of
        the map of centres. Default: they are the same.
    device, progress_bar : object
        See `compact_removal.nn.predict_map`.

    Returns
    -------
    x, y, probability : `~numpy.ndarray`
        Positions (pixels) and probabilities, the highest first, shape
        ``(n,)``.
    """
    planes = _make_planes(model, image, np.zeros(0), np.zeros(0))
    centers = np.empty(image.shape, np.float32)
    for window, outputs in nn.predict_tiles(
            model, planes, device=device, tile_size=model.tile_size,
            progress_bar=progress_bar):
        centers[window] = outputs['centers']
    slope, offset = calibration
    x, y = find_centers(centers, threshold=float(expit(
        (logit(threshold) - offset) / slope)))
    value = centers[np.rint(y).astype(int), np.rint(x).astype(int)]
    order = np.argsort(-value, kind='stable')
    return x[order], y[order], apply_calibration(value[order], calibration)


def apply_calibration(value, calibration):
    """
    Make probabilities of values of a map of centres.

    Parameters
    ----------
    value : `~numpy.ndarray`
        The values, between 0 and 1.
    calibration : sequence of float
        See `find_sources`.

    Returns
    -------
    probability : `~numpy.ndarray`
        The probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.attribution import apply_calibration
    >>> apply_calibration(np.array([0.5, 0.8]), (2.0, 0.0)).round(2)
    array([0.5 , 0.94])
    """
    slope, offset = calibration
    value = np.clip(np.asarray(value, dtype=float), *_LIMITS)
    return expit(slope * logit(value) + offset)


def share_light(model, image, x, y, *, device='auto', progress_bar=False):
    """
    Share the light of an image among sources.

    Parameters
    ----------
    model, image : object
        See `find_sources`.
    x, y : `~numpy.ndarray`
        Centres on the image (pixels), shape ``(n,)``.
    device, progress_bar : object
        See `compact_removal.nn.predict_map`.

    Returns
    -------
    attribution : `Attribution`
        The light of each.
    """
    planes = _make_planes(model, image, x, y)
    n = len(x)
    pieces = [[] for _ in range(n)]
    labels = np.zeros(image.shape, np.int32)
    smooth = ndimage.gaussian_filter(image, _SMOOTH)
    taken = np.zeros(image.shape, np.float32)
    spread, others = np.zeros((2, n))
    factor, error = np.zeros(n), np.full(n, np.nan)
    inside = np.rint(y).astype(int), np.rint(x).astype(int)
    # without sources there is nothing to share
    tiles = nn.predict_tiles(model, planes, device=device,
                             tile_size=model.tile_size,
                             progress_bar=progress_bar) if n else ()
    for window, outputs in tiles:
        shares, owner = _find_owners(outputs, window, x, y)
        present, renamed = np.unique(owner, return_inverse=True)
        # the first one is -1 if there is light of no source
        first = int(present[0] < 0)
        split = split_light(np.ones(owner.shape[1:]), shares,
                            renamed.reshape(owner.shape) - first,
                            len(present) - first)
        for number, share, corner in zip(present[first:], split.parts,
                                         split.corners, strict=True):
            # single precision: there may be thousands
            pieces[number].append((share.astype(np.float32), (
                corner[0] + window[0].start, corner[1] + window[1].start)))
        labels[window] = _label(shares, owner, smooth[window])
        taken[window] = np.where(owner >= 0, shares, 0).sum(axis=0)
        if 'log_factor' in outputs:
            here = np.flatnonzero(np.all([
                (values >= side.start) & (values < side.stop)
                for values, side in zip(inside, window, strict=True)], axis=0))
            place = tuple(values[here] - side.start for values, side in zip(
                inside, window, strict=True))
            factor[here] = outputs['log_factor'][place]
            error[here] = outputs['log_error'][place]
    parts, corners, rest = [], [], image.copy()
    for number, some in enumerate(pieces):
        share, corner = _join(some)
        some.clear()
        where = find_window(share, corner)
        light = share * image[where]
        rest[where] -= light
        spread[number] = np.sqrt((share ** 2).sum())
        others[number] = _measure_others(share, taken[where] - share,
                                         image[where])
        parts.append(light)
        corners.append(corner)
    return Attribution(SourceParts(parts, corners, rest), spread, others,
                       factor, error, labels)


def keep_first(attribution, n):
    """
    Give the light of all but the first sources to none.

    Parameters
    ----------
    attribution : `Attribution`
        From `share_light`.
    n : int
        How many are kept.

    Returns
    -------
    attribution : `Attribution`
        Without the others.
    """
    parts = attribution.parts
    rest = parts.unassigned.copy()
    for part, corner in zip(parts.parts[n:], parts.corners[n:], strict=True):
        rest[find_window(part, corner)] += part
    return Attribution(
        SourceParts(parts.parts[:n], parts.corners[:n], rest),
        attribution.spread[:n], attribution.others[:n],
        attribution.log_factor[:n], attribution.log_error[:n],
        np.where(attribution.labels > n, 0, attribution.labels))


def measure_doubts(photometer, data, x, y, n_sure):
    """
    Measure sources beside which there may be others.

    Parameters
    ----------
    photometer : `~compact_removal.BlendPhotometer`
        What measures.
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Centres (pixels): first those that are there, then others that
        may be.
    n_sure : int
        How many are there.

    Returns
    -------
    flux, error : `~numpy.ndarray`
        Fluxes if all are there; errors of the first ones have half of
        the difference to their fluxes if the others are not. Shape
        ``(n,)``.

    Examples
    --------
    >>> from compact_removal.deblending import BlendPhotometer, make_blends
    >>> from compact_removal.deblending.attribution import measure_doubts
    >>> blend, = make_blends(1, seed=1)
    >>> flux, error = measure_doubts(BlendPhotometer(), blend.image,
    ...                              blend.x, blend.y, 1)
    >>> flux.shape, error.shape
    ((2,), (2,))
    """
    places = np.column_stack([x, y])
    table = photometer.measure(data, places)
    flux, error = table['flux'].value, table['flux_err'].value.copy()
    if 0 < n_sure < len(places):
        sure = slice(n_sure)
        alone = photometer.measure(data, places[sure])['flux'].value
        error[sure] = np.hypot(error[sure], 0.5 * (alone - flux[sure]))
    return flux, error


def measure_parts(attribution, x, y, known):
    """
    Measure radii of sources, and find what is doubtful.

    Parameters
    ----------
    attribution : `Attribution`
        From `share_light`.
    x, y : `~numpy.ndarray`
        Centres (pixels), shape ``(n,)``.
    known : `~numpy.ndarray` of bool
        Which pixels are known, shape ``(ny, nx)``.

    Returns
    -------
    radius : `~numpy.ndarray`
        Within it is 90 % of the light (pixels); NaN without light.
    flags : `~numpy.ndarray` of int
        See `~compact_removal.deblending.BLEND_FLAGS`.
    """
    radius, flags = np.full(len(x), np.nan), np.zeros(len(x), dtype=int)
    parts = attribution.parts
    for number, (part, corner) in enumerate(zip(parts.parts, parts.corners,
                                                strict=True)):
        total = part.sum()
        if not part.size or total <= 0:
            continue
        rows, columns = (low + np.arange(side) for low, side in zip(
            corner, part.shape, strict=True))
        distance = np.hypot(rows[:, None] - y[number], columns - x[number])
        order = np.argsort(distance, axis=None)
        growth = np.cumsum(part.ravel()[order])
        last = order[np.argmax(growth >= _WITHIN * total)]
        radius[number] = distance.ravel()[last]
        border = ((rows == 0) | (rows == known.shape[0] - 1))[:, None] | (
            (columns == 0) | (columns == known.shape[1] - 1))
        lost = measure_lost(part, known[np.ix_(rows, columns)])
        flags[number] = sum(
            BLEND_FLAG[name] * int(share > LIMITS[name]) for name, share in (
                ('edge', part[border].sum() / total),
                ('invalid_pixels', lost / total),
                ('blended', attribution.others[number])))
    return radius, flags | find_close(x, y)


def _make_planes(model, image, x, y):
    """
    What a network sees.
    """
    planes = {'image': image}
    if 'pointers' in model.inputs:
        planes['pointers'] = PointerPlanes(image, x, y,
                                           model.config['n_contributions'])
    return planes


def _find_owners(outputs, window, x, y):
    """
    Shares in a part of an image, and which source they belong to.
    """
    shares = outputs['shares']
    if 'vectors' not in outputs:
        rows, columns = (np.arange(side.start, side.stop) for side in window)
        owner = find_nearest(x, y, rows, columns, len(shares))
        return shares, np.where((owner < len(x)) & (shares > _SMALLEST),
                                owner, -1)
    vectors = outputs['vectors']
    rows, columns = np.mgrid[window]
    ends = np.stack([vectors[0::2] + rows, vectors[1::2] + columns], axis=-1)
    _, owner = cKDTree(np.column_stack([y, x])).query(ends)
    return shares, np.where(shares > _SMALLEST, owner, -1)


def _label(shares, owner, smooth):
    """
    Which source has the largest share, where there is light.
    """
    best = shares.argmax(axis=0)[None]
    largest, name = (np.take_along_axis(values, best, axis=0)[0]
                     for values in (shares, owner))
    good = (largest > 1 - shares.sum(axis=0)) & (largest * smooth > _LEVEL)
    return np.where(good, name + 1, 0)


def _join(pieces):
    """
    Put the pieces of a source together.
    """
    if not pieces:
        return np.zeros((0, 0), np.float32), (0, 0)
    low = np.min([corner for _, corner in pieces], axis=0)
    high = np.max([np.add(corner, piece.shape) for piece, corner in pieces],
                  axis=0)
    joined = np.zeros(high - low, np.float32)
    for piece, corner in pieces:
        joined[find_window(piece, corner - low)] += piece
    return joined, tuple(int(value) for value in low)


def _measure_others(share, others, image):
    """
    Light of others where a source is, over its own.
    """
    light = share * np.maximum(image, 0)
    if not light.size or light.max() <= 0:
        return 0.0
    mine = light > CORE * light.max()
    rest = others * np.maximum(image, 0)
    return float(rest[mine].sum() / light.sum())
