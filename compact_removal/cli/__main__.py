# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Run the ``compact-removal`` command as a module.
"""

import sys

from compact_removal.cli import main

sys.exit(main())
