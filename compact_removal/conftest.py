# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Configuration of pytest: the header, pictures without a screen that no
test leaves open, and the same examples of Hypothesis in every run.
"""

import os
import sys
from importlib.util import find_spec

import pytest

# Set before matplotlib is imported: tests never open a window.
os.environ.setdefault('MPLBACKEND', 'agg')

# What needs torchvision is tested in an environment of its own: `.ci/run`.
collect_ignore = [] if find_spec('torchvision') else [
    'detection/network_rcnn.py', 'detection/tests/test_region_detector.py']

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # only the doctests are run
    pass
else:
    # nothing is written to disk
    settings.register_profile(
        'compact_removal', derandomize=True, deadline=None, database=None,
        max_examples=40, print_blob=False,
        suppress_health_check=[HealthCheck.too_slow,
                               HealthCheck.data_too_large])
    settings.load_profile('compact_removal')

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


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if 'matplotlib.pyplot' in sys.modules:
        sys.modules['matplotlib.pyplot'].close('all')
