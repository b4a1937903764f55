# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The steps of a detector: search tiles, join what they find, draw masks.
"""

import sys
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from compact_removal.maps.tiles import make_tiles
from compact_removal.metrics.boxes import box_overlaps
from compact_removal.utils.progress import bar_shape

__all__ = ['Regions', 'find_regions', 'make_segmentation', 'measure_centers']

# Side of the part of an image that is searched at once, and margin around it
# (pixels).
_SIDE, _MARGIN = 384, 64

# Boxes that overlap more are one source.
_SAME = 0.5

# A pixel is in a mask from this chance on.
_INSIDE = 0.5


@dataclass(frozen=True, eq=False)
class Regions:
    """
    What was found.

    Parameters
    ----------
    boxes : `~numpy.ndarray`
        ``(x_min, y_min, x_max, y_max)``, edges (pixels), shape ``(n,
        4)``.
    limits : `~numpy.ndarray` of int
        The first and last pixels of the boxes, in the same order.
    score : `~numpy.ndarray`
        Scores, the highest first, shape ``(n,)``.
    kind : list of str
        Kinds.
    masks : list of `~numpy.ndarray` of bool
        The pixels of each between its limits.
    """

    boxes: np.ndarray
    limits: np.ndarray
    score: np.ndarray
    kind: list
    masks: list


def find_regions(model, image, threshold, *, device='auto',
                 progress_bar=False):
    """
    Find sources on an image of any size.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        A region-based detector.
    image : `~numpy.ndarray`
        Less its background, over its noise, finite, shape ``(ny, nx)``.
    threshold : float
        The least score.
    device : str, optional
        Where to compute.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    regions : `Regions`
        What was found, the highest score first.
    """
    parts = []
    for tile in tqdm(make_tiles(image.shape, _MARGIN, _SIDE), unit='tile',
                     disable=not progress_bar, **bar_shape(sys.stderr)):
        found = model.predict_regions(image[tile.window], device=device)
        # from the edges of pixels to their centres
        corner = [part.start - 0.5 for part in tile.window[::-1]]
        found['boxes'] = found['boxes'] + np.tile(corner, 2)
        middle = (found['boxes'][:, :2] + found['boxes'][:, 2:]) / 2
        some = (tile.distance(*middle.T) <= 0) & (
            found['scores'] >= threshold)
        parts.append({name: values[some] for name, values in found.items()})
    found = {name: np.concatenate([part[name] for part in parts])
             for name in parts[0]}
    order = _suppress(found['boxes'], found['scores'])
    boxes = found['boxes'][order]
    limits = _find_limits(boxes, image.shape)
    masks = (found['masks'][order] if 'masks' in found
             else [None] * len(order))
    kinds = model.config['kinds']
    return Regions(boxes, limits, found['scores'][order].astype(float),
                   [kinds[number - 1] for number in found['labels'][order]],
                   [_draw_mask(*one) for one in zip(
                       masks, boxes, limits, strict=True)])


def measure_centers(image, regions):
    """
    Measure the centres of the light in masks.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Less its background, over its noise, shape ``(ny, nx)``.
    regions : `Regions`
        From `find_regions`.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Centres (pixels); the middle of the box where there is no light.
        Shape ``(n,)``.
    """
    places = []
    for box, (left, low, right, high), mask in zip(
            regions.boxes, regions.limits, regions.masks, strict=True):
        light = np.where(mask, np.maximum(
            image[low:high + 1, left:right + 1], 0), 0)
        if light.sum() > 0:
            row, column = ndimage.center_of_mass(light)
            places.append((left + column, low + row))
        else:
            places.append(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    return np.array(places, dtype=float).reshape(-1, 2).T


def make_segmentation(regions, shape):
    """
    Draw all masks on an image; the highest score wins a pixel.

    Parameters
    ----------
    regions : `Regions`
        From `find_regions`.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    segmentation : `~photutils.segmentation.SegmentationImage`
        Labels are the numbers of the sources from 1.
    """
    from photutils.segmentation import SegmentationImage

    labels = np.zeros(shape, dtype=np.int32)
    for number in range(len(regions.masks), 0, -1):
        left, low, right, high = regions.limits[number - 1]
        labels[low:high + 1, left:right + 1][
            regions.masks[number - 1]] = number
    return SegmentationImage(labels)


def _suppress(boxes, scores):
    """
    Numbers of the boxes that are not the same as a better one.
    """
    order = np.argsort(-scores, kind='stable')
    kept = []
    free = np.ones(len(order), dtype=bool)
    for place, number in enumerate(order):
        if not free[place]:
            continue
        kept.append(number)
        rest = np.flatnonzero(free)
        rest = rest[rest > place]
        if rest.size:
            overlap = box_overlaps(boxes[[number]], boxes[order[rest]])[0]
            free[rest[overlap > _SAME]] = False
    return np.array(kept, dtype=int)


def _find_limits(boxes, shape):
    """
    The first and last pixels of boxes, on the image.
    """
    ny, nx = shape
    first = np.clip(np.rint(boxes[:, :2] + 0.5), 0, [nx - 1, ny - 1])
    last = np.clip(np.rint(boxes[:, 2:] - 0.5), first, [nx - 1, ny - 1])
    return np.concatenate([first, last], axis=1).astype(int)


def _draw_mask(chance, box, limits):
    """
    The pixels of a mask that are in it; all of a box without one.
    """
    left, low, right, high = limits
    if chance is None:
        return np.ones((high - low + 1, right - left + 1), dtype=bool)
    # samples of the mask at pixels
    places = []
    for first, last, start, stop, n in zip(
            (low, left), (high, right), box[[1, 0]], box[[3, 2]],
            chance.shape, strict=True):
        pixels = np.arange(first, last + 1)
        places.append((pixels - start) / max(stop - start, 1e-6) * n - 0.5)
    values = ndimage.map_coordinates(
        chance, np.meshgrid(*places, indexing='ij'), order=1, mode='nearest')
    mask = values >= _INSIDE
    if not mask.any():
        mask[np.unravel_index(values.argmax(), values.shape)] = True
    return mask
