# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a model declares of its inputs and outputs.
"""

import math
from dataclasses import dataclass

from compact_removal.utils.parameters import check_choice

__all__ = ['Field']

_KINDS = ('plane', 'mask', 'target', 'value')
_SCALINGS = ('none', 'affine', 'linear')


@dataclass(frozen=True)
class Field:
    """
    One entry of the batches or the predictions of a model.

    Parameters
    ----------
    kind : {'plane', 'mask', 'target', 'value'}
        ``'plane'``: pixels, shape ``(n, ny, nx)`` or ``(n, c, ny, nx)``;
        NaN where nothing was measured. ``'mask'``: pixels that are 1
        where they may be used, else 0. ``'target'``: pixels that only
        the training sees; NaN where the truth is not known.
        ``'value'``: numbers per cutout, shape ``(n,)`` or ``(n, m)``.
    scaling : {'none', 'affine', 'linear'}, optional
        How it changes with the unit of the image: ``'affine'``, with
        offset and factor; ``'linear'``, with the factor alone.
    dtype : str, optional
        The type of its numbers in tensors.
    positive : bool, optional
        Whether its values must be positive and finite.
    fill : float, optional
        Its value beyond the edges of a map. Default: NaN, nothing was
        measured, for planes with an offset; 0 for others.

    Raises
    ------
    ParameterError
        If ``kind`` or ``scaling`` is not one of those above.

    Examples
    --------
    >>> from compact_removal.nn import Field
    >>> Field('plane', 'affine').dtype
    'float32'
    """

    kind: str
    scaling: str = 'none'
    dtype: str = 'float32'
    positive: bool = False
    fill: float | None = None

    def __post_init__(self):
        check_choice('kind', self.kind, _KINDS)
        check_choice('scaling', self.scaling, _SCALINGS)
        if self.fill is None:
            # no number means the same in every unit
            object.__setattr__(self, 'fill', math.nan if self.scaling
                               == 'affine' else 0.0)
