# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Random shifts, flips and rotations of training cutouts.
"""

import numpy as np
import torch
from kornia.geometry.transform import warp_affine

__all__ = ['RandomTransform']


class RandomTransform:
    """
    Augment batches as in Section 2.4.3 of the paper.

    Each cutout is shifted, flipped and rotated about its centre, the
    same way in all planes of the batch. Pixels that come from outside
    the cutout are not valid and have no known target. Training sets that
    are cut from maps at random positions and angles do not need this.

    Parameters
    ----------
    max_shift : float, optional
        Largest shift in x and in y (pixels).
    rotate : {'any', 'right', `None`}, optional
        Any angle, multiples of 90 degrees, or none.
    flip : bool, optional
        Whether to flip at random, in x and in y.

    Raises
    ------
    ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from compact_removal.nn.augment import RandomTransform
    >>> batch = {'image': torch.rand(2, 32, 32),
    ...          'validity': torch.ones(2, 32, 32)}
    >>> augmented = RandomTransform()(batch, np.random.default_rng(1))
    >>> augmented['image'].shape
    torch.Size([2, 32, 32])
    """

    def __init__(self, max_shift=2.0, *, rotate='any', flip=True):
        if not 0 <= max_shift < np.inf:
            msg = f'max_shift must be >= 0 pixels, got {max_shift!r}'
            raise ValueError(msg)
        if rotate not in ('right', 'any', None):
            msg = f"rotate must be 'right', 'any' or None, got {rotate!r}"
            raise ValueError(msg)
        self.max_shift = max_shift
        self.rotate = rotate
        self.flip = flip

    def __call__(self, batch, rng):
        """
        Transform a batch.

        Parameters
        ----------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            ``image``, ``validity``, ``target`` and ``aperture``, those
            that there are.
        rng : `numpy.random.Generator`
            The source of random numbers.

        Returns
        -------
        batch : dict of `torch.Tensor`, (n, ny, nx)
            The transformed planes. ``validity`` is 0 or 1, and 0 if any
            part of the pixel comes from a hole. Outside the old cutout,
            image, validity and aperture are 0 and the target is NaN.
        """
        image = batch['image']
        n_images, ny, nx = image.shape
        matrix = self._draw(n_images, ny, nx, rng)
        matrix = torch.as_tensor(matrix, dtype=image.dtype,
                                 device=image.device)
        finite = torch.isfinite(image)
        valid = (batch['validity'] > 0.5) & finite
        planes = {'image': torch.where(finite, image, 0.0)}
        known = {'image': torch.ones_like(finite), 'validity': valid}
        if batch.get('target') is not None:
            target = batch['target']
            known['target'] = torch.isfinite(target)
            planes['target'] = torch.where(known['target'], target, 0.0)
        if batch.get('aperture') is not None:
            planes['aperture'] = batch['aperture']

        planes = {key: _warp(plane, matrix)
                  for key, plane in planes.items()}
        # A pixel with any part from an unknown pixel is unknown.
        known = {key: _warp(plane.to(image.dtype), matrix) > 1 - 1e-3
                 for key, plane in known.items()}
        inside = known.pop('image')
        result = {key: plane * inside for key, plane in planes.items()}
        result['validity'] = known['validity'].to(image.dtype)
        if 'target' in result:
            result['target'] = result['target'].masked_fill(
                ~known['target'], torch.nan)
        return result

    def _draw(self, n_images, ny, nx, rng):
        """
        Draw the (n, 2, 3) matrices that map old to new pixels.
        """
        if self.rotate == 'any':
            angle = rng.uniform(0, 2 * np.pi, n_images)
        elif self.rotate == 'right':
            angle = 0.5 * np.pi * rng.integers(0, 4, n_images)
        else:
            angle = np.zeros(n_images)
        sign = np.ones((n_images, 2))
        if self.flip:
            sign = 2.0 * rng.integers(0, 2, (n_images, 2)) - 1
        shift = rng.uniform(-self.max_shift, self.max_shift, (n_images, 2))
        cos, sin = np.cos(angle), np.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
        linear = linear * sign[:, None]
        center = np.array([(nx - 1) / 2, (ny - 1) / 2])
        offset = center - linear @ center + shift
        return np.concatenate((linear, offset[..., None]), axis=2)


def _warp(plane, matrix):
    """
    Move the pixels of a stack, with bilinear interpolation.
    """
    return warp_affine(plane[:, None], matrix, plane.shape[-2:],
                       mode='bilinear', padding_mode='zeros',
                       align_corners=True)[:, 0]
