# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated maps, injected sources, real maps and training sets.
"""

from compact_removal.datasets.background_maps import (BackgroundMap,
                                                      find_compact_sources,
                                                      load_background_maps)
from compact_removal.datasets.backgrounds import (list_background_kinds,
                                                  make_background,
                                                  make_random_background)
from compact_removal.datasets.blends import (Blend, BlendSettings,
                                             make_blends)
from compact_removal.datasets.counts import (CountsMap, CountsSettings,
                                             make_counts_map)
from compact_removal.datasets.examples import (make_example_field,
                                               make_test_fields)
from compact_removal.datasets.exposures import (Exposure, ExposureSettings,
                                                make_exposure)
from compact_removal.datasets.galaxies import (GALAXY_KINDS, clean_galaxy,
                                               half_light_radius, make_galaxy,
                                               place_galaxy)
from compact_removal.datasets.moffat import MoffatPSF
from compact_removal.datasets.radio import (RadioMap, RadioSettings,
                                            make_radio_map)
from compact_removal.datasets.scene_simulator import SceneSimulator, make_scene
from compact_removal.datasets.scenes import Scene, SceneSettings
from compact_removal.datasets.source_catalogs import (make_source_catalog,
                                                      make_source_positions,
                                                      read_source_catalog,
                                                      write_source_catalog)
from compact_removal.datasets.sources import (FLUX_LEVELS, flux_levels_between,
                                              inject_sources, make_simulations)
from compact_removal.maps import fetch_pacs_map, read_pacs_map

__all__ = ['BackgroundMap', 'Blend', 'BlendSettings', 'CountsMap',
           'CountsSettings', 'Exposure', 'ExposureSettings', 'FLUX_LEVELS',
           'GALAXY_KINDS', 'MoffatPSF', 'RadioMap', 'RadioSettings', 'Scene',
           'SceneSettings', 'SceneSimulator', 'clean_galaxy', 'fetch_pacs_map',
           'find_compact_sources', 'flux_levels_between', 'half_light_radius',
           'inject_sources', 'list_background_kinds', 'load_background_maps',
           'make_background', 'make_blends', 'make_counts_map',
           'make_example_field', 'make_exposure', 'make_galaxy',
           'make_radio_map', 'make_random_background', 'make_scene',
           'make_simulations', 'make_source_catalog', 'make_source_positions',
           'make_test_fields', 'place_galaxy', 'read_pacs_map',
           'read_source_catalog', 'write_source_catalog']
