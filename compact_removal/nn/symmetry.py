# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Results that do not depend on how an image is flipped.
"""

import torch

__all__ = ['FLIPS', 'average_flips']

# Axes that are flipped: none, columns, rows, both.
FLIPS = ((), (-1,), (-2,), (-2, -1))


def average_flips(predict, *planes):
    """
    Average predictions for an image and its mirror images.

    Parameters
    ----------
    predict : callable
        ``predict(axes, *planes)`` takes planes that are flipped along
        some axes, and returns a dict of tensors: planes, which are
        flipped back, or numbers per image, shape ``(n,)``.
    *planes : `torch.Tensor`, (n, ..., ny, nx)
        What the prediction sees.

    Returns
    -------
    mean : dict of `torch.Tensor`
        The means.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.symmetry import average_flips
    >>> image = torch.arange(6.0).reshape(1, 2, 3)
    >>> mean = average_flips(lambda axes, image: {
    ...     'first': image[:, 0, 0], 'image': image}, image)
    >>> float(mean['first'][0]), bool((mean['image'] == image).all())
    (2.5, True)
    """
    total = {}
    for axes in FLIPS:
        outputs = predict(axes, *(torch.flip(plane, axes)
                                  for plane in planes))
        for name, value in outputs.items():
            if value.ndim > 2:
                value = torch.flip(value, axes)
            total[name] = value + total[name] if name in total else value
    return {name: value / len(FLIPS) for name, value in total.items()}
