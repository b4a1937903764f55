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
           'find_doubts', 'find_faint', 'measure_lost']

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


def find_doubts(image, share, other_share, inside, known):
    """
    Estimate which shares of the light of sources are not seen.

    The light beyond the edge, or where pixels are masked, is taken to be
    that on the other side of the source.

    Parameters
    ----------
    image, share, other_share : `~numpy.ndarray`
        Stamps with sources in the middle, and shares of the sources and
        of others in each pixel, shape ``(m, ny, nx)``.
    inside, known : `~numpy.ndarray`
        Shares of each pixel of the stamps that are on the image, and that
        are known, shape ``(m, ny, nx)``.

    Returns
    -------
    doubts : dict of `~numpy.ndarray`
        ``edge`` and ``invalid_pixels``, shares of the light that are
        beyond the edge and not known; ``blended``, the light of others
        where each source is, over its own. Shape ``(m,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.flags import find_doubts
    >>> image = np.ones((1, 8, 8))
    >>> inside = image * (np.arange(8) > 1)
    >>> doubts = find_doubts(image * inside, image, 0 * image, inside, inside)
    >>> doubts['edge'], doubts['invalid_pixels']
    (array([0.25]), array([0.]))
    """
    light = share * np.maximum(image, 0)
    total = np.maximum(light.sum(axis=(1, 2)), 1e-9)
    area = np.maximum(share.sum(axis=(1, 2)), 1e-9)
    mirrored = light[:, ::-1, ::-1]
    filled = np.array([measure_lost(*each) for each in zip(
        light, 1 - inside + known, strict=True)])
    shares = []
    for missing, least in ((1 - inside, 0), (inside - known, filled)):
        lost = np.maximum((mirrored * missing).sum(axis=(1, 2)), least)
        shares.append(np.maximum((missing * share).sum(axis=(1, 2)) / area,
                                 lost / (total + lost)))
    mine = light > CORE * light.max(axis=(1, 2), keepdims=True)
    others = (other_share * np.maximum(image, 0) * mine).sum(axis=(1, 2))
    return {'edge': shares[0], 'invalid_pixels': shares[1],
            'blended': others / total}


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
