# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Measure pairs with the networks that take two sources.
"""

import numpy as np

from compact_removal import nn
from compact_removal.maps import extract_cutouts
from compact_removal.utils.parameters import ParameterError

__all__ = ['measure_pair']

# Masks are where the network is more certain than this.
_SURE = 0.5


def measure_pair(model, image, x, y, *, network, device='auto'):
    """
    Measure a source and its companion.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        Takes stamps whose middle is the first source.
    image : `~numpy.ndarray`
        Less its background, over its noise, finite, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Positions on the image (pixels); the first one is the source.
    network : str
        What the user calls the network, for messages.
    device : str, optional
        Where to compute.

    Returns
    -------
    flux : `~numpy.ndarray`
        In units of the noise, shape ``(2,)``.
    masks : `~numpy.ndarray` of bool or None
        Where they are, shape ``(2, ny, nx)``, if the network draws them.

    Raises
    ------
    ParameterError
        If there are not two positions on the image.
    """
    if len(x) != 2:
        msg = (f'positions must be two on the image for network {network!r}, '
               f"got {len(x)}; network 'conditioned' takes any number")
        raise ParameterError(msg, 'positions')
    size = model.usual_size
    column, row = round(float(x[0])), round(float(y[0]))
    stamp, _ = extract_cutouts(image, column, row, size, fill=0)
    found = nn.predict(model, {'image': stamp.astype(np.float32)},
                       device=device)
    if 'masks' not in found:
        return found['flux'][0].astype(float), None
    masks = np.zeros((2, *image.shape), dtype=bool)
    low, left = row - size // 2, column - size // 2
    rows, columns = (slice(max(start, 0), min(start + size, n))
                     for start, n in zip((low, left), image.shape,
                                         strict=True))
    masks[:, rows, columns] = found['masks'][0][
        :, rows.start - low:rows.stop - low,
        columns.start - left:columns.stop - left] > _SURE
    return found['flux'][0].astype(float), masks
