# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Labelled images of users, and batches of parts of them.
"""

import numpy as np
from astropy.table import Table

from compact_removal.detection.region_fields import (FieldBatches,
                                                     LabelledField)
from compact_removal.maps.arrays import read_array
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError)

__all__ = ['LabelledImages', 'read_labels']

_EDGES = ('bbox_xmin', 'bbox_ymin', 'bbox_xmax', 'bbox_ymax')

# A source counts where so much of its mask is in a part of the image.
_INSIDE = 0.5


class LabelledImages(FieldBatches):
    """
    Batches of parts of labelled images, turned and mirrored.

    Parameters
    ----------
    fields : list of LabelledField
        The images.
    **kwargs : object
        See `~compact_removal.detection.region_fields.FieldBatches`.
    """

    def __init__(self, fields, **kwargs):
        super().__init__(**kwargs)
        self._fields = fields

    def field(self, *key):
        """
        Cut a part out of an image.

        Parameters
        ----------
        *key : int
            Its numbers.

        Returns
        -------
        field : `~compact_removal.detection.region_fields.LabelledField`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 41, *key])
        field = self._fields[rng.integers(len(self._fields))]
        ny, nx = field.image.shape
        low, left = (int(rng.integers(max(n - self._size, 0) + 1))
                     for n in (ny, nx))
        window = np.s_[low:low + self._size, left:left + self._size]
        image = np.full((self._size,) * 2, np.nan)
        part = field.image[window]
        image[:part.shape[0], :part.shape[1]] = part
        masks = np.zeros((len(field.kind), *image.shape), dtype=bool)
        masks[:, :part.shape[0], :part.shape[1]] = field.masks[:, *window]
        inside = masks.sum(axis=(1, 2)) > _INSIDE * field.masks.sum(
            axis=(1, 2))
        return LabelledField(
            image, tuple(np.array(field.kind, dtype=str)[inside]),
            masks[inside], field.x[inside] - left, field.y[inside] - low)


def read_labels(images, labels):
    """
    Read the labelled images of a user.

    Parameters
    ----------
    images, labels : object
        See `~compact_removal.RegionDetector.fit`.

    Returns
    -------
    fields : list of LabelledField or None
        The images; `None` if none are given.

    Raises
    ------
    TypeError, ValueError
        If they are no images with labels.
    """
    if images is None:
        if labels is not None:
            msg = 'labels must be None without images'
            raise ParameterError(msg, 'labels')
        return None
    images = list(images)
    if labels is None or len(labels) != len(images) or not images:
        msg = (f'labels must have one table per image ({len(images)}), got '
               f'{"none" if labels is None else len(labels)}')
        raise ParameterError(msg, 'labels')
    return [_read_one(read_array(image, 'images'), table, f'labels[{number}]')
            for number, (image, table) in enumerate(zip(images, labels,
                                                        strict=True))]


def _read_one(data, table, name):
    """
    A labelled image of an image and its table.
    """
    if not isinstance(table, Table):
        msg = f'labels must be tables, got {type(table).__name__} ({name})'
        raise ParameterTypeError(msg, 'labels')
    if 'kind' not in table.colnames:
        msg = (f'labels must have the column kind, got '
               f'{", ".join(table.colnames)} ({name})')
        raise ParameterError(msg, 'labels')
    segments = table.meta.get('segmentation')
    masks = np.zeros((len(table), *data.shape), dtype=bool)
    if segments is not None and 'id' in table.colnames:
        segments = np.asarray(getattr(segments, 'data', segments))
        if segments.shape != data.shape:
            msg = (f'labels: the segmentation must have the shape '
                   f'{data.shape} of the image, got {segments.shape} '
                   f'({name})')
            raise ParameterError(msg, 'labels')
        masks[:] = segments == np.asarray(table['id'])[:, None, None]
    elif set(_EDGES) <= set(table.colnames):
        edges = [np.asarray(table[edge]).astype(int) for edge in _EDGES]
        for mask, left, low, right, high in zip(masks, *edges, strict=True):
            mask[max(low, 0):max(high + 1, 0),
                 max(left, 0):max(right + 1, 0)] = True
    else:
        msg = ('labels must have the columns bbox_xmin, bbox_xmax, bbox_ymin '
               "and bbox_ymax, or id and meta['segmentation'], got "
               f'{", ".join(table.colnames)} ({name})')
        raise ParameterError(msg, 'labels')
    good = masks.any(axis=(1, 2))
    masks = masks[good]
    rows, columns = np.indices(data.shape, sparse=True)
    area = np.maximum(masks.sum(axis=(1, 2)), 1)
    return LabelledField(
        data, tuple(str(kind) for kind in np.asarray(table['kind'])[good]),
        masks, (masks * columns).sum(axis=(1, 2)) / area,
        (masks * rows).sum(axis=(1, 2)) / area)
