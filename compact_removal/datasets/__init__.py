# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated maps, injected sources, real maps and training sets.
"""

# ruff: noqa: F403, F405
from compact_removal.maps.archive import *
from compact_removal.datasets.backgrounds import *
from compact_removal.datasets.examples import *
from compact_removal.datasets.background_maps import *
from compact_removal.maps.pacs import *
from compact_removal.datasets.saved import *
from compact_removal.datasets.scene_simulator import *
from compact_removal.datasets.scenes import *
from compact_removal.datasets.sources import *

__all__ = ['BackgroundMap', 'FLUX_LEVELS', 'SavedCutouts', 'Scene',
           'SceneSettings', 'SceneSimulator', 'fetch_pacs_map',
           'find_compact_sources', 'flux_levels_between', 'inject_sources',
           'list_background_kinds', 'load_background_maps', 'make_background',
           'make_example_field', 'make_random_background', 'make_scene',
           'make_simulations', 'make_source_catalog', 'make_source_positions',
           'make_test_fields', 'read_pacs_map', 'read_source_catalog',
           'save_cutouts', 'write_source_catalog']
