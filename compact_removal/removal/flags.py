# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The bit flags of sources and of background pixels.
"""

from types import MappingProxyType

import numpy as np

from compact_removal.utils.flags import Flag
from compact_removal.utils.parameters import ParameterError

__all__ = ['FLAG', 'PIXEL_FLAG', 'PIXEL_FLAGS', 'SOURCE_FLAGS',
           'decode_flags']


SOURCE_FLAGS = (
    Flag(1, 'edge', 'part of the hole lies off the map'),
    Flag(2, 'invalid_pixels', 'masked or non-finite pixels in the hole'),
    Flag(4, 'invalid_center', 'the pixel of the source itself is masked or '
         'not finite (saturated or not observed)'),
    Flag(8, 'overlap', 'the hole overlaps that of another source'),
    Flag(16, 'off_map', 'the position is off the map or not finite; nothing '
         'was done'),
    Flag(32, 'no_background', 'no usable background pixels around the '
         'source; nothing was done'),
    Flag(64, 'duplicate', 'another position lies within half a beam, on a '
         'brighter pixel; the source was processed once, there, and both '
         'rows hold its numbers'),
    Flag(128, 'not_recentered', 'no centroid was found within the core; the '
         'catalogue position was used'),
    Flag(256, 'aperture_limited', 'an aperture larger than the hole was '
         'reduced to it'),
    Flag(512, 'not_converged', 'the fluxes of source and neighbors had not '
         'settled when the limit of rounds was reached'),
    Flag(1024, 'little_background', 'less than a tenth of the surroundings '
         'is outside of holes, so the background is a guess'),
    Flag(2048, 'merged', 'other positions within half a beam were merged '
         'into this one; if they are sources of their own, the flux is the '
         'sum'),
    Flag(4096, 'off_center', 'the fitted source lies more than a quarter of '
         'the beam from the position, so light may be missing from the '
         'aperture; check the position, or use ``recenter=True``'),
    Flag(8192, 'constant_pixels', 'the pixels of the source, or all around '
         'it, have the same value, as where nothing was observed; the '
         'numbers mean nothing'),
    Flag(16384, 'outlier_pixels', 'pixels within a full width stand out from '
         'the fit (cosmic rays, hot or dead pixels, a dented core); they '
         'were left out and filled by the model'),
    Flag(32768, 'poor_fit', 'the pixels do not look like the PSF on a '
         'background; the flux may be off by more than its error'),
    Flag(65536, 'sharp', 'what is there is narrower than the PSF, or a few '
         'pixels without a source'),
    Flag(131072, 'extended', 'wider than the PSF, so light is missing from '
         'the aperture and the background may hold some of it'),
    Flag(262144, 'saturated', 'the core is flat or dented; it was filled by '
         'the model, fitted to the pixels around it'),
    Flag(524288, 'not_detected', 'nothing of the size of the PSF stands out '
         '(``flux_fit`` below three errors); for what is not larger, '
         '``upper_limit`` holds'),
    Flag(1048576, 'unlisted_neighbor', 'a compact source that is not among '
         'the positions shines there by more than the error of the flux; '
         'it was fitted along, and stays in the background'),
)

PIXEL_FLAGS = (
    Flag(1, 'filled', 'inside the hole of a source: the network estimate'),
    Flag(2, 'blended', 'soft edge of a hole: a mixture of input and '
         'estimate'),
    Flag(4, 'wings', 'outside of holes, where the wings of sources were '
         'taken out; pixels keep what else they show'),
    Flag(8, 'outlier', 'stands out from the fit of a source; left out, and '
         'the estimate takes its place where there is one'),
)

# Bits by name, for the steps that set them.
FLAG = MappingProxyType({flag.name: flag.value for flag in SOURCE_FLAGS})
PIXEL_FLAG = MappingProxyType({flag.name: flag.value for flag in PIXEL_FLAGS})


def decode_flags(flags, *, definitions=SOURCE_FLAGS):
    """
    List the names of the bits that are set.

    The bits of the ``flags`` column of a source table are:

    {table}

    Parameters
    ----------
    flags : int or array_like of int
        Flag values.
    definitions : tuple of `~compact_removal.removal.Flag`, optional
        ``SOURCE_FLAGS``, ``PIXEL_FLAGS``, or those of another task.

    Returns
    -------
    names : list of str, or list of such lists
        One list of names for each value.

    Raises
    ------
    ParameterError
        If a value is not an integer, or has bits that are not defined.

    Examples
    --------
    >>> from compact_removal import decode_flags
    >>> decode_flags(9)
    ['edge', 'overlap']
    >>> decode_flags([0, 16])
    [[], ['off_map']]
    """
    values = np.asarray(flags)
    if values.size and not np.issubdtype(values.dtype, np.integer):
        msg = f'flags must be integers, got dtype {values.dtype}'
        raise ParameterError(msg, 'flags')
    values = values.astype(np.int64)
    known = sum(flag.value for flag in definitions)
    if np.any(values & ~known):
        msg = (f'flags must only have the bits {known:#x} set '
               f'({", ".join(flag.name for flag in definitions)})')
        raise ParameterError(msg, 'flags')
    if values.ndim == 0:
        return [flag.name for flag in definitions
                if int(values) & flag.value]
    return [decode_flags(value, definitions=definitions) for value in values]


if decode_flags.__doc__:
    decode_flags.__doc__ = decode_flags.__doc__.replace(
        '{table}', '\n    '.join(
            f'* {flag.value}: ``{flag.name}``, {flag.description}'
            for flag in SOURCE_FLAGS))
