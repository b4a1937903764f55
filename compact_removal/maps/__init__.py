# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps as users hand them over: pixels, units, positions, files, holes.
"""

from compact_removal.maps.archive import fetch_pacs_map
from compact_removal.maps.columns import join_catalog, list_columns
from compact_removal.maps.cutouts import (DiscBlender, add_cutouts,
                                          chunk_slices, cutout_radii,
                                          drop_unusable, extract_cutouts,
                                          extract_valid)
from compact_removal.maps.holes import (draw_discs, mask_radius, scale_factor,
                                        source_snr)
from compact_removal.maps.pacs import read_pacs_map

__all__ = ['DiscBlender', 'add_cutouts', 'chunk_slices', 'cutout_radii',
           'draw_discs', 'drop_unusable', 'extract_cutouts', 'extract_valid',
           'fetch_pacs_map', 'join_catalog', 'list_columns', 'mask_radius',
           'read_pacs_map', 'scale_factor', 'source_snr']
