# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The bit flags of sources that are measured in blends, and when they are set.
"""

from types import MappingProxyType

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from compact_removal.utils.flags import Flag

__all__ = ['BLEND_FLAG', 'BLEND_FLAGS', 'CORE', 'LIMITS', 'find_close',
           'find_faint', 'measure_lost']

# Shares of the light of a source from which flags are set.
LIMITS = MappingProxyType({'edge': 0.01, 'invalid_pixels': 0.01,
                           'blended': 0.1})

# A source is where it has this share of its highest light.
CORE = 0.05

# Width of the Gaussian with which light is interpolated (pixels), and its
# least weight.
_AROUND, _LITTLE = 1.5, 0.01

# Positions that are nearer are one (pixels), and the least significance.
_CLOSE, _SIGNIFICANT = 1.0, 3.0

BLEND_FLAGS = (
    Flag(1, 'outside', 'the position is not known or not on the image: '
         'nothing is measured'),
    Flag(2, 'edge', 'the light reaches the edge of the image: what is beyond '
         'is a guess'),
    Flag(4, 'invalid_pixels', 'more than one percent of the light is where '
         'pixels are masked or not finite'),
    Flag(8, 'blended', 'more than a tenth of the light where the source is '
         'belongs to others'),
    Flag(16, 'close', 'another position is nearer than one pixel: they share '
         'their light by chance'),
    Flag(32, 'not_significant', '``flux`` is below three times '
         '``flux_err``'),
)

# Bits by name, for what sets them.
BLEND_FLAG = MappingProxyType({flag.name: flag.value for flag in BLEND_FLAGS})


def find_close(x, y):
    """
    Flag positions that have another one within a pixel.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.

    Returns
    -------
    flags : `~numpy.ndarray` of int
        The bit ``close``, or 0.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.flags import find_close
    >>> find_close(np.array([1.0, 9, 1.5]), np.zeros(3)).tolist()
    [16, 0, 16]
    """
    if len(x) < 2:
        return np.zeros(len(x), dtype=int)
    places = np.column_stack([x, y])
    distance = cKDTree(places).query(places, k=2)[0][:, 1]
    return BLEND_FLAG['close'] * (distance < _CLOSE)


def find_faint(flux, error):
    """
    Flag fluxes that are not significant.

    Parameters
    ----------
    flux, error : `~numpy.ndarray`
        Fluxes and their errors; nothing is said of NaN. Shape ``(n,)``.

    Returns
    -------
    flags : `~numpy.ndarray` of int
        The bit ``not_significant``, or 0.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.flags import find_faint
    >>> find_faint(np.array([4.0, 2.0]), np.ones(2)).tolist()
    [0, 32]
    """
    return BLEND_FLAG['not_significant'] * (flux < _SIGNIFICANT * error)


def measure_lost(light, known):
    """
    Estimate the light of pixels that are not known, from those around.

    Parameters
    ----------
    light : `~numpy.ndarray`
        Light of a source, 0 where nothing is known, shape ``(ny, nx)``.
    known : `~numpy.ndarray`
        Which pixels are known, or which share of them.

    Returns
    -------
    lost : float
        Their light.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.flags import measure_lost
    >>> known = np.ones((9, 9), dtype=bool)
    >>> known[4, 4] = False
    >>> round(measure_lost(1.0 * known, known), 2)
    1.0
    """
    if np.all(known):
        return 0.0
    near = ndimage.gaussian_filter(np.asarray(light, dtype=float), _AROUND)
    weight = ndimage.gaussian_filter(np.asarray(known, dtype=float), _AROUND)
    return float((near / np.maximum(weight, _LITTLE)
                  * (1 - np.asarray(known))).sum())
