# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Random shifts, flips and rotations of training cutouts.
"""

import numpy as np
import torch
from kornia.augmentation import RandomAffine

from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_choice)

__all__ = ['RandomTransform']

_ROTATIONS = ('any', 'right', 'none')

# A pixel is known if all but this share of it comes from known pixels.
_LOST_SHARE = 1e-3


class RandomTransform:
    """
    Augment batches as in Section 2.4.3 of the paper.

    Each cutout is flipped and rotated about the centre of pixel ``(nx //
    2, ny // 2)``, which may show a source, and then shifted, the same way
    in all planes of the batch. Training sets that are cut from maps at
    random positions and angles do not need this.

    Parameters
    ----------
    max_shift : float, optional
        Largest shift in x and in y (pixels).
    rotate : {'any', 'right', 'none'}, optional
        Any angle, multiples of 90 degrees, or none.
    flip : bool, optional
        Whether to flip at random, in x and in y.

    Raises
    ------
    ParameterError
        If an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from compact_removal.nn import Field, RandomTransform
    >>> fields = {'image': Field('plane', 'affine'),
    ...           'validity': Field('mask')}
    >>> batch = {'image': torch.rand(2, 32, 32),
    ...          'validity': torch.ones(2, 32, 32)}
    >>> rng = np.random.default_rng(1)
    >>> augmented = RandomTransform(max_shift=1)(batch, rng, fields)
    >>> augmented['image'].shape
    torch.Size([2, 32, 32])
    """

    def __init__(self, max_shift=2.0, *, rotate='any', flip=True):
        if not (isinstance(max_shift, (int, float, np.number))
                and 0 <= max_shift < np.inf):
            msg = f'max_shift must be >= 0 pixels, got {max_shift!r}'
            raise ParameterError(msg, 'max_shift')
        self.max_shift = float(max_shift)
        self.rotate = check_choice('rotate', rotate, _ROTATIONS)
        self.flip = check_boolean('flip', flip)

    def __repr__(self):
        return (f'{type(self).__name__}(max_shift={self.max_shift}, '
                f'rotate={self.rotate!r}, flip={self.flip})')

    def __call__(self, batch, rng, fields):
        """
        Transform a batch.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            Planes of shape ``(n, ..., ny, nx)``, and numbers per cutout
            of any shape.
        rng : `numpy.random.Generator`
            The source of random numbers. The global state of random
            numbers is not touched.
        fields : dict of `Field`
            What is known of the entries of the batch: their kind, and
            their value beyond the edges of a cutout (``fill``).

        Returns
        -------
        batch : dict of `torch.Tensor`
            The same entries of the same types. Masks are 0 or 1, and 0
            where any part of a pixel comes from a 0 or from outside.
            Values stay as they are. All other kinds are interpolated
            linearly; a pixel is NaN if any part of it comes from NaN,
            and ``fill`` if any comes from outside.

        Raises
        ------
        ParameterError
            If an entry is not in ``fields``.
        """
        missing = sorted(batch.keys() - fields.keys())
        if missing:
            msg = (f'fields must have all entries of the batch, '
                   f'{missing[0]!r} is missing')
            raise ParameterError(msg, 'fields')
        keys = [key for key in batch if fields[key].kind != 'value']
        if not keys:
            return dict(batch)
        move = self._draw(batch[keys[0]].shape, rng)
        planes = {key: batch[key].unsqueeze(1).flatten(1, -3).float()
                  for key in keys}
        inside = move(torch.ones_like(planes[keys[0]][:, :1]))
        result = dict(batch)
        for key, values in planes.items():
            moved = _transform(values, fields[key], move, inside)
            result[key] = moved.reshape(batch[key].shape).to(batch[key].dtype)
        return result

    def _draw(self, shape, rng):
        """
        Draw a transformation, which is the same for all planes.
        """
        n, ny, nx = shape[0], *shape[-2:]
        # the draws are those of kornia, the centre is that of a pixel
        affine = RandomAffine(
            180.0 if self.rotate == 'any' else 0.0, p=1.0,
            translate=(self.max_shift / nx, self.max_shift / ny),
            align_corners=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2 ** 63)))
            params = affine.forward_parameters(torch.Size((n, 1, ny, nx)))
            if self.rotate == 'right':
                params['angle'] = 90.0 * torch.randint(4, (n,))
            if self.flip:
                params['scale'] = 2.0 * torch.randint(2, (n, 2)) - 1
        params['center'] = torch.tensor([[nx // 2, ny // 2]]).expand(n, 2)

        def move(planes):
            return affine(planes, params=params)

        return move


def _transform(planes, field, move, inside):
    """
    Transform the planes of one entry, shape (n, m, ny, nx).
    """
    if field.kind == 'mask':
        return _is_all(move(planes)).float()
    finite = torch.isfinite(planes)
    if finite.all():
        moved = move(planes)
    else:
        moved = move(torch.where(finite, planes, 0.0))
        moved = torch.where(_is_all(move(finite.float())), moved, torch.nan)
    return torch.where(_is_all(inside), moved, field.fill)


def _is_all(share):
    """
    Whether all of a pixel comes from pixels of value 1.
    """
    return share > 1 - _LOST_SHARE
