# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Flags of sources that do not look like sources.

The limits were calibrated with ``benchmarks/trust.py``: at most one
percent of good sources of any flux carries a flag.
"""

import numpy as np

from compact_removal.removal.flags import FLAG

__all__ = ['QUALITY_FLAGS', 'flag_quality']

# Flags that tell that a source does not look like one.
QUALITY_FLAGS = ('poor_fit', 'sharp', 'extended', 'saturated',
                 'outlier_pixels')

# Width over that of the PSF, and how many errors from 1 it must be.
_SHARP = 0.75
_EXTENDED = 1.3
_WIDTH_SIGNIFICANCE = 5.0

# Errors of the linear flux below which pixels that stand out beside a
# source are taken for the only thing there.
_NOTHING_LEFT = 5.0


def flag_quality(quality, n_outliers, dented):
    """
    Flag sources that are not fitted well.

    Parameters
    ----------
    quality : mapping
        Arrays by the names of the fields of
        `~compact_removal.fitting.quality.FitQuality`, shape ``(n,)``.
    n_outliers : `~numpy.ndarray` of int
        Number of outlying pixels in the core, shape ``(n,)``.
    dented : `~numpy.ndarray` of bool
        Whether the core is flat or dented, shape ``(n,)``.

    Returns
    -------
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal import decode_flags
    >>> from compact_removal.removal.quality_flags import flag_quality
    >>> quality = {'misfit': 0.1, 'fwhm_ratio': 1.9,
    ...            'fwhm_ratio_err': 0.05, 'flux': 9.0, 'flux_err': 0.1}
    >>> flags = flag_quality({name: np.array([value]) for name, value
    ...                       in quality.items()}, np.zeros(1), np.zeros(1))
    >>> decode_flags(flags)
    [['extended']]
    """
    width = np.log(quality['fwhm_ratio'])
    with np.errstate(invalid='ignore'):
        sure = np.abs(width) > _WIDTH_SIGNIFICANCE * quality['fwhm_ratio_err']
        nothing = quality['flux'] < _NOTHING_LEFT * quality['flux_err']
        found = {
            'poor_fit': quality['misfit'] > 1,
            'sharp': (sure & (width < np.log(_SHARP))
                      | (n_outliers > 0) & nothing),
            'extended': sure & (width > np.log(_EXTENDED)),
            'saturated': np.asarray(dented, dtype=bool),
        }
    flags = np.zeros(width.size, dtype=np.int64)
    for name, which in found.items():
        flags[which] |= FLAG[name]
    return flags
