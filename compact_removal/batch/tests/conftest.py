# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Configuration of the tests of this package.
"""

import warnings

import pytest


@pytest.fixture(scope='session')
def client():
    """
    A dask cluster of one worker with two threads, in this process.
    """
    distributed = pytest.importorskip('distributed')
    local = '127.0.0.1:0'
    with warnings.catch_warnings():
        # It looks for the way to the network, which tests do not have.
        warnings.filterwarnings('ignore', "Couldn't detect a suitable IP",
                                RuntimeWarning)
        cluster = distributed.LocalCluster(
            processes=False, n_workers=1, threads_per_worker=2,
            dashboard_address=local, worker_dashboard_address=local)
    with cluster, distributed.Client(cluster,
                                     set_as_default=False) as client:
        yield client
