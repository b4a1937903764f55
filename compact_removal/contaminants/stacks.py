# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The mean shape of the sources of an exposure.
"""

import numpy as np
from scipy import ndimage

__all__ = ['STACK_SIZE', 'stack_sources']

# Side of the stamps (pixels), and half that of the region around a centre
# whose light makes all sources alike.
STACK_SIZE, _CORE = 41, 15

# Sources are connected pixels above so many standard deviations after
# smoothing with a Gaussian of this width (pixels), with peaks of at least so
# many, and no more than so many pixels in x and y.
_SMOOTH, _LEVEL, _PEAK, _LARGEST = 1.3, 2.5, 6.0, 60

# So many sources are stacked, and so many bright ones once more.
_MOST, _BRIGHTEST = 80, 15


def stack_sources(image):
    """
    Stack the sources of an exposure.

    Sources are centred on their centroids, as their light may be drawn
    out, and divided by their light. A median keeps what they have in
    common: neither galaxies nor cosmic rays matter, where there are some
    stars.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The exposure less its background, over its noise, shape ``(ny,
        nx)``.

    Returns
    -------
    stack : `~numpy.ndarray`
        Shape ``(3, 41, 41)``, single precision: the median of the
        brightest 80, that of the brightest 15, both with a sum of about
        100, and the square root of their number. 0 where there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.contaminants.stacks import stack_sources
    >>> image = np.zeros((80, 90))
    >>> image[40:43, 50:53] = 30
    >>> stack = stack_sources(image)
    >>> stack.shape, float(stack[2, 0, 0])
    ((3, 41, 41), 1.0)
    """
    stack = np.zeros((3, STACK_SIZE, STACK_SIZE), dtype=np.float32)
    smooth = ndimage.gaussian_filter(np.clip(image, -10, 1e4), _SMOOTH)
    labels, n = ndimage.label(smooth > _LEVEL)
    if not n:
        return stack
    places = ndimage.find_objects(labels)
    index = np.arange(1, n + 1)
    peaks = ndimage.maximum(smooth, labels, index)
    good = (peaks > _PEAK) & np.array([
        max(part.stop - part.start for part in place) <= _LARGEST
        for place in places])
    stamps = []
    for k in np.flatnonzero(good)[np.argsort(-peaks[good])]:
        stamp = _cut(image, smooth, labels, places[k], index[k])
        if stamp is not None:
            stamps.append(stamp)
            if len(stamps) == _MOST:
                break
    if stamps:
        stack[0] = np.median(stamps, axis=0)
        stack[1] = np.median(stamps[:_BRIGHTEST], axis=0)
        stack[2] = np.sqrt(len(stamps))
    return stack


def _cut(image, smooth, labels, place, number):
    """
    A stamp around the centroid of a source; None near an edge.
    """
    mine = labels[place] == number
    light = np.where(mine, smooth[place], 0)
    total = light.sum()
    y = (light.sum(axis=1) @ np.arange(light.shape[0])) / total
    x = (light.sum(axis=0) @ np.arange(light.shape[1])) / total
    y, x = y + place[0].start, x + place[1].start
    half = STACK_SIZE // 2
    row, column = int(np.floor(y)), int(np.floor(x))
    if not (half <= row < image.shape[0] - half - 1
            and half <= column < image.shape[1] - half - 1):
        return None
    part = image[row - half:row + half + 2, column - half:column + half + 2]
    dy, dx = y - row, x - column
    stamp = ((1 - dy) * ((1 - dx) * part[:-1, :-1] + dx * part[:-1, 1:])
             + dy * ((1 - dx) * part[1:, :-1] + dx * part[1:, 1:]))
    edge = np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])
    stamp = stamp - np.median(edge)
    core = stamp[half - _CORE:half + _CORE + 1, half - _CORE:half + _CORE + 1]
    total = core.sum()
    # what is no source after all
    return 100 * stamp / total if total > _PEAK else None
