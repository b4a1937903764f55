# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of contaminated exposures for the training of a network.
"""

import numpy as np

from compact_removal.contaminants.classes import CLASS_NAMES, find_classes
from compact_removal.contaminants.scaling import scale_image
from compact_removal.contaminants.simulation import contaminate
from compact_removal.datasets import make_exposure

__all__ = ['ContaminatedExposures']

# Shares of exposures with all classes and with few, of which each is there
# with the second chance; the others have one class, or none.
_ALL, _FEW, _CHANCE = 0.45, 0.35, 0.3

# Largest error (standard deviations of the noise) of the background, and
# relative one of the noise; half of the exposures have them (Sect. 2.3.3).
_OFFSET, _FACTOR = 0.5, 0.15

# The simulator can add these.
_ADDED = ('CR', 'HCL', 'DCL', 'HP', 'DP', 'P', 'TRL', 'FR', 'NEB', 'OV')


class ContaminatedExposures:
    """
    Batches of simulated exposures.

    Parameters
    ----------
    classes : str or sequence of str, optional
        What is added.
    size : int, optional
        Side of the exposures (pixels), a multiple of 32.
    batch_size, n_batches : int, optional
        Exposures per batch, and batches per epoch.
    seed : int, optional
        Seed.
    galaxies, cosmic_rays, nebulae : list of `~numpy.ndarray`, optional
        See `~compact_removal.datasets.make_exposure` and
        `~compact_removal.contaminants.contaminate`.
    settings : `~compact_removal.datasets.ExposureSettings`, optional
        The ranges of the exposures.

    Examples
    --------
    >>> from compact_removal.contaminants.batches import ContaminatedExposures
    >>> batches = ContaminatedExposures(size=64, batch_size=2, n_batches=1)
    >>> {name: values.shape for name, values in batches.batch(0, 0).items()}
    {'image': (2, 64, 64), 'truth': (2, 64, 64)}
    """

    def __init__(self, classes='all', *, size=256, batch_size=8,
                 n_batches=100, seed=0, galaxies=None, cosmic_rays=None,
                 nebulae=None, settings=None):
        self._names = [name for name in _ADDED if name in {
            CLASS_NAMES[k] for k in find_classes(classes)}]
        self._size, self._batch_size = size, batch_size
        self._n_batches, self._seed = n_batches, seed
        self._clean = {'galaxies': galaxies, 'settings': settings}
        self._added = {'cosmic_rays': cosmic_rays, 'nebulae': nebulae}

    def __len__(self):
        return self._n_batches

    def exposure(self, *key, size=None):
        """
        Draw an exposure by its number.

        Parameters
        ----------
        *key : int
            Its numbers.
        size : int, optional
            Side (pixels).

        Returns
        -------
        exposure : `~compact_removal.contaminants.ContaminatedExposure`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 47, *key])
        size = self._size if size is None else size
        clean = make_exposure((size, size), seed=rng, **self._clean)
        kind = rng.random()
        if kind < _ALL:
            names = self._names
        elif kind < _ALL + _FEW:
            names = [name for name in self._names if rng.random() < _CHANCE]
        else:
            number = rng.integers(-1, len(self._names))
            names = self._names[number:number + 1] if number >= 0 else []
        # none is a choice, too
        return contaminate(clean, names or ['BG'], seed=rng, **self._added)

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch, number : int
            Which one.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            ``image``, less its background and over its noise, in half
            precision; and ``truth``.
        """
        images, truths = [], []
        for k in range(self._batch_size):
            exposure = self.exposure(epoch, number, k)
            rng = np.random.default_rng([self._seed, 53, epoch, number, k])
            image = scale_image(exposure.image)
            if rng.random() < 0.5:
                image = ((image + rng.normal(0, _OFFSET))
                         * np.exp(rng.normal(0, _FACTOR)))
            images.append(image.clip(-6e4, 6e4).astype('f2'))
            truths.append(exposure.truth.astype('i4'))
        return {'image': np.stack(images), 'truth': np.stack(truths)}
