# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The bit flags of detections.
"""

from types import MappingProxyType

from compact_removal.utils.flags import Flag

__all__ = ['DETECTION_FLAG', 'DETECTION_FLAGS']

DETECTION_FLAGS = (
    Flag(1, 'edge', 'within two full widths of the edge of the map, or of '
         'what was observed'),
    Flag(2, 'invalid_pixels', 'masked or non-finite pixels within one full '
         'width'),
    Flag(4, 'blended', 'another detection above the default threshold lies '
         'within one and a half full widths; fluxes share their light'),
    Flag(8, 'not_significant', '``snr`` is below 3'),
    Flag(16, 'not_fitted', 'so improbable that nothing was fitted: '
         '``flux`` and what follows from it are NaN'),
)

# Bits by name, for what sets them.
DETECTION_FLAG = MappingProxyType({flag.name: flag.value
                                   for flag in DETECTION_FLAGS})
