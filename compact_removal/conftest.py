# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Configuration of pytest: the header, and pictures without a screen.
"""

import os

# Set before matplotlib is imported: tests never open a window.
os.environ.setdefault('MPLBACKEND', 'agg')

try:
    from pytest_astropy_header.display import (
        PYTEST_HEADER_MODULES,
        TESTED_VERSIONS,
    )
except ImportError:  # pytest-astropy is not installed
    PYTEST_HEADER_MODULES = {}
    TESTED_VERSIONS = {}


def pytest_configure(config):
    from compact_removal import __version__

    config.option.astropy_header = True
    PYTEST_HEADER_MODULES.clear()
    for name in ('numpy', 'scipy', 'astropy', 'photutils', 'regions',
                 'torch', 'kornia', 'safetensors', 'matplotlib'):
        PYTEST_HEADER_MODULES[name] = name
    TESTED_VERSIONS['compact-removal'] = __version__
