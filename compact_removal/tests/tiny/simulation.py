# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Training data of the tiny task.
"""

import numpy as np

__all__ = ['NoisyLevels']


class NoisyLevels:
    """
    Cutouts of constant maps with noise.

    Parameters
    ----------
    levels : array_like
        The constants.
    n_batches, batch_size, size : int
        Number of batches, of cutouts in each, and their side (pixels).
    seed : int
        Seed of everything random.
    """

    def __init__(self, levels, *, n_batches, batch_size, size=8, seed=0):
        self.levels = np.asarray(levels, dtype=float)
        self.n_batches, self.seed = n_batches, seed
        self.shape = batch_size, size, size

    def __len__(self):
        return self.n_batches

    def batch(self, epoch, number):
        """
        Make a batch.

        Parameters
        ----------
        epoch, number : int
            Its place.

        Returns
        -------
        batch : dict of ndarray
            The inputs and the targets of the network.
        """
        rng = np.random.default_rng([self.seed, epoch, number])
        mean = np.broadcast_to(
            rng.choice(self.levels, self.shape[0])[:, None, None], self.shape)
        return {'image': mean + rng.normal(size=self.shape),
                'validity': np.ones(self.shape), 'mean': mean}
