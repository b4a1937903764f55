# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The bit flags of sources that are measured in blends.
"""

from types import MappingProxyType

from compact_removal.utils.flags import Flag

__all__ = ['BLEND_FLAG', 'BLEND_FLAGS']

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
