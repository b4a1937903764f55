# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of contaminated exposures for the training of a network.
"""

import numpy as np

from compact_removal.contaminants.classes import CLASS_NAMES, find_classes
from compact_removal.contaminants.simulation import contaminate
from compact_removal.datasets import Exposure, make_exposure
from compact_removal.datasets.exposures import BRIGHT
from compact_removal.datasets.moffat import MoffatPSF
from compact_removal.maps.background import estimate_background, scale_image

__all__ = ['ADDED', 'ContaminatedExposures', 'UserExposure']

# Shares of exposures with all classes, with few, of which each is there with
# the given chance, and with cosmic rays alone, which users meet most; the
# others have one class, or none.
_ALL, _FEW, _CHANCE, _HITS = 0.4, 0.3, 0.3, 0.15

# Largest error (standard deviations of the noise) of the background, and
# relative one of the noise; half of the exposures have them (Sect. 2.3.3).
_OFFSET, _FACTOR = 0.5, 0.15

# Trails in exposures of users have a PSF of one of these widths (pixels).
_FWHM = 2.0, 4.5

# The simulator can add these.
ADDED = ('CR', 'HCL', 'DCL', 'HP', 'DP', 'P', 'TRL', 'FR', 'NEB', 'OV')


class UserExposure:
    """
    An exposure of a user, from which windows are cut.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``; NaN where a pixel is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.contaminants.batches import UserExposure
    >>> rng = np.random.default_rng(1)
    >>> exposure = UserExposure(rng.normal(100, 5, (300, 300)))
    >>> exposure.cut((64, 64), rng).image.shape
    (64, 64)
    """

    def __init__(self, data):
        background, noise = estimate_background(data)
        self._image = np.where(np.isfinite(data), data,
                               background).astype('f4')
        self._background = background
        self._sky, self._noise = (float(np.median(values))
                                  for values in (background, noise))

    def cut(self, shape, rng):
        """
        Cut a window at a random place.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns; what lies beyond the image is mirrored.
        rng : `numpy.random.Generator`
            Draws the place.

        Returns
        -------
        exposure : `~compact_removal.datasets.Exposure`
            What is in it counts as clean.
        """
        rows, columns = (np.arange(n) + rng.integers(max(size - n, 0) + 1)
                         for n, size in zip(shape, self._image.shape,
                                            strict=True))
        place = np.ix_(*(_mirror(index, size) for index, size in zip(
            (rows, columns), self._image.shape, strict=True)))
        image, none = self._image[place], np.zeros(shape, dtype=bool)
        bright = (image - self._background[place]) > BRIGHT * self._noise
        return Exposure(image, self._sky, self._noise, 1.0,
                        MoffatPSF(rng.uniform(*_FWHM)), np.inf, bright, none,
                        none, *np.zeros((3, 0)))


def _mirror(index, size):
    """
    Places in an image of places beyond it.
    """
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


class ContaminatedExposures:
    """
    Batches of simulated exposures.

    Parameters
    ----------
    classes : str or sequence of str, optional
        What is added.
    images : list of `UserExposure`, optional
        What contaminants are added to; default: simulated exposures.
    size : int, optional
        Side of the exposures (pixels), a multiple of 32.
    batch_size, n_batches : int, optional
        Exposures per batch, and batches per epoch.
    seed : int, optional
        Seed.
    galaxies, cosmic_rays, nebulae, fringes : list of ndarray, optional
        See `~compact_removal.datasets.make_exposure` and
        `~compact_removal.contaminants.contaminate`.
    settings : `~compact_removal.datasets.ExposureSettings`, optional
        The ranges of the exposures.
    structure : bool, optional
        See `~compact_removal.maps.background.estimate_background`;
        that of the network.

    Examples
    --------
    >>> from compact_removal.contaminants.batches import ContaminatedExposures
    >>> batches = ContaminatedExposures(size=64, batch_size=2, n_batches=1)
    >>> {name: values.shape for name, values in batches.batch(0, 0).items()}
    {'image': (2, 64, 64), 'truth': (2, 64, 64)}
    """

    def __init__(self, classes='all', *, images=None, size=256, batch_size=8,
                 n_batches=100, seed=0, galaxies=None, cosmic_rays=None,
                 nebulae=None, fringes=None, settings=None,
                 structure=False):
        self._names = [name for name in ADDED if name in {
            CLASS_NAMES[k] for k in find_classes(classes)}]
        self._size, self._batch_size = size, batch_size
        self._n_batches, self._seed = n_batches, seed
        self._clean = {'galaxies': galaxies, 'settings': settings}
        self._added = {'cosmic_rays': cosmic_rays, 'nebulae': nebulae,
                       'fringes': fringes}
        self._images, self._structure = images, structure

    def __len__(self):
        return self._n_batches

    def exposure(self, *key, size=None, names=None):
        """
        Draw an exposure by its number.

        Parameters
        ----------
        *key : int
            Its numbers.
        size : int, optional
            Side (pixels).
        names : sequence of str, optional
            What is added; default: it is drawn, too.

        Returns
        -------
        exposure : `~compact_removal.contaminants.ContaminatedExposure`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 47, *key])
        size = self._size if size is None else size
        if self._images is None:
            clean = make_exposure((size, size), seed=rng, **self._clean)
        else:
            clean = self._images[rng.integers(len(self._images))].cut(
                (size, size), rng)
        kind = rng.random()
        if names is not None:
            names = list(names)
        elif kind < _ALL:
            names = self._names
        elif kind < _ALL + _FEW:
            names = [name for name in self._names if rng.random() < _CHANCE]
        elif kind < _ALL + _FEW + _HITS and 'CR' in self._names:
            names = ['CR']
        else:
            number = rng.integers(-1, len(self._names))
            names = self._names[number:number + 1] if number >= 0 else []
        # none is a choice, too
        return contaminate(clean, names or ['BG'], seed=rng, **self._added)

    def scaled(self, *key):
        """
        Draw an exposure by its number, and what a network sees of it.

        Parameters
        ----------
        *key : int
            Its numbers.

        Returns
        -------
        image : `~numpy.ndarray`
            Less its background, over its noise.
        exposure : `~compact_removal.contaminants.ContaminatedExposure`
            The exposure.
        """
        exposure = self.exposure(*key)
        rng = np.random.default_rng([self._seed, 53, *key])
        image = scale_image(exposure.image, structure=self._structure)
        if rng.random() < 0.5:
            image = ((image + rng.normal(0, _OFFSET))
                     * np.exp(rng.normal(0, _FACTOR)))
        return image.astype('f4'), exposure

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
        pairs = [self.scaled(epoch, number, k)
                 for k in range(self._batch_size)]
        return {'image': np.stack([image.clip(-6e4, 6e4).astype('f2')
                                   for image, _ in pairs]),
                'truth': np.stack([exposure.truth.astype('i4')
                                   for _, exposure in pairs])}
