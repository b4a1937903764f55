# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Configuration of the tests of this package.
"""

import pytest


@pytest.fixture(autouse=True, scope='session')
def _one_thread():
    """
    Use one thread: the networks of the tests are too small for more.
    """
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
