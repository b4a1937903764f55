# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps as users hand them over: pixels, units, positions, files, holes.
"""

from compact_removal.maps.archive import fetch_pacs_map
from compact_removal.maps.columns import join_catalog
from compact_removal.maps.cutouts import add_cutouts, extract_cutouts
from compact_removal.maps.files import read_catalog
from compact_removal.maps.holes import draw_discs, mask_radius, source_snr
from compact_removal.maps.pacs import read_pacs_map
from compact_removal.maps.positions import read_pixels, read_positions

__all__ = ['add_cutouts', 'draw_discs', 'extract_cutouts', 'fetch_pacs_map',
           'join_catalog', 'mask_radius', 'read_catalog', 'read_pacs_map',
           'read_pixels', 'read_positions', 'source_snr']
